"""Solvers of the sampling ODE, from noise (sigma = 1) to a clip (sigma = 0).

Every solver sees a function ``denoise(z, sigma, span)`` that returns the predicted clean clip; the velocity
is (z - x) / sigma. ``span`` is how far the noise level will fall, for networks that were trained to take long
steps; 0 asks for the velocity at sigma itself. Solvers differ in how they spend evaluations:

- ``euler``: one evaluation a step, first order; in these variables it is DDIM (Song et al. 2020), whatever
  the schedule of noise levels: both keep the predicted clip and the predicted noise, and blend them anew;
- ``ddpm``: as many evaluations, and fresh noise at every step (Ho et al. 2020, ancestral sampling);
- ``heun``: two evaluations a step (one at the last), second order (Karras et al. 2022, Algorithm 1, on the
  rectified-flow path);
- ``shortcut``: Euler steps whose length the network is told (Frans et al. 2024); few are enough;
- ``dpmpp_2m``: one evaluation a step, second-order multistep in log-SNR (Lu et al. 2022, DPM-Solver++(2M)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Protocol

import torch

from scenewright.models.noise import NoiseSchedule, shift_sigma, sigma_at, variance_preserving
from scenewright.seeds import keyed_generator


class Denoise(Protocol):
    def __call__(self, z: torch.Tensor, sigma: float, span: float = 0.0) -> torch.Tensor: ...


OnStep = Callable[[int, int], None]
#: Standard normal noise of the shape, for a step.
Fresh = Callable[[int, torch.Tensor], torch.Tensor]


def sigma_schedule(steps: int, shift: float, schedule: NoiseSchedule = "uniform") -> list[float]:
    """``steps`` + 1 noise levels from 1 to 0, by ``schedule`` before the shift."""
    if steps < 1:
        raise ValueError(f"sampling needs at least 1 step, not {steps}")
    times = torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64)
    sigmas = shift_sigma(sigma_at(times, schedule), shift)
    return [1.0, *(float(sigma) for sigma in sigmas[1:])]


def euler(
    denoise: Denoise, z: torch.Tensor, sigmas: list[float], on_step: OnStep | None = None
) -> torch.Tensor:
    for i, (sigma, following) in enumerate(pairwise(sigmas)):
        z = towards(denoise(z, sigma), z, sigma, following)
        _report(on_step, i, sigmas)
    return z


def ddpm(
    denoise: Denoise,
    z: torch.Tensor,
    sigmas: list[float],
    on_step: OnStep | None = None,
    fresh: Fresh = lambda _, like: torch.randn_like(like),
) -> torch.Tensor:
    """Every step draws from the distribution of the next noise level, given z and the predicted clip."""
    for i, (sigma, following) in enumerate(pairwise(sigmas)):
        x = denoise(z, sigma)
        if following == 0:
            z = x
        else:
            levels = torch.tensor([sigma, following], dtype=torch.float64)
            alphas, noises = variance_preserving(levels)
            (alpha, next_alpha), (s, next_s) = alphas.tolist(), noises.tolist()
            noise = (z * (alpha + s) - alpha * x) / s
            variance = (next_s / s) ** 2 * (1 - (alpha / next_alpha) ** 2)
            kept = math.sqrt(max(0.0, next_s**2 - variance))
            drawn = math.sqrt(variance) * fresh(i, z)
            z = (next_alpha * x + kept * noise + drawn) / (next_alpha + next_s)
        _report(on_step, i, sigmas)
    return z


def shortcut(
    denoise: Denoise, z: torch.Tensor, sigmas: list[float], on_step: OnStep | None = None
) -> torch.Tensor:
    for i, (sigma, following) in enumerate(pairwise(sigmas)):
        z = towards(denoise(z, sigma, sigma - following), z, sigma, following)
        _report(on_step, i, sigmas)
    return z


def heun(
    denoise: Denoise, z: torch.Tensor, sigmas: list[float], on_step: OnStep | None = None
) -> torch.Tensor:
    for i, (sigma, following) in enumerate(pairwise(sigmas)):
        velocity = (z - denoise(z, sigma)) / sigma
        predicted = z + (following - sigma) * velocity
        if following > 0:
            corrected = (predicted - denoise(predicted, following)) / following
            predicted = z + (following - sigma) * 0.5 * (velocity + corrected)
        z = predicted
        _report(on_step, i, sigmas)
    return z


def dpmpp_2m(
    denoise: Denoise, z: torch.Tensor, sigmas: list[float], on_step: OnStep | None = None
) -> torch.Tensor:
    previous_x: torch.Tensor | None = None
    previous_step = 0.0
    for i, (sigma, following) in enumerate(pairwise(sigmas)):
        x = denoise(z, sigma)
        if following == 0:
            z = x
        elif sigma >= 1 or previous_x is None or not math.isfinite(previous_step):
            z = towards(x, z, sigma, following)
            previous_step = _log_snr(following) - _log_snr(sigma)
        else:
            step = _log_snr(following) - _log_snr(sigma)
            ratio = step / (2 * previous_step)
            blend = (1 + ratio) * x - ratio * previous_x
            z = (following / sigma) * z - (1 - following) * math.expm1(-step) * blend
            previous_step = step
        previous_x = x
        _report(on_step, i, sigmas)
    return z


SAMPLERS: dict[str, Callable[..., torch.Tensor]] = {
    "euler": euler,
    "ddim": euler,
    "ddpm": ddpm,
    "heun": heun,
    "dpmpp_2m": dpmpp_2m,
    "shortcut": shortcut,
}


def seeded(sampler: str, seed: int) -> Callable[..., torch.Tensor]:
    """The sampler of a name; if it draws noise, then by the seed."""
    if sampler != "ddpm":
        return SAMPLERS[sampler]

    def fresh(step: int, like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=keyed_generator(seed, "sampling noise", step)).to(like)

    return partial(ddpm, fresh=fresh)


def evaluations(sampler: str, steps: int) -> int:
    """How many times a sampler calls the model."""
    return 2 * steps - 1 if sampler == "heun" else steps


def towards(
    x: torch.Tensor, z: torch.Tensor, sigma: float | torch.Tensor, following: float | torch.Tensor
) -> torch.Tensor:
    """One Euler step along v = (z - x) / sigma; exact where x is constant along the path."""
    return z + (following - sigma) * (z - x) / sigma


def _log_snr(sigma: float) -> float:
    """lambda = log(alpha / sigma) with alpha = 1 - sigma."""
    return math.inf if sigma <= 0 else (-math.inf if sigma >= 1 else math.log((1 - sigma) / sigma))


def _report(on_step: OnStep | None, index: int, sigmas: list[float]) -> None:
    if on_step is not None:
        on_step(index + 1, len(sigmas) - 1)
