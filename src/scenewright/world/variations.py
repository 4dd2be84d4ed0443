"""The same description with another value of one fact, as near to it as a wrong one can be."""

from __future__ import annotations

from random import Random
from typing import Any, Literal, get_args

from scenewright.world.scene import (
    COLORS,
    MOTION_DIRECTIONS,
    SHAPES,
    SIZES,
    TARGETED_MOTIONS,
    Description,
    MotionKind,
)

Fact = Literal["shape", "colour", "size", "motion", "direction"]
FACTS: tuple[Fact, ...] = get_args(Fact)

#: Kinds that look the same when some shapes do them, so that either is true of a clip of the other.
_ALIKE: frozenset[MotionKind] = frozenset({"roll", "slide"})


def changed(description: Description, fact: Fact, rng: Random) -> Description | None:
    """The description with another value of one fact, of one thing or event that states it; None where none
    does, or there is no other value. A rolling thing never slides instead, nor the other way round."""
    if fact in ("motion", "direction"):
        return _with_another_event(description, fact, rng)
    name, values = {"shape": ("shape", SHAPES), "colour": ("color", COLORS), "size": ("size", SIZES)}[fact]
    index = _one_of([i for i, e in enumerate(description.entities) if getattr(e, name) is not None], rng)
    if index is None:
        return None
    entities = list(description.entities)
    others = [value for value in values if value != getattr(entities[index], name)]
    entities[index] = entities[index].model_copy(update={name: rng.choice(others)})
    return description.model_copy(update={"entities": tuple(entities)})


def _with_another_event(
    description: Description, fact: Literal["motion", "direction"], rng: Random
) -> Description | None:
    events = list(description.events)
    if fact == "motion":
        index = _one_of(list(range(len(events))), rng)
    else:
        index = _one_of([i for i, e in enumerate(events) if _other_ways(e.kind, e.direction)], rng)
    if index is None:
        return None
    event = events[index]
    update: dict[str, Any]
    if fact == "direction":
        update = {"direction": rng.choice(_other_ways(event.kind, event.direction))}
    else:
        same = _ALIKE if event.kind in _ALIKE else {event.kind}
        kind = rng.choice([kind for kind in MOTION_DIRECTIONS if kind not in TARGETED_MOTIONS | same])
        update = {"kind": kind, "direction": rng.choice(MOTION_DIRECTIONS[kind]), "target": None}
    events[index] = event.model_copy(update=update)
    return description.model_copy(update={"events": tuple(events)})


def _other_ways(kind: MotionKind, stated: str | None) -> list[Any]:
    """Directions that a motion could have in place of the stated one; none where none is stated."""
    return [way for way in MOTION_DIRECTIONS[kind] if way not in (stated, None)] if stated else []


def _one_of(places: list[int], rng: Random) -> int | None:
    """One of them at random; the only one without a draw."""
    if not places:
        return None
    return places[0] if len(places) == 1 else rng.choice(places)
