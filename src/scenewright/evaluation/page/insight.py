"""What is taken for what, and which prompts fail more often than others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb

from scenewright.evaluation.report import Outcome
from scenewright.evaluation.statistics import holm

#: Fewer prompts than this with a condition are too few to look at.
LEAST = 4


@dataclass(frozen=True)
class Confusion:
    """``stated``: rows; ``seen``: columns, those of the rows first; ``counts``: by row and column."""

    stated: tuple[str, ...]
    seen: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]

    @property
    def total(self) -> int:
        return sum(sum(row.values()) for row in self.counts.values())

    @property
    def right(self) -> int:
        return sum(row.get(stated, 0) for stated, row in self.counts.items())


def confusions(outcomes: Iterable[Outcome]) -> dict[str, Confusion]:
    """Of every attribute, over all clips."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for outcome in outcomes:
        for attribute, stated, seen in outcome.pairs:
            counts.setdefault(attribute, {}).setdefault(stated, Counter())[seen] += 1
    found = {}
    for attribute, rows in counts.items():
        names = tuple(sorted(rows))
        others = sorted({seen for row in rows.values() for seen in row} - set(names))
        found[attribute] = Confusion(names, (*names, *others), rows)
    return found


@dataclass(frozen=True)
class Cluster:
    """``attribute`` is wrong in ``wrong`` of the ``n`` clips whose prompt meets ``condition``, and in
    ``wrong_elsewhere`` of the ``n_elsewhere`` others. ``p_value``: one-sided, of Fisher's exact test;
    ``corrected``: for all conditions that were looked at (Holm 1979)."""

    attribute: str
    condition: str
    wrong: int
    n: int
    wrong_elsewhere: int
    n_elsewhere: int
    p_value: float
    corrected: float


def clusters(outcomes: Sequence[Outcome]) -> list[Cluster]:
    """Conditions under which an attribute is wrong more often than elsewhere, the least likely by chance
    first.

    A condition is a section, or a value that the prompt states of a colour, shape, size, motion or direction.
    """
    conditions = [_conditions(outcome) for outcome in outcomes]
    every = sorted({condition for found in conditions for condition in found})
    names = sorted({name for outcome in outcomes for name, rights in outcome.items.items() if rights})
    found: list[tuple[str, str, int, int, int, int, float]] = []
    for name in names:
        judged = [
            (not all(outcome.items[name]), met)
            for outcome, met in zip(outcomes, conditions, strict=True)
            if outcome.items.get(name)
        ]
        wrong = sum(bad for bad, _ in judged)
        for condition in every:
            within = [bad for bad, met in judged if condition in met]
            n, k = len(within), sum(within)
            if n < LEAST or len(judged) - n < LEAST:
                continue
            p = _fisher(k, n, wrong, len(judged))
            found.append((name, condition, k, n, wrong - k, len(judged) - n, p))
    found.sort(key=lambda item: item[-1])
    corrected = holm([item[-1] for item in found])
    return [
        Cluster(*item, p)
        for item, p in zip(found, corrected, strict=True)
        if item[2] * item[5] > item[4] * item[3]
    ]


def _conditions(outcome: Outcome) -> set[str]:
    return {f"section {outcome.section}"} | {
        f"{attribute} {stated}" for attribute, stated, _ in outcome.pairs
    }


def _fisher(k: int, n: int, wrong: int, total: int) -> float:
    """Chance of k or more wrong among n, drawn from ``total`` of which ``wrong`` are."""
    ways = sum(comb(wrong, i) * comb(total - wrong, n - i) for i in range(k, min(n, wrong) + 1))
    return min(1.0, ways / comb(total, n))
