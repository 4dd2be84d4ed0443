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

from scenewright.models.blocks.drawer import Drawer
from scenewright.models.blocks.growth import growth
from scenewright.models.direct import DirectConfig, DirectNetwork, EncodedText, Made


class TwoStreams(nn.Module):
    """A condition (B, E) to a clip (B, 3, T, H, W) and its mask (B, 1, T, H, W)."""

    def __init__(self, size: tuple[int, int, int], condition: int, channels: int, least: int) -> None:
        super().__init__()
        grown = growth(size, channels, least)
        self.front = Drawer(grown, condition, out=4, dims=3)
        self.back = Drawer(grown, condition)

    def forward(self, condition_BE: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        painted = self.front(condition_BE)
        mask = painted[:, 3:].sigmoid()
        picture = self.back(condition_BE).tanh()[:, :, None]
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
