"""Features as the measures of distributions take them."""

from __future__ import annotations

import numpy as np


def checked(features: np.ndarray) -> np.ndarray:
    """float64 (N, D). ValueError, in one line, for anything else, nothing, or numbers that are not finite."""
    x = np.asarray(features, np.float64)
    if x.ndim != 2 or not x.size:
        raise ValueError(f"features are (N, D), not {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("features must be finite")
    return x


def check_widths(one: int, other: int) -> None:
    """ValueError unless both sets of features have as many numbers each."""
    if one != other:
        raise ValueError(f"features of {one} numbers do not go with features of {other}")


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float64 (M, N) of features (M, D) and (N, D)."""
    found = np.square(x).sum(1)[:, None] + np.square(y).sum(1) - 2 * x @ y.T
    return found.clip(min=0)
