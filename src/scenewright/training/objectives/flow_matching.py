"""The flow-matching objective with clean-clip prediction.

The straight path from noise to clip is that of rectified flow (Liu et al. 2022; Lipman et al. 2022). The
model predicts x; the loss is the squared error of the velocity it implies, |x_hat - x|^2 / sigma^2 with sigma
bounded below (Li & He 2025).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field

from scenewright.data.streams import Batch
from scenewright.models.noise import shift_sigma
from scenewright.training.draws import Draws
from scenewright.training.objectives.base import Encode, Inputs, Objective
from scenewright.training.objectives.denoising import (
    CaptionsConfig,
    Denoising,
    DenoisingConfig,
    shown_captions,
)
from scenewright.training.objectives.given import GivenFramesConfig


class FlowConfig(CaptionsConfig):
    """``shift`` moves training towards high noise (Esser et al. 2024), where layout and motion are
    decided."""

    shift: float = Field(default=5.0, gt=0)
    logit_mean: float = 0.0
    logit_std: float = Field(default=1.0, gt=0)
    min_sigma: float = Field(default=0.1, gt=0, le=1)

    def sigma(self, u: torch.Tensor) -> torch.Tensor:
        """Noise levels in (0, 1) of numbers in [0, 1): logit-normal, shifted."""
        u = u.double().clamp(1e-6, 1 - 1e-6)
        return shift_sigma(
            torch.sigmoid(self.logit_mean + self.logit_std * torch.special.ndtri(u).float()), self.shift
        )

    def weight(self, sigma: torch.Tensor) -> torch.Tensor:
        """What a squared error of x counts at each noise level."""
        return sigma.clamp(min=self.min_sigma).pow(-2)


class ClipFlowConfig(FlowConfig, DenoisingConfig):
    """``given``: which frames the network is given, for networks with ``given_frames``.
    ``layout_dropout``: how often a clip is shown without its layout, for networks that take layouts; one with
    given frames always is, as when it is made, and so is one without its caption, which guidance needs, but
    for a share ``layout_alone`` of these, from which the network learns to read layouts by themselves.
    """

    given: GivenFramesConfig | None = None
    layout_dropout: float = Field(default=0.1, ge=0, le=1)
    layout_alone: float = Field(default=0.0, ge=0, le=1)


class FlowMatchingConfig(ClipFlowConfig):
    """Flow matching; see :class:`FlowConfig` and :class:`ClipFlowConfig` for the settings."""

    name: Literal["flow_matching"] = "flow_matching"


class FlowMatching(Denoising):
    """Squared error of the velocity at random noise levels."""

    def __init__(self, config: ClipFlowConfig) -> None:
        super().__init__(config)
        self.flow = config

    def prepare(self, batch: Batch, encode: Encode, draws: Draws) -> Inputs:
        captions, kept = shown_captions(batch, self.flow, draws)
        inputs = Objective.prepare(self, replace(batch, captions=captions), encode, draws)
        known = led = None
        if self.flow.given is not None:
            known = self.flow.given.draw(draws, batch.frames.shape[1])
        if batch.layouts is not None:
            led = draws.uniform("layout dropout") >= self.flow.layout_dropout
            led &= torch.tensor(kept) | (draws.uniform("layout alone") < self.flow.layout_alone)
            led &= True if known is None else ~known.any(1)
        return replace(inputs, known=known, led=led)

    def sample_sigma(self, inputs: Inputs) -> torch.Tensor:
        return self.flow.sigma(inputs.draws.stratified("sigma"))

    def weight(self, sigma: torch.Tensor) -> torch.Tensor:
        return self.flow.weight(sigma)
