"""The exact measure: what a prompt says against what a reader saw, one right or wrong answer per fact.

Every described object is matched to at most one read object, so that the fewest stated facts are broken:
look first (shape, colour, size, material), then motion, then relations. Then each stated fact is an item:

- ``presence``: the described object has a match at all;
- ``colour``, ``shape``, ``size``: the match has the stated one;
- ``motion``: the match does the stated kind of motion. Stated once, it must be the motion that takes most of
  the clip; stated in an order ("rolls, then jumps"), the read motions must come in that order;
- ``direction``: the match moves in the stated direction, whatever the kind;
- ``count``: once a prompt, the number of read objects is the number described;
- ``relation``: the stated relation holds between all objects it names, in its direction.

Facts that the prompt leaves open are not items. Facts about an object without a match are wrong: nothing is
filled in for what is not there.

Some kinds cannot be told apart in a picture, and either answer is then right: see :func:`same_look`. A spin
that no picture can show, of a round shape that is said to have no pattern, is not an item.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from scenewright.evaluation.reading import Reading, ReadMotion, ReadObject
from scenewright.evaluation.relations import holds
from scenewright.world.contact import ROLLING_RADIUS
from scenewright.world.scene import (
    SHAPES,
    Description,
    Entity,
    Material,
    MotionKind,
    Relation,
    Shape,
)
from scenewright.world.shapes import PATTERNED, ROUND

ATTRIBUTES: tuple[str, ...] = (
    "presence",
    "colour",
    "shape",
    "size",
    "motion",
    "direction",
    "count",
    "relation",
)

#: Shapes that slide when they are told to roll; a cube tumbles, the others turn.
SLIDING_ROLLERS: frozenset[Shape] = frozenset(SHAPES) - set(ROLLING_RADIUS) - {"cube"}

#: More read objects than this are ignored in matching (never in counting), the least certain first.
MAX_MATCHED = 7


def same_look(
    kind: MotionKind, shape: Shape | None, material: Material | None = None
) -> frozenset[MotionKind]:
    """The kinds that look like ``kind`` when an object of ``shape`` and ``material`` does it, itself among
    them.

    A cone or pyramid that is told to roll slides: the world draws the two alike. A sphere without a pattern
    looks the same whether it rolls or slides.
    """
    plain_sphere = shape == "sphere" and material is not None and material not in PATTERNED
    if (kind == "roll" and shape in SLIDING_ROLLERS) or (kind in ("roll", "slide") and plain_sphere):
        return frozenset({"roll", "slide"})
    return frozenset({kind})


def score(description: Description, reading: Reading) -> dict[str, list[bool]]:
    """Right or wrong for every stated fact: a list per attribute of :data:`ATTRIBUTES`, empty where none is
    stated."""
    slots = [index for index, entity in enumerate(description.entities) for _ in range(entity.count)]
    objects = sorted(reading.objects, key=lambda item: -item.presence)[:MAX_MATCHED]
    matches = _match(description, slots, objects)
    items: dict[str, list[bool]] = {attribute: [] for attribute in ATTRIBUTES}
    for slot, match in zip(slots, matches, strict=True):
        items["presence"].append(match is not None)
        for attribute, right in _look_facts(description.entities[slot], match):
            items[attribute].append(right)
        for attribute, right in _motion_facts(description, slot, match):
            items[attribute].append(right)
    items["count"].append(len(reading.objects) == description.object_count)
    items["relation"] = [_relation_holds(relation, slots, matches) for relation in description.relations]
    return items


def stated_and_seen(description: Description, reading: Reading) -> list[tuple[str, str, str]]:
    """For every stated colour, shape, size, motion and direction: attribute, what is stated, and what
    was seen of the object that fits best: ``nothing`` where there is none, ``still`` where it does not
    move."""
    slots = [index for index, entity in enumerate(description.entities) for _ in range(entity.count)]
    objects = sorted(reading.objects, key=lambda item: -item.presence)[:MAX_MATCHED]
    found: list[tuple[str, str, str]] = []
    for slot, match in zip(slots, _match(description, slots, objects), strict=True):
        entity = description.entities[slot]
        for name, stated, own in (
            ("colour", entity.color, match and match.color),
            ("shape", entity.shape, match and match.shape),
            ("size", entity.size, match and match.size),
        ):
            if stated is not None:
                found.append((name, stated, own or "nothing"))
        events = [e for e in description.events if e.subject == slot]
        if len(events) == 1:
            event, main = events[0], None if match is None else match.main_motion
            seen: str = "nothing" if match is None else "still"
            if main is not None:
                alike = same_look(event.kind, entity.shape, entity.material)
                seen = event.kind if main.kind in alike else main.kind
            found.append(("motion", event.kind, seen))
            if event.direction is not None:
                found.append(
                    ("direction", event.direction, "nothing" if main is None else main.direction or "nothing")
                )
    return found


def _match(
    description: Description, slots: list[int], objects: Sequence[ReadObject]
) -> list[ReadObject | None]:
    columns = max(len(slots), len(objects))
    agreement = np.zeros((len(slots), columns), np.int64)
    for i, slot in enumerate(slots):
        for j, item in enumerate(objects):
            agreement[i, j] = _agreement(description, slot, item)
    orders = np.array(list(permutations(range(columns), len(slots))))
    totals = agreement[np.arange(len(slots)), orders].sum(1)
    padded: list[ReadObject | None] = [*objects, *[None] * (columns - len(objects))]
    best = [[padded[j] for j in order] for order in orders[totals == totals.max()][:720]]
    if not description.relations:
        return best[0]
    return max(best, key=lambda m: sum(_relation_holds(r, slots, m) for r in description.relations))


def _agreement(description: Description, slot: int, item: ReadObject) -> int:
    """Look before motion; any object before none."""
    entity = description.entities[slot]
    look = sum(right for _, right in _look_facts(entity, item))
    look += entity.material is not None and entity.material == item.material
    motion = sum(right for _, right in _motion_facts(description, slot, item))
    return 1 + 1000 * look + 10 * motion


def _look_facts(entity: Entity, match: ReadObject | None) -> list[tuple[str, bool]]:
    stated = {"colour": entity.color, "shape": entity.shape, "size": entity.size}
    seen = {} if match is None else {"colour": match.color, "shape": match.shape, "size": match.size}
    return [(name, seen.get(name) == value) for name, value in stated.items() if value is not None]


def _motion_facts(description: Description, slot: int, match: ReadObject | None) -> list[tuple[str, bool]]:
    events = sorted(
        (e for e in description.events if e.subject == slot or (e.kind == "swap" and e.target == slot)),
        key=lambda e: e.stage,
    )
    entity = description.entities[slot]
    if entity.shape in ROUND and entity.material is not None and entity.material not in PATTERNED:
        events = [e for e in events if e.kind != "spin"]
    read: Sequence[ReadMotion] = ()
    if match is not None:
        read = match.motions
        if len(events) == 1 and match.main_motion is not None:
            read = (match.main_motion,)
    material = entity.material if match is None else match.material
    partners = _in_order([same_look(e.kind, entity.shape, material) for e in events], read)
    facts: list[tuple[str, bool]] = []
    for position, (event, partner) in enumerate(zip(events, partners, strict=True)):
        facts.append(("motion", partner is not None))
        if event.direction is not None:
            moved = partner or (read[min(position, len(read) - 1)] if read else None)
            facts.append(("direction", moved is not None and moved.direction == event.direction))
    return facts


def _in_order(kinds: Sequence[frozenset[MotionKind]], read: Sequence[ReadMotion]) -> list[ReadMotion | None]:
    """The longest common subsequence of stated and read motions; ``None`` for those without a partner."""
    n, m = len(kinds), len(read)
    length = np.zeros((n + 1, m + 1), int)
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            pair = length[i + 1, j + 1] + 1 if read[j].kind in kinds[i] else 0
            length[i, j] = max(pair, length[i + 1, j], length[i, j + 1])
    partners: list[ReadMotion | None] = [None] * n
    i = j = 0
    while i < n and j < m:
        if read[j].kind in kinds[i] and length[i, j] == length[i + 1, j + 1] + 1:
            partners[i] = read[j]
            i, j = i + 1, j + 1
        elif length[i + 1, j] >= length[i, j + 1]:
            i += 1
        else:
            j += 1
    return partners


def _relation_holds(relation: Relation, slots: list[int], matches: Sequence[ReadObject | None]) -> bool:
    def members(entity: int | None) -> list[ReadObject | None]:
        return [match for slot, match in zip(slots, matches, strict=True) if slot == entity]

    for subject in members(relation.subject):
        for reference in members(relation.reference):
            for second in members(relation.second) if relation.second is not None else [subject]:
                if subject is None or reference is None or second is None:
                    return False
                other = second if relation.second is not None else None
                if not holds(relation.kind, subject, reference, other):
                    return False
    return True
