"""The exponential moving average of the weights, as a callback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from scenewright.training.callbacks.base import Callback
from scenewright.training.ema import EMA

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer


class Averaging(Callback):
    """Keeps the average that is sampled, validated and exported."""

    name = "ema"

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.ema = EMA(model, decay)

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        self.ema.update(trainer.model)

    def state_dict(self) -> dict[str, Any]:
        return self.ema.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ema.load_state_dict(state)
