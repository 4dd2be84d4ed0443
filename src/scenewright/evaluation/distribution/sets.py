"""Measures of a set of videos against another, by name, with what must be known to read them.

Intervals are from a jackknife over groups of prompts (Efron & Stein 1981): a bootstrap, which shows samples
twice, would raise every distance. ``same`` is what two sets of one distribution get at this number of
samples; a distance that is not above it says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from scenewright.evaluation.distribution.classes import inception_score
from scenewright.evaluation.distribution.frechet import Moments, extrapolated_frechet, frechet_distance
from scenewright.evaluation.distribution.kernels import KERNELS, mmd
from scenewright.evaluation.distribution.neighbours import neighbours

#: Groups that the jackknife leaves out in turn.
GROUPS = 20
NEIGHBOURS = 5


@dataclass(frozen=True)
class SetMeasure:
    """``compute``: of reference and tested features, float64 (M, D) and (N, D). ``classes``: whether it is
    computed of a classifier's logits instead, (N, K), and needs no reference. ``least``: samples that each
    set needs. ``rate``: whether it is a share of 1. ``moments``: whether the reference's :class:`.Moments`
    are enough in place of its features."""

    name: str
    better: Literal["higher", "lower"]
    compute: Callable[[Any, np.ndarray], float]
    convention: Mapping[str, Any] = field(default_factory=dict)
    least: int = 2
    rate: bool = False
    classes: bool = False
    moments: bool = False


@dataclass(frozen=True)
class SetScore:
    """``value`` with a 95 % interval (``low``, ``high``), of ``n`` videos against ``references``. ``same``:
    what two sets of one distribution get, None where that is unknown. ``bias``: how much the value is above
    that for infinitely many videos, None where the measure has no such bias or that is unknown.
    ``left_out``: the value without each group of prompts in turn, by which two systems are compared."""

    measure: SetMeasure
    value: float
    low: float
    high: float
    n: int
    references: int
    same: float | None = None
    bias: float | None = None
    left_out: tuple[float, ...] = ()


def _moments(x: Moments | np.ndarray) -> Moments:
    return x if isinstance(x, Moments) else Moments.of(x)


def _frechet(ddof: int = 1, ridge: float = 0.0) -> Callable[[Moments | np.ndarray, np.ndarray], float]:
    return lambda x, y: frechet_distance(_moments(x), Moments.of(y), ddof=ddof, ridge=ridge)


def _measures() -> Mapping[str, SetMeasure]:
    near = {"neighbours": NEIGHBOURS}
    found = [
        SetMeasure("frechet", "lower", _frechet(), {"ddof": 1}, moments=True),
        SetMeasure(
            "frechet-infinite",
            "lower",
            lambda x, y: extrapolated_frechet(_moments(x), y).value,
            {"ddof": 1, "points": 15},
            least=20,
            moments=True,
        ),
        SetMeasure("kernel", "lower", lambda x, y: mmd(x, y, "kvd"), {"kernel": "(xy/D + 1)^3, unbiased"}),
        SetMeasure(
            "mmd-gaussian",
            "lower",
            lambda x, y: mmd(x, y, "gaussian"),
            {"kernel": "gaussian, median distance of the reference, unbiased"},
        ),
        SetMeasure(
            "inception-score",
            "higher",
            lambda _, y: inception_score(y, splits=1).value,
            {"splits": 1},
            classes=True,
        ),
    ]
    for name in ("precision", "recall", "density", "coverage"):
        found.append(
            SetMeasure(
                name,
                "higher",
                lambda x, y, name=name: getattr(neighbours(x, y, NEIGHBOURS), name),  # type: ignore[misc]
                near,
                least=NEIGHBOURS + 1,
                rate=name != "density",
            )
        )
    return {measure.name: measure for measure in found}


#: By name.
SETS: Mapping[str, SetMeasure] = _measures()


@dataclass(frozen=True)
class Compatible:
    """How another program computes its distance: the network's ``preset``, and the measure."""

    preset: str
    measure: SetMeasure


def _compatible_frechet(**settings: Any) -> SetMeasure:
    return SetMeasure("frechet", "lower", _frechet(**settings), settings, moments=True)


