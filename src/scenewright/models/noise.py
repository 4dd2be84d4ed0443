"""Noise levels shared by training and sampling: sigma is 1 at pure noise and 0 at the clean clip.

Everything is on the straight path z = (1 - sigma) x + sigma noise. Diffusion that preserves variance has
z' = alpha x + s noise with alpha^2 + s^2 = 1: the same clip at another scale, z' = (alpha + s) z, where
s / alpha = sigma / (1 - sigma).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch

#: How noise levels fall with time, which runs from 1 to 0; before the shift.
NoiseSchedule = Literal["uniform", "cosine", "linear"]


def shift_sigma(sigma: torch.Tensor, shift: float) -> torch.Tensor:
    """sigma' = s sigma / (1 + (s - 1) sigma) (Esser et al. 2024): a monotone map of [0, 1] onto itself."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def variance_preserving(sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """alpha and s of noise levels."""
    length = torch.hypot(1 - sigma, sigma)
    return (1 - sigma) / length, sigma / length


def sigma_at(time: torch.Tensor, schedule: NoiseSchedule) -> torch.Tensor:
    """Noise levels at times in [0, 1]: 0 at 0, and 1 at 1, or close to it for ``linear``."""
    return _SCHEDULES[schedule](time)


def _cosine(time: torch.Tensor) -> torch.Tensor:
    """alpha^2 is a squared cosine (Nichol & Dhariwal 2021), and 1 at time 0."""
    offset = 0.008
    quarter = math.pi / 2
    alpha = ((time + offset) / (1 + offset) * quarter).cos() / math.cos(offset / (1 + offset) * quarter)
    return _straight(alpha.clamp(0, 1))


def _linear(time: torch.Tensor) -> torch.Tensor:
    """That of DDPM (Ho et al. 2020), whose variances grow linearly from 1e-4 to 0.02 over 1000 steps, with
    steps that are infinitely short (Song et al. 2021, "VP")."""
    return _straight((-(time.square() * (20 - 0.1) / 4) - time * 0.1 / 2).exp())


def _straight(alpha: torch.Tensor) -> torch.Tensor:
    s = (1 - alpha.square()).clamp(min=0).sqrt()
    return s / (alpha + s)


_SCHEDULES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "uniform": lambda time: time,
    "cosine": _cosine,
    "linear": _linear,
}
