"""Text2VideoGAN: keyframes are planned and drawn first, and the frames between them are filled in.

A recurrent network reads the words again at every keyframe and plans it; a network of pictures, the first
GAN's, draws the keyframes; a second one fills each gap: from two keyframes and the time between them it
makes, for every frame, where its pixels come from in either, how both are blended, and what neither shows
(after Jiang et al. 2018, "Super SloMo"). In training the second also fills the gaps of real clips, which is
the penalty ``filling``: so each learns its own part, and both learn together what judges of keyframes and of
clips find.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns, K = keyframes, C = channels,
N = frames that are filled in, E = condition.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional as F

from scenewright.models.blocks.attention import masked_softmax
from scenewright.models.blocks.convolution import Painter, ResidualBlock, conv
from scenewright.models.blocks.drawer import Drawer
from scenewright.models.blocks.growth import Growth, growth
from scenewright.models.direct import DirectConfig, DirectNetwork, EncodedText, Made


class KeyframeGANConfig(DirectConfig):
    """``noise``: numbers that tell clips of a text apart. ``keyframes``: from the first frame to the last,
    evenly. ``plan``: width of each keyframe's plan. ``channels``, ``least``: of what draws keyframes, see
    :func:`.blocks.growth.growth`; ``filling``: channels of what fills the gaps, at half the rows and columns
    and at a quarter."""

    family: Literal["keyframe-gan"] = "keyframe-gan"
    noise: int = Field(default=32, ge=1)
    keyframes: int = Field(default=4, ge=2)
    plan: int = Field(default=128, ge=8)
    channels: int = Field(default=128, ge=8)
    least: int = Field(default=16, ge=8)
    filling: tuple[int, int] = (16, 32)

    @property
    def every(self) -> int:
        """Frames from one keyframe to the next."""
        return (self.num_frames - 1) // (self.keyframes - 1)

    @property
    def levels(self) -> tuple[tuple[int, int, int], ...]:
        return tuple((frames, self.height, self.width_pixels) for frames in (self.keyframes, self.num_frames))

    def at_level(self, level: int, x_BCTHW: torch.Tensor) -> torch.Tensor:
        keyframes = self.levels[level] == self.levels[0]
        return x_BCTHW[:, :, :: self.every] if keyframes else x_BCTHW

    @property
    def growth(self) -> Growth:
        return growth((1, self.height, self.width_pixels), self.channels, self.least)

    @model_validator(mode="after")
    def _check(self) -> KeyframeGANConfig:
        _ = self.growth
        if (self.num_frames - 1) % (self.keyframes - 1):
            raise ValueError(
                f"{self.keyframes} keyframes do not lie evenly over {self.num_frames} frames; take one more "
                f"than a divisor of {self.num_frames - 1}"
            )
        return self


class GapFiller(nn.Module):
    """Two pictures (N, 3, H, W) each and times (N,) between 0 and 1 to the pictures between, (N, 3, H, W)."""

    def __init__(self, fine: int, coarse: int, condition: int) -> None:
        super().__init__()
        # Pixels of both pictures and the time, four to a place.
        self.see = conv(2, 4 * 7, fine)
        self.fine = ResidualBlock(2, fine, fine, condition=condition)
        self.down = conv(2, fine, coarse, 4, 2)
        self.coarse = ResidualBlock(2, coarse, coarse, condition=condition)
        self.up = ResidualBlock(2, coarse, fine, (2, 2), condition)
        # Two flows, a blend, and three colours.
        self.painter = Painter(fine, 8)
        nn.init.zeros_(self.painter.paint.weight)
        nn.init.zeros_(self.painter.paint.bias)  # type: ignore[arg-type]

    def forward(
        self, before: torch.Tensor, behind: torch.Tensor, time_N: torch.Tensor, condition_NE: torch.Tensor
    ) -> torch.Tensor:
        time = time_N[:, None, None, None].expand(-1, 1, *before.shape[2:])
        x = self.see(F.pixel_unshuffle(torch.cat([before, behind, time], 1), 2))
        x = self.fine(x, condition_NE)
        x = x + self.up(self.coarse(self.down(x), condition_NE), condition_NE)
        first, second, blend, colour = self.painter(x).split([2, 2, 1, 3], 1)
        # Even blends lean to the picture that is nearer in time.
        share = (blend + torch.logit(time.clamp(0.01, 0.99))).sigmoid()
        return (1 - share) * warped(before, first) + share * warped(behind, second) + colour


def warped(pictures: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Pictures (N, C, H, W) whose pixels come from (right, down) by ``flow`` (N, 2, H, W), in eighths of the
    picture's sides, between pixels by linear interpolation."""
    rows, columns = pictures.shape[2:]
    down, right = torch.meshgrid(
        *(
            (torch.arange(n, device=pictures.device, dtype=pictures.dtype) * 2 + 1) / n - 1
            for n in (rows, columns)
        ),
        indexing="ij",
    )
    grid = torch.stack([right, down], -1) + flow.movedim(1, -1) / 4
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


