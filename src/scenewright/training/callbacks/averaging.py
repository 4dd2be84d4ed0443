"""The exponential moving average of the weights, as a callback."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from torch import nn

from scenewright.training.callbacks.base import Callback
from scenewright.training.ema import EMA
from scenewright.training.objectives.base import MODEL
from scenewright.training.optimizers import keeps_average, own_average
from scenewright.training.parallel import bare

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer


class Averaging(Callback):
    """Keeps the average that is sampled, validated and exported, unless the optimizer keeps one itself."""

    name = "ema"

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.ema = EMA(model, decay)

    def in_place(self, trainer: Trainer) -> AbstractContextManager[None]:
        """Inside, the model has the averaged weights."""
        optimizers = trainer.optimizers[MODEL]
        if keeps_average(optimizers):
            return own_average(optimizers)
        return self.ema.in_place(bare(trainer.model))

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        self.ema.update(trainer.model)

    def state_dict(self) -> dict[str, Any]:
        return self.ema.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ema.load_state_dict(state)
