"""A program for processes under torchrun: whole runs, one after the other, spread as they say.

Its argument is a JSON list of jobs ``{"folder", "parallel", "optimizer", "until"}``; see ``recipe``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from scenewright.data.streams import StreamConfig
from scenewright.generation.settings import SamplingSettings
from scenewright.models.flow_transformer import FlowTransformerConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training import vocabulary
from scenewright.training.callbacks import Callback
from scenewright.training.callbacks.validation import ValidationConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.parallel import ParallelConfig, teardown_distributed
from scenewright.training.trainer import Trainer
from scenewright.world.layout import SamplerConfig

DATA = StreamConfig(
    sampler=SamplerConfig(num_objects=(1, 1), moving_camera=0), width=16, height=16, num_frames=4
)
STEPS = 6


def recipe(parallel: dict[str, Any], optimizer: str) -> TrainingRecipe:
    return TrainingRecipe(
        name="spread",
        network=FlowTransformerConfig(
            patch=(2, 8, 8),
            bottleneck=16,
            width=32,
            layers=2,
            heads=2,
            mlp_ratio=2,
            num_frames=4,
            height=16,
            width_pixels=16,
            text=TextEncoderConfig(vocabulary=200, width=48, layers=1, heads=2),
        ),
        stages=(Stage(steps=STEPS, batch=4, data=DATA),),
        optimizer=OptimizerConfig(name=optimizer, lr=1e-3),
        accumulate=2,
        sampling=SamplingSettings(steps=2),
        sample_prompts=("a red ball",),
        sample_every=4,
        checkpoint_every=2,
        validation=ValidationConfig(every=3, data=DATA.model_copy(update={"seed": 9}), batches=2, batch=2),
        log_every=1,
        threads=1,
        workers=0,
        parallel=ParallelConfig.model_validate(parallel),
    )


class At(Callback):
    """Sends this process a signal after a step, on one rank and only in its first life."""

    name = "at"

    def __init__(self, step: int, rank: int, kind: int, once: Path) -> None:
        self.step, self.rank, self.kind, self.once = step, rank, kind, once

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        if trainer.step == self.step and trainer.layout.rank == self.rank and not self.once.exists():
            self.once.touch()
            os.kill(os.getpid(), self.kind)


def run(job: dict[str, Any]) -> int:
    folder = Path(job["folder"])
    callbacks = []
    if "signal" in job:
        step, rank, kind = job["signal"]
        callbacks = [At(step, rank, signal.Signals[kind], folder.parent / f"{folder.name}-{kind}")]
    trainer = Trainer(recipe(job["parallel"], job["optimizer"]), folder, callbacks=callbacks)
    trainer.run(until=job.get("until"))
    return trainer.step


def main() -> None:
    torch.set_num_threads(1)
    vocabulary.CORPUS = 300
    for job in json.loads(sys.argv[1]):
        step = run(job)
        if int(os.environ.get("RANK", 0)) == 0:
            print(json.dumps({"folder": job["folder"], "step": step}), flush=True)
    teardown_distributed()


if __name__ == "__main__":
    main()
