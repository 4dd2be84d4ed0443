"""Noise levels shared by training and sampling: sigma is 1 at pure noise and 0 at the clean clip."""

from __future__ import annotations

import torch


def shift_sigma(sigma: torch.Tensor, shift: float) -> torch.Tensor:
    """sigma' = s sigma / (1 + (s - 1) sigma) (Esser et al. 2024): a monotone map of [0, 1] onto itself."""
    return shift * sigma / (1 + (shift - 1) * sigma)
