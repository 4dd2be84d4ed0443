"""Distillation to few sampling steps, guidance folded in: one network for any number of steps.

Shortcut models (Frans et al. 2024, "One step diffusion via shortcut models"): the network is told how much
the noise level falls in the coming step (its span), and learns that one step leads where two of half the
length do. The shortest steps are those of a trained teacher, with its guidance (Meng et al. 2023, "On
distillation of guided diffusion models"), so the student needs one evaluation a step where the teacher needs
two. A part of the batch learns flow matching at span 0 as before: the same weights still sample slowly.

Steps lie on the grid that sampling uses: n equal steps before the shift, n = ``fewest``, ..., ``most``,
doubling. From z at sigma, a step to sigma' along the straight line to the predicted clip x ends at
z' = z + (sigma' - sigma) (z - x) / sigma; so two half steps that end at z' stand for the prediction
x = z - sigma (z' - z) / (sigma' - sigma), which is the target, without gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.generation.given import settled_frames
from scenewright.generation.loading import load_pipeline
from scenewright.generation.pipeline import TextToVideo
from scenewright.generation.samplers import towards
from scenewright.models.noise import shift_sigma
from scenewright.training.objectives.base import MODEL, Inputs, Objective
from scenewright.training.objectives.denoising import beside, noisy
from scenewright.training.objectives.flow_matching import ClipFlowConfig, FlowMatching

#: (z, sigma (B,), span (B,)) to the predicted clip.
Predict = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class FewStepsConfig(ClipFlowConfig):
    """``teacher``: the model folder, or the name, of the model that is distilled; ``guidance_scale`` and
    ``guidance_interval``: what is folded in, by default as the teacher's makers recommend.

    ``fewest``, ``most``: the numbers of sampling steps to learn, powers of two. ``flow_share``: the share of
    the batch that learns flow matching. The other settings are those of flow matching.
    """

    name: Literal["few_steps"] = "few_steps"
    teacher: Path = Path("nano")
    guidance_scale: float | None = Field(default=None, ge=0)
    guidance_interval: tuple[float, float] | None = None
    fewest: int = Field(default=4, ge=1)
    most: int = Field(default=32, ge=2)
    flow_share: float = Field(default=0.25, ge=0, lt=1)

    @model_validator(mode="after")
    def _powers(self) -> FewStepsConfig:
        for name in ("fewest", "most"):
            if (count := getattr(self, name)).bit_count() != 1:
                raise ValueError(f"{name} is a power of two, not {count}")
        if self.fewest > self.most:
            raise ValueError(f"fewest = {self.fewest} is more than most = {self.most}")
        return self


class FewSteps(Objective):
    """Trains a network with ``spans``; see the module. ``teacher``: in place of that of ``config``."""

    def __init__(self, config: FewStepsConfig, teacher: TextToVideo | None = None) -> None:
        self.config = config
        self.flow = FlowMatching(config)
        pipeline = load_pipeline(config.teacher) if teacher is None else teacher
        settings = pipeline.settings
        self.teacher = pipeline.model.eval().requires_grad_(False)
        self.scale = settings.guidance_scale if config.guidance_scale is None else config.guidance_scale
        self.interval = config.guidance_interval or settings.guidance_interval
        self._unsaid = pipeline.tokenizer.batch([""], pipeline.model.config.text.max_tokens)
        self.prepare = self.flow.prepare  # type: ignore[method-assign]

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        kinds, sigma_B, next_B = self._steps(inputs)
        span_B = torch.where(kinds["flow"], 0.0, sigma_B - next_B)
        z = noisy(inputs, sigma_B)
        target = inputs.x.clone()
        with torch.no_grad():
            rows = kinds["teacher"].nonzero().flatten()
            if len(rows):
                predict = self._guided(_rows(inputs, rows))
                target[rows] = predict(z[rows], sigma_B[rows], span_B[rows])
            # One at least, in vain: where weights are sharded, all processes call the network equally often.
            rows = kinds["halves"].nonzero().flatten()
            asked = rows if len(rows) else torch.zeros_like(sigma_B[:1], dtype=torch.int64)
            predict = _student(model, _rows(inputs, asked))
            halves = _two_halves(predict, z[asked], sigma_B[asked], next_B[asked], self.config.shift)
            target[rows] = halves[: len(rows)]
        x_hat = _student(model, inputs)(z, sigma_B, span_B)
        errors = self.flow.errors(x_hat, target, sigma_B, inputs)
        loss = errors.loss.mean() if inputs.weights is None else (inputs.weights * errors.loss).mean()
        return loss, {f"mse_{n}": errors.mse[at].mean().item() for n, at in kinds.items() if at.any()}

    def _steps(self, inputs: Inputs) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
        """What each sample learns, bool (B,) by kind, and noise levels float32 (B,) where its step begins and
        ends. Over the whole batch each kind has its share, and so has each number of steps."""
        config, draws = self.config, inputs.draws
        levels = (config.most // config.fewest).bit_length()
        share = (draws.stratified("kind") - config.flow_share) / (1 - config.flow_share)
        level = (share * levels).floor().clamp(max=levels - 1)
        kinds = {"flow": share < 0, "teacher": level == levels - 1}
        kinds["halves"] = ~kinds["flow"] & ~kinds["teacher"]
        count = config.fewest * 2.0 ** level.clamp(min=0)
        at = 1 - (draws.uniform("place") * count).floor() / count
        sigma, after = (shift_sigma(u.clamp(min=0), config.shift) for u in (at, at - 1 / count))
        sigma = torch.where(kinds["flow"], self.flow.sample_sigma(inputs), sigma)
        return {n: at.to(inputs.x.device) for n, at in kinds.items()}, sigma.to(inputs.x), after.to(inputs.x)

    def _guided(self, inputs: Inputs) -> Predict:
        """The teacher, guided where its noise levels are in the interval; spans are none of its business."""
        teacher = self.teacher.to(inputs.x.device)
        ids, mask = (t.to(inputs.x.device).expand(inputs.x.shape[0], -1) for t in self._unsaid)
        said = teacher.encode_text(inputs.ids, inputs.mask)
        unsaid = teacher.encode_text(ids, mask)
        given = {} if inputs.given is None else {"given_BGTHW": inputs.given}
        low, high = self.interval

        def predict(z: torch.Tensor, sigma_B: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            x = teacher(z, sigma_B, *said, inputs.mask, **beside(inputs)).float()
            without = teacher(z, sigma_B, *unsaid, mask, **given).float()
            inside = (sigma_B >= low) & (sigma_B <= high)
            scale = torch.where(inside, self.scale, 1.0).view(-1, 1, 1, 1, 1)
            return _kept(without + scale * (x - without), inputs)

        return predict


def _student(model: nn.Module, inputs: Inputs) -> Predict:
    words, pooled = model.encode_text(inputs.ids, inputs.mask)  # type: ignore[operator]

    def predict(z: torch.Tensor, sigma_B: torch.Tensor, span_B: torch.Tensor) -> torch.Tensor:
        x = model(z, sigma_B, words, pooled, inputs.mask, span_B=span_B, **beside(inputs)).float()
        return _kept(x, inputs)

    return predict


def _two_halves(
    predict: Predict, z: torch.Tensor, sigma_B: torch.Tensor, next_B: torch.Tensor, shift: float
) -> torch.Tensor:
    """The clip that one step would have to predict, to end where two halves of it do."""
    middle_B = shift_sigma((_unshifted(sigma_B, shift) + _unshifted(next_B, shift)) / 2, shift)
    sigma, middle, after = (s.view(-1, 1, 1, 1, 1) for s in (sigma_B, middle_B, next_B))
    z_middle = towards(predict(z, sigma_B, sigma_B - middle_B), z, sigma, middle)
    z_after = towards(predict(z_middle, middle_B, middle_B - next_B), z_middle, middle, after)
    return z - sigma * (z_after - z) / (after - sigma)


def _unshifted(sigma: torch.Tensor, shift: float) -> torch.Tensor:
    return shift_sigma(sigma, 1 / shift)


def _kept(x: torch.Tensor, inputs: Inputs) -> torch.Tensor:
    """Predictions with the frames that are given as they are."""
    if inputs.known is None:
        return x
    settled_Bt = settled_frames(inputs.known, inputs.known.shape[1] // x.shape[2])
    return torch.where(settled_Bt[:, None, :, None, None], inputs.x, x)


def _rows(inputs: Inputs, rows: torch.Tensor) -> Inputs:
    """Some of the samples, in any order, for what draws no random numbers."""
    return inputs.with_tensors(lambda tensor: tensor[rows])
