"""The diffusion objective: what the network predicts of a noisy clip, its squared error counts alike at all
noise levels (Ho et al. 2020, "DDPM"), which come as a schedule has them.

z' = alpha x + s noise with alpha^2 + s^2 = 1. An error of the noise, or of v = alpha noise - s x (Salimans &
Ho 2022), is one of x times alpha / s, or 1 / s: so the loss is a weight on the squared error of x.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from scenewright.models.diffusion_unet import Prediction
from scenewright.models.noise import NoiseSchedule, shift_sigma, sigma_at, variance_preserving
from scenewright.training.objectives.base import Inputs
from scenewright.training.objectives.denoising import Denoising, DenoisingConfig


class DiffusionConfig(DenoisingConfig):
    """``schedule``: noise levels at times that are drawn uniformly. ``shift``: towards high noise, for larger
    pictures (Hoogeboom et al. 2023). ``min_snr``: the most that a squared error of x counts (Hang et al.
    2023); None for no bound."""

    name: Literal["diffusion"] = "diffusion"
    schedule: NoiseSchedule = "cosine"
    shift: float = Field(default=1.0, gt=0)
    min_snr: float | None = Field(default=None, gt=0)


class Diffusion(Denoising):
    """``prediction``: of the network that it trains."""

    #: The least noise level: below it there is nothing to learn, and weights grow without bound.
    LEAST = 0.002

    def __init__(self, config: DiffusionConfig, prediction: Prediction) -> None:
        super().__init__(config)
        self.diffusion, self.prediction = config, prediction

    def sample_sigma(self, inputs: Inputs) -> torch.Tensor:
        sigma = sigma_at(inputs.draws.stratified("sigma").double(), self.diffusion.schedule)
        return shift_sigma(sigma, self.diffusion.shift).clamp(min=self.LEAST).float()

    def weight(self, sigma: torch.Tensor) -> torch.Tensor:
        alpha, s = variance_preserving(sigma)
        snr = (alpha / s).square()
        if self.diffusion.min_snr is not None:
            return snr.clamp(max=self.diffusion.min_snr)
        return {"noise": snr, "v": s.pow(-2), "clean": torch.ones_like(s)}[self.prediction]
