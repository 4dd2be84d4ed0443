"""Procedural ground textures and cloud noise: made once, tileable, sampled trilinearly from mip pyramids.

A texture covers ``PERIOD`` x ``PERIOD`` world units with ``SIZE`` x ``SIZE`` texels of linear-light albedo.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from scenewright.world.scene import GROUNDS, Ground

SIZE = 1024
PERIOD = 8.0
LEVELS = SIZE.bit_length()
_CLOUDS = len(GROUNDS)


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 decoding of values in [0, 1]."""
    srgb = np.asarray(srgb, dtype=np.float64)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _noise(
    rng: np.random.Generator, slope: float, low: float, high: float, stretch: float = 1.0
) -> np.ndarray:
    """Tileable Gaussian noise ``(SIZE, SIZE)``, unit variance, with a power-law spectrum.

    Amplitude falls as frequency ** -slope between ``low`` and ``high`` cycles per period; ``stretch`` > 1
    draws it out along the first axis.
    """
    fy = np.fft.fftfreq(SIZE, 1.0 / SIZE)[:, None] * stretch
    fx = np.fft.rfftfreq(SIZE, 1.0 / SIZE)[None, :]
    frequency = np.hypot(fy, fx)
    band = (frequency >= low) & (frequency <= high)
    amplitude = np.where(band, np.maximum(frequency, 1.0) ** -slope, 0.0)
    spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE)).astype(np.float32))
    field = np.fft.irfft2(spectrum * amplitude, s=(SIZE, SIZE))
    return (field / field.std()).astype(np.float64)


def _rgb(red: float, green: float, blue: float) -> np.ndarray:
    return srgb_to_linear(np.array([red, green, blue]) / 255.0)


def _plain(rng: np.random.Generator) -> np.ndarray:
    shade = 1.0 + 0.012 * _noise(rng, 1.2, 1, 200)
    return _rgb(202, 197, 187) * shade[..., None]


def _tiled(rng: np.random.Generator) -> np.ndarray:
    count = 8
    axis = (np.arange(SIZE) + 0.5) * count / SIZE
    cell, inside = axis.astype(int), axis % 1.0
    edge = np.minimum(inside, 1.0 - inside)
    gap = np.minimum(edge[:, None], edge[None, :])
    joint = np.clip((gap - 0.014) / 0.012, 0.0, 1.0)[..., None]
    tone = 1.0 + 0.045 * rng.standard_normal((count, count))
    tone = tone[cell[:, None], cell[None, :]]
    odd = ((cell[:, None] + cell[None, :]) % 2)[..., None]
    tile = np.where(odd, _rgb(176, 184, 190), _rgb(214, 214, 210))
    veins = 1.0 + 0.03 * _noise(rng, 1.6, 3, 300)
    return joint * tile * (tone * veins)[..., None] + (1.0 - joint) * _rgb(120, 118, 114)


def _wooden(rng: np.random.Generator) -> np.ndarray:
    planks = 14
    across = (np.arange(SIZE) + 0.5) * planks / SIZE
    plank, inside = across.astype(int), across % 1.0
    length = (np.arange(SIZE) + 0.5) / SIZE * 2.0  # two boards along a period
    shifted = length[:, None] + rng.random(planks)[plank][None, :]
    board = (shifted.astype(int) % 2) * planks + plank[None, :]
    seam = np.minimum(shifted % 1.0, 1.0 - shifted % 1.0) * (PERIOD / 2.0)
    side = np.minimum(inside, 1.0 - inside)[None, :] * (PERIOD / planks)
    joint = np.clip((np.minimum(seam, side) - 0.004) / 0.010, 0.0, 1.0)[..., None]
    tone = (1.0 + 0.13 * rng.standard_normal(2 * planks)).clip(0.7, 1.3)[board]
    warmth = (0.05 * rng.standard_normal(2 * planks))[board]
    grain = 0.10 * _noise(rng, 0.5, 20, 500, stretch=14.0) + 0.07 * _noise(rng, 1.2, 2, 120, stretch=7.0)
    base = _rgb(186, 146, 102) * np.stack([1.0 + warmth, np.ones_like(warmth), 1.0 - warmth], axis=-1)
    wood = base * (tone * (1.0 + grain))[..., None]
    return joint * wood + (1.0 - joint) * _rgb(78, 54, 34)


def _grass(rng: np.random.Generator) -> np.ndarray:
    patches, blades = _noise(rng, 1.4, 1, 24), _noise(rng, 0.15, 30, 420, stretch=0.6)
    mix = np.clip(0.5 + 0.22 * patches + 0.10 * blades, 0.0, 1.0)[..., None]
    colour = (1.0 - mix) * _rgb(84, 112, 46) + mix * _rgb(138, 146, 76)
    return colour * (1.0 + 0.20 * blades + 0.05 * patches).clip(0.35, 1.8)[..., None]


