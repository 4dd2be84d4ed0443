"""Guidance on an interval of noise levels: without a classifier, and by one that judges clips."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Steering:
    """``certainty``: of predicted clean clips, pixels float (1, 3, T, H, W) in [-1, 1], the logarithm (1,) of
    how likely what is wanted is. ``weight``: 1 is what the rule of Bayes says. ``most``: by which share of
    its own root mean square a prediction is moved at most. ``interval``: the noise levels at which it is."""

    certainty: Callable[[torch.Tensor], torch.Tensor]
    weight: float = 1.0
    most: float = 0.2
    interval: tuple[float, float] = (0.1, 0.95)


def steered(denoise: Denoise, steering: Steering, pixels: Callable[[torch.Tensor], torch.Tensor]) -> Denoise:
    """A denoiser that goes where a judge of clips finds what is wanted (Dhariwal & Nichol 2021), by the clips
    that the network predicts (Bansal et al. 2023, "universal guidance").

    With z = (1 - sigma) x + sigma noise, the expected clip is (z + sigma^2 grad log p(z)) / (1 - sigma), so a
    gradient of log p(wanted | z) moves it by sigma^2 / (1 - sigma) times that. It is taken through the
    network, whose own idea of what clips look like so shapes it. ``pixels``: what the network predicts, as
    pixels.
    """
    low, high = steering.interval

    def steer(z: torch.Tensor, sigma: float, span: float = 0.0) -> torch.Tensor:
        if not low <= sigma <= high or not steering.weight:
            return denoise(z, sigma, span)
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            x = denoise(z, sigma, span)
            (gradient,) = torch.autograd.grad(steering.certainty(pixels(x)).sum(), z)
        push = steering.weight * sigma**2 / (1 - sigma) * gradient
        if math.isfinite(steering.most):
            size, allowed = push.square().mean().sqrt(), steering.most * x.detach().square().mean().sqrt()
            push = push * (allowed / size.clamp(min=1e-12)).clamp(max=1)
        return x.detach() + push

    return steer