class KeyframeGAN(DirectNetwork):
    """Text and noise to keyframes (the first level) and to a clip (the second)."""

    Config = KeyframeGANConfig
    PENALTIES: ClassVar[tuple[str, ...]] = ("filling",)

    def __init__(self, config: KeyframeGANConfig) -> None:
        super().__init__(config)
        self.config: KeyframeGANConfig = config
        width, grown = config.text.width, config.growth
        self.begin = nn.Linear(width + config.noise, 2 * config.plan)
        self.query = nn.Linear(config.plan, width, bias=False)
        self.planner = nn.LSTMCell(width, config.plan)
        condition = config.plan + width + config.noise
        self.draw = Drawer(grown, condition)
        self.filler = GapFiller(*config.filling, width)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.noise,)

    def make(self, text: EncodedText, noise: torch.Tensor, real_BCTHW: torch.Tensor | None = None) -> Made:
        plans_BKE = self._plans(text, noise)
        drawn = self.draw(plans_BKE.flatten(0, 1)).tanh()
        keys = drawn.unflatten(0, (-1, self.config.keyframes)).movedim(1, 2)
        penalties = {}
        if real_BCTHW is not None:
            filled = self._filled(real_BCTHW[:, :, :: self.config.every], text.pooled)
            penalties["filling"] = (filled - real_BCTHW).abs().mean((1, 2, 3, 4))
        return Made((keys, self._filled(keys, text.pooled)), penalties)

    def _plans(self, text: EncodedText, noise: torch.Tensor) -> torch.Tensor:
        """(B, K, E): what each keyframe shows."""
        words_BSD, pooled_BD, mask_BS = text
        told = torch.cat([pooled_BD, noise], -1)
        hidden, memory = self.begin(told).chunk(2, -1)
        plans, hidden = [], hidden.tanh()
        for _ in range(self.config.keyframes):
            scores_BS = (self.query(hidden)[:, None] * words_BSD).sum(-1) * words_BSD.shape[-1] ** -0.5
            seen_BD = (masked_softmax(scores_BS, mask_BS)[:, None] @ words_BSD)[:, 0]
            hidden, memory = self.planner(seen_BD, (hidden, memory))
            plans.append(torch.cat([hidden, told], -1))
        return torch.stack(plans, 1)

    def _filled(self, keys_BCKHW: torch.Tensor, pooled_BD: torch.Tensor) -> torch.Tensor:
        """Clips (B, C, T, H, W) with these keyframes."""
        batch, every = len(keys_BCKHW), self.config.every
        gaps = self.config.keyframes - 1
        before, behind = keys_BCKHW[:, :, :-1], keys_BCKHW[:, :, 1:]
        if every == 1:
            return keys_BCKHW
        times = torch.arange(1, every, device=keys_BCKHW.device, dtype=keys_BCKHW.dtype) / every
        pairs = [v.movedim(1, 2)[:, :, None].expand(-1, -1, every - 1, -1, -1, -1) for v in (before, behind)]
        told = pooled_BD[:, None].expand(-1, gaps * (every - 1), -1).flatten(0, 1)
        between = self.filler(
            *(v.flatten(0, 2) for v in pairs), times.repeat(batch * gaps), told.contiguous()
        ).unflatten(0, (batch, gaps, every - 1))
        runs = torch.cat([before.movedim(1, 2)[:, :, None], between], 2).flatten(1, 2)
        return torch.cat([runs.movedim(1, 2), keys_BCKHW[:, :, -1:]], 2)
