"""Learning-rate schedules: a factor of the peak rate as a function of the step.

A schedule is pure arithmetic on the step, so a resumed run needs nothing from it; ``reduce_on_plateau`` alone
also learns from validation scores, and keeps what it learnt in its ``state_dict``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from scenewright.config import ChoiceConfig


class ScheduleConfig(ChoiceConfig):
    """How the rate goes. Factors are of the peak rate; fields that a schedule does not take are refused.

    - ``warmup``: steps of linear rise to the peak before anything else.
    - ``floor``: the factor at the end, and the lowest ever.
    - ``decay_fraction``: the last part of the run in which ``warmup_stable_decay`` falls to ``floor``.
    - ``gamma``: what one drop multiplies by; ``exponential`` takes ``every`` steps for it smoothly (the whole
      run if ``null``), ``step`` drops at once ``every`` so many steps after the warm-up, or at the
      ``milestones`` (steps of the run).
    - ``start``, ``peak_fraction``: ``one_cycle`` begins at ``start`` and has its peak after that part.
    - ``factor``, ``patience``, ``threshold``, ``cooldown``, ``mode``: ``reduce_on_plateau`` multiplies by
      ``factor`` once more than ``patience`` scores in a row were not better than the best (by ``threshold``
      of it; lower is better in mode ``min``), then disregards ``cooldown`` scores.
    """

    FIELDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "constant": {"warmup": 0},
        "linear": {"warmup": 0, "floor": 0.0},
        "cosine": {"warmup": 0, "floor": 0.0},
        "exponential": {"warmup": 0, "floor": 0.0, "gamma": 0.1, "every": None},
        "step": {"warmup": 0, "floor": 0.0, "gamma": 0.1, "every": None, "milestones": None},
        "one_cycle": {"start": 0.04, "peak_fraction": 0.3, "floor": 0.0},
        "warmup_stable_decay": {"warmup": 100, "floor": 0.0, "decay_fraction": 0.3},
        "reduce_on_plateau": {
            "warmup": 0,
            "floor": 0.0,
            "factor": 0.1,
            "patience": 10,
            "threshold": 1e-4,
            "cooldown": 0,
            "mode": "min",
        },
    }

    name: Literal[
        "constant",
        "linear",
        "cosine",
        "exponential",
        "step",
        "one_cycle",
        "warmup_stable_decay",
        "reduce_on_plateau",
    ] = "warmup_stable_decay"
    warmup: int | None = Field(default=None, ge=0)
    floor: float | None = Field(default=None, ge=0, le=1)
    decay_fraction: float | None = Field(default=None, ge=0, le=1)
    gamma: float | None = Field(default=None, gt=0, lt=1)
    every: int | None = Field(default=None, ge=1)
    milestones: tuple[int, ...] | None = None
    start: float | None = Field(default=None, ge=0, le=1)
    peak_fraction: float | None = Field(default=None, gt=0, lt=1)
    factor: float | None = Field(default=None, gt=0, lt=1)
    patience: int | None = Field(default=None, ge=0)
    threshold: float | None = Field(default=None, ge=0)
    cooldown: int | None = Field(default=None, ge=0)
    mode: Literal["min", "max"] | None = None

    @model_validator(mode="after")
    def _check(self) -> ScheduleConfig:
        if self.name == "step":
            if (self.every is None) == (not self.milestones):
                raise ValueError("step drops either every so many steps or at milestones; set one of the two")
            steps = (self.warmup or 0, *(self.milestones or ()))
            if any(a >= b for a, b in pairwise(steps)):
                raise ValueError(
                    f"milestones = {list(steps[1:])} must rise, all after the warm-up ({steps[0]})"
                )
        return self


class Schedule:
    """``factor(step)`` of the peak rate; ``step`` counts from 0, and ``total`` is one past the last."""

    def __init__(self, warmup: int, after: Callable[[int], float]) -> None:
        self._warmup, self._after = warmup, after

    def factor(self, step: int) -> float:
        """In [0, 1]: linear warm-up as (step + 1) / warm-up, then the schedule's own shape."""
        return (step + 1) / self._warmup if step < self._warmup else self._after(step)

    def observe(self, metric: float) -> None:
        """Take note of a validation score; only ``reduce_on_plateau`` goes by them."""

    def state_dict(self) -> dict[str, float]:
        """What scores have taught it; empty for a function of the step alone."""
        return {}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        if set(state) != set(self.state_dict()):
            raise ValueError("the saved schedule is of another kind; go on with the recipe it was saved with")


