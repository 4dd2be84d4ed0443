"""The reader's network: where the objects are (detector), and what each one is and does (describer).

Letters: B clips, T frames, N objects, D token width, G detector grid. Clips enter as ``(B, T, 3, S, S)`` in
[-1, 1] on a canvas of S = ``canvas`` pixels. The detector is a small U-Net on the half-size canvas that
predicts object centres and boxes on a grid of ``canvas / 4`` (Zhou et al., *Objects as Points*, 2019). The
describer sees, for one object, a tube of crops that follows it, its track, the tracks of the others and the
detector's summary of each frame (for the camera), mixes them over time with a transformer, and names shape,
colour, size and material once and motion, direction and depth per frame. How a surface moves within its tube
(which way a thing spins, whether it rolls or slides) comes from a correlation of neighbouring frames
(Dosovitskiy et al., *FlowNet*, 2015).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict
from torch import nn

from scenewright.world.scene import COLORS, DIRECTIONS, MATERIALS, MOTION_KINDS, SHAPES, SIZES, MotionKind

#: What one frame of an object can be doing: ``still`` or a motion of the world.
FRAME_MOTIONS: tuple[Literal["still"] | MotionKind, ...] = ("still", *MOTION_KINDS)
#: Directions a frame can have; ``none`` where the motion has no direction.
FRAME_DIRECTIONS: tuple[str, ...] = ("none", *DIRECTIONS)

#: Numbers per frame of a track: centre x, centre y, width, height (fractions of the picture), score.
TRACK_FEATURES = 5


class ReaderConfig(BaseModel):
    """Sizes of the reader. ``canvas`` and ``tube`` in pixels, ``num_frames`` of the resampled clip."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    canvas: int = 96
    tube: int = 32
    num_frames: int = 16
    detector_width: int = 24
    describer_width: int = 32
    tokens: int = 128
    layers: int = 3
    heads: int = 4


