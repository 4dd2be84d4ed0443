"""From a condition to a picture or a clip, by doublings.

B = batch, E = width of a condition.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from scenewright.models.blocks.convolution import Painter, ResidualBlock
from scenewright.models.blocks.growth import Growth


class Drawer(nn.Module):
    """Conditions (B, E) to pictures (B, ``out``, H, W), or with ``dims`` = 3 to clips (B, ``out``, T, H, W),
    of any range. Of a growth in time, too, pictures take what it does to rows and columns."""

    def __init__(self, grown: Growth, condition: int, out: int = 3, dims: int = 2) -> None:
        super().__init__()
        self.size = grown.start[-dims:]
        self.start = nn.Linear(condition, grown.channels[0] * math.prod(self.size))
        self.blocks = nn.ModuleList(
            ResidualBlock(dims, before, behind, up[-dims:], condition) for before, behind, up in grown.blocks
        )
        self.painter = Painter(grown.channels[-1], out)

    def forward(self, condition_BE: torch.Tensor) -> torch.Tensor:
        x = self.start(condition_BE).unflatten(-1, (-1, *self.size))
        for block in self.blocks:
            x = block(x, condition_BE)
        painted: torch.Tensor = self.painter(x)
        return painted
