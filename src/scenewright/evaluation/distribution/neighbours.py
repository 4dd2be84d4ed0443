"""What of a test set lies among the reference, and the other way round, by nearest neighbours.

Precision and recall (Kynkäänniemi et al. 2019): a sample is covered where it lies in the ball of some
sample of the other set, as wide as to its k-th neighbour. Density and coverage (Naeem et al. 2020) stand
outliers better.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scenewright.evaluation.distribution.arrays import check_widths, checked, squared_distances


class Neighbours(NamedTuple):
    """``precision``: share of the test set in balls of the reference; ``recall``: of the reference in balls
    of the test set; ``density``: how many balls of the reference a test sample is in, over k; ``coverage``:
    share of the reference with a test sample in its ball."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbours(reference: np.ndarray, test: np.ndarray, k: int = 5, *, at_once: int = 2048) -> Neighbours:
    """The four of features float (M, D) and (N, D); ``at_once``: rows of distances in memory.

    Raises:
        ValueError: sizes that do not fit, or not more than k samples in a set.
    """
    x, y = checked(reference), checked(test)
    check_widths(x.shape[1], y.shape[1])
    if min(len(x), len(y)) <= k:
        raise ValueError(f"{k} neighbours need more than {k} samples of each set, not {len(x)} and {len(y)}")
    radius_x, radius_y = _radii(x, k, at_once), _radii(y, k, at_once)
    inside, covered = np.zeros(len(y)), np.zeros(len(x), bool)
    recalled = np.zeros(len(x), bool)
    for start in range(0, len(x), at_once):
        rows = slice(start, start + at_once)
        distance = squared_distances(x[rows], y)
        within = distance <= radius_x[rows, None]
        inside += within.sum(0)
        covered[rows] = within.any(1)
        recalled[rows] = (distance <= radius_y).any(1)
    return Neighbours(
        precision=float((inside > 0).mean()),
        recall=float(recalled.mean()),
        density=float(inside.mean() / k),
        coverage=float(covered.mean()),
    )


def _radii(x: np.ndarray, k: int, at_once: int) -> np.ndarray:
    """Squared distances to the k-th neighbour, not counting a sample itself."""
    found = []
    for start in range(0, len(x), at_once):
        distance = squared_distances(x[start : start + at_once], x)
        distance[np.arange(len(distance)), start + np.arange(len(distance))] = 0
        found.append(np.partition(distance, k, axis=1)[:, k])
    return np.concatenate(found)