class ReduceOnPlateau(Schedule):
    """Multiplies the rate by ``factor`` when scores stop getting better.

    The rule is that of ``torch.optim.lr_scheduler.ReduceLROnPlateau`` with a relative threshold, except that
    the threshold is of the best score's magnitude, so that it means the same for negative scores. A score
    that is not a number is no improvement.
    """

    def __init__(
        self,
        warmup: int,
        *,
        floor: float = 0.0,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        mode: Literal["min", "max"] = "min",
    ) -> None:
        super().__init__(warmup, lambda step: self._scale)
        self._floor, self._factor, self._patience = floor, factor, patience
        self._threshold, self._cooldown = threshold, cooldown
        self._sign = 1.0 if mode == "min" else -1.0
        self._scale, self._best = 1.0, math.inf
        self._bad = self._cooling = 0

    def observe(self, metric: float) -> None:
        value = self._sign * metric
        margin = self._threshold * abs(self._best) if math.isfinite(self._best) else 0.0
        if value < self._best - margin:
            self._best, self._bad = value, 0
        else:
            self._bad += 1
        if self._cooling:
            self._cooling -= 1
            self._bad = 0
        if self._bad > self._patience:
            self._scale = max(self._floor, self._scale * self._factor)
            self._cooling, self._bad = self._cooldown, 0

    def state_dict(self) -> dict[str, float]:
        return {"scale": self._scale, "best": self._best, "bad": self._bad, "cooling": self._cooling}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        super().load_state_dict(state)
        self._scale, self._best = float(state["scale"]), float(state["best"])
        self._bad, self._cooling = int(state["bad"]), int(state["cooling"])


def build_schedule(config: ScheduleConfig, total: int) -> Schedule:
    """The schedule of a run of ``total`` steps.

    Sources: cosine, Loshchilov & Hutter 2017 ("SGDR") without restarts; one-cycle, Smith & Topin 2018 with
    the cosine segments of ``torch.optim.lr_scheduler.OneCycleLR``, rates only; warm-up, stable, decay, Hu et
    al. 2024 ("MiniCPM").

    Raises:
        ValueError: ``total`` is below 1.
    """
    if total < 1:
        raise ValueError(f"a schedule is for 1 step or more, not {total}")
    settings = config.chosen
    warmup: int = settings.pop("warmup", 0)
    steps = max(1, total - warmup)
    if config.name == "reduce_on_plateau":
        return ReduceOnPlateau(warmup, **settings)
    if config.name == "warmup_stable_decay":
        return Schedule(
            warmup, lambda step: warmup_stable_decay(step, warmup=warmup, total=total, **settings)
        )
    if config.name == "one_cycle":
        return Schedule(0, lambda step: _one_cycle(step, total, **settings))

    if config.name == "constant":
        return Schedule(warmup, lambda step: 1.0)

    floor: float = settings["floor"]
    if config.name == "exponential":
        gamma, period = settings["gamma"], settings["every"] or steps
        return Schedule(warmup, lambda step: max(floor, gamma ** ((step - warmup) / period)))
    if config.name == "step":
        gamma, every, milestones = settings["gamma"], settings["every"], settings["milestones"]

        def drops(step: int) -> int:
            return sum(step >= m for m in milestones) if milestones else (step - warmup) // every

        return Schedule(warmup, lambda step: max(floor, gamma ** drops(step)))

    def left(step: int) -> float:
        return max(0.0, 1 - (step - warmup) / steps)

    if config.name == "cosine":
        return Schedule(warmup, lambda step: _cosine(floor, 1.0, left(step)))
    return Schedule(warmup, lambda step: floor + (1 - floor) * left(step))


def warmup_stable_decay(
    step: int, *, warmup: int, total: int, decay_fraction: float, floor: float = 0.0
) -> float:
    """Linear warm-up, constant, then linear decay to ``floor`` over the last part of ``total``."""
    if step < warmup:
        return (step + 1) / warmup
    decay_steps = max(1, round(total * decay_fraction))
    begin = total - decay_steps
    if step < begin:
        return 1.0
    return floor + (1 - floor) * max(0.0, (total - step) / decay_steps)


def _one_cycle(step: int, total: int, *, start: float, peak_fraction: float, floor: float) -> float:
    """From ``start`` up to 1, then down to ``floor``, which the last step (``total`` - 1) has."""
    peak = max(0.0, peak_fraction * total - 1)
    if step < peak:
        return _cosine(start, 1.0, step / peak)
    return _cosine(1.0, floor, min(1.0, (step - peak) / max(1e-9, total - 1 - peak)))


def _cosine(begin: float, end: float, part: float) -> float:
    """Half a cosine from ``begin`` (part 0) to ``end`` (part 1)."""
    return begin + (end - begin) * (1 - math.cos(math.pi * part)) / 2
