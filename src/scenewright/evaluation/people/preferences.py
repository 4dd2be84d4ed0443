"""Strengths of systems from pairwise votes: Bradley and Terry's model with ties and a bias for a side.

Of systems i (shown first) and j, log-odds of the outcomes are, up to a constant: i wins, s_i + b / 2; j wins,
s_j - b / 2; tie, (s_i + s_j) / 2 + t (Davidson 1970; the bias as in Davidson & Beaver 1977). That is a
multinomial logit, whose likelihood is concave: Newton's method finds the one maximum. A ridge keeps strengths
finite where a system has won, or lost, every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal, NamedTuple

import numpy as np

from scenewright.evaluation.statistics import Interval

Outcome = Literal["first", "second", "tie"]


class Vote(NamedTuple):
    """One answer: of what was made of ``prompt`` by ``first``, on the left, and ``second``, which is
    better."""

    prompt: str
    first: str
    second: str
    outcome: Outcome
    rater: str = ""


@dataclass(frozen=True)
class Preferences:
    """What :func:`fit_preferences` found. ``strengths``: by system, logarithms, their mean is 0: a system
    wins against one that is weaker by 1 in 73 % of the votes without ties. ``win_rates``: against an
    average other system of these, ties half. ``left``: log-odds for what stands on the left. ``tie``: the
    same for a tie of equals, -inf where there was none."""

    strengths: dict[str, Interval]
    win_rates: dict[str, Interval]
    left: Interval
    tie: float
    votes: int

    @property
    def ranking(self) -> list[str]:
        """Systems, the strongest first."""
        return sorted(self.strengths, key=lambda name: -self.strengths[name].value)

    @property
    def ties(self) -> list[tuple[str, str]]:
        """Neighbours in the ranking whose intervals overlap: the order of these is not settled."""
        return [(a, b) for a, b in pairwise(self.ranking) if self.strengths[a].low <= self.strengths[b].high]


def fit_preferences(
    votes: Sequence[Vote], *, resamples: int = 500, ridge: float = 1e-2, seed: int = 0
) -> Preferences:
    """Strengths with 95 % intervals from a bootstrap over prompts: votes on one prompt are not independent.

    Few prompts, or votes that all agree, would let a bootstrap look too sure. What is drawn from therefore
    also has two imagined prompts of each pair that was compared, one that either wins, as Agresti and Coull
    (1998) add successes and failures to a share.

    Raises:
        ValueError: no votes, or systems that no chain of votes connects.
    """
    if not votes:
        raise ValueError("there are no votes yet")
    systems = sorted({name for vote in votes for name in (vote.first, vote.second)})
    prompts = sorted({vote.prompt for vote in votes})
    _check_connected(votes, systems)
    table = _table(votes, systems, prompts)
    fitted = _fit(table.sum(0), len(systems), ridge)
    rng = np.random.default_rng(seed)
    pool = np.concatenate([table, _imagined(table)])
    drawn = rng.multinomial(len(pool), np.full(len(pool), 1 / len(pool)), size=resamples)
    again = np.array([_fit(np.tensordot(counts, pool, 1), len(systems), ridge) for counts in drawn])
    n, k = len(votes), len(systems)
    rates, rates_again = _win_rates(fitted[:k]), np.array([_win_rates(row[:k]) for row in again])
    clusters = len(prompts)

    def interval(value: float, values: np.ndarray) -> Interval:
        low, high = np.quantile(values, [0.025, 0.975])
        return Interval(float(value), float(min(low, value)), float(max(high, value)), n, clusters)

    return Preferences(
        strengths={name: interval(fitted[i], again[:, i]) for i, name in enumerate(systems)},
        win_rates={name: interval(rates[i], rates_again[:, i]) for i, name in enumerate(systems)},
        left=interval(fitted[k], again[:, k]),
        tie=float(fitted[k + 1]) if any(vote.outcome == "tie" for vote in votes) else float("-inf"),
        votes=n,
    )


def ranking_votes(prompt: str, order: Sequence[str], rater: str = "") -> list[Vote]:
    """A ranking, the best first, as votes of every pair. They are of one prompt, so that the bootstrap takes
    them together."""
    return [
        Vote(prompt, better, worse, "first", rater)
        for i, better in enumerate(order)
        for worse in order[i + 1 :]
    ]


_OUTCOMES: tuple[Outcome, ...] = ("first", "second", "tie")


def _table(votes: Sequence[Vote], systems: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
    """Votes by (prompt, first, second, outcome)."""
    table = np.zeros((len(prompts), len(systems), len(systems), len(_OUTCOMES)))
    place = {name: i for i, name in enumerate(systems)}
    row = {name: i for i, name in enumerate(prompts)}
    for vote in votes:
        table[row[vote.prompt], place[vote.first], place[vote.second], _OUTCOMES.index(vote.outcome)] += 1
    return table


def _imagined(table: np.ndarray) -> np.ndarray:
    """Two prompts of each pair with as many votes as its prompts have on average, on both sides alike: one
    has them all for the one, one for the other."""
    both = table.sum(3) + table.sum(3).swapaxes(1, 2)
    made = []
    for a, b in combinations(range(table.shape[1]), 2):
        if (voted := both[:, a, b][both[:, a, b] > 0]).size:
            for better, worse in ((a, b), (b, a)):
                prompt = np.zeros(table.shape[1:])
                prompt[better, worse, 0] = prompt[worse, better, 1] = voted.mean() / 2
                made.append(prompt)
    return np.array(made)


def _fit(counts: np.ndarray, k: int, ridge: float) -> np.ndarray:
    """Strengths, side and tie, float64 (k + 2,), of votes counted by (first, second, outcome)."""
    first, second = (a.ravel() for a in np.indices((k, k)))
    seen = counts.reshape(k * k, 3)
    kept = seen.sum(1) > 0
    first, second, seen = first[kept], second[kept], seen[kept]
    features = np.zeros((len(first), 3, k + 2))
    rows = np.arange(len(first))
    features[rows, 0, first] = features[rows, 1, second] = 1
    features[rows, 2, first] = features[rows, 2, second] = 0.5
    features[:, 0, k], features[:, 1, k], features[:, 2, k + 1] = 0.5, -0.5, 1
    at, total = np.zeros(k + 2), seen.sum(1)
    for _ in range(100):
        scores = features @ at
        p = np.exp(scores - scores.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        expected = np.einsum("po,pof->pf", p, features)
        slope = np.einsum("po,pof->f", seen, features) - total @ expected - ridge * at
        second_moment = np.einsum("p,po,pof,pog->fg", total, p, features, features)
        curve = second_moment - np.einsum("p,pf,pg->fg", total, expected, expected) + ridge * np.eye(k + 2)
        step = np.linalg.solve(curve, slope)
        at = at + step * min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    at[:k] -= at[:k].mean()
    return at


def _win_rates(strengths: np.ndarray) -> np.ndarray:
    wins = 1 / (1 + np.exp(strengths[None] - strengths[:, None]))
    np.fill_diagonal(wins, np.nan)
    return np.nanmean(wins, axis=1) if len(strengths) > 1 else np.array([0.5])


def _check_connected(votes: Sequence[Vote], systems: Sequence[str]) -> None:
    group = {name: {name} for name in systems}
    for vote in votes:
        if vote.first == vote.second:
            raise ValueError(f"a vote compares {vote.first} with itself")
        merged = group[vote.first] | group[vote.second]
        for name in merged:
            group[name] = merged
    apart = sorted(set(systems) - group[systems[0]])
    if apart:
        raise ValueError(
            f"no vote connects {', '.join(apart)} with {systems[0]}, so that they cannot be ranked together"
        )