def _sand(rng: np.random.Generator) -> np.ndarray:
    across = (np.arange(SIZE) + 0.5) / SIZE
    warp = 0.05 * _noise(rng, 2.2, 1, 12)
    phase = 2.0 * np.pi * 22.0 * (across[:, None] + warp * 0.35)
    ripple = np.sin(phase) + 0.3 * np.sin(2.0 * phase)
    shade = 1.0 + 0.055 * ripple + 0.05 * _noise(rng, 0.3, 60, 500) + 0.03 * _noise(rng, 1.5, 1, 40)
    return _rgb(216, 190, 146) * shade[..., None]


_PAINT = {"plain": _plain, "tiled": _tiled, "wooden": _wooden, "grass": _grass, "sand": _sand}


def _clouds(rng: np.random.Generator) -> np.ndarray:
    field = _noise(rng, 1.75, 1, 400)
    return np.repeat(field[..., None], 3, axis=-1)


class TextureAtlas:
    """Mip pyramids of every ground and of the cloud noise, in one flat ``(texels, 3)`` float32 table."""

    def __init__(self, device: torch.device) -> None:
        tables, means = [], []
        for index, paint in enumerate([*(_PAINT[ground] for ground in GROUNDS), _clouds]):
            rng = np.random.default_rng([0x7E47, index])
            image = torch.from_numpy(paint(rng)).float()
            if index != _CLOUDS:
                image = image.clamp(0.0, 0.95)
            means.append(image.mean((0, 1)).tolist())
            level = image.permute(2, 0, 1)
            for _ in range(LEVELS):
                tables.append(level.permute(1, 2, 0).reshape(-1, 3))
                if level.shape[-1] > 1:
                    level = torch.nn.functional.avg_pool2d(level[None], 2)[0]
        self.texels = torch.cat(tables).to(device)
        self.means: dict[Ground, tuple[float, ...]] = {
            ground: tuple(mean) for ground, mean in zip(GROUNDS, means, strict=False)
        }
        sizes = [SIZE >> level for level in range(LEVELS)]
        starts = np.concatenate([[0], np.cumsum([size * size for size in sizes])])
        self.pyramid = int(starts[-1])
        self._starts = torch.tensor(starts[:-1], dtype=torch.int32, device=device)
        self._wraps = torch.tensor(sizes, dtype=torch.int32, device=device) - 1
        self._sizes = torch.tensor(sizes, dtype=torch.float32, device=device)

    def offset(self, ground: Ground | None) -> int:
        """First texel of a ground's pyramid; ``None`` is the cloud noise."""
        return self.pyramid * (_CLOUDS if ground is None else GROUNDS.index(ground))

    def _bilinear(self, offset: Tensor, u: Tensor, v: Tensor, level: Tensor) -> Tensor:
        scale, wrap = self._sizes.index_select(0, level), self._wraps.index_select(0, level)
        x, y = u * scale - 0.5, v * scale - 0.5
        x0, y0 = x.floor(), y.floor()
        fx, fy = (x - x0).unsqueeze(1), (y - y0).unsqueeze(1)
        column, row = x0.int(), y0.int()
        left, right = column & wrap, (column + 1) & wrap
        base, stride = offset + self._starts.index_select(0, level), wrap + 1
        top, bottom = base + (row & wrap) * stride, base + ((row + 1) & wrap) * stride
        texels = self.texels
        a, b = texels.index_select(0, top + left), texels.index_select(0, top + right)
        c, d = texels.index_select(0, bottom + left), texels.index_select(0, bottom + right)
        upper, lower = a + fx * (b - a), c + fx * (d - c)
        return upper + fy * (lower - upper)

    def sample(self, offset: Tensor, u: Tensor, v: Tensor, footprint: Tensor) -> Tensor:
        """Filtered texture values, float32 ``(n, 3)``.

        ``offset``: int32 ``(n,)`` from :meth:`offset`. ``u``, ``v``: float ``(n,)`` in periods, wrapping.
        ``footprint``: float ``(n,)``, the width to average over, in periods.
        """
        mantissa, exponent = torch.frexp((footprint * SIZE).clamp(1.0, float(SIZE)))
        lod = exponent.to(u.dtype) + (2.0 * mantissa - 2.0)  # log2, linear within an octave
        lower = lod.floor().clamp(0, LEVELS - 2)
        level = lower.int()
        fine, coarse = (self._bilinear(offset, u, v, level + i) for i in (0, 1))
        return fine + (lod - lower).unsqueeze(1) * (coarse - fine)


@lru_cache(maxsize=4)
def texture_atlas(device: torch.device) -> TextureAtlas:
    """The shared atlas on ``device``; made at the first call."""
    return TextureAtlas(device)
