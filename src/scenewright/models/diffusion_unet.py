"""Text-conditioned diffusion U-Net for clips (Ho et al. 2022, "Video diffusion models").

Convolutions over rows and columns alternate with ones over frames; pictures are halved and doubled again, and
what a level saw on the way down is seen again on the way up. At the small levels, places of a frame look at
each other and at the words, and a place looks at itself in other frames. Every operation over frames takes
any number of them, one included: clips and pictures are learned by the same weights.

What the last layer paints is the noise, v or the clean clip; the network gives the clean clip that it means.

B = batch, C = channels, T, H, W = frames, rows, columns, D = width of a condition, S = words, E = text width.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional as F

from scenewright.config import Config
from scenewright.models.blocks.attention import Attention
from scenewright.models.blocks.convolution import ConditionalNorm, FrameConv, ResidualBlock
from scenewright.models.blocks.initial import zeros
from scenewright.models.blocks.norm import RMSNorm
from scenewright.models.blocks.positions import grid_coordinates, rotary_angles, sinusoid
from scenewright.models.denoiser import Denoiser
from scenewright.models.noise import variance_preserving
from scenewright.models.text_encoder import TextEncoderConfig, build_text_encoder

#: What the last layer paints: the noise, v = alpha noise - s x (Salimans & Ho 2022), or the clean clip.
Prediction = Literal["noise", "v", "clean"]
#: Below this, a clip is not made out from its noise.
LEAST_ALPHA = 0.005


class DiffusionUNetConfig(Config):
    """``channels``: 3 for pixels; a latent tokenizer sets its own number. ``cell``: pixels in rows and
    columns that the first level sees as one. ``width``: its channels; ``multipliers``: those of each level,
    each half as large as the one before, as multiples. ``blocks``: residual blocks of each level on either
    way. ``attend_at``: levels with at most so many rows have attention, with ``heads``."""

    family: Literal["diffusion-unet"] = "diffusion-unet"
    channels: int = Field(default=3, ge=1)
    cell: int = Field(default=2, ge=1)
    width: int = Field(default=32, ge=4)
    multipliers: tuple[int, ...] = Field(default=(1, 2, 4), min_length=1)
    blocks: int = Field(default=1, ge=1)
    attend_at: int = Field(default=16, ge=1)
    heads: int = Field(default=4, ge=1)
    prediction: Prediction = "v"
    text: TextEncoderConfig = TextEncoderConfig(width=128, layers=2)
    num_frames: int = Field(default=16, ge=1)
    height: int = 64
    width_pixels: int = 64
    fps: float = 8.0

    # It takes nothing beside the text.
    given_frames: ClassVar[int] = 0
    spans: ClassVar[bool] = False
    layout: ClassVar[None] = None

    @model_validator(mode="after")
    def _check(self) -> DiffusionUNetConfig:
        self.grid(self.num_frames, self.height, self.width_pixels)
        for level, channels in enumerate(self.level_channels):
            if self.attends(level) and channels % (4 * self.heads):
                raise ValueError(f"{channels} channels do not share out over {self.heads} heads in fours")
        return self

    @property
    def patch(self) -> tuple[int, int, int]:
        """The smallest clip, of which others are multiples."""
        least = self.cell * 2 ** (len(self.multipliers) - 1)
        return (1, least, least)

    @property
    def level_channels(self) -> list[int]:
        return [self.width * m for m in self.multipliers]

    def attends(self, level: int) -> bool:
        return self.height // (self.cell * 2**level) <= self.attend_at

    def grid(self, num_frames: int, height: int, width: int) -> tuple[int, int, int]:
        """A clip in smallest clips; ValueError where it is no whole number of them."""
        least = self.patch[1]
        for name, size in (("height", height), ("width", width)):
            if size < least or size % least:
                raise ValueError(f"{name} must be a multiple of {least} for this model, not {size}")
        return (num_frames, height // least, width // least)


class DiffusionUNet(Denoiser):
    """See the module and :class:`.Denoiser`."""

    Config = DiffusionUNetConfig

    def __init__(self, config: DiffusionUNetConfig) -> None:
        super().__init__()
        self.config: DiffusionUNetConfig = config
        self.text_encoder = build_text_encoder(config.text)
        widths = config.level_channels
        condition, painted = 4 * config.width, config.channels * config.cell**2
        self.time = nn.Sequential(nn.Linear(256, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.pooled_text = nn.Linear(config.text.width, condition)
        self.read = FrameConv(painted, widths[0])

        def stage(level: int, inside: int) -> Stage:
            heads = config.heads if config.attends(level) else 0
            return Stage(inside, widths[level], condition, config.text.width, heads)

        self.down = nn.ModuleList()
        kept = [widths[0]]
        for level, channels in enumerate(widths):
            before = widths[max(level - 1, 0)]
            self.down.append(
                nn.ModuleList(stage(level, channels if k else before) for k in range(config.blocks))
            )
            kept += [channels] * config.blocks
        self.middle = stage(len(widths) - 1, widths[-1])
        self.up = nn.ModuleList()
        for level in reversed(range(len(widths))):
            stages = []
            for k in range(config.blocks + (level == 0)):
                before = widths[min(level + (k == 0), len(widths) - 1)]
                stages.append(stage(level, before + kept.pop()))
            self.up.append(nn.ModuleList(stages))
        self.norm = ConditionalNorm(widths[0], condition)
        self.paint = FrameConv(widths[0], painted)
        nn.init.zeros_(self.paint.weight)
        # Noise is carried to the end as it came: its pixels are many, and the first level's channels few.
        self.carry = zeros(nn.Linear(condition, painted))

    def forward(
        self,
        z_BCTHW: torch.Tensor,
        sigma_B: torch.Tensor,
        words_BSE: torch.Tensor,
        pooled_BE: torch.Tensor,
        mask_BS: torch.Tensor,
    ) -> torch.Tensor:
        """The predicted clean clip, shaped as ``z_BCTHW``. ``sigma_B``: float noise levels in [0, 1]."""
        self.config.grid(*z_BCTHW.shape[2:])
        alpha, s = (
            v.to(z_BCTHW.dtype)[:, None, None, None, None] for v in variance_preserving(sigma_B.float())
        )
        z_BCTHW = z_BCTHW * (alpha + s)
        painted = self._painted(z_BCTHW, sigma_B, words_BSE, pooled_BE, mask_BS)
        if self.config.prediction == "v":
            return alpha * z_BCTHW - s * painted
        if self.config.prediction == "noise":
            # At pure noise nothing of the clip is left, and any clip is as good as another.
            return (z_BCTHW - s * painted) / alpha.clamp(min=LEAST_ALPHA)
        return painted

    def _painted(
        self,
        z_BCTHW: torch.Tensor,
        sigma_B: torch.Tensor,
        words_BSE: torch.Tensor,
        pooled_BE: torch.Tensor,
        mask_BS: torch.Tensor,
    ) -> torch.Tensor:
        cell, frames = self.config.cell, z_BCTHW.shape[2]
        times_BK = sinusoid(sigma_B * 1000.0, 256).to(z_BCTHW.dtype)
        condition_BD = F.silu(self.time(times_BK) + self.pooled_text(pooled_BE))
        beside = (condition_BD, words_BSE, mask_BS)
        pictures = F.pixel_unshuffle(z_BCTHW.movedim(2, 1).flatten(0, 1), cell)
        x = self.read(pictures).unflatten(0, (-1, frames)).movedim(1, 2)
        seen = [x]
        for level, stages in enumerate(_lists(self.down)):
            if level:
                x = F.avg_pool3d(x, (1, 2, 2))
            for stage in stages:
                x = stage(x, *beside)
                seen.append(x)
        x = self.middle(x, *beside)
        for level, stages in enumerate(_lists(self.up)):
            if level:
                x = F.interpolate(x, scale_factor=(1.0, 2.0, 2.0))
            for stage in stages:
                x = stage(torch.cat([x, seen.pop()], 1), *beside)
        carried = self.carry(condition_BD).repeat_interleave(frames, 0)[..., None, None] * pictures
        x = F.silu(self.norm(x, condition_BD)).movedim(2, 1).flatten(0, 1)
        return F.pixel_shuffle(self.paint(x) + carried, cell).unflatten(0, (-1, frames)).movedim(1, 2)


def _lists(levels: nn.ModuleList) -> Iterable[nn.ModuleList]:
    return (stages for stages in levels if isinstance(stages, nn.ModuleList))


class Stage(nn.Module):
    """A residual block, and attention where there are ``heads``; (B, C, T, H, W) to as many places.

    It is told where each place is: else a network of few levels knows none from another while there is
    nothing but noise to see."""

    def __init__(self, inside: int, out: int, condition: int, text_width: int, heads: int) -> None:
        super().__init__()
        self.places = nn.Linear(PLACE_FEATURES, inside, bias=False)
        self.block = ResidualBlock(3, inside, out, condition=condition)
        self.looks = nn.ModuleDict()
        if heads:
            self.looks = nn.ModuleDict(
                {
                    "places": Look(out, heads),
                    "words": Look(out, heads, text_width),
                    "frames": Look(out, heads),
                }
            )

    def forward(
        self, x: torch.Tensor, condition_BD: torch.Tensor, words_BSE: torch.Tensor, mask_BS: torch.Tensor
    ) -> torch.Tensor:
        places_HWC = self.places(place_features(x.shape[3], x.shape[4], x.device).to(x.dtype))
        x = self.block(x + places_HWC.movedim(-1, 0)[:, None], condition_BD)
        if not self.looks:
            return x
        batch, _, frames, rows, columns = x.shape
        y = x.permute(0, 2, 3, 4, 1)
        y = self.looks["places"](y.reshape(batch * frames, rows * columns, -1), (1, rows, columns))
        y = self.looks["words"](y.reshape(batch, frames * rows * columns, -1), None, words_BSE, mask_BS)
        y = y.view(batch, frames, rows * columns, -1).transpose(1, 2)
        y = self.looks["frames"](y.reshape(batch * rows * columns, frames, -1), (frames, 1, 1))
        return y.view(batch, rows, columns, frames, -1).permute(0, 4, 3, 1, 2)


PLACE_FEATURES = 64


def place_features(rows: int, columns: int, device: torch.device) -> torch.Tensor:
    """float32 (H, W, 64), sinusoids of where each place of a picture is, of any size."""
    coordinates = grid_coordinates((1, rows, columns), device)[:, 1:]
    features = sinusoid(coordinates, PLACE_FEATURES // 2, max_period=64.0)
    return features.flatten(-2).view(rows, columns, -1)


class Look(nn.Module):
    """x + attention(norm(x)), (N, L, C) to the same: tokens look at each other, at places of a ``grid``; or
    at words, which have none. At first they see nothing."""

    def __init__(self, channels: int, heads: int, text_width: int | None = None) -> None:
        super().__init__()
        self.norm = RMSNorm(channels, eps=1e-6)
        self.attention = Attention(channels, heads, text_width)
        zeros(self.attention.out)

    def forward(
        self,
        x: torch.Tensor,
        grid: tuple[int, int, int] | None,
        words_BSE: torch.Tensor | None = None,
        mask_BS: torch.Tensor | None = None,
    ) -> torch.Tensor:
        angles = None
        if grid is not None:
            angles = rotary_angles(grid_coordinates(grid, x.device), self.attention.head_width)
        return x + self.attention(self.norm(x), words_BSE, mask_BS, angles)
