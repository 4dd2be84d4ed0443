"""Other texts that a clip could be taken to be of, which its own text is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from scenewright.seeds import keyed_seed
from scenewright.world.grammar import write
from scenewright.world.parser import parse
from scenewright.world.scene import Description
from scenewright.world.variations import FACTS, changed


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


def far_rivals(text: str, others: Sequence[str], most: int) -> list[str]:
    """Up to ``most`` of ``others`` that say something else than ``text``, the same for the same text and the
    same others in whatever order."""
    own = described(text)
    different = [
        other for other in dict.fromkeys(others) if other != text and (own is None or described(other) != own)
    ]
    return sorted(different, key=lambda other: keyed_seed(text, "other", other))[:most]