#: Numbers as other programs give them, for the weights that they use.
COMPATIBLE: Mapping[str, Compatible] = {
    "stylegan-v": Compatible("i3d-stylegan-v", _compatible_frechet(ddof=0)),
    "common-metrics": Compatible("i3d-common", _compatible_frechet(ddof=1)),
    "fastvideo": Compatible("i3d-fastvideo", _compatible_frechet(ddof=1, ridge=1e-6)),
    "cd-fvd": Compatible("videomae", _compatible_frechet(ddof=0)),
    "jedi": Compatible(
        "vjepa",
        SetMeasure(
            "kernel",
            "lower",
            lambda x, y: 100 * mmd(x, y, KERNELS["jedi"], unbiased=False),
            {"kernel": "(xy/D)^2, biased, times 100"},
        ),
    ),
}


def find_sets(names: Sequence[str]) -> list[SetMeasure]:
    """Those of :data:`SETS` among ``names``; all for ``distribution``."""
    if "distribution" in names:
        return list(SETS.values())
    return [SETS[name] for name in dict.fromkeys(names) if name in SETS]


def score_set(
    measure: SetMeasure,
    reference: np.ndarray | Moments,
    test: np.ndarray,
    clusters: Sequence[Hashable] | None = None,
    *,
    same: np.ndarray | None = None,
) -> SetScore:
    """``reference``, ``test``: float64 (M, D) and (N, D); for a measure of classes (M, K) and (N, K). Where
    only the reference's moments are known, measures that need no more can be computed.
    ``clusters``: which rows of ``test`` belong to one prompt. ``same``: more of the reference's distribution,
    to compare it with; by default its own halves are compared.

    Raises:
        ValueError: too few videos, or moments for a measure that needs the videos.
    """
    if isinstance(reference, Moments) and not (measure.moments or measure.classes):
        raise ValueError("statistics are not enough for it; name a folder with the reference's videos")
    references = reference.count if isinstance(reference, Moments) else len(reference)
    least = min(len(test), references) if not measure.classes else len(test)
    if least < measure.least:
        raise ValueError(f"{measure.name} needs at least {measure.least} videos of each set, not {least}")
    value = measure.compute(reference, test)
    left_out = _left_out(measure, reference, test, clusters)
    error = jackknife_error(left_out)
    low, high = value - 1.96 * error, value + 1.96 * error
    if measure.rate:
        low, high = max(0.0, low), min(1.0, high)
    bias = None
    if measure.name == "frechet" and len(test) >= SETS["frechet-infinite"].least:
        bias = extrapolated_frechet(_moments(reference), test).bias
    return SetScore(
        measure,
        value,
        low,
        high,
        len(test),
        references,
        None if isinstance(reference, Moments) else _same(measure, reference, len(test), same),
        bias,
        tuple(left_out.tolist()),
    )


def jackknife_error(left_out: np.ndarray) -> float:
    """The standard error of a value from those without each of G groups, (G,); NaN for fewer than two."""
    groups = len(left_out)
    return float(np.sqrt((groups - 1) * left_out.var())) if groups > 1 else float("nan")


def _left_out(
    measure: SetMeasure,
    reference: np.ndarray | Moments,
    test: np.ndarray,
    clusters: Sequence[Hashable] | None,
) -> np.ndarray:
    """The value without each group of whole clusters, (G,); empty where too few videos are left."""
    labels = list(range(len(test)) if clusters is None else clusters)
    order = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    groups = min(GROUPS, len(order))
    group = np.array([order[label] % groups for label in labels])
    if groups < 2 or min((group != g).sum() for g in range(groups)) < measure.least:
        return np.zeros(0)
    return np.array([measure.compute(reference, test[group != g]) for g in range(groups)])


def _same(measure: SetMeasure, reference: np.ndarray, n: int, more: np.ndarray | None) -> float | None:
    first, second = reference, more
    if second is None:
        rows = np.random.default_rng(0).permutation(len(reference))
        half = len(rows) // 2
        first, second = reference[rows[:half]], reference[rows[half:]]
    second = second[:n]
    if min(len(first), len(second)) < measure.least:
        return None
    return measure.compute(first, second)
