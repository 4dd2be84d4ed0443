"""Matching: of the texts of a batch, each clip's own is to fit it best, and the other way around."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from scenewright.config import Config
from scenewright.training.objectives.base import MODEL, Inputs, Objective


class MatchingObjectiveConfig(Config):
    name: Literal["matching"] = "matching"


class MatchingObjective(Objective):
    """Trains a :class:`.MatchingNetwork`, which knows its own loss."""

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        texts = inputs.captions
        alike = torch.tensor([[a == b for b in texts] for a in texts], device=inputs.x.device)
        matched = model(inputs.ids, inputs.mask, inputs.x, alike)
        return matched.loss, {"right": matched.right}
