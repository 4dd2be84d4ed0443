"""Validation while training: held-out loss, any metric of the registry, the best model, an early end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.config import Config
from scenewright.data.streams import StreamConfig, batches
from scenewright.registry import metrics
from scenewright.seeds import keyed_seed
from scenewright.training.callbacks.base import Callback
from scenewright.training.draws import Draws

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer


class Score(Protocol):
    """A mean and its 95 % interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class _Mean(NamedTuple):
    value: float
    low: float
    high: float


class ValidationConfig(Config):
    """Every ``every`` steps the averaged model is judged, always on the same clips, prompts and seeds.

    ``data``: the clips of the held-out loss, ``batches`` of ``batch``; give it a seed that no stage has.
    ``metrics``: metrics of the registry by name, each with its options (``{world-core: {prompts: 24}}``); of
    their scores more is better. ``best``: the score by which ``best/`` is chosen, ``loss`` or
    ``METRIC/SCORE``. ``patience``: the run ends after so many validations in a row in which that score did
    not leave the interval of the one it was last compared with on its better side, so that luck within the
    interval neither ends a run nor keeps it going. Without it, nothing ends early.
    """

    every: int = Field(default=500, ge=1)
    data: StreamConfig | None = None
    batches: int = Field(default=4, ge=2)
    batch: int = Field(default=16, ge=1)
    metrics: dict[str, dict[str, Any]] = Field(default_factory=dict)
    best: str = "loss"
    patience: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _check(self) -> ValidationConfig:
        if self.data is None and not self.metrics:
            raise ValueError("validation needs data for a held-out loss, metrics, or both")
        source = self.best.split("/")[0]
        if source == "loss" and self.data is None:
            raise ValueError("best = loss needs data for a held-out loss")
        if source != "loss" and source not in self.metrics:
            raise ValueError(f"best = {self.best} is a score of no metric of this validation")
        return self


class Validation(Callback):
    """Judges, keeps the best model in ``best/``, tells the schedule, and ends a run that no longer learns."""

    name = "validation"

    def __init__(self, config: ValidationConfig) -> None:
        self.config = config
        self._measures = {name: metrics.get(name) for name in config.metrics}
        self._sign = -1.0 if config.best == "loss" else 1.0
        self._best = -math.inf
        self._mark = -math.inf
        self._without = 0

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        if trainer.step % self.config.every == 0:
            network = trainer.averaged()
            scores = trainer.layout.from_main(lambda: self.scores(trainer, network))
            if "loss" in scores:
                trainer.schedule.observe(scores["loss"].value)
            found = {k: {"value": s.value, "low": s.low, "high": s.high} for k, s in scores.items()}
            trainer.logging.record({"step": trainer.step, "validation": found})
            self._judge(trainer, scores, network)

    def scores(self, trainer: Trainer, network: nn.Module) -> dict[str, Score]:
        """Every score of ``network`` by name."""
        found: dict[str, Score] = {}
        if self.config.data is not None:
            found["loss"] = self._loss(trainer, self.config.data, network)
        for name, options in self.config.metrics.items():
            scores: Mapping[str, Score] = self._measures[name](trainer.pipeline(network), **options)
            found |= {f"{name}/{key}": score for key, score in scores.items()}
        return found

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "mark": self._mark, "without": self._without}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._best, self._mark = float(state["best"]), float(state["mark"])
        self._without = int(state["without"])

    @torch.no_grad()
    def _loss(self, trainer: Trainer, data: StreamConfig, network: nn.Module) -> _Mean:
        config = self.config
        seed = keyed_seed(trainer.recipe.seed, "validation")
        losses = []
        for index, batch in enumerate(batches(data, config.batch, 0, config.batches, workers=0)):
            inputs = trainer.prepare(batch, Draws(seed, index, batch.whole, batch.rows))
            losses.append(trainer.objective.loss(network, inputs)[0].item())
        mean = sum(losses) / len(losses)
        spread = math.sqrt(sum((x - mean) ** 2 for x in losses) / (len(losses) - 1) / len(losses))
        return _Mean(mean, mean - 1.96 * spread, mean + 1.96 * spread)

    def _judge(self, trainer: Trainer, scores: Mapping[str, Score], network: nn.Module) -> None:
        if self.config.best not in scores:
            raise ValueError(f"there is no score {self.config.best}; known: {', '.join(scores)}")
        score = scores[self.config.best]
        value = self._sign * score.value
        if value > self._best:
            self._best = value
            if trainer.layout.is_main:
                trainer.family.save(trainer.pipeline(network), trainer.output / "best")
        if value > self._mark:
            self._mark = max(self._sign * score.low, self._sign * score.high)
            self._without = 0
            return
        self._without += 1
        if self.config.patience is not None and self._without >= self.config.patience:
            trainer.end_early(
                f"{self.config.best} has not got better beyond its interval in {self._without} validations"
            )
