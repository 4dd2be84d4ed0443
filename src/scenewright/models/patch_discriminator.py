"""A discriminator that judges a clip patch by patch (Isola et al. 2017), in space and time.

B = batch, C = colours, T/H/W = frames, rows, columns.
"""

from __future__ import annotations

import torch
from torch import nn


class PatchDiscriminator(nn.Module):
    """(B, 3, T, H, W) in [-1, 1] to logits (B, 1, T', H', W'), one a patch: above 0 where it looks real.

    ``width``: channels of the first layer. Rows and columns are halved ``depth`` times.
    """

    def __init__(self, width: int = 32, depth: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for level in range(depth):
            out = width * 2**level
            layers += [nn.Conv3d(channels, out, (3, 4, 4), (1, 2, 2), (1, 1, 1)), nn.LeakyReLU(0.2)]
            channels = out
        self.layers = nn.Sequential(*layers, nn.Conv3d(channels, 1, (3, 1, 1), padding=(1, 0, 0)))

    def forward(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        return self.layers(x_BCTHW)
