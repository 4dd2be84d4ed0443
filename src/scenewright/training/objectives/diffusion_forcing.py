"""Flow matching for causal networks: every part of a clip has a noise level of its own.

Chen et al. 2024, "Diffusion forcing": levels are drawn independently, so that a network learns a part from
parts before it at any level. When a clip is made, those before are clean; so of some clips the first parts
are clean, too, and are not learned.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from scenewright.training.objectives.base import Inputs
from scenewright.training.objectives.denoising import Denoising, DenoisingConfig
from scenewright.training.objectives.flow_matching import FlowConfig


class DiffusionForcingConfig(FlowConfig, DenoisingConfig):
    """``clean_past``: of how many clips the parts before one that is drawn are clean. See also
    :class:`.FlowConfig`."""

    name: Literal["diffusion_forcing"] = "diffusion_forcing"
    clean_past: float = Field(default=0.5, ge=0, le=1)


class DiffusionForcing(Denoising):
    """Trains a :class:`.CausalFlowTransformer`. ``frames``: of pixels or latents, that a part has."""

    def __init__(self, config: DiffusionForcingConfig, frames: int) -> None:
        super().__init__(config)
        self.forcing, self.frames = config, frames

    def sample_sigma(self, inputs: Inputs) -> torch.Tensor:
        draws, parts = inputs.draws, inputs.x.shape[2] // self.frames
        sigma_BF = self.forcing.sigma(
            torch.stack([draws.stratified(f"sigma {part}") for part in range(parts)], 1)
        )
        first_B = (draws.stratified("first part") * parts).floor()
        clean_BF = torch.arange(parts) < first_B[:, None]
        clean_BF &= (draws.uniform("clean past") < self.forcing.clean_past)[:, None]
        return sigma_BF.masked_fill(clean_BF, 0.0)

    def weight(self, sigma: torch.Tensor) -> torch.Tensor:
        return self.forcing.weight(sigma)
