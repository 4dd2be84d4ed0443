"""How many votes a comparison needs, and whether it may stop before."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, exp, lgamma, log, sqrt
from statistics import NormalDist
from typing import NamedTuple


def votes_needed(
    preference: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    votes_per_prompt: int = 1,
    correlation: float = 0.0,
    ties: float = 0.0,
) -> int:
    """Votes for finding, two-sided at level ``alpha`` and with probability ``power``, that one of two
    systems is preferred in the share ``preference`` of the votes that are no ties.

    ``votes_per_prompt`` votes on one prompt agree with a correlation of ``correlation``, and tell less than
    as many on others; ``ties`` is the share of ties. Normal approximation of the binomial.

    Raises:
        ValueError: a preference of one half, which no number of votes finds, or shares outside of 0 to 1.
    """
    if not 0 < preference < 1 or preference == 0.5:
        raise ValueError(f"preference = {preference}: give a share between 0 and 1 other than one half")
    if not 0 <= ties < 1 or not 0 <= correlation <= 1 or votes_per_prompt < 1:
        raise ValueError("ties lie in 0 to 1, correlation too, and a prompt has one vote at least")
    normal = NormalDist()
    wide = normal.inv_cdf(1 - alpha / 2) * 0.5
    narrow = normal.inv_cdf(power) * sqrt(preference * (1 - preference))
    independent = ((wide + narrow) / (preference - 0.5)) ** 2
    return ceil(independent * (1 + (votes_per_prompt - 1) * correlation) / (1 - ties))


class Standing(NamedTuple):
    """After so many votes: ``p_value`` holds however often one looks; ``low`` and ``high``: the shares that
    are not yet excluded at 95 %; ``decided``: whether one half is."""

    p_value: float
    low: float
    high: float
    decided: bool


def standing(wins: int, losses: int, *, alpha: float = 0.05) -> Standing:
    """Where a comparison stands after ``wins`` and ``losses`` of one system, so that one may look after every
    vote and stop when it is decided (Robbins 1970: a share is excluded when the votes are 1 / alpha times as
    likely under a uniform mixture of all shares). The votes should be of different prompts."""

    def evidence(share: float) -> float:
        return _evidence(wins, losses, share)

    total = wins + losses
    bound = -log(alpha)
    best = wins / total if total else 0.5
    low, high = (_edge(evidence, bound, best, end) for end in (0.0, 1.0))
    p_value = min(1.0, exp(-evidence(0.5))) if total else 1.0
    return Standing(p_value, low, high, p_value <= alpha)


#: Prompts above which nobody waits for a comparison to be decided.
MOST_PROMPTS = 10_000


def prompts_missing(wins: int, losses: int, *, alpha: float = 0.05) -> int | None:
    """How many more prompts decide a comparison, in the sense of :func:`standing`, if they go on being won in
    the same share; 0 where it is decided, None where it is even, or so near to even that thousands more would
    not do."""
    total = wins + losses
    if wins == losses:
        return None
    for more in range(MOST_PROMPTS):
        grown = 1 + more / total
        if exp(-_evidence(wins * grown, losses * grown, 0.5)) <= alpha:
            return more
    return None


def _evidence(wins: float, losses: float, share: float) -> float:
    """Logarithm of how much likelier the votes are under a uniform mixture of all shares than under one."""
    mixture = lgamma(wins + 1) + lgamma(losses + 1) - lgamma(wins + losses + 2)
    alone = (wins * log(share) if wins else 0.0) + (losses * log(1 - share) if losses else 0.0)
    return mixture - alone


def _edge(evidence: Callable[[float], float], bound: float, inside: float, end: float) -> float:
    """The share between ``inside`` and ``end`` at which the evidence against it reaches the bound."""
    outside = abs(end - 1e-12)
    if not 1e-12 < inside < 1 - 1e-12:
        if abs(inside - end) < 0.5:
            return end
        inside = min(max(inside, 1e-9), 1 - 1e-9)
    if evidence(outside) <= bound:
        return end
    for _ in range(80):
        middle = (inside + outside) / 2
        if evidence(middle) > bound:
            outside = middle
        else:
            inside = middle
    return outside
