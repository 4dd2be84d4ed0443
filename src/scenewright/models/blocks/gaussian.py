"""Diagonal Gaussians that networks predict, and how far one is from another."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Gaussian(NamedTuple):
    """``mean``, ``log_variance``: (..., Z)."""

    mean: torch.Tensor
    log_variance: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor, begin: float = 0.0) -> Gaussian:
        """Of numbers (..., 2 Z) that a network gives. Logarithms of variances are counted from ``begin``, and
        stay within 6 of it, for else they could not be computed with."""
        mean, log_variance = x.float().chunk(2, -1)
        return cls(mean, begin + 6 * torch.tanh(log_variance / 6))

    def sample(self, noise: torch.Tensor) -> torch.Tensor:
        """``noise``: standard normal (..., Z)."""
        return self.mean + (self.log_variance / 2).exp() * noise

    def detached(self) -> Gaussian:
        """The same, through which no gradients pass."""
        return Gaussian(self.mean.detach(), self.log_variance.detach())

    def divergence(self, other: Gaussian) -> torch.Tensor:
        """KL(self || other), (...), in nats: summed over the last dimension."""
        ratio = (self.log_variance - other.log_variance).exp()
        distance = (self.mean - other.mean).square() / other.log_variance.exp()
        return 0.5 * (ratio + distance - 1 - self.log_variance + other.log_variance).sum(-1)