class Residual(nn.Module):
    """Two 3x3 convolutions with batch normalisation and, if ``temporal``, a mix of neighbouring frames."""

    def __init__(self, channels: int, *, temporal: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        self.mix = nn.Conv2d(3 * channels, channels, 1) if temporal else None

    def forward(self, x: torch.Tensor, frames: int) -> torch.Tensor:
        """``x``: (B*T, C, H, W) with ``frames`` = T."""
        h = self.conv1(F.silu(self.norm1(x)))
        if self.mix is not None:
            h = h + self.mix(_with_neighbours(h, frames))
        return x + self.conv2(F.silu(self.norm2(h)))


class Detector(nn.Module):
    """Object centres and boxes per frame."""

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        c = config.detector_width
        self.grid = config.canvas // 4
        self.stem = nn.Conv2d(12, c, 3, padding=1)
        self.fine = Residual(c)
        self.down1 = nn.Conv2d(c, 2 * c, 3, stride=2, padding=1)
        self.middle = Residual(2 * c, temporal=True)
        self.down2 = nn.Conv2d(2 * c, 3 * c, 3, stride=2, padding=1)
        self.coarse = nn.ModuleList([Residual(3 * c, temporal=True) for _ in range(2)])
        self.summary = nn.Linear(3 * c, config.tokens)
        self.up2 = nn.Conv2d(3 * c, 2 * c, 1)
        self.merge2 = Residual(2 * c)
        self.up1 = nn.Conv2d(2 * c, c, 1)
        self.merge1 = Residual(c, temporal=True)
        self.norm = nn.BatchNorm2d(c)
        self.head = nn.Conv2d(c, 5 + len(COLORS) + len(SHAPES), 3, padding=1)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.head.bias[0] = -4.0  # few cells are centres

    def forward(self, x_BTCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns ``dense`` float32 (B, T, 5, G, G): centre logit, offset x, y and log box width, height in
        cells; ``look`` float32 (B, T, colours + shapes, G, G) logits; ``summary`` (B, T, D) of each frame."""
        B, T = x_BTCHW.shape[:2]
        x = F.avg_pool2d(x_BTCHW.flatten(0, 1), 2)
        x = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        fine = self.fine(self.stem(x), T)
        middle = self.middle(self.down1(fine), T)
        h = self.down2(middle)
        for block in self.coarse:
            h = block(h, T)
        summary = self.summary(h.mean((2, 3)).float())
        h = self.merge2(middle + F.interpolate(self.up2(h), size=middle.shape[2:]), T)
        h = self.merge1(fine + F.interpolate(self.up1(h), size=fine.shape[2:]), T)
        out = self.head(F.silu(self.norm(h))).float().unflatten(0, (B, T))
        return out[:, :, :5], out[:, :, 5:], summary.unflatten(0, (B, T))


class Correlation(nn.Module):
    """How well each place of a frame matches the places around it in the next frame, as features.

    Of (N*T, C, H, W) it returns the same shape: normalised dot products with the next frame's features at
    every displacement of up to ``reach`` cells across and down, mixed by two convolutions.
    """

    def __init__(self, channels: int, side: int, width: int = 16, reach: tuple[int, int] = (4, 2)) -> None:
        super().__init__()
        across, down = reach
        shifts = [(dy, dx) for dy in range(-down, down + 1) for dx in range(-across, across + 1)]
        self.features = nn.Conv2d(channels, width, 3, padding=1)
        self.mix1 = nn.Conv2d(len(shifts), channels, 3, padding=1)
        self.mix2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.mix2.weight)
        y, x = torch.arange(side)[:, None, None], torch.arange(side)[None, :, None]
        y = y + torch.tensor([dy for dy, _ in shifts])
        x = x + torch.tensor([dx for _, dx in shifts])
        inside = (y >= 0) & (y < side) & (x >= 0) & (x < side)
        place = torch.where(inside, y * side + x, 0)
        self.register_buffer("place", place.reshape(side * side, -1), persistent=False)
        self.register_buffer("inside", inside.reshape(side * side, -1).float(), persistent=False)

    place: torch.Tensor
    inside: torch.Tensor

    def forward(self, x: torch.Tensor, frames: int) -> torch.Tensor:
        f = F.normalize(self.features(x).float(), dim=1, eps=1e-4).flatten(2)
        y = f.unflatten(0, (-1, frames))
        after = torch.cat([y[:, 1:], y[:, -1:]], 1).flatten(0, 1)
        every = torch.bmm(f.transpose(1, 2), after)
        match = every.float().gather(2, self.place.expand(len(x), -1, -1)) * self.inside
        match = match.transpose(1, 2).unflatten(2, x.shape[2:]).contiguous(memory_format=torch.channels_last)
        return self.mix2(F.silu(self.mix1(4 * match)))


class Describer(nn.Module):
    """Attributes, motions, directions and depth of tracked objects."""

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.config = config
        c, d = config.describer_width, config.tokens
        self.stem = nn.Conv2d(12, c, 3, padding=1)
        self.fine = Residual(c, temporal=True)
        self.surface = Correlation(c, config.tube // 2)
        self.down1 = nn.Conv2d(c, 2 * c, 3, stride=2, padding=1)
        self.middle = Residual(2 * c, temporal=True)
        self.down2 = nn.Conv2d(2 * c, 3 * c, 3, stride=2, padding=1)
        self.coarse = Residual(3 * c, temporal=True)
        side = config.tube // 8
        self.look = nn.Linear(3 * c * side * side, d)
        self.track = nn.Sequential(nn.Linear(2 * TRACK_FEATURES + 3, d), nn.SiLU(), nn.Linear(d, d))
        self.others = nn.Sequential(nn.Linear(2 * TRACK_FEATURES, d), nn.SiLU(), nn.Linear(d, d))
        self.camera = nn.Linear(d, d)
        self.time = nn.Parameter(torch.randn(config.num_frames, d) * 0.02)
        self.mixer = nn.ModuleList(
            [
                nn.TransformerEncoderLayer(
                    d, config.heads, 3 * d, dropout=0.0, batch_first=True, norm_first=True
                )
                for _ in range(config.layers)
            ]
        )
        self.norm = nn.LayerNorm(d)
        self.still_heads = nn.ModuleDict(
            {
                "shape": _head(2 * d, len(SHAPES)),
                "color": _head(2 * d, len(COLORS)),
                "size": _head(2 * d, len(SIZES)),
                "material": _head(2 * d, len(MATERIALS)),
                "real": _head(2 * d, 1),
            }
        )
        self.frame_heads = nn.ModuleDict(
            {
                "motion": nn.Linear(d, len(FRAME_MOTIONS)),
                "direction": nn.Linear(d, len(FRAME_DIRECTIONS)),
                "depth": nn.Linear(d, 1),
            }
        )

    def forward(
        self,
        tubes_NTCSS: torch.Tensor,
        tracks_NTF: torch.Tensor,
        sides_N: torch.Tensor,
        others_NMTF: torch.Tensor,
        others_mask_NM: torch.Tensor,
        summary_NTD: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Logits for N objects.

        ``tubes``: (N, T, 3, tube, tube) in [-1, 1]; ``tracks``: (N, T, 5) as TRACK_FEATURES says; ``sides``:
        (N,) crop side as a fraction of the picture; ``others``: (N, M, T, 5) tracks of the other objects with
        ``others_mask`` true where one is; ``summary``: (N, T, D) from the detector. Returns float32
        ``shape``, ``color``, ``size``, ``material`` (N, classes), ``real`` (N,), ``motion``, ``direction``
        (N, T, classes), ``depth`` (N, T): distance along the view axis over ten world units.
        """
        N, T = tubes_NTCSS.shape[:2]
        x = F.pixel_unshuffle(tubes_NTCSS.flatten(0, 1), 2).contiguous(memory_format=torch.channels_last)
        h = self.fine(self.stem(x), T)
        h = h + self.surface(h, T)
        h = self.middle(self.down1(h), T)
        h = F.silu(self.coarse(self.down2(h), T))
        look = F.layer_norm(self.look(h.flatten(1)).float().reshape(N, T, -1), (self.config.tokens,))
        speed = torch.zeros_like(tracks_NTF)
        speed[:, 1:] = (tracks_NTF[:, 1:] - tracks_NTF[:, :-1]) * 25
        place = tracks_NTF[:, :, 1] + tracks_NTF[:, :, 3] / 2
        scale = torch.stack(
            [place * 4, sides_N[:, None].expand(-1, T) * 6, 3 * sides_N[:, None].log().expand(-1, T)], -1
        )
        token = look + self.track(torch.cat([(tracks_NTF - 0.5) * 4, speed, scale], -1)).float()
        token = token + self.time + self.camera(summary_NTD).float()
        if others_NMTF.shape[1]:
            this = tracks_NTF[:, None].expand_as(others_NMTF)
            pair = self.others(torch.cat([others_NMTF, (others_NMTF - this) * 4], -1)).float()
            pair = pair.masked_fill(~others_mask_NM[:, :, None, None], -1e4).amax(1)
            token = token + pair.clamp_min(0)
        for layer in self.mixer:
            token = layer(token)
        token = self.norm(token.float())
        seen = tracks_NTF[:, :, 4:5].clamp(0.02, 1)
        pooled = torch.cat([token, look], -1).mul(seen).sum(1) / seen.sum(1)
        out = {name: head(pooled).float() for name, head in self.still_heads.items()}
        out |= {name: head(token).float() for name, head in self.frame_heads.items()}
        out["real"] = out["real"].squeeze(-1)
        out["depth"] = out["depth"].squeeze(-1) + 0.8
        return out


class Reader(nn.Module):
    """The two networks under one roof. Both run in float32 or under autocast."""

    def __init__(self, config: ReaderConfig | None = None) -> None:
        super().__init__()
        self.config = config or ReaderConfig()
        self.detector = Detector(self.config)
        self.describer = Describer(self.config)


def channels_last(reader: Reader) -> Reader:
    """The reader with its convolutions' weights in the memory order in which they are fastest."""
    return reader.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def crop_tubes(
    frames_BTCHW: torch.Tensor,
    clip_N: torch.Tensor,
    centres_NT2: torch.Tensor,
    sides_N: torch.Tensor,
    size: int,
) -> torch.Tensor:
    """Bilinear square crops that follow objects.

    ``clip``: which clip each tube is from; ``centres`` and ``sides`` as fractions of the picture. Outside
    the picture the border repeats. Returns (N, T, 3, size, size).
    """
    N, T = centres_NT2.shape[:2]
    cells = (torch.arange(size, device=frames_BTCHW.device) + 0.5) / size - 0.5
    y, x = torch.meshgrid(cells, cells, indexing="ij")
    grid = centres_NT2[:, :, None, None] + torch.stack([x, y], -1) * sides_N[:, None, None, None, None]
    source = frames_BTCHW[clip_N].flatten(0, 1)
    tubes = F.grid_sample(source, grid.flatten(0, 1) * 2 - 1, padding_mode="border", align_corners=False)
    return tubes.reshape(N, T, 3, size, size)


def _with_neighbours(x: torch.Tensor, frames: int) -> torch.Tensor:
    y = x.reshape(-1, frames, *x.shape[1:])
    before = torch.cat([y[:, :1], y[:, :-1]], 1)
    after = torch.cat([y[:, 1:], y[:, -1:]], 1)
    return torch.cat([before, y, after], 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)


def _head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, inputs // 2), nn.SiLU(), nn.Linear(inputs // 2, outputs))
