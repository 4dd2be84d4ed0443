"""What objectives have in common whose network predicts the clean clip from a noisy one.

Noise levels are sigma in [0, 1], and z = (1 - sigma) x + sigma noise. The loss is the squared error of the
predicted clip, times a weight of the noise level. Frames that the network is given are left out of it.

B = batch, C = channels, T, H, W = frames, rows, columns; F = parts of a clip with a noise level each.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import NamedTuple

import torch
from pydantic import Field
from torch import nn

from scenewright.config import Config
from scenewright.data.streams import Batch
from scenewright.generation.given import settled_frames
from scenewright.seeds import keyed_seed
from scenewright.training.draws import Draws
from scenewright.training.objectives.base import MODEL, Encode, Inputs, Objective


class CaptionsConfig(Config):
    """``caption_dropout``: how often a sample is shown without its caption, which guidance needs.
    ``word_dropout``: how often each word of a caption is left out, so that no single word is relied upon."""

    caption_dropout: float = Field(default=0.1, ge=0, le=1)
    word_dropout: float = Field(default=0.0, ge=0, lt=1)


class DenoisingConfig(CaptionsConfig):
    """``motion_weight`` adds to the loss weight of pixels that change over time; 0 leaves the loss
    unbiased."""

    motion_weight: float = Field(default=0.0, ge=0)


class Errors(NamedTuple):
    """float32 (B,): the weighted loss of each clip, and its plain mean squared error, without gradient."""

    loss: torch.Tensor
    mse: torch.Tensor


class Denoising(Objective):
    """Squared error of the clean clip at random noise levels, for a :class:`.Denoiser`."""

    def __init__(self, config: DenoisingConfig) -> None:
        self.config = config

    @abstractmethod
    def sample_sigma(self, inputs: Inputs) -> torch.Tensor:
        """Noise levels float32 in [0, 1]: (B,), or (B, F) where parts of a clip have their own; what is at 0
        is not learned."""

    @abstractmethod
    def weight(self, sigma: torch.Tensor) -> torch.Tensor:
        """What a squared error of x counts at each noise level."""

    def prepare(self, batch: Batch, encode: Encode, draws: Draws) -> Inputs:
        captions, _ = shown_captions(batch, self.config, draws)
        return super().prepare(replace(batch, captions=captions), encode, draws)

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        sigma = self.sample_sigma(inputs).to(inputs.x)
        words, pooled = model.encode_text(inputs.ids, inputs.mask)  # type: ignore[operator]
        x_hat = model(noisy(inputs, sigma), sigma, words, pooled, inputs.mask, **beside(inputs)).float()
        errors = self.errors(x_hat, inputs.x, sigma, inputs)
        self.sample_losses = errors.loss.detach()
        loss = errors.loss.mean() if inputs.weights is None else (inputs.weights * errors.loss).mean()
        parts = {"mse": errors.mse.mean().item()}
        high = sigma.view(len(sigma), -1).mean(1) > 0.8
        if high.any():
            parts["mse_high_noise"] = errors.mse[high].mean().item()
        return loss, parts

    def errors(
        self, x_hat_BCTHW: torch.Tensor, target_BCTHW: torch.Tensor, sigma: torch.Tensor, inputs: Inputs
    ) -> Errors:
        """How far predictions are from their targets, over the frames that are learned."""
        error_BTHW = (x_hat_BCTHW - target_BCTHW).square().mean(dim=1)
        frames = error_BTHW.shape[1]
        learned_BT = of_frames(sigma > 0, frames)
        if inputs.known is not None:
            learned_BT = learned_BT & ~settled_frames(inputs.known, inputs.known.shape[1] // frames)
        share_BT = learned_BT.to(error_BTHW)
        share_BT = share_BT / share_BT.sum(1, keepdim=True).clamp(min=1)
        mse_B = (error_BTHW.detach().mean((2, 3)) * share_BT).sum(1)
        if self.config.motion_weight:
            error_BTHW = error_BTHW * (1 + self.config.motion_weight * moving_pixels(inputs.x))
        weight_BT = of_frames(self.weight(sigma), frames)
        return Errors((weight_BT * share_BT * error_BTHW.mean((2, 3))).sum(1), mse_B)


def of_frames(values: torch.Tensor, frames: int) -> torch.Tensor:
    """Values of clips (B,), or of their parts (B, F), by frames (B, T)."""
    if values.ndim == 1:
        return values[:, None].expand(-1, frames)
    return values.repeat_interleave(frames // values.shape[1], 1)


def noisy(inputs: Inputs, sigma: torch.Tensor) -> torch.Tensor:
    """z = (1 - sigma) x + sigma noise, with each sample's own noise. ``sigma``: (B,) or (B, F)."""
    x_BCTHW = inputs.x
    noise = inputs.draws.normal("noise", x_BCTHW.shape[1:]).to(x_BCTHW)
    return torch.lerp(x_BCTHW, noise, of_frames(sigma, x_BCTHW.shape[2])[:, None, :, None, None])


def beside(inputs: Inputs) -> dict[str, torch.Tensor]:
    """What a network takes beside the text, by the names of its arguments; empty for one that takes
    nothing."""
    found = {"given_BGTHW": inputs.given, "layout_BNF": inputs.layout}
    return {name: value for name, value in found.items() if value is not None}


def shown_captions(batch: Batch, config: CaptionsConfig, draws: Draws) -> tuple[list[str], list[bool]]:
    """What is shown of the captions of a batch, and of which anything is."""
    captions = list(batch.captions)
    if config.word_dropout:
        if batch.words is not None:
            raise ValueError("objective.word_dropout cannot leave out words that were encoded beforehand")
        captions = [_thinned(text, config.word_dropout, draws, i) for i, text in enumerate(captions)]
    kept = (draws.uniform("caption dropout") >= config.caption_dropout).tolist()
    return [text if keep else "" for text, keep in zip(captions, kept, strict=True)], kept


def moving_pixels(x_BCTHW: torch.Tensor, threshold: float = 0.1) -> torch.Tensor:
    """float (B, T, H, W) in [0, 1]: how far each pixel is from its clip's temporal mean.

    A difference of ``threshold`` (of the range of 2) is where the weight reaches one half.
    """
    difference = (x_BCTHW - x_BCTHW.mean(dim=2, keepdim=True)).abs().mean(dim=1)
    return difference / (difference + threshold)


def _thinned(text: str, share: float, draws: Draws, place: int) -> str:
    words = text.split()
    generator = torch.Generator().manual_seed(keyed_seed(draws.key("word dropout"), draws.rows[place]))
    kept = (torch.rand(len(words), generator=generator) >= share).tolist()
    return " ".join(word for word, keep in zip(words, kept, strict=True) if keep)
