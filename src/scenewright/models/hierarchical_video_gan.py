"""Hierarchical VideoGAN: three levels, each twice as fine in time and space as the one before.

The first is a :mod:`VideoGAN <.video_gan>` at a quarter of the frames, rows and columns; each later one
repeats what the one before made, sees the text again, and adds what is finer (after Saito et al. 2020,
"TGANv2", and Zhang et al. 2018, "StackGAN++"). Every level has a judge, whose verdicts of places can be
weighed by the things that are there: see ``regions`` of the objective ``adversarial``.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns, C = channels, E = condition.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional as F

from scenewright.models.blocks.convolution import Painter, ResidualBlock, conv
from scenewright.models.blocks.growth import growth
from scenewright.models.direct import DirectConfig, DirectNetwork, EncodedText, Made
from scenewright.models.video_gan import TwoStreams


class HierarchicalVideoGANConfig(DirectConfig):
    """``noise``: numbers that tell clips of a text apart. ``channels``, ``least``: of the first level, see
    :func:`.blocks.growth.growth`; ``fine``: channels of the second and the third level."""

    family: Literal["hierarchical-video-gan"] = "hierarchical-video-gan"
    noise: int = Field(default=32, ge=1)
    channels: int = Field(default=96, ge=8)
    least: int = Field(default=32, ge=8)
    fine: tuple[int, int] = (32, 16)

    @property
    def levels(self) -> tuple[tuple[int, int, int], ...]:
        size = (self.num_frames, self.height, self.width_pixels)
        return tuple((size[0] // part, size[1] // part, size[2] // part) for part in (4, 2, 1))

    @model_validator(mode="after")
    def _check(self) -> HierarchicalVideoGANConfig:
        for name in ("num_frames", "height", "width_pixels"):
            if getattr(self, name) % 4:
                raise ValueError(f"three levels need {name} in fours, not {getattr(self, name)}")
        growth(self.levels[0], self.channels, self.least)
        return self


class Refinement(nn.Module):
    """A clip (B, 3, T, H, W) and a condition (B, E) to the clip (B, 3, 2T, 2H, 2W)."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.see = conv(3, 3, channels)
        self.text = nn.Linear(condition, channels)
        self.blocks = nn.ModuleList(
            ResidualBlock(3, channels, channels, condition=condition) for _ in range(2)
        )
        self.painter = Painter(channels)

    def forward(self, clips: torch.Tensor, condition_BE: torch.Tensor) -> torch.Tensor:
        frames = clips.repeat_interleave(2, dim=2)
        x = self.see(frames) + self.text(condition_BE)[..., None, None, None]
        for block in self.blocks:
            x = block(x, condition_BE)
        return F.interpolate(frames, scale_factor=[1.0, 2.0, 2.0]) + self.painter(x)


class HierarchicalVideoGAN(DirectNetwork):
    """Text and noise to clips at three levels. Penalty ``mask``: the mean of the first level's mask."""

    Config = HierarchicalVideoGANConfig
    PENALTIES: ClassVar[tuple[str, ...]] = ("mask",)

    def __init__(self, config: HierarchicalVideoGANConfig) -> None:
        super().__init__(config)
        self.config: HierarchicalVideoGANConfig = config
        condition = config.text.width + config.noise
        self.coarse = TwoStreams(config.levels[0], condition, config.channels, config.least)
        self.finer = nn.ModuleList(Refinement(channels, condition) for channels in config.fine)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.noise,)

    def make(self, text: EncodedText, noise: torch.Tensor, real_BCTHW: torch.Tensor | None = None) -> Made:
        condition = torch.cat([text.pooled, noise], -1)
        clips, mask = self.coarse(condition)
        levels = [clips]
        for level in self.finer:
            levels.append(level(levels[-1], condition))
        return Made(tuple(levels), {"mask": mask.mean((1, 2, 3, 4))}, mask)
