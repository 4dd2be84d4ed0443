"""Whether raters agree, and what is true where they do not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from scenewright.evaluation.statistics import Interval

Level = Literal["nominal", "ordinal", "interval"]
Value = str | float


class Rating(NamedTuple):
    """What ``rater`` said of ``unit``: a label, or a number."""

    unit: Hashable
    rater: str
    value: Value


def krippendorff_alpha(
    ratings: Sequence[Rating], level: Level = "nominal", *, resamples: int = 1000, seed: int = 0
) -> Interval:
    """Krippendorff's alpha (*Content Analysis*, 2004, chapter 11): 1 where raters agree, 0 where they agree
    as by chance, below where less; with a 95 % interval from a bootstrap over units. Any may be missing.

    ``level``: how far apart two values are: ``nominal``, the same or not; ``interval``, their squared
    difference; ``ordinal``, by how many ratings lie between.

    Raises:
        ValueError: no unit has two ratings.
    """
    units: dict[Hashable, list[Value]] = defaultdict(list)
    for rating in ratings:
        units[rating.unit].append(rating.value)
    pairable = [values for values in units.values() if len(values) > 1]
    if not pairable:
        raise ValueError("agreement needs units that two raters have rated")
    values = sorted({value for unit in pairable for value in unit}, key=_order)
    place = {value: i for i, value in enumerate(values)}
    tables = np.array([_coincidences([place[v] for v in unit], len(values)) for unit in pairable])
    numbers = np.array(values, np.float64) if level == "interval" else None
    alpha = _alpha(tables.sum(0), level, numbers)
    rng = np.random.default_rng(seed)
    count = len(pairable)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
    again = [_alpha(np.tensordot(weights, tables, 1), level, numbers) for weights in drawn]
    low, high = np.quantile(again, [0.025, 0.975])
    n = sum(len(unit) for unit in pairable)
    return Interval(alpha, float(min(low, alpha)), float(max(high, alpha)), n, count)


def _coincidences(values: Sequence[int], kinds: int) -> np.ndarray:
    counts = np.bincount(values, minlength=kinds).astype(np.float64)
    return (np.outer(counts, counts) - np.diag(counts)) / (len(values) - 1)


def _alpha(coincidences: np.ndarray, level: Level, numbers: np.ndarray | None) -> float:
    totals = coincidences.sum(0)
    n = totals.sum()
    distance = _distances(totals, level, numbers)
    observed = (coincidences * distance).sum()
    expected = ((np.outer(totals, totals) - np.diag(totals)) * distance).sum() / (n - 1)
    return 1.0 if expected == 0 else float(1 - observed / expected)


def _distances(totals: np.ndarray, level: Level, numbers: np.ndarray | None) -> np.ndarray:
    """Squared, between the kinds of values."""
    if level == "nominal":
        return 1 - np.eye(len(totals))
    if numbers is not None:
        return np.square(numbers[:, None] - numbers)
    up_to = np.cumsum(totals) - totals / 2
    return np.square(up_to[:, None] - up_to)


@dataclass(frozen=True)
class Truths:
    """``labels``: of each unit, the most likely; ``sure``: its probability; ``skills``: of each rater, how
    often a label that is true is given, weighed by how common labels are."""

    labels: Mapping[Hashable, Value]
    sure: Mapping[Hashable, float]
    skills: Mapping[str, float]


def dawid_skene(ratings: Sequence[Rating], *, steps: int = 200, smoothing: float = 0.1) -> Truths:
    """The labels behind raters who err each in their own way (Dawid & Skene 1979), by expectation and
    maximisation from the majority on. ``smoothing``: counts added to what a rater says of each label.

    Raises:
        ValueError: no ratings.
    """
    if not ratings:
        raise ValueError("there are no ratings yet")
    units = {unit: i for i, unit in enumerate(dict.fromkeys(r.unit for r in ratings))}
    raters = {rater: i for i, rater in enumerate(dict.fromkeys(r.rater for r in ratings))}
    labels = sorted({r.value for r in ratings}, key=_order)
    place = {label: i for i, label in enumerate(labels)}
    said = np.zeros((len(units), len(raters), len(labels)))
    for unit, rater, value in ratings:
        said[units[unit], raters[rater], place[value]] += 1
    belief = said.sum(1)
    belief /= belief.sum(1, keepdims=True)
    for _ in range(steps):
        common = belief.mean(0)
        errors = np.einsum("ut,url->rtl", belief, said) + smoothing
        errors /= errors.sum(2, keepdims=True)
        score = np.log(common + 1e-12) + np.einsum("url,rtl->ut", said, np.log(errors))
        new = np.exp(score - score.max(1, keepdims=True))
        new /= new.sum(1, keepdims=True)
        if np.abs(new - belief).max() < 1e-8:
            break
        belief = new
    best = belief.argmax(1)
    skills = np.einsum("t,rtt->r", belief.mean(0), errors)
    return Truths(
        labels={unit: labels[best[i]] for unit, i in units.items()},
        sure={unit: float(belief[i, best[i]]) for unit, i in units.items()},
        skills={rater: float(skills[i]) for rater, i in raters.items()},
    )


def _order(value: Value) -> tuple[bool, str, float]:
    """Numbers by size, then words."""
    return (True, value, 0.0) if isinstance(value, str) else (False, "", value)
