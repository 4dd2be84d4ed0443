"""Trains every family that makes videos on the same clips with the same budget, and judges them alike.

    python benchmarks/zoo.py train [NAME ...] [--core-minutes 60] [--threads 1]
    python benchmarks/zoo.py score [NAME ...] [--json]

``train`` goes on where it was stopped. The budget is processor time, so that other work on the machine does
not shorten a family's share: 60 core-minutes are half an hour of two cores. A family's steps are set once, by
the processor time of some steps, so that its learning rate ends where the budget does. ``--scenes`` chooses
clips of one thing or of two.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Families in the order of the page, and what each needs to have been trained before.
FAMILIES: dict[str, tuple[str, ...]] = {
    "seq2seq": (),
    "aed": (),
    "c-gan": (),
    "video-gan": (),
    "hierarchical-video-gan": (),
    "moco-gan": (),
    "stack-gan": (),
    "damsm": (),
    "attn-gan": ("damsm",),
    "text2video-gan": (),
    "tokenizer": (),
    "video-bert": ("tokenizer",),
    "video-gpt": ("tokenizer",),
    "flow": (),
}
#: Those that make no videos.
HELPERS = {"damsm", "tokenizer"}
CLIPS = 16_000
SAMPLER = {"moving_camera": 0.0, "settings": 0.0, "sequences": 0.0, "speeds": 0.0, "still": 0.12}
SCENES: dict[str, dict[str, Any]] = {
    "one": {"seed": 301, "sampler": {"num_objects": [1, 1], **SAMPLER}},
    "two": {"seed": 302, "sampler": {"num_objects": [2, 2], **SAMPLER}},
}
#: Steps whose time sets the budget, after some that warm up.
WARM, TIMED = 4, 12


@dataclass(frozen=True)
class Place:
    """Where everything is kept. ``scenes``: "one" or "two"."""

    root: Path
    scenes: str

    @property
    def clips(self) -> Path:
        return self.root / self.scenes / "clips"

    def run(self, family: str) -> Path:
        return self.root / self.scenes / family

    def budget(self, family: str) -> Path:
        return self.root / self.scenes / f"{family}.json"


def make_clips(place: Place, workers: int) -> None:
    from scenewright.data.world_source import WorldSource, render_shards

    source = WorldSource.model_validate({**SCENES[place.scenes], "width": 64, "height": 64})
    render_shards(source, place.clips, CLIPS, workers=workers)


def recipe_of(place: Place, family: str, threads: int, steps: int) -> Any:
    """The zoo's recipe on the clips that all share."""
    from scenewright.config import load_recipe
    from scenewright.training.config import TrainingRecipe

    changes = [f"threads={threads}", "workers=0", f"stages.0.steps={steps}", "checkpoint_every=100"]
    changes += [f"stages.0.data.shards=[{place.clips}]", "sample_every=100000", "log_every=10"]
    changes += [f"stages.0.data.{key}={json.dumps(value)}" for key, value in SCENES[place.scenes].items()]
    if family == "attn-gan":
        changes += [f"objective.agreement={place.run('damsm') / 'model'}", "objective.agreement_weight=1.0"]
    if "tokenizer" in FAMILIES[family]:
        changes.append(f"autoencoder={place.run('tokenizer') / 'model'}")
    return load_recipe(TrainingRecipe, f"zoo/{family}", changes)


def steps_for(place: Place, family: str, threads: int, core_minutes: float) -> int:
    """How many steps of a family the budget pays for; measured once and kept."""
    import tempfile

    from scenewright.training.trainer import Trainer

    file = place.budget(family)
    if file.is_file():
        kept = json.loads(file.read_text("utf-8"))
        if kept["core_minutes"] == core_minutes:
            return int(kept["steps"])
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe_of(place, family, threads, WARM + TIMED + 1), Path(folder) / "run")
        trainer.run(until=WARM)
        began = time.process_time()
        trainer.run(until=WARM + TIMED)
        seconds = (time.process_time() - began) / TIMED
    steps = max(1, int(core_minutes * 60 / seconds))
    place.root.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps({"core_minutes": core_minutes, "core_seconds_a_step": seconds, "steps": steps}) + "\n",
        "utf-8",
    )
    return steps


def train(place: Place, family: str, threads: int, core_minutes: float) -> None:
    from scenewright.training.trainer import Trainer

    for needed in FAMILIES[family]:
        if not (place.run(needed) / "model").is_dir():
            raise SystemExit(f"{family} needs {needed}: train it before")
    steps = steps_for(place, family, threads, core_minutes)
    print(f"{family}: {steps} steps", flush=True)
    trainer = Trainer(recipe_of(place, family, threads, steps), place.run(family))
    began, first = time.time(), trainer.step
    trainer.run()
    print(f"{family}: step {trainer.step} of {steps}, {time.time() - began:.0f} s from {first}", flush=True)
    if not trainer.finished:
        # It was asked to end.
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("clips", "train"))
    parser.add_argument("families", nargs="*", metavar="NAME", help=f"[default: all: {', '.join(FAMILIES)}]")
    parser.add_argument("--scenes", choices=tuple(SCENES), default="one")
    parser.add_argument("--core-minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("runs/zoo-benchmark"))
    options = parser.parse_args()
    if unknown := set(options.families) - set(FAMILIES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(FAMILIES)}")
    place = Place(options.folder, options.scenes)
    make_clips(place, options.threads)
    for family in options.families or FAMILIES:
        if options.what == "train":
            train(place, family, options.threads, options.core_minutes)


if __name__ == "__main__":
    main()
