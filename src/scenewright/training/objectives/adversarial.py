"""A discriminator's part in an objective: what it learns, and what the network learns from it."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional as F

from scenewright.config import Config
from scenewright.models.patch_discriminator import Norm, PatchDiscriminator


class AdversarialConfig(Config):
    """A patch discriminator from step ``start`` on. ``weight``: of what it finds, in the network's loss;
    ``width``, ``depth``, ``norm``, ``spectral_norm``: see :class:`.PatchDiscriminator`.

    ``loss``: ``hinge`` (Lim & Ye 2017) or ``non_saturating`` (Goodfellow et al. 2014). ``label_smoothing``:
    real clips count as real by so much less than 1 (Salimans et al. 2016), for the latter. ``r1``: weight of
    half the squared gradient at real clips (Mescheder et al. 2018), a mean over clips. ``updates``: of the
    discriminator for each of the network.
    """

    weight: float = Field(default=0.05, gt=0)
    start: int = Field(default=0, ge=0)
    width: int = Field(default=32, ge=1)
    depth: int = Field(default=3, ge=1)
    norm: Norm = "none"
    spectral_norm: bool = False
    loss: Literal["hinge", "non_saturating"] = "hinge"
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    r1: float = Field(default=0.0, ge=0)
    updates: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _check(self) -> AdversarialConfig:
        if self.label_smoothing and self.loss == "hinge":
            raise ValueError("label_smoothing does nothing in the hinge loss; set loss = non_saturating")
        return self

    def build(self) -> PatchDiscriminator:
        return PatchDiscriminator(self.width, self.depth, self.norm, self.spectral_norm)


def discriminator_loss(
    config: AdversarialConfig, discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor
) -> tuple[torch.Tensor, dict[str, float]]:
    """Loss of telling ``real`` from ``fake``, clips (B, C, T, H, W), and its parts."""
    real = real.detach().requires_grad_(config.r1 > 0)
    judged, made = discriminator(real), discriminator(fake)
    if config.loss == "hinge":
        loss = F.relu(1 - judged).mean() + F.relu(1 + made).mean()
    else:
        target = torch.full_like(judged, 1 - config.label_smoothing)
        loss = F.binary_cross_entropy_with_logits(judged, target) + F.softplus(made).mean()
    parts = {"real": judged.mean().item(), "fake": made.mean().item()}
    if config.r1:
        (slope,) = torch.autograd.grad(judged.mean(dim=(1, 2, 3, 4)).sum(), real, create_graph=True)
        penalty = slope.square().sum(dim=(1, 2, 3, 4)).mean()
        parts["r1"] = penalty.item()
        loss = loss + config.r1 / 2 * penalty
    return loss, parts


def generator_loss(config: AdversarialConfig, judged: torch.Tensor) -> torch.Tensor:
    """Loss of what made the clips that a discriminator gave the logits ``judged``."""
    return -judged.mean() if config.loss == "hinge" else F.softplus(-judged).mean()
