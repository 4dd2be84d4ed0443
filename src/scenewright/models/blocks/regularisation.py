"""Noise on residual branches in training."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class BranchDropout(nn.Module):
    """For the output of a residual branch, (B, ...) to the same.

    ``dropout``: rate at which single values are zeroed (Srivastava et al. 2014). ``depth``: rate at which a
    sample's whole branch is left out (stochastic depth; Huang et al. 2016). What is left is scaled up, so
    that means stay. Nothing happens outside of training.
    """

    def __init__(self, dropout: float = 0.0, depth: float = 0.0) -> None:
        super().__init__()
        self.dropout, self.depth = dropout, depth

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        if self.dropout:
            x = F.dropout(x, self.dropout)
        if self.depth:
            kept = x.new_full((x.shape[0],) + (1,) * (x.ndim - 1), 1 - self.depth).bernoulli()
            x = x * (kept / (1 - self.depth))
        return x


def linear_depth_rates(rate: float, layers: int) -> list[float]:
    """Rates of stochastic depth that grow linearly from 0 in the first layer to ``rate`` in the last."""
    return [rate * i / max(layers - 1, 1) for i in range(layers)]
