"""The flow-matching objective with clean-clip prediction.

Noise levels: z = (1 - sigma) x + sigma noise (rectified flow, Liu et al. 2022; Lipman et al. 2022). The model
predicts x; the loss is the squared error of the velocity it implies, |x_hat - x|^2 / sigma^2 with sigma
bounded below (Li & He 2025).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from scenewright.config import Config
from scenewright.models.noise import shift_sigma


class FlowMatchingConfig(Config):
    """``shift`` moves training towards high noise (Esser et al. 2024), where layout and motion are decided.

    ``motion_weight`` adds to the loss weight of pixels that change over time; 0 leaves the loss unbiased.
    """

    shift: float = Field(default=5.0, gt=0)
    logit_mean: float = 0.0
    logit_std: float = Field(default=1.0, gt=0)
    min_sigma: float = Field(default=0.1, gt=0, le=1)
    motion_weight: float = Field(default=0.0, ge=0)
    caption_dropout: float = Field(default=0.1, ge=0, le=1)


class FlowMatching:
    """Turns a model and a batch into a loss."""

    def __init__(self, config: FlowMatchingConfig) -> None:
        self.config = config

    def sample_sigma(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Stratified logit-normal noise levels, shifted; float32 (count,) in (0, 1), in random order."""
        config = self.config
        strata = torch.randperm(count, generator=generator)
        u = (strata + torch.rand(count, generator=generator)) / count
        normal = torch.special.ndtri(u.double().clamp(1e-6, 1 - 1e-6)).float()
        sigma = torch.sigmoid(config.logit_mean + config.logit_std * normal)
        return shift_sigma(sigma, config.shift)

    def loss(
        self,
        model: nn.Module,
        x_BCTHW: torch.Tensor,
        ids_BS: torch.Tensor,
        mask_BS: torch.Tensor,
        generator: torch.Generator,
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Scalar loss and its parts. ``generator`` (CPU) is the only source of randomness."""
        batch = x_BCTHW.shape[0]
        sigma_B = self.sample_sigma(batch, generator)
        noise = torch.randn(x_BCTHW.shape, generator=generator).to(x_BCTHW)
        sigma = sigma_B.to(x_BCTHW).view(-1, 1, 1, 1, 1)
        z = (1 - sigma) * x_BCTHW + sigma * noise
        words, pooled = model.encode_text(ids_BS, mask_BS)  # type: ignore[operator]
        x_hat = model(z, sigma.flatten(), words, pooled, mask_BS).float()
        error_BTHW = (x_hat - x_BCTHW).square().mean(dim=1)
        per_clip = error_BTHW.detach().mean(dim=(1, 2, 3)).cpu()
        if self.config.motion_weight:
            error_BTHW = error_BTHW * (1 + self.config.motion_weight * moving_pixels(x_BCTHW))
        weight_B = sigma_B.to(x_BCTHW).clamp(min=self.config.min_sigma).pow(-2)
        loss = (weight_B * error_BTHW.mean(dim=(1, 2, 3))).mean()
        high = sigma_B > 0.8
        parts = {"mse": per_clip.mean().item()}
        if high.any():
            parts["mse_high_noise"] = per_clip[high].mean().item()
        return loss, parts


def moving_pixels(x_BCTHW: torch.Tensor, threshold: float = 0.1) -> torch.Tensor:
    """float (B, T, H, W) in [0, 1]: how far each pixel is from its clip's temporal mean.

    A difference of ``threshold`` (of the range of 2) is where the weight reaches one half.
    """
    difference = (x_BCTHW - x_BCTHW.mean(dim=2, keepdim=True)).abs().mean(dim=1)
    return difference / (difference + threshold)
