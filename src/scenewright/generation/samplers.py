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

A sampler is one step of such a solver (:data:`Step`); :func:`solve` takes them all. What a step leaves, the
noisy clip and the prediction it went by, is all that the next one needs: whoever keeps both can go on later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch

from scenewright.models.noise import NoiseSchedule, shift_sigma, sigma_at, variance_preserving
from scenewright.seeds import keyed_generator


class Denoise(Protocol):
    def __call__(self, z: torch.Tensor, sigma: float, span: float = 0.0) -> torch.Tensor: ...


OnStep = Callable[[int, int], None]
#: Standard normal noise of the shape, for a step.
Fresh = Callable[[int, torch.Tensor], torch.Tensor]


class Step(Protocol):
    """Step ``index``, from noise level sigmas[index] to the next one. ``before``: the clip that was predicted
    in the step before; None in the first. Returns the noisy clip at that level, and the clip predicted."""

    def __call__(
        self,
        denoise: Denoise,
        z: torch.Tensor,
        sigmas: list[float],
        index: int,
        before: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]: ...


def sigma_schedule(steps: int, shift: float, schedule: NoiseSchedule = "uniform") -> list[float]:
    """``steps`` + 1 noise levels from 1 to 0, by ``schedule`` before the shift."""
    if steps < 1:
        raise ValueError(f"sampling needs at least 1 step, not {steps}")
    times = torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64)
    sigmas = shift_sigma(sigma_at(times, schedule), shift)
    return [1.0, *(float(sigma) for sigma in sigmas[1:])]


def solve(
    step: Step, denoise: Denoise, z: torch.Tensor, sigmas: list[float], on_step: OnStep | None = None
) -> torch.Tensor:
    """All steps, from noise to a clip. ``on_step`` is called after each with its number, from 1, and how many
    there are."""
    before: torch.Tensor | None = None
    for index in range(len(sigmas) - 1):
        z, before = step(denoise, z, sigmas, index, before)
        if on_step is not None:
            on_step(index + 1, len(sigmas) - 1)
    return z


def euler(
    denoise: Denoise, z: torch.Tensor, sigmas: list[float], index: int, before: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    x = denoise(z, sigmas[index])
    return towards(x, z, sigmas[index], sigmas[index + 1]), x


def ddpm(
    denoise: Denoise,
    z: torch.Tensor,
    sigmas: list[float],
    index: int,
    before: torch.Tensor | None,
    fresh: Fresh = lambda _, like: torch.randn_like(like),
) -> tuple[torch.Tensor, torch.Tensor]:
    """Every step draws from the distribution of the next noise level, given z and the predicted clip."""
    sigma, following = sigmas[index], sigmas[index + 1]
    x = denoise(z, sigma)
    if following == 0:
        return x, x
    levels = torch.tensor([sigma, following], dtype=torch.float64)
    alphas, noises = variance_preserving(levels)
    (alpha, next_alpha), (s, next_s) = alphas.tolist(), noises.tolist()
    noise = (z * (alpha + s) - alpha * x) / s
    variance = (next_s / s) ** 2 * (1 - (alpha / next_alpha) ** 2)
    kept = math.sqrt(max(0.0, next_s**2 - variance))
    drawn = math.sqrt(variance) * fresh(index, z)
    return (next_alpha * x + kept * noise + drawn) / (next_alpha + next_s), x


def shortcut(
    denoise: Denoise, z: torch.Tensor, sigmas: list[float], index: int, before: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    sigma, following = sigmas[index], sigmas[index + 1]
    x = denoise(z, sigma, sigma - following)
    return towards(x, z, sigma, following), x


def heun(
    denoise: Denoise, z: torch.Tensor, sigmas: list[float], index: int, before: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    sigma, following = sigmas[index], sigmas[index + 1]
    x = denoise(z, sigma)
    velocity = (z - x) / sigma
    predicted = z + (following - sigma) * velocity
    if following > 0:
        x = denoise(predicted, following)
        corrected = (predicted - x) / following
        predicted = z + (following - sigma) * 0.5 * (velocity + corrected)
    return predicted, x


def dpmpp_2m(
    denoise: Denoise, z: torch.Tensor, sigmas: list[float], index: int, before: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    sigma, following = sigmas[index], sigmas[index + 1]
    x = denoise(z, sigma)
    if following == 0:
        return x, x
    if before is None or sigmas[index - 1] >= 1:
        return towards(x, z, sigma, following), x
    step, previous = _log_snr(following) - _log_snr(sigma), _log_snr(sigma) - _log_snr(sigmas[index - 1])
    ratio = step / (2 * previous)
    blend = (1 + ratio) * x - ratio * before
    return (following / sigma) * z - (1 - following) * math.expm1(-step) * blend, x


SAMPLERS: dict[str, Step] = {
    "euler": euler,
    "ddim": euler,
    "ddpm": ddpm,
    "heun": heun,
    "dpmpp_2m": dpmpp_2m,
    "shortcut": shortcut,
}


def seeded(sampler: str, seeds: Sequence[int]) -> Step:
    """The sampler of a name for as many clips; if it draws noise, then for each by its seed."""
    if sampler != "ddpm":
        return SAMPLERS[sampler]

    def fresh(step: int, like: torch.Tensor) -> torch.Tensor:
        drawn = [
            torch.randn(rows.shape, generator=keyed_generator(seed, "sampling noise", step))
            for seed, rows in zip(seeds, like.chunk(len(seeds)), strict=True)
        ]
        return torch.cat(drawn).to(like)

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
