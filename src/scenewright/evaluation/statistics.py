"""Intervals for scores: the cluster bootstrap and the Wilson interval.

Scores of one prompt are not independent (three objects of one clip fail together), so the bootstrap
resamples whole prompts. Source: Davison and Hinkley, *Bootstrap Methods and their Application* (1997),
section 3.8; Wilson, *JASA* 22 (1927).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval. ``n``: values; ``clusters``: independent groups of them."""

    value: float
    low: float
    high: float
    n: int
    clusters: int


def wilson_interval(successes: float, n: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a proportion: ``successes`` out of ``n`` independent trials.

    ``n`` may be fractional (an effective sample size). Raises ValueError for ``n <= 0`` or successes outside
    [0, n].
    """
    if n <= 0:
        raise ValueError(f"a Wilson interval needs at least one trial, not n={n}")
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in 0 to n={n}, not {successes}")
    z = _two_sided_z(confidence)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return float(low), float(high)


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    clusters: Sequence[Hashable] | np.ndarray | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 4000,
    seed: int = 0,
    shares: bool = True,
) -> Interval:
    """Mean of ``values`` with a percentile interval from a bootstrap over ``clusters``.

    ``values``: n numbers (booleans count as 0 and 1). ``clusters``: n labels; values of one label are drawn
    together. Without labels every value is its own cluster. The mean of a resample is the ratio of its sum
    to its number of values, so clusters of unequal size keep their weight.

    Where no resample can differ from the data (one cluster, or every value equal) the bootstrap says nothing;
    values in [0, 1] then get the Wilson interval with the clusters as trials, other values, and those that
    are no ``shares``, a zero-width one.
    Deterministic for a seed. Raises ValueError when there is nothing to average, or labels do not fit.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    if x.size == 0:
        raise ValueError("an interval needs at least one value")
    if not np.isfinite(x).all():
        raise ValueError("an interval needs finite values")
    _two_sided_z(confidence)
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")
    sums, counts = _cluster_totals(x, clusters)
    groups = len(sums)
    mean = float(x.mean())
    if groups == 1 or np.ptp(x) == 0:
        if shares and x.min() >= 0 and x.max() <= 1:
            low, high = wilson_interval(mean * groups, groups, confidence=confidence)
        else:
            low = high = mean
        return Interval(mean, min(low, mean), max(high, mean), int(x.size), groups)
    tail = (1 - confidence) / 2
    low, high = np.quantile(_resampled_means(sums, counts, resamples, seed), [tail, 1 - tail])
    return Interval(mean, float(low), float(high), int(x.size), groups)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), in the same order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, p_values[i] * (len(p_values) - rank)))
        corrected[i] = largest
    return corrected


def _cluster_totals(
    x: np.ndarray, clusters: Sequence[Hashable] | np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    if clusters is None:
        return x, np.ones_like(x)
    labels = list(clusters)
    if len(labels) != x.size:
        raise ValueError(f"{x.size} values came with {len(labels)} cluster labels")
    index: dict[Hashable, int] = {}
    inverse = np.array([index.setdefault(label, len(index)) for label in labels])
    return np.bincount(inverse, weights=x), np.bincount(inverse).astype(np.float64)


def _resampled_means(sums: np.ndarray, counts: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    groups = len(sums)
    chunk = max(1, 4_000_000 // groups)
    means = []
    for start in range(0, resamples, chunk):
        drawn = rng.integers(0, groups, size=(min(chunk, resamples - start), groups))
        means.append(sums[drawn].sum(1) / counts[drawn].sum(1))
    return np.concatenate(means)


def _two_sided_z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    return NormalDist().inv_cdf(0.5 + confidence / 2)
