"""Maximum mean discrepancy (Gretton et al. 2012), and the kernel distance of subsets (Binkowski et al.
2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from scenewright.config import Config
from scenewright.evaluation.distribution.arrays import check_widths, checked, squared_distances
from scenewright.evaluation.statistics import Interval


class Kernel(Config):
    """``polynomial``: (x y scale + offset)^degree, scale 1 / D unless given. ``gaussian``:
    exp(-|x - y|^2 / (2 w^2)), w the ``bandwidth``, the median distance of the reference unless given."""

    name: Literal["polynomial", "gaussian"] = "polynomial"
    degree: int = Field(default=3, ge=1)
    offset: float = 1.0
    scale: float | None = None
    bandwidth: float | None = None


#: ``kvd``: of degree 3, as KID and KVD; ``jedi``: of degree 2 without offset, for V-JEPA features (its
#: authors take the biased form, times 100); ``gaussian``: at the median distance.
KERNELS: Mapping[str, Kernel] = {
    "kvd": Kernel(),
    "jedi": Kernel(degree=2, offset=0.0),
    "gaussian": Kernel(name="gaussian"),
}


def mmd(
    reference: np.ndarray, test: np.ndarray, kernel: str | Kernel = "kvd", *, unbiased: bool = True
) -> float:
    """Squared maximum mean discrepancy of features float (M, D) and (N, D).

    ``unbiased``: without the kernel of a sample with itself, so that it is 0 on average, and now and then
    below, for sets of one distribution.

    Raises:
        ValueError: sizes that do not fit, or one sample.
    """
    x, y = checked(reference), checked(test)
    check_widths(x.shape[1], y.shape[1])
    chosen = KERNELS[kernel] if isinstance(kernel, str) else kernel
    if chosen.name == "gaussian" and chosen.bandwidth is None:
        chosen = chosen.model_copy(update={"bandwidth": _median_distance(x)})
    within = [_mean_within(z, chosen, unbiased) for z in (x, y)]
    return float(within[0] + within[1] - 2 * _products(x, y, chosen).mean())


def kernel_distance(
    reference: np.ndarray,
    test: np.ndarray,
    kernel: str | Kernel = "kvd",
    *,
    subsets: int = 100,
    size: int = 1000,
    seed: int = 0,
) -> Interval:
    """Mean of the unbiased :func:`mmd` over ``subsets`` random subsets of at most ``size`` of each set, and
    where 95 % of the subsets lie. Not times 1,000, as some give it."""
    x, y = checked(reference), checked(test)
    rng = np.random.default_rng(seed)
    size = min(size, len(x), len(y))
    values = [
        mmd(x[rng.choice(len(x), size, replace=False)], y[rng.choice(len(y), size, replace=False)], kernel)
        for _ in range(subsets)
    ]
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(np.mean(values)), float(low), float(high), len(y), subsets)


def _products(x: np.ndarray, y: np.ndarray, kernel: Kernel) -> np.ndarray:
    if kernel.name == "polynomial":
        scale = 1 / x.shape[1] if kernel.scale is None else kernel.scale
        return (x @ y.T * scale + kernel.offset) ** kernel.degree
    assert kernel.bandwidth is not None
    return np.exp(-squared_distances(x, y) / (2 * kernel.bandwidth**2))


def _mean_within(x: np.ndarray, kernel: Kernel, unbiased: bool) -> float:
    products = _products(x, x, kernel)
    if not unbiased:
        return float(products.mean())
    n = len(x)
    if n < 2:
        raise ValueError("an unbiased discrepancy needs two samples of each set")
    return float((products.sum() - np.trace(products)) / (n * (n - 1)))


def _median_distance(x: np.ndarray) -> float:
    distances = np.sqrt(squared_distances(x, x)[np.triu_indices(len(x), 1)])
    median = float(np.median(distances)) if distances.size else 0.0
    if median == 0:
        raise ValueError("half of the reference is the same; give the kernel a bandwidth")
    return median
