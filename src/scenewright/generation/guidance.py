"""Classifier-free guidance on an interval of noise levels."""

from __future__ import annotations

from collections.abc import Callable

import torch

from scenewright.generation.samplers import Denoise

#: The network as guidance sees it: both predictions at once, with the text and with the negative text.
Conditional = Callable[[torch.Tensor, float], tuple[torch.Tensor, torch.Tensor]]


def guided(both: Conditional, positive_only: Denoise, scale: float, interval: tuple[float, float]) -> Denoise:
    """A denoiser that follows the text more closely (Ho & Salimans 2022) where sigma is in ``interval``.

    x = x_negative + scale (x_positive - x_negative); outside the interval (Kynkaanniemi et al. 2024) and at
    scale 1 only the positive prediction is computed.
    """
    low, high = interval

    def denoise(z: torch.Tensor, sigma: float, span: float = 0.0) -> torch.Tensor:
        if scale == 1.0 or not low <= sigma <= high:
            return positive_only(z, sigma, span)
        positive, negative = both(z, sigma)
        return negative + scale * (positive - negative)

    return denoise
