"""Classifier-free guidance on an interval of noise levels."""

from __future__ import annotations

from collections.abc import Callable

import torch

#: The network as guidance sees it: (z, sigma (B,), row of the text batch to use) is hidden behind two calls.
Conditional = Callable[[torch.Tensor, float], tuple[torch.Tensor, torch.Tensor]]
Unguided = Callable[[torch.Tensor, float], torch.Tensor]


def guided(
    both: Conditional, positive_only: Unguided, scale: float, interval: tuple[float, float]
) -> Callable[[torch.Tensor, float], torch.Tensor]:
    """A denoiser that follows the text more closely (Ho & Salimans 2022) where sigma is in ``interval``.

    x = x_negative + scale (x_positive - x_negative); outside the interval (Kynkaanniemi et al. 2024) and at
    scale 1 only the positive prediction is computed.
    """
    low, high = interval

    def denoise(z: torch.Tensor, sigma: float) -> torch.Tensor:
        if scale == 1.0 or not low <= sigma <= high:
            return positive_only(z, sigma)
        positive, negative = both(z, sigma)
        return negative + scale * (positive - negative)

    return denoise
