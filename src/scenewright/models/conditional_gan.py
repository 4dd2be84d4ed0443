"""A conditional generator of clips (after Mirza & Osindero 2014; Balaji et al. 2019, "TFGAN").

Noise becomes a small block of space and time, three-dimensional convolutions make it larger, and the text
joins on the way in one of several manners (:mod:`.blocks.fusion`). Its judges see the text, too, and learn
that a real clip of another text is wrong (Reed et al. 2016, "matching-aware"): see the objective
``adversarial``.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns, C = channels.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.models.blocks.convolution import Painter, ResidualBlock
from scenewright.models.blocks.fusion import FusionName, TextFusion
from scenewright.models.blocks.growth import Growth, growth
from scenewright.models.direct import DirectConfig, DirectNetwork, EncodedText, Made


class ConditionalGANConfig(DirectConfig):
    """``noise``: numbers that tell clips of a text apart. ``channels``: of the first blocks, halved towards
    the last ones, ``least`` at least. ``fusion``: how the text joins."""

    family: Literal["conditional-gan"] = "conditional-gan"
    noise: int = Field(default=32, ge=1)
    channels: int = Field(default=128, ge=8)
    least: int = Field(default=16, ge=8)
    fusion: FusionName = "dynamic"

    @property
    def growth(self) -> Growth:
        return growth((self.num_frames, self.height, self.width_pixels), self.channels, self.least)

    @model_validator(mode="after")
    def _check(self) -> ConditionalGANConfig:
        if not self.growth.steps:
            raise ValueError(f"{self.width_pixels}x{self.height} pixels leave no block for the text to join")
        return self


class ConditionalGAN(DirectNetwork):
    """Text and noise to a clip."""

    Config = ConditionalGANConfig

    def __init__(self, config: ConditionalGANConfig) -> None:
        super().__init__(config)
        self.config: ConditionalGANConfig = config
        grown = config.growth
        self.start = nn.Linear(config.noise, grown.channels[0] * grown.places)
        self.blocks = nn.ModuleList(
            ResidualBlock(3, inside, out, up, condition=config.noise) for inside, out, up in grown.blocks
        )
        self.fusion = TextFusion(config.fusion, config.text.width, grown.channels[:-1])
        self.painter = Painter(grown.channels[-1])

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.noise,)

    def make(self, text: EncodedText, noise: torch.Tensor, real_BCTHW: torch.Tensor | None = None) -> Made:
        x = self.start(noise).unflatten(-1, (-1, *self.config.growth.start))
        for index, block in enumerate(self.blocks):
            x = block(self.fusion(index, x, *text), noise)
        return Made((self.painter(x).tanh(),))
