"""Stacked generators: a small clip first, and stages that each draw it anew at twice the rows and columns.

Without ``attention`` it is StackGAN (Zhang et al. 2018, "StackGAN++") for clips: the text becomes a Gaussian
of conditions (conditioning augmentation), and every stage sees the condition again beside the features of the
one before. With it, AttnGAN (Xu et al. 2018): every place of a later stage also looks at the words, and the
objective's ``agreement`` adds what a text-video encoder finds of single words (DAMSM). Every stage is a
generator with a judge of its own.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns, C = channels, E = condition.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.models.blocks.conditioning import ConditioningAugmentation, WordAttention
from scenewright.models.blocks.convolution import Painter, ResidualBlock, conv
from scenewright.models.blocks.growth import Growth, growth
from scenewright.models.direct import DirectConfig, DirectNetwork, EncodedText, Made


class StackedGANConfig(DirectConfig):
    """``noise``: numbers that tell clips of a condition apart; ``condition``: width of the text's. The first
    stage has ``channels``, halved down to the first of ``stages``, which are the channels that each stage
    paints from. All stages have all frames; each has half the rows and columns of the next."""

    family: Literal["stacked-gan"] = "stacked-gan"
    attention: bool = False
    noise: int = Field(default=32, ge=1)
    condition: int = Field(default=64, ge=1)
    channels: int = Field(default=96, ge=8)
    stages: tuple[int, ...] = Field(default=(48, 32, 16), min_length=1)

    @property
    def levels(self) -> tuple[tuple[int, int, int], ...]:
        last = len(self.stages) - 1
        return tuple(
            (self.num_frames, self.height >> (last - stage), self.width_pixels >> (last - stage))
            for stage in range(len(self.stages))
        )

    @property
    def growth(self) -> Growth:
        return growth(self.levels[0], self.channels, self.stages[0])

    @model_validator(mode="after")
    def _check(self) -> StackedGANConfig:
        part = 2 ** (len(self.stages) - 1)
        if self.height % part or self.width_pixels % part:
            raise ValueError(
                f"{len(self.stages)} stages need rows and columns in {part}s, not "
                f"{self.width_pixels}x{self.height}"
            )
        if self.growth.start[0] << sum(step[0] > 1 for step in self.growth.steps) != self.num_frames:
            raise ValueError(f"{self.num_frames} frames are not reached by the first stage's doublings")
        return self


class Stage(nn.Module):
    """Features (B, C, T, H, W) of the stage before to those of this one, (B, out, T, 2H, 2W)."""

    def __init__(self, channels: int, out: int, condition: int, noise: int, words: int | None) -> None:
        super().__init__()
        self.attention = None if words is None else WordAttention(channels, words)
        self.join = conv(3, channels * (1 if words is None else 2) + condition, channels, 1)
        self.refine = ResidualBlock(3, channels, channels, condition=condition + noise)
        self.grow = ResidualBlock(3, channels, out, (1, 2, 2), condition + noise)

    def forward(
        self,
        x: torch.Tensor,
        condition_BE: torch.Tensor,
        noise: torch.Tensor,
        text: EncodedText,
    ) -> torch.Tensor:
        seen = [x, condition_BE[..., None, None, None].expand(-1, -1, *x.shape[2:])]
        if self.attention is not None:
            seen.append(self.attention(x, text.words, text.mask))
        everything = torch.cat([condition_BE, noise], -1)
        x = x + self.join(torch.cat(seen, 1))
        return self.grow(self.refine(x, everything), everything)


class StackedGAN(DirectNetwork):
    """Text and noise to a clip at each stage. Penalty ``divergence``: of the text's Gaussian from the
    standard normal one, in nats."""

    Config = StackedGANConfig
    PENALTIES: ClassVar[tuple[str, ...]] = ("divergence",)

    def __init__(self, config: StackedGANConfig) -> None:
        super().__init__(config)
        self.config: StackedGANConfig = config
        grown, width = config.growth, config.text.width
        both = config.condition + config.noise
        self.augment = ConditioningAugmentation(width, config.condition)
        self.start = nn.Linear(both, grown.channels[0] * grown.places)
        self.first = nn.ModuleList(
            ResidualBlock(3, inside, out, up, both) for inside, out, up in grown.blocks
        )
        inside = (grown.channels[-1], *config.stages[1:-1])
        words = width if config.attention else None
        self.later = nn.ModuleList(
            Stage(a, b, config.condition, config.noise, words)
            for a, b in zip(inside, config.stages[1:], strict=False)
        )
        self.painters = nn.ModuleList(Painter(c) for c in (grown.channels[-1], *config.stages[1:]))

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.noise + self.config.condition,)

    @property
    def attention_maps(self) -> torch.Tensor | None:
        # Of the last stage.
        attention = self.later[-1].attention if len(self.later) else None
        return attention.maps if isinstance(attention, WordAttention) else None

    def make(self, text: EncodedText, noise: torch.Tensor, real_BCTHW: torch.Tensor | None = None) -> Made:
        noise, of_condition = noise.split([self.config.noise, self.config.condition], -1)
        condition, divergence = self.augment(text.pooled, of_condition)
        both = torch.cat([condition, noise], -1)
        x = self.start(both).unflatten(-1, (-1, *self.config.growth.start))
        for block in self.first:
            x = block(x, both)
        levels = [self.painters[0](x).tanh()]
        for stage, painter in zip(self.later, self.painters[1:], strict=True):
            x = stage(x, condition, noise, text)
            levels.append(painter(x).tanh())
        return Made(tuple(levels), {"divergence": divergence})
