"""A discriminator that judges a clip patch by patch (Isola et al. 2017), in space and time.

B = batch, C = colours, T/H/W = frames, rows, columns.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm as spectrally_normed

Norm = Literal["none", "batch", "group"]


class PatchDiscriminator(nn.Module):
    """(B, 3, T, H, W) in [-1, 1] to logits (B, 1, T', H', W'), one a patch: above 0 where it looks real.

    ``width``: channels of the first layer. Rows and columns are halved ``depth`` times. ``norm``: after every
    convolution but the first and the last, over the batch or over groups of about 16 channels of each clip.
    ``spectral_norm``: every convolution has a largest singular value of 1 (Miyato et al. 2018).
    """

    def __init__(
        self, width: int = 32, depth: int = 3, norm: Norm = "none", spectral_norm: bool = False
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for level in range(depth):
            out = width * 2**level
            layers.append(nn.Conv3d(channels, out, (3, 4, 4), (1, 2, 2), (1, 1, 1)))
            if level and norm != "none":
                groups = math.gcd(out, max(1, out // 16))
                layers.append(nn.BatchNorm3d(out) if norm == "batch" else nn.GroupNorm(groups, out))
            layers.append(nn.LeakyReLU(0.2))
            channels = out
        layers.append(nn.Conv3d(channels, 1, (3, 1, 1), padding=(1, 0, 0)))
        if spectral_norm:
            layers = [spectrally_normed(x) if isinstance(x, nn.Conv3d) else x for x in layers]
        self.layers = nn.Sequential(*layers)

    def forward(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        return self.layers(x_BCTHW)
