"""Other texts that a clip could be taken to be of, which its own text is compared with."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from functools import lru_cache
from random import Random

from scenewright.seeds import keyed_seed
from scenewright.world.grammar import write
from scenewright.world.parser import parse
from scenewright.world.scene import Description
from scenewright.world.variations import FACTS, changed


@lru_cache(maxsize=8192)
def described(text: str) -> Description | None:
    """What a text says of the procedural world; None where it names nothing of it."""
    try:
        return parse(text).description
    except ValueError:
        return None


def near_rivals(text: str, each: int = 3) -> list[str]:
    """Texts in which one fact of ``text`` is another, up to ``each`` for its shapes, colours, sizes, motions
    and directions; none for a text that names nothing of the procedural world."""
    description = described(text)
    if description is None:
        return []
    found: dict[str, None] = {}
    for fact in FACTS:
        rng = Random(keyed_seed(text, "rival", fact))
        others: list[Description] = []
        for _ in range(4 * each):
            other = changed(description, fact, rng)
            if other is not None and other not in others and len(others) < each:
                others.append(other)
        found |= dict.fromkeys(write(other, keyed_seed(text, fact, i)) for i, other in enumerate(others))
    return list(found)


def far_rivals(
    text: str,
    others: Iterable[str],
    most: int,
    same: Callable[[Description, Description], bool] = operator.eq,
) -> list[str]:
    """Up to ``most`` of ``others`` that do not say the ``same``, chosen alike whatever their order."""
    own, found = described(text), []
    for other in sorted(set(others) - {text}, key=lambda other: keyed_seed(text, "other", other)):
        said = described(other)
        if own is None or said is None or not same(own, said):
            found.append(other)
        if len(found) == most:
            break
    return found
