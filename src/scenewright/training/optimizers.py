"""Optimizers: AdamW for embeddings, norms and heads; Muon for the hidden matrices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from scenewright.config import Config

#: Coefficients of the quintic Newton-Schulz iteration (Jordan et al. 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)


class OptimizerConfig(Config):
    """``lr`` is the peak rate of both optimizers: Muon's update is scaled to AdamW's typical size.

    ``block_rows`` makes Muon orthogonalise blocks of so many rows instead of whole matrices, and
    ``newton_schulz_precision`` is what it computes them in.
    """

    name: str = Field(default="muon", pattern="^(muon|adamw)$")
    lr: float = Field(default=1e-3, gt=0)
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.01
    momentum: float = 0.95
    newton_schulz_steps: int = Field(default=5, ge=1)
    block_rows: int | None = Field(default=None, ge=1)
    newton_schulz_precision: Literal["float32", "bfloat16"] = "float32"


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised by Newton-Schulz (Jordan et al. 2024) in ``dtype``.

    For matrices only. The orthogonal update is scaled by 0.2 sqrt(max(rows, columns)), so that its RMS
    matches AdamW's and one learning rate serves both (Liu et al. 2025). Matrices of one shape are
    orthogonalised together. ``torch.optim.Muon`` always computes in bfloat16, which is slow on many CPUs.

    With ``block_rows`` each block of so many rows is orthogonalised by itself (Khaled et al. 2025, "MuonBP"):
    the cost of the iteration falls with the block's height, which decides where batches are small.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        steps: int = 5,
        block_rows: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "steps": steps,
            "block_rows": block_rows,
        }
        self.dtype = dtype
        super().__init__(list(params), defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        f"Muon is for matrices, not a parameter of shape {tuple(parameter.shape)}"
                    )

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in by_shape.items():
                updates = torch.stack([self._momentum(p, group["momentum"]) for p in parameters])
                rows = group["block_rows"] or shape[0]
                if shape[0] % rows:
                    rows = shape[0]
                blocks = orthogonalise(updates.view(-1, rows, shape[1]), group["steps"], self.dtype)
                updates = blocks.mul_(0.2 * max(rows, shape[1]) ** 0.5).view(updates.shape)
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update, alpha=-group["lr"])

    def _momentum(self, parameter: nn.Parameter, momentum: float) -> torch.Tensor:
        gradient = parameter.grad
        assert gradient is not None
        state = self.state[parameter]
        if "buffer" not in state:
            state["buffer"] = torch.zeros_like(parameter)
        buffer = state["buffer"]
        buffer.lerp_(gradient, 1 - momentum)
        return gradient.lerp(buffer, momentum)


def orthogonalise(matrices: torch.Tensor, steps: int = 5, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Nearest semi-orthogonal matrices (..., M, N), up to singular values between 0.7 and 1.2.

    ``dtype``: what the iteration computes in. It tolerates bfloat16, for which it was designed.
    """
    a, b, c = _QUINTIC
    transpose = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if transpose else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = x.to(dtype)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if transpose else x).to(matrices.dtype)


def build_optimizers(model: nn.Module, config: OptimizerConfig) -> list[torch.optim.Optimizer]:
    """One AdamW, or a Muon on the matrices inside blocks and layers plus an AdamW on everything else.

    Modulation layers, embeddings and the first and last layer stay with AdamW; vectors are not decayed.
    """
    hidden, decayed, plain = [], [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        inner = name.startswith(("blocks.", "text_encoder.layers.")) and "modulation" not in name
        if parameter.ndim == 2 and inner and config.name == "muon":
            hidden.append(parameter)
        elif parameter.ndim >= 2:
            decayed.append(parameter)
        else:
            plain.append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=config.lr, betas=(config.beta1, config.beta2), eps=1e-8, fused=True)
    if not hidden:
        return [adamw]
    muon = Muon(
        hidden,
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        steps=config.newton_schulz_steps,
        block_rows=config.block_rows,
        dtype=getattr(torch, config.newton_schulz_precision),
    )
    return [muon, adamw]
