"""Positions: rotary angles over time, height and width, and sinusoidal features."""

from __future__ import annotations

import math

import torch


def rotate(x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding (Su et al. 2021): rotates the pairs (x_i, x_{i + K/2}) by ``angles``.

    ``x``: (..., L, K). ``angles``: (L, K/2), radians.
    """
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)


def grid_coordinates(grid: tuple[int, int, int], device: torch.device | None = None) -> torch.Tensor:
    """Centres of a (frames, rows, columns) token grid, float32 (L, 3), row-major.

    Time counts tokens. Height and width are fractions of the picture times 16, so that the same place has
    the same coordinate at every resolution.
    """
    frames, rows, columns = grid
    t = torch.arange(frames, dtype=torch.float32, device=device)
    y = (torch.arange(rows, dtype=torch.float32, device=device) + 0.5) * (16.0 / rows)
    x = (torch.arange(columns, dtype=torch.float32, device=device) + 0.5) * (16.0 / columns)
    return torch.stack(torch.meshgrid(t, y, x, indexing="ij"), dim=-1).reshape(-1, 3)


def rotary_angles(coordinates_L3: torch.Tensor, head_width: int, base: float = 100.0) -> torch.Tensor:
    """Angles (L, head_width / 2): a quarter of the pairs for time, the rest shared by height and width."""
    pairs = head_width // 2
    spatial = (pairs * 3 // 8) if pairs >= 8 else pairs // 3
    counts = (pairs - 2 * spatial, spatial, spatial)
    parts = []
    for axis, count in enumerate(counts):
        rates = base ** (-torch.arange(count, dtype=torch.float32, device=coordinates_L3.device) / count)
        parts.append(coordinates_L3[:, axis, None] * rates)
    return torch.cat(parts, dim=-1)


def sinusoid(values: torch.Tensor, width: int, max_period: float = 10_000.0) -> torch.Tensor:
    """Sinusoidal features (Vaswani et al. 2017): (...) to (..., width), width even."""
    rates = torch.exp(
        -math.log(max_period)
        * torch.arange(width // 2, dtype=torch.float32, device=values.device)
        / (width // 2)
    )
    angles = values.float()[..., None] * rates
    return torch.cat((angles.cos(), angles.sin()), dim=-1)
