"""Sight to sound: of every frame it is to be told which sounds begin in it, which are heard, and how.

The loss of a clip is a mean over its frames, and a sum over kinds of sound: binary cross-entropy of whether
a sound begins and whether one is heard, and where one is, the cross-entropy of its material and ``manner``
times the squared error of its strength, place and size, and, where one begins, of when it does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from scenewright.config import Config
from scenewright.data.streams import Batch
from scenewright.training.draws import Draws
from scenewright.training.objectives.base import MODEL, Encode, Inputs, Objective
from scenewright.world.hearing import LATE, MATERIAL, ONSET, SOUNDING, STRENGTH


class SightToSoundObjectiveConfig(Config):
    """``manner``: the weight of squared errors."""

    #: It learns from facts beside the clips.
    takes_facts: ClassVar[bool] = True
    name: Literal["sight_to_sound"] = "sight_to_sound"
    manner: float = Field(default=2.0, ge=0)


class SightToSoundObjective(Objective):
    """Trains a :class:`.SightToSound`."""

    def __init__(self, config: SightToSoundObjectiveConfig) -> None:
        self.config = config

    def prepare(self, batch: Batch, encode: Encode, draws: Draws) -> Inputs:
        return replace(super().prepare(batch, encode, draws), events=batch.events)

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        true, found = inputs.events, model(inputs.x)
        assert true is not None
        present = F.binary_cross_entropy_with_logits(
            found.present.float(), true[..., : SOUNDING + 1], reduction="none"
        )
        counted = true[..., SOUNDING : SOUNDING + 1].repeat(1, 1, 1, MATERIAL - STRENGTH)
        counted[..., LATE - STRENGTH] = true[..., ONSET]
        manner = counted * (found.manner.float() - true[..., STRENGTH:MATERIAL]).square()
        material = true[..., SOUNDING] * F.cross_entropy(
            found.materials.float().movedim(-1, 1), true[..., MATERIAL].long(), reduction="none"
        )
        parts_B = {
            "present": present.sum((2, 3)).mean(1),
            "manner": manner.sum((2, 3)).mean(1),
            "material": material.sum(2).mean(1),
        }
        loss_B = parts_B["present"] + self.config.manner * parts_B["manner"] + parts_B["material"]
        loss = loss_B.mean() if inputs.weights is None else (inputs.weights * loss_B).mean()
        return loss, {name: values.mean().item() for name, values in parts_B.items()}
