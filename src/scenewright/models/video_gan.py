"""VideoGAN: things that move before a picture that does not (Vondrick et al. 2016), here of a text.

x = m f + (1 - m) b: a stream of three-dimensional convolutions makes the foreground f and the mask m, one of
two-dimensional convolutions the background b, which is the same in every frame. The mask has a small penalty,
so that what can stand still is left to the background.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns, C = channels, E = condition.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.models.blocks.convolution import Painter, ResidualBlock
from scenewright.models.blocks.growth import growth
from scenewright.models.direct import DirectConfig, DirectNetwork, EncodedText, Made


class TwoStreams(nn.Module):
    """A condition (B, E) to a clip (B, 3, T, H, W) and its mask (B, 1, T, H, W)."""

    def __init__(self, size: tuple[int, int, int], condition: int, channels: int, least: int) -> None:
        super().__init__()
        self.grown = grown = growth(size, channels, least)
        _, rows, columns = grown.start
        self.front_start = nn.Linear(condition, channels * grown.places)
        self.back_start = nn.Linear(condition, channels * rows * columns)
        self.front = nn.ModuleList(ResidualBlock(3, a, b, up, condition) for a, b, up in grown.blocks)
        self.back = nn.ModuleList(ResidualBlock(2, a, b, up[1:], condition) for a, b, up in grown.blocks)
        self.paint_front = Painter(grown.channels[-1], 4)
        self.paint_back = Painter(grown.channels[-1])

    def forward(self, condition_BE: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        front = self.front_start(condition_BE).unflatten(-1, (-1, *self.grown.start))
        back = self.back_start(condition_BE).unflatten(-1, (-1, *self.grown.start[1:]))
        for block in self.front:
            front = block(front, condition_BE)
        for block in self.back:
            back = block(back, condition_BE)
        painted = self.paint_front(front)
        mask = painted[:, 3:].sigmoid()
        picture = self.paint_back(back).tanh()[:, :, None]
        return mask * painted[:, :3].tanh() + (1 - mask) * picture, mask


class VideoGANConfig(DirectConfig):
    """``noise``: numbers that tell clips of a text apart; ``channels``, ``least``: see
    :func:`.blocks.growth.growth`."""

    family: Literal["video-gan"] = "video-gan"
    noise: int = Field(default=32, ge=1)
    channels: int = Field(default=96, ge=8)
    least: int = Field(default=16, ge=8)

    @model_validator(mode="after")
    def _check(self) -> VideoGANConfig:
        growth((self.num_frames, self.height, self.width_pixels), self.channels, self.least)
        return self


class VideoGAN(DirectNetwork):
    """Text and noise to a clip in two streams. Penalty ``mask``: the mask's mean."""

    Config = VideoGANConfig
    PENALTIES: ClassVar[tuple[str, ...]] = ("mask",)

    def __init__(self, config: VideoGANConfig) -> None:
        super().__init__(config)
        self.config: VideoGANConfig = config
        size = (config.num_frames, config.height, config.width_pixels)
        condition = config.text.width + config.noise
        self.streams = TwoStreams(size, condition, config.channels, config.least)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.noise,)

    def make(self, text: EncodedText, noise: torch.Tensor, real_BCTHW: torch.Tensor | None = None) -> Made:
        clips, mask = self.streams(torch.cat([text.pooled, noise], -1))
        return Made((clips,), {"mask": mask.mean((1, 2, 3, 4))}, mask)
