"""Pictures of what the model makes of the same things, with the same seeds, over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scenewright.training.callbacks.base import Callback

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer


class Samples(Callback):
    """Writes ``step-N.png`` every ``every`` steps and at the end, made as generation would make it."""

    name = "samples"

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every = folder, every

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        if trainer.step % self.every == 0:
            self._sample(trainer)

    def on_end(self, trainer: Trainer) -> None:
        if trainer.finished and trainer.step % self.every:
            self._sample(trainer)

    def _sample(self, trainer: Trainer) -> None:
        pipeline = trainer.pipeline()
        if not trainer.layout.is_main:
            return
        sheet = trainer.family.sheet(pipeline)
        if sheet is not None:
            self.folder.mkdir(exist_ok=True)
            path = self.folder / f"step-{trainer.step:07d}.png"
            sheet.save(path)
            trainer.logging.picture(trainer.step, "samples", path)
