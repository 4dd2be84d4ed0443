"""Checkpoints at regular steps and when the run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenewright.training.callbacks.base import Callback

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer


class Checkpointing(Callback):
    """Saves every ``every`` steps in the background, and at the end before it returns."""

    name = "checkpointing"

    def __init__(self, every: int) -> None:
        self.every = every

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        if trainer.step % self.every == 0:
            trainer.save()

    def on_end(self, trainer: Trainer) -> None:
        trainer.save(wait=True)
