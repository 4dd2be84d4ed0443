"""Curriculum learning: easy samples first, how easy by any columns, how fast by a pacing function.

A pacing function tells which share of the samples, from the easiest on, may be drawn at a step (Y. Bengio et
al., Curriculum learning, 2009; G. Hacohen and D. Weinshall, On the power of curriculum learning, 2019).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from scenewright.config import ChoiceConfig
from scenewright.data.sampling import Shuffled
from scenewright.seeds import keyed_seed
from scenewright.world.scene import Scene

# ----------------------------------------------------------------------------------------------- difficulty


def scene_columns(scenes: Iterable[Scene]) -> dict[str, np.ndarray]:
    """What makes scenes of the world hard, float64 (scenes,) each: ``objects``, ``moving`` (objects that do
    something), ``stages`` (one after the other), ``relations``, and ``camera`` (1 where it moves)."""
    rows = [
        (
            len(scene.objects),
            len({motion.subject for motion in scene.motions}),
            len({motion.stage for motion in scene.motions}),
            len(scene.relations),
            scene.camera.move.kind != "static",
        )
        for scene in scenes
    ]
    table = np.array(rows, dtype=float).reshape(-1, 5)
    return dict(zip(("objects", "moving", "stages", "relations", "camera"), table.T, strict=True))


def difficulty(
    columns: Mapping[str, Sequence[float] | np.ndarray], weights: Mapping[str, float] | None = None
) -> np.ndarray:
    """float64 (samples,) in [0, 1]: the weighted mean of the ranks in each column, 0 easiest.

    Ranks make columns of any scale comparable (objects, seconds, pixels, a loss); equal values share their
    mean rank. A negative weight calls large values easy.

    Args:
        columns: Numbers by name, one a sample.
        weights: By column; a column without one is left out. ``None``: all the same.

    Raises:
        ValueError: no columns, of different lengths, not finite, or weights for others or all zero.
    """
    weights = dict.fromkeys(columns, 1.0) if weights is None else weights
    unknown = [name for name in weights if name not in columns]
    if unknown or not any(weights.values()):
        raise ValueError(
            f"weights {dict(weights)} must be for some of the columns {list(columns)}, not all 0"
        )
    ranks = {name: _ranks(name, columns[name]) for name in weights}
    if len({len(rank) for rank in ranks.values()}) > 1:
        raise ValueError(f"columns differ in length: { {name: len(rank) for name, rank in ranks.items()} }")
    total = sum(abs(weight) for weight in weights.values())
    score = np.zeros(len(next(iter(ranks.values()))))
    for name, weight in weights.items():
        score += abs(weight) / total * (ranks[name] if weight >= 0 else 1 - ranks[name])
    return score


def _ranks(name: str, column: Sequence[float] | np.ndarray) -> np.ndarray:
    """(samples,) in [0, 1]: how many are smaller, and half of the others that are equal, of all others."""
    values = np.asarray(column, dtype=float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"column {name} must be finite numbers, one a sample")
    _, places, times = np.unique(values, return_inverse=True, return_counts=True)
    below = np.cumsum(times) - times
    return (below + (times - 1) / 2)[places] / max(len(values) - 1, 1)


# --------------------------------------------------------------------------------------------------- pacing


class PacingConfig(ChoiceConfig):
    """How the share of samples that may be drawn grows from ``start`` to 1.

    - ``linear``: evenly, over ``steps`` steps.
    - ``root``: as the ``power``-th root of time, over ``steps`` steps: fast at first, so that every sample
      gets about the same time to be learnt (E. A. Platanios et al., Competence-based curriculum learning,
      2019).
    - ``step``: ``growth`` times as many every ``every`` steps (the fixed exponential pacing of Hacohen and
      Weinshall); with ``growth`` = 1 / ``start``, from the easy ones to all at once, as Bengio et al. do.
    """

    FIELDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "linear": {"start": 0.2, "steps": 10_000},
        "root": {"start": 0.2, "steps": 10_000, "power": 2.0},
        "step": {"start": 0.2, "growth": 1.5, "every": 2_000},
    }

    name: Literal["linear", "root", "step"] = "root"
    start: float | None = Field(default=None, gt=0, le=1)
    steps: int | None = Field(default=None, ge=1)
    power: float | None = Field(default=None, ge=1)
    growth: float | None = Field(default=None, gt=1)
    every: int | None = Field(default=None, ge=1)

    def share(self, step: int) -> float:
        """The share of the easiest samples that may be drawn at ``step``, in (0, 1]; it never falls."""
        start = self.start
        assert start is not None
        if self.name == "step":
            assert self.growth is not None
            assert self.every is not None
            rises = min(step // self.every, self._rises)
            return 1.0 if rises == self._rises else start * self.growth**rises
        assert self.steps is not None
        power = self.power or 1.0
        done = min(step / self.steps, 1.0)
        return 1.0 if done == 1.0 else float((start**power + (1 - start**power) * done) ** (1 / power))

    @property
    def full_from(self) -> int:
        """The first step at which all samples may be drawn."""
        if self.start == 1.0:
            return 0
        if self.name == "step":
            assert self.every is not None
            return self._rises * self.every
        assert self.steps is not None
        return self.steps

    @property
    def _rises(self) -> int:
        """How many rises of ``step`` lead to 1, a rounding error of the last one forgiven."""
        assert self.start is not None
        assert self.growth is not None
        return math.ceil(math.log(1 / self.start) / math.log(self.growth) - 1e-9)


class Curriculum:
    """Batches of the easiest samples, of ever more of them, then of all.

    Until the pacing has let in all, a batch is drawn from those let in, without repeats where they are enough
    for it; from then on the samples are gone through in epochs, each once in a new order. Equally hard ones
    are let in at random. Batch ``k`` depends only on the settings and ``k``.

    Args:
        difficulty: One finite number a sample, the smallest easiest: any column, or :func:`difficulty`.
    """

    def __init__(
        self, difficulty: Sequence[float] | np.ndarray, pacing: PacingConfig, batch: int, seed: int = 0
    ) -> None:
        scores = np.asarray(difficulty, dtype=float)
        if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all():
            raise ValueError("a difficulty must be finite numbers, one a sample")
        if batch < 1:
            raise ValueError(f"a batch holds at least one sample, not {batch}")
        self.pacing, self.batch_size, self.seed = pacing, batch, seed
        chance = np.random.default_rng(keyed_seed(seed, "equally hard")).random(len(scores))
        #: int64 (samples,): indices from the easiest to the hardest.
        self.order = np.lexsort((chance, scores))
        self._all = Shuffled(len(scores), seed)

    def let_in(self, step: int) -> int:
        """How many of the easiest samples may be drawn at ``step``, at least one."""
        return max(1, math.ceil(self.pacing.share(step) * len(self.order) - 1e-9))

    def batch(self, step: int) -> np.ndarray:
        """int64 (batch,): indices of samples."""
        if step >= self.pacing.full_from:
            return self._all.take((step - self.pacing.full_from) * self.batch_size, self.batch_size)
        count = self.let_in(step)
        rng = np.random.default_rng(keyed_seed(self.seed, "curriculum", step))
        return self.order[rng.choice(count, self.batch_size, replace=self.batch_size > count)]
