"""Exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from scenewright.training.parallel.tensor import local_part


class EMA:
    """Keeps averages of ``model``'s parameters, spread over processes as they are; not of those that do not
    learn at all.

    ``decay`` is warmed up as (1 + n) / (10 + n).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.weights = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
        self._learns = [p.requires_grad for p in model.parameters()]

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages = [local_part(x) for x in self.weights.values()]
        torch._foreach_lerp_(averages, self._averaged(model), 1 - decay)

    @contextmanager
    def in_place(self, model: nn.Module) -> Iterator[None]:
        """Inside, the parameters of ``model`` have the averaged values."""
        parameters = self._averaged(model)
        trained = [x.clone() for x in parameters]
        torch._foreach_copy_(parameters, [local_part(x) for x in self.weights.values()])
        try:
            yield
        finally:
            torch._foreach_copy_(parameters, trained)

    def _averaged(self, model: nn.Module) -> list[torch.Tensor]:
        pairs = zip(model.parameters(), self._learns, strict=True)
        return [local_part(p.data) for p, learns in pairs if learns]

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "model": dict(self.weights)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates = int(state["updates"])
        for name, average in self.weights.items():
            local_part(average).copy_(local_part(state["model"][name]))
