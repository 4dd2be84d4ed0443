"""What can be hung on a run: it is told of the start, of every step and of the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer


class Callback:
    """Does nothing; override what is needed. State is saved in checkpoints under ``name``."""

    name = "callback"

    def on_start(self, trainer: Trainer) -> None:
        """The run is about to take its first step, from nothing or from a checkpoint."""

    def allow_update(self, trainer: Trainer, values: dict[str, float]) -> bool:
        """Whether gradients with these ``values`` (``loss``, ``gradient_norm``, parts) may change weights."""
        return True

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        """Step ``trainer.step`` has been taken."""

    def on_end(self, trainer: Trainer) -> None:
        """The run has reached its last step, or has been asked to stop."""

    def state_dict(self) -> dict[str, Any]:
        """Nested tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo :meth:`state_dict`; what it gives is filled in place for tensors."""
