"""What judges learn, and what networks learn from their verdicts: losses of logits, and how these may
vary."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional as F

from scenewright.config import Config
from scenewright.models.patch_discriminator import Norm, PatchDiscriminator

#: Lim & Ye 2017; Goodfellow et al. 2014; Arjovsky et al. 2017.
LossName = Literal["hinge", "non_saturating", "wasserstein"]


class AdversarialLossConfig(Config):
    """``label_smoothing``: real clips count as real by so much less than 1 (Salimans et al. 2016), in the
    non-saturating loss. ``r1``: weight of half the squared gradient at real clips (Mescheder et al. 2018), a
    mean over clips. ``updates``: of each judge for each of the network."""

    loss: LossName = "hinge"
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    r1: float = Field(default=0.0, ge=0)
    updates: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _check_smoothing(self) -> AdversarialLossConfig:
        if self.label_smoothing and self.loss != "non_saturating":
            raise ValueError(
                f"label_smoothing does nothing in the {self.loss} loss; set loss = non_saturating"
            )
        return self


class AdversarialConfig(AdversarialLossConfig):
    """A patch discriminator from step ``start`` on. ``weight``: of what it finds, in the network's loss;
    ``width``, ``depth``, ``norm``, ``spectral_norm``: see :class:`.PatchDiscriminator`."""

    weight: float = Field(default=0.05, gt=0)
    start: int = Field(default=0, ge=0)
    width: int = Field(default=32, ge=1)
    depth: int = Field(default=3, ge=1)
    norm: Norm = "none"
    spectral_norm: bool = False

    def build(self) -> PatchDiscriminator:
        return PatchDiscriminator(self.width, self.depth, self.norm, self.spectral_norm)


def real_loss(config: AdversarialLossConfig, judged: torch.Tensor) -> torch.Tensor:
    """A judge's loss for each logit that it gave something real."""
    match config.loss:
        case "hinge":
            return F.relu(1 - judged)
        case "wasserstein":
            return -judged
        case _:
            target = torch.full_like(judged, 1 - config.label_smoothing)
            return F.binary_cross_entropy_with_logits(judged, target, reduction="none")


def fake_loss(config: AdversarialLossConfig, judged: torch.Tensor) -> torch.Tensor:
    """A judge's loss for each logit that it gave something fake."""
    match config.loss:
        case "hinge":
            return F.relu(1 + judged)
        case "wasserstein":
            return judged
        case _:
            return F.softplus(judged)


def fooling_loss(config: AdversarialLossConfig, judged: torch.Tensor) -> torch.Tensor:
    """A network's loss for each logit that a judge gave what it made."""
    return F.softplus(-judged) if config.loss == "non_saturating" else -judged


def squared_slope(judged: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(B,): the squared gradient of each clip's mean logit, (B, ...), with respect to the clip ``x``."""
    (slope,) = torch.autograd.grad(judged.flatten(1).mean(1).sum(), x, create_graph=True)
    return slope.square().flatten(1).sum(1)


def discriminator_loss(
    config: AdversarialConfig, discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor
) -> tuple[torch.Tensor, dict[str, float]]:
    """Loss of telling ``real`` from ``fake``, clips (B, C, T, H, W), and its parts."""
    real = real.detach().requires_grad_(config.r1 > 0)
    judged, made = discriminator(real), discriminator(fake)
    loss = real_loss(config, judged).mean() + fake_loss(config, made).mean()
    parts = {"real": judged.mean().item(), "fake": made.mean().item()}
    if config.r1:
        penalty = squared_slope(judged, real).mean()
        parts["r1"] = penalty.item()
        loss = loss + config.r1 / 2 * penalty
    return loss, parts


def generator_loss(config: AdversarialConfig, judged: torch.Tensor) -> torch.Tensor:
    """Loss of what made the clips that a discriminator gave the logits ``judged``."""
    return fooling_loss(config, judged).mean()
