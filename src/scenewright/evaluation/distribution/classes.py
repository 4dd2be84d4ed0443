"""The Inception score (Salimans et al. 2016; for videos Saito et al. 2017) of a classifier's answers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scenewright.evaluation.distribution.arrays import checked


class ClassScore(NamedTuple):
    """``value``: mean over splits; ``spread``: their standard deviation."""

    value: float
    spread: float


def inception_score(
    logits: np.ndarray, *, splits: int = 10, seed: int | None = 42, ddof: int = 0
) -> ClassScore:
    """exp of the mean divergence of p(y | x) from p(y): 1, where all answers are alike, to the number of
    classes.

    ``logits``: float (N, K), before the softmax. ``seed``: of the order in which splits are cut (42 and
    ``ddof`` 0 as StyleGAN-V); None leaves it as it is.

    Raises:
        ValueError: fewer samples than splits.
    """
    x = checked(logits)
    if len(x) < splits:
        raise ValueError(f"{len(x)} samples cannot be cut into {splits} splits; give more, or fewer splits")
    if seed is not None:
        x = x[np.random.RandomState(seed).permutation(len(x))]
    log_p = x - x.max(1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
    scores = []
    for part in np.array_split(log_p, splits):
        p = np.exp(part)
        scores.append(np.exp((p * (part - np.log(p.mean(0, keepdims=True)))).sum(1).mean()))
    spread = float(np.std(scores, ddof=ddof)) if splits > ddof else 0.0
    return ClassScore(float(np.mean(scores)), spread)
