"""Pictures to vectors and back: what recurrent networks and transformers see and draw of a frame.

N = pictures, C = channels, H, W = rows and columns, D = width of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional as F

from scenewright.config import Config
from scenewright.models.blocks.convolution import Painter, ResidualBlock, conv, group_norm
from scenewright.models.blocks.growth import Growth, growth
from scenewright.models.blocks.norm import rms_norm


class FrameNetworkConfig(Config):
    """Sizes of clips, and of a transformer over their frames. ``channels``, ``least``: of what sees and draws
    frames, see :func:`.growth.growth`. ``width``, ``layers``, ``heads``: of the transformer."""

    num_frames: int = Field(default=8, ge=2)
    height: int = 32
    width_pixels: int = 32
    fps: float = Field(default=4.0, gt=0)
    channels: int = Field(default=64, ge=8)
    least: int = Field(default=24, ge=8)
    width: int = Field(default=128, ge=8)
    layers: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)

    @property
    def growth(self) -> Growth:
        return growth((1, self.height, self.width_pixels), self.channels, self.least)

    @model_validator(mode="after")
    def _check_sizes(self) -> FrameNetworkConfig:
        _ = self.growth
        if self.width % self.heads:
            raise ValueError(f"width = {self.width} is not a multiple of heads = {self.heads}")
        return self


class FrameEncoder(nn.Module):
    """Pictures (N, C, H, W) to vectors (N, D), of root mean square 1, and the maps on the way, the coarsest
    first: a growth read backwards, whose first halving puts four pixels to a place."""

    def __init__(self, grown: Growth, inside: int, width: int) -> None:
        super().__init__()
        self.see = conv(2, 4 * inside, grown.channels[-1])
        pairs = [(fine, coarse) for coarse, fine, _ in reversed(grown.blocks)]
        self.blocks = nn.ModuleList(ResidualBlock(2, fine, fine) for fine, _ in pairs)
        self.downs = nn.ModuleList(conv(2, fine, coarse, 4, 2) for fine, coarse in pairs)
        self.last = ResidualBlock(2, grown.channels[0], grown.channels[0])
        self.norm = group_norm(grown.channels[0])
        self.vector = nn.Linear(grown.channels[0] * grown.places, width)

    def forward(self, x_NCHW: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        x = self.see(F.pixel_unshuffle(x_NCHW, 2))
        maps = []
        for block, down in zip(self.blocks, self.downs, strict=True):
            x = block(x)
            maps.append(x)
            x = down(x)
        x = self.last(x)
        # Else all frames of a clip would begin with almost the same vector.
        vectors_ND = rms_norm(self.vector(F.silu(self.norm(x)).flatten(1)))
        return vectors_ND, [x, *reversed(maps)]


class FrameDecoder(nn.Module):
    """Vectors (N, D) to pictures (N, ``out``, H, W), with the maps of another picture beside them at every
    size (Ronneberger et al. 2015, "U-Net")."""

    def __init__(self, grown: Growth, width: int, out: int) -> None:
        super().__init__()
        self.size = grown.start[1:]
        self.start = nn.Linear(width, grown.channels[0] * grown.places)
        self.blocks = nn.ModuleList(
            ResidualBlock(2, 2 * coarse, fine, (2, 2), width) for coarse, fine, _ in grown.blocks
        )
        self.last = ResidualBlock(2, 2 * grown.channels[-1], grown.channels[-1], condition=width)
        self.painter = Painter(grown.channels[-1], out)

    def forward(self, vectors_ND: torch.Tensor, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """``maps``: those of :class:`FrameEncoder`, for each of the vectors."""
        x = self.start(vectors_ND).unflatten(1, (-1, *self.size))
        for block, beside in zip((*self.blocks, self.last), maps, strict=True):
            x = block(torch.cat([x, beside], 1), vectors_ND)
        return self.painter(x)
