"""Planning: choices by cross-entropy, and the tracks of what was chosen by flow matching.

The loss of a sample is the sum of its choices' cross-entropies (of each thing, and of there being no more)
and the flow-matching loss of its tracks (:mod:`scenewright.training.objectives.flow_matching`), the mean over
several noise levels: reading the text is most of the work, and one reading serves them all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from scenewright.data.streams import Batch
from scenewright.models.layout_comparisons import COMPARISONS
from scenewright.training.draws import Draws
from scenewright.training.objectives.base import MODEL, Encode, Inputs, Objective
from scenewright.training.objectives.denoising import shown_captions
from scenewright.training.objectives.flow_matching import FlowConfig


class PlanningConfig(FlowConfig):
    """Planning of layouts; see :class:`.FlowConfig` for most settings. ``noise_levels``: how many for each
    sample. ``comparison_weight``: how much the cross-entropy counts of how things stand to each other, which
    captions rarely tell and in few words, beside that of the other choices."""

    name: Literal["planning"] = "planning"
    shift: float = Field(default=1.5, gt=0)
    noise_levels: int = Field(default=3, ge=1)
    comparison_weight: float = Field(default=1.0, gt=0)


class Planning(Objective):
    """Trains a :class:`.LayoutDecoder`."""

    def __init__(self, config: PlanningConfig) -> None:
        self.config = config

    def prepare(self, batch: Batch, encode: Encode, draws: Draws) -> Inputs:
        captions, _ = shown_captions(batch, self.config, draws)
        return super().prepare(replace(batch, captions=captions), encode, draws)

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        layout_BNF = inputs.x[..., 0, 0].mT
        choices_BNA, tracks_BNU = model.read(layout_BNF)  # type: ignore[operator]
        # One slot more than the fullest layout has things: there it is learned that nothing follows.
        used = min(choices_BNA.shape[1], int(choices_BNA[..., 0].sum(1).max()) + 1)
        choices_BNA, tracks_BNU = choices_BNA[:, :used], tracks_BNU[:, :used]
        words, pooled = model.encode_text(inputs.ids, inputs.mask)  # type: ignore[operator]
        logits = model.logits(choices_BNA, words, inputs.mask)  # type: ignore[operator]
        names: list[str] = list(model.config.choices)  # type: ignore[union-attr, arg-type]
        weights = [self.config.comparison_weight if name in COMPARISONS else 1.0 for name in names]
        choice_B = _choice_errors(logits, choices_BNA, weights)

        levels = self.config.noise_levels
        sigma = torch.cat([inputs.draws.stratified(f"sigma {k}") for k in range(levels)])
        sigma = self.config.sigma(sigma).to(tracks_BNU)
        shape = tracks_BNU.shape[1:]
        noise = torch.cat([inputs.draws.normal(f"noise {k}", shape) for k in range(levels)]).to(tracks_BNU)
        tracks, choices, words, pooled, mask = (
            x.repeat(levels, *[1] * (x.ndim - 1))
            for x in (tracks_BNU, choices_BNA, words, pooled, inputs.mask)
        )
        z = torch.lerp(tracks, noise, sigma.view(-1, 1, 1))
        predicted = model(z, sigma, choices, words, pooled, mask).float()
        there = choices[..., 0].to(predicted)
        error = (predicted - tracks).square().mean(-1) * there
        mse = error.sum(1) / there.sum(1).clamp(min=1)
        track_B = (self.config.weight(sigma) * mse).view(levels, -1).mean(0)

        loss_B = choice_B + track_B
        loss = loss_B.mean() if inputs.weights is None else (inputs.weights * loss_B).mean()
        return loss, {"choices": choice_B.mean().item(), "tracks": track_B.mean().item()}


def _choice_errors(
    logits: list[torch.Tensor], choices_BNA: torch.Tensor, weights: list[float]
) -> torch.Tensor:
    """Weighted cross-entropies (B,), summed over what was to be chosen: whether there is one more thing,
    after each thing; the rest, of each thing."""
    there_BN = choices_BNA[..., 0].float()
    asked_BN = F.pad(there_BN[:, :-1], (1, 0), value=1.0)
    total = there_BN.new_zeros(len(there_BN))
    for place, (values, weight) in enumerate(zip(logits, weights, strict=True)):
        error = F.cross_entropy(
            values.float().flatten(0, 1), choices_BNA[..., place].flatten(), reduction="none"
        )
        total = total + weight * (error.view_as(there_BN) * (asked_BN if place == 0 else there_BN)).sum(1)
    return total
