"""An arena: contestants that make a video each of what somebody types, two at a time, and are voted on."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scenewright.evaluation.people.study import Survey, Task


@dataclass(frozen=True)
class Arena(Survey):
    """``rounds``: what was asked so far; there are always more to come."""

    contestants: tuple[str, ...] = ()
    rounds: tuple[Task, ...] = ()

    @property
    def systems(self) -> Sequence[str]:
        return self.contestants

    def _tasks(self) -> Iterable[Task]:
        return self.rounds


def draw(contestants: Sequence[str], shown: Sequence[Sequence[str]], rng: random.Random) -> tuple[str, str]:
    """Whom the next round shows, on the left and on the right, after rounds that have ``shown`` others.

    The two with the fewest rounds; of these, two that have met least; chance decides between equals. On the
    left stands who of the two was there less often against the other, then in all.
    """
    rounds = Counter(name for pair in shown for name in pair)
    met = Counter(frozenset(pair) for pair in shown)
    left, sides = Counter(pair[0] for pair in shown), Counter(tuple(pair) for pair in shown)
    one = min(contestants, key=lambda name: (rounds[name], rng.random()))
    others = [name for name in contestants if name != one]
    other = min(others, key=lambda name: (rounds[name], met[frozenset((one, name))], rng.random()))

    def been_left(name: str, against: str) -> tuple[int, int, float]:
        return sides[name, against], 2 * left[name] - rounds[name], rng.random()

    return (one, other) if been_left(one, other) < been_left(other, one) else (other, one)
