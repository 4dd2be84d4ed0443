"""Regression: a clip is drawn from its text, and every pixel that is not as it was counts.

The loss of a clip is its mean squared error, plus ``gradient`` times the mean absolute difference of the
first differences in time, rows and columns (Mathieu et al. 2016): squared errors alone are least for a blur.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from scenewright.config import Config
from scenewright.training.objectives.base import MODEL, Inputs, Objective
from scenewright.training.parallel import bare


class RegressionConfig(Config):
    """``gradient``: the weight of first differences. ``penalties``: weights of what the network finds wrong
    with its own workings; where there are any, it sees the real clips, too."""

    name: Literal["regression"] = "regression"
    gradient: float = Field(default=0.5, ge=0)
    penalties: dict[str, float] = Field(default_factory=dict)

    def check(self, penalties: Sequence[str]) -> None:
        """ValueError where a network has only such penalties."""
        check_penalties(self.penalties, penalties)


class Regression(Objective):
    """Trains a :class:`.DirectNetwork`."""

    def __init__(self, config: RegressionConfig) -> None:
        self.config = config

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        noise = inputs.draws.normal("noise", bare(model).noise_shape).to(inputs.x)  # type: ignore[arg-type]
        made = model(inputs.ids, inputs.mask, noise, inputs.x if self.config.penalties else None)
        squared_B, edges_B = clip_errors(made.clips.float(), inputs.x)
        loss_B = squared_B + self.config.gradient * edges_B
        parts = {"mse": squared_B.mean().item(), "edges": edges_B.mean().item()}
        for name, weight in self.config.penalties.items():
            loss_B = loss_B + weight * made.penalties[name]
            parts[name] = made.penalties[name].mean().item()
        loss = loss_B.mean() if inputs.weights is None else (inputs.weights * loss_B).mean()
        return loss, parts


def check_penalties(chosen: Iterable[str], known: Sequence[str]) -> None:
    """ValueError where a recipe has chosen penalties that its network does not know."""
    if unknown := set(chosen) - set(known):
        raise ValueError(
            f"objective.penalties: the network has no {', '.join(sorted(unknown))}; "
            f"it has {', '.join(known) or 'none'}"
        )


def clip_errors(made: torch.Tensor, real: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(B,) each: mean squared differences of clips (B, 3, T, H, W), and mean absolute differences of their
    first differences, along every axis that is longer than one."""
    squared_B = (made - real).square().mean((1, 2, 3, 4))
    slopes = [
        (made.diff(dim=d) - real.diff(dim=d)).abs().mean((1, 2, 3, 4)) for d in (2, 3, 4) if real.shape[d] > 1
    ]
    return squared_B, torch.stack(slopes).sum(0)
