"""The Fréchet distance of two Gaussians (Dowson & Landau 1982; Heusel et al. 2017 for images, Unterthiner
et al. 2018 for videos), and what it would be for infinitely many samples (Chong & Forsyth 2020).

d = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). The last trace is the sum of the square roots of the
eigenvalues of S1^(1/2) S2 S1^(1/2), which is symmetric: nothing complex arises, whatever the rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenewright.evaluation.distribution.arrays import check_widths, checked


class Moments:
    """Mean and covariance of features that come in parts: memory does not grow with their number."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    @classmethod
    def of(cls, features: np.ndarray) -> Moments:
        """Of features float (N, D)."""
        moments = cls()
        moments.add(features)
        return moments

    @classmethod
    def from_parts(cls, count: int, mean: np.ndarray, scatter: np.ndarray) -> Moments:
        """Of ``count`` features that are gone: their mean, float64 (D,), and the sum of squares and products
        about it, float64 (D, D)."""
        moments = cls()
        moments.count, moments.mean, moments._scatter = count, mean, scatter
        return moments

    def add(self, features: np.ndarray) -> None:
        """Take in more, float (N, D). Sums of squares are about the running mean (Chan et al. 1983)."""
        x = checked(features)
        if not self.count:
            self.mean = np.zeros(x.shape[1])
            self._scatter = np.zeros((x.shape[1], x.shape[1]))
        check_widths(len(self.mean), x.shape[1])
        count, mean = len(x), x.mean(0)
        centred, step = x - mean, mean - self.mean
        both = self.count + count
        self._scatter += centred.T @ centred + np.outer(step, step) * (self.count * count / both)
        self.mean = self.mean + step * (count / both)
        self.count = both

    def covariance(self, ddof: int = 1) -> np.ndarray:
        """float64 (D, D). ``ddof``: 1 for the unbiased one, 0 for that of the sample.

        Raises:
            ValueError: too few features.
        """
        if self.count <= ddof:
            raise ValueError(f"a covariance needs more than {ddof} samples, not {self.count}")
        return self._scatter / (self.count - ddof)


def frechet_distance(a: Moments, b: Moments, *, ddof: int = 1, ridge: float = 0.0) -> float:
    """Fréchet distance of two sets, 0 or more.

    ``ddof``: 1 as common_metrics_on_video_quality and FastVideo, 0 as StyleGAN-V and cd-fvd. ``ridge``: added
    to the diagonals (FastVideo: 1e-6).

    Raises:
        ValueError: features of different sizes, or too few.
    """
    check_widths(len(a.mean), len(b.mean))
    one, two = (m.covariance(ddof) + ridge * np.eye(len(m.mean)) for m in (a, b))
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    inner = root @ two @ root
    crossed = np.sqrt(np.linalg.eigvalsh((inner + inner.T) / 2).clip(min=0)).sum()
    distance = np.square(a.mean - b.mean).sum() + np.trace(one) + np.trace(two) - 2 * crossed
    return max(0.0, float(distance))


@dataclass(frozen=True)
class Extrapolated:
    """``value``: the intercept, for infinitely many samples; ``sizes`` and ``distances``: what the line was
    fitted to; ``bias``: how much the distance of all samples is above it."""

    value: float
    bias: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def extrapolated_frechet(
    reference: Moments, test: np.ndarray, *, points: int = 15, least: int | None = None, seed: int = 0
) -> Extrapolated:
    """The distance is linear in 1 / N: fitted over ``points`` sizes from ``least`` (half of all) to all of
    ``test``, float (N, D), which is drawn without replacement.

    ``reference`` stays whole, so that its own share of the bias stays: let it be large. The intercept may be
    below 0, by chance.
    """
    x = checked(test)
    sizes = np.linspace(least or max(2, len(x) // 2), len(x), points).astype(int)
    rng = np.random.default_rng(seed)
    drawn = [x[rng.permutation(len(x))[:size]] for size in sizes]
    distances = [frechet_distance(reference, Moments.of(part)) for part in drawn]
    if len(set(sizes.tolist())) < 2:
        raise ValueError(f"{len(x)} samples are too few to extrapolate from")
    slope, intercept = np.polyfit(1 / sizes, distances, 1)
    return Extrapolated(
        float(intercept), float(slope / len(x)), tuple(sizes.tolist()), tuple(map(float, distances))
    )
