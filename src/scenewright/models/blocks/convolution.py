"""Convolutional blocks of generators and discriminators, for pictures and for clips.

B = batch, C = channels, ... = places: (H, W) of pictures, (T, H, W) of clips; E = width of a condition.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


def conv(
    dims: int, inside: int, out: int, kernel: int | tuple[int, ...] = 3, stride: int | tuple[int, ...] = 1
) -> nn.Conv2d | nn.Conv3d:
    """A convolution over 2 or 3 ``dims`` of places, padded so that stride 1 keeps odd kernels' sizes and
    stride 2 halves even ones'."""
    sizes = (kernel,) * dims if isinstance(kernel, int) else kernel
    layer: type[Any] = nn.Conv2d if dims == 2 else nn.Conv3d
    built: nn.Conv2d | nn.Conv3d = layer(inside, out, sizes, stride, tuple((n - 1) // 2 for n in sizes))
    return built


def group_norm(channels: int) -> nn.GroupNorm:
    """Over groups of about 8 channels."""
    return nn.GroupNorm(math.gcd(channels, max(1, channels // 8)), channels)


def spectrally_normed(network: nn.Module) -> nn.Module:
    """``network`` with every convolution and linear map held to a largest singular value of 1
    (Miyato et al. 2018)."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
            spectral_norm(layer)
    return network


class FrameConv(nn.Conv2d):
    """3x3 over the rows and columns of pictures (B, C, H, W), or of every frame of clips (B, C, T, H, W)."""

    def __init__(self, inside: int, out: int) -> None:
        super().__init__(inside, out, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim == 4:
            return super().forward(x)
        frames = x.movedim(2, 1).flatten(0, 1)
        return super().forward(frames).unflatten(0, (len(x), -1)).movedim(1, 2)


class TimeConv(nn.Conv2d):
    """Over 3 frames at every place of clips (B, C, T, H, W): on a CPU three times as fast as a convolution in
    three dimensions."""

    def __init__(self, inside: int, out: int) -> None:
        super().__init__(inside, out, (3, 1), padding=(1, 0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flatten(3)).unflatten(3, x.shape[3:])


class ConditionalNorm(nn.Module):
    """Group norm whose scale and shift a condition decides (Perez et al. 2018, "FiLM"); it begins as a plain
    norm. Without a condition's width it stays one."""

    def __init__(self, channels: int, condition: int = 0) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.scale_shift = nn.Linear(condition, 2 * channels) if condition else None
        if self.scale_shift is not None:
            nn.init.zeros_(self.scale_shift.weight)
            nn.init.zeros_(self.scale_shift.bias)

    def forward(self, x: torch.Tensor, condition_BE: torch.Tensor | None = None) -> torch.Tensor:
        y = self.norm(x)
        if self.scale_shift is None or condition_BE is None:
            return y
        scale, shift = self.scale_shift(condition_BE).unflatten(-1, (2, -1)).unbind(1)
        places = (...,) + (None,) * (x.ndim - 2)
        return y * (1 + scale[places]) + shift[places]


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), (B, C, ...) to (B, out, ...) with ``up`` times as many
    places along each dimension, by repetition; a condition (B, E) scales and shifts the norms.

    Of clips, the first convolution is over rows and columns and the second over frames (Tran et al. 2018,
    "(2+1)D"): a quarter of the work of whole ones."""

    def __init__(
        self, dims: int, channels: int, out: int, up: tuple[int, ...] | None = None, condition: int = 0
    ) -> None:
        super().__init__()
        self.up = up if up is not None and max(up) > 1 else None
        self.first_norm = ConditionalNorm(channels, condition)
        self.first = FrameConv(channels, out)
        self.second_norm = ConditionalNorm(out, condition)
        self.second = FrameConv(out, out) if dims == 2 else TimeConv(out, out)
        self.skip = conv(dims, channels, out, 1) if channels != out else nn.Identity()
        nn.init.zeros_(self.second.weight)

    def forward(self, x: torch.Tensor, condition_BE: torch.Tensor | None = None) -> torch.Tensor:
        h = F.silu(self.first_norm(x, condition_BE))
        # The skip is taken before places are repeated: a convolution of 1 does not mind, and it is cheaper.
        x = self.skip(x)
        if self.up is not None:
            x, h = (F.interpolate(v, scale_factor=[float(u) for u in self.up]) for v in (x, h))
        h = F.silu(self.second_norm(self.first(h), condition_BE))
        return x + self.second(h)


class Painter(nn.Module):
    """Features (B, C, ...) to ``out`` channels, 3 colours by default, at twice the rows and columns: a
    convolution makes the four pixels of each place (Shi et al. 2016, "sub-pixel convolution"), which begin
    alike, for else there would be a chequered pattern (Aitken et al. 2017)."""

    def __init__(self, channels: int, out: int = 3) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.paint = FrameConv(channels, 4 * out)
        with torch.no_grad():
            for values in (self.paint.weight, self.paint.bias):
                assert values is not None
                values.copy_(values[::4].repeat_interleave(4, 0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.paint(F.silu(self.norm(x)))
        if y.ndim == 4:
            return F.pixel_shuffle(y, 2)
        # Frames are pictures here.
        return F.pixel_shuffle(y.movedim(2, 1), 2).movedim(1, 2)
