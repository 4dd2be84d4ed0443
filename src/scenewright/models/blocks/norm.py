"""Root mean square normalisation (Zhang & Sennrich 2019), with a quicker way on CPUs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class RMSNorm(nn.RMSNorm):
    """As PyTorch's, computed by :func:`rms_norm`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x``: (..., D), D being the width; so is what comes back."""
        return rms_norm(x, self.weight, self.eps or torch.finfo(x.dtype).eps)


def rms_norm(x: torch.Tensor, weight: torch.Tensor | None = None, eps: float = 1e-6) -> torch.Tensor:
    """``x`` (..., D) by the root of its mean square over the last axis, times ``weight`` (D).

    PyTorch has no kernel of its own for CPUs; what it does instead computes all in float32, is slower and
    keeps more for the gradient than these steps, of which only the mean is taken in float32 at least. A GPU,
    and a compiler, which makes one kernel of it, have PyTorch's own.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.rms_norm(x, x.shape[-1:], weight, eps)
    mean = x.square().mean(-1, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
    normed = x * torch.rsqrt(mean + eps).to(x.dtype)
    return normed if weight is None else normed * weight.to(x.dtype)
