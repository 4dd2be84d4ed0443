"""The flow-matching objective with clean-clip prediction.

Noise levels: z = (1 - sigma) x + sigma noise (rectified flow, Liu et al. 2022; Lipman et al. 2022). The model
predicts x; the loss is the squared error of the velocity it implies, |x_hat - x|^2 / sigma^2 with sigma
bounded below (Li & He 2025). Frames that the model is given are left out of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import nn

from scenewright.config import Config
from scenewright.data.streams import Batch
from scenewright.generation.given import settled_frames
from scenewright.models.noise import shift_sigma
from scenewright.seeds import keyed_seed
from scenewright.training.draws import Draws
from scenewright.training.objectives.base import MODEL, Encode, Inputs, Objective, shown_or_not
from scenewright.training.objectives.given import GivenFramesConfig


class FlowConfig(Config):
    """``shift`` moves training towards high noise (Esser et al. 2024), where layout and motion are decided.

    ``caption_dropout``: how often a sample is shown without its caption, which guidance needs.
    ``word_dropout``: how often each word of a caption is left out, so that no single word is relied upon.
    """

    shift: float = Field(default=5.0, gt=0)
    logit_mean: float = 0.0
    logit_std: float = Field(default=1.0, gt=0)
    min_sigma: float = Field(default=0.1, gt=0, le=1)
    caption_dropout: float = Field(default=0.1, ge=0, le=1)
    word_dropout: float = Field(default=0.0, ge=0, lt=1)

    def sigma(self, u: torch.Tensor) -> torch.Tensor:
        """Noise levels in (0, 1) of numbers in [0, 1): logit-normal, shifted."""
        u = u.double().clamp(1e-6, 1 - 1e-6)
        return shift_sigma(
            torch.sigmoid(self.logit_mean + self.logit_std * torch.special.ndtri(u).float()), self.shift
        )

    def weight(self, sigma: torch.Tensor) -> torch.Tensor:
        """What a squared error of x counts at each noise level."""
        return sigma.clamp(min=self.min_sigma).pow(-2)


class ClipFlowConfig(FlowConfig):
    """``motion_weight`` adds to the loss weight of pixels that change over time; 0 leaves the loss unbiased.
    ``given``: which frames the network is given, for networks with ``given_frames``.
    ``layout_dropout``: how often a clip is shown without its layout, for networks that take layouts; one that
    comes without its caption or with given frames always is, as when it is made.
    """

    motion_weight: float = Field(default=0.0, ge=0)
    given: GivenFramesConfig | None = None
    layout_dropout: float = Field(default=0.1, ge=0, le=1)


class FlowMatchingConfig(ClipFlowConfig):
    """Flow matching; see :class:`FlowConfig` and :class:`ClipFlowConfig` for the settings."""

    name: Literal["flow_matching"] = "flow_matching"


class Errors(NamedTuple):
    """float32 (B,): the weighted loss of each clip, and its plain mean squared error, without gradient."""

    loss: torch.Tensor
    mse: torch.Tensor


class FlowMatching(Objective):
    """Squared error of the velocity at random noise levels."""

    def __init__(self, config: ClipFlowConfig) -> None:
        self.config = config

    def prepare(self, batch: Batch, encode: Encode, draws: Draws) -> Inputs:
        captions, kept = shown_captions(batch, self.config, draws)
        inputs = super().prepare(replace(batch, captions=captions), encode, draws)
        known = led = None
        if self.config.given is not None:
            known = self.config.given.draw(draws, batch.frames.shape[1])
        if batch.layouts is not None:
            led = draws.uniform("layout dropout") >= self.config.layout_dropout
            led &= torch.tensor(kept)
            led &= True if known is None else ~known.any(1)
        return replace(inputs, known=known, led=led)

    def sample_sigma(self, draws: Draws) -> torch.Tensor:
        """Stratified noise levels, float32 (B,) in (0, 1)."""
        return self.config.sigma(draws.stratified("sigma"))

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        sigma_B = self.sample_sigma(inputs.draws).to(inputs.x)
        z = noisy(inputs, sigma_B)
        words, pooled = model.encode_text(inputs.ids, inputs.mask)  # type: ignore[operator]
        given = () if inputs.given is None else (inputs.given,)
        x_hat = model(z, sigma_B, words, pooled, inputs.mask, *given, **led(inputs)).float()
        errors = self.errors(x_hat, inputs.x, sigma_B, inputs)
        self.sample_losses = errors.loss.detach()
        loss = errors.loss.mean() if inputs.weights is None else (inputs.weights * errors.loss).mean()
        parts = {"mse": errors.mse.mean().item()}
        high = sigma_B > 0.8
        if high.any():
            parts["mse_high_noise"] = errors.mse[high].mean().item()
        return loss, parts

    def errors(
        self, x_hat_BCTHW: torch.Tensor, target_BCTHW: torch.Tensor, sigma_B: torch.Tensor, inputs: Inputs
    ) -> Errors:
        """How far predictions are from their targets, over the frames that were not given."""
        error_BTHW = (x_hat_BCTHW - target_BCTHW).square().mean(dim=1)
        frames = error_BTHW.shape[1]
        share_BT = error_BTHW.new_full(error_BTHW.shape[:2], 1 / frames)
        if inputs.known is not None:
            share_BT = (~settled_frames(inputs.known, inputs.known.shape[1] // frames)).to(error_BTHW)
            share_BT = share_BT / share_BT.sum(1, keepdim=True)
        mse_B = (error_BTHW.detach().mean((2, 3)) * share_BT).sum(1)
        if self.config.motion_weight:
            error_BTHW = error_BTHW * (1 + self.config.motion_weight * moving_pixels(inputs.x))
        return Errors(self.config.weight(sigma_B) * (error_BTHW.mean((2, 3)) * share_BT).sum(1), mse_B)


def shown_captions(batch: Batch, config: FlowConfig, draws: Draws) -> tuple[list[str], list[bool]]:
    """What is shown of the captions of a batch, and of which anything is."""
    captions = list(batch.captions)
    if config.word_dropout:
        if batch.words is not None:
            raise ValueError("objective.word_dropout cannot leave out words that were encoded beforehand")
        captions = [_thinned(text, config.word_dropout, draws, i) for i, text in enumerate(captions)]
    return shown_or_not(captions, config.caption_dropout, draws)


def _thinned(text: str, share: float, draws: Draws, place: int) -> str:
    words = text.split()
    generator = torch.Generator().manual_seed(keyed_seed(draws.key("word dropout"), draws.rows[place]))
    kept = (torch.rand(len(words), generator=generator) >= share).tolist()
    return " ".join(word for word, keep in zip(words, kept, strict=True) if keep)


def led(inputs: Inputs) -> dict[str, torch.Tensor]:
    """The layouts by the name of the network's argument; empty for a network that takes none."""
    return {} if inputs.layout is None else {"layout_BNF": inputs.layout}


def noisy(inputs: Inputs, sigma_B: torch.Tensor) -> torch.Tensor:
    """z = (1 - sigma) x + sigma noise, with each sample's own noise."""
    x_BCTHW = inputs.x
    noise = inputs.draws.normal("noise", x_BCTHW.shape[1:]).to(x_BCTHW)
    return torch.lerp(x_BCTHW, noise, sigma_B.view(-1, 1, 1, 1, 1))


def moving_pixels(x_BCTHW: torch.Tensor, threshold: float = 0.1) -> torch.Tensor:
    """float (B, T, H, W) in [0, 1]: how far each pixel is from its clip's temporal mean.

    A difference of ``threshold`` (of the range of 2) is where the weight reaches one half.
    """
    difference = (x_BCTHW - x_BCTHW.mean(dim=2, keepdim=True)).abs().mean(dim=1)
    return difference / (difference + threshold)
