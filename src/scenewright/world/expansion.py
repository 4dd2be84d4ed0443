"""From what is said of entities to what is to hold of single objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from scenewright.world import motions as law
from scenewright.world.scene import (
    MOTION_DIRECTIONS,
    Description,
    Direction,
    Event,
    Motion,
    MotionKind,
    Relation,
    Shape,
)

T = TypeVar("T")

_PUSHES = frozenset({"roll", "slide", "orbit", "follow", "collide", "swap"})


def pick(rng: np.random.Generator, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of ``options``, each as likely as its weight. ``ValueError`` where there are none."""
    if not options:
        raise ValueError("there is nothing left to draw from")
    if weights is None:
        return options[int(rng.integers(len(options)))]
    cumulative = np.cumsum(weights)
    drawn = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
    return options[min(drawn, len(options) - 1)]


def members(description: Description) -> list[list[int]]:
    """The object indices of every entity."""
    found, first = [], 0
    for entity in description.entities:
        found.append(list(range(first, first + entity.count)))
        first += entity.count
    return found


def object_relations(description: Description) -> tuple[Relation, ...]:
    """The entities' relations, said of objects."""
    groups = members(description)
    found: list[Relation] = []
    for relation in description.relations:
        subjects, references = groups[relation.subject], groups[relation.reference]
        if relation.kind == "between":
            assert relation.second is not None
            for a in subjects:
                found.append(
                    Relation(
                        kind="between", subject=a, reference=references[0], second=groups[relation.second][0]
                    )
                )
        elif relation.kind == "on_top_of":
            for k, a in enumerate(subjects):
                found.append(
                    Relation(kind="on_top_of", subject=a, reference=references[min(k, len(references) - 1)])
                )
        elif relation.kind == "near":
            found += [Relation(kind="near", subject=a, reference=references[0]) for a in subjects]
        else:
            found += [
                Relation(kind=relation.kind, subject=a, reference=b) for a in subjects for b in references
            ]
    return tuple(dict.fromkeys(found))


def check_relations(relations: Sequence[Relation], count: int) -> None:
    """Raises ``ValueError`` where relations among ``count`` objects contradict each other."""
    law.supports(relations, count)
    bases: dict[int, int] = {}
    for relation in relations:
        if relation.kind == "on_top_of":
            if bases.setdefault(relation.subject, relation.reference) != relation.reference:
                raise ValueError("an object cannot stand on top of two objects at once")
            stacked = {relation.subject, relation.reference}
            if any(
                r.kind not in ("on_top_of", "near", "between") and {r.subject, r.reference} == stacked
                for r in relations
            ):
                raise ValueError("an object cannot stand on top of another and beside it at once")
    for forward, backward, words in (
        ("left_of", "right_of", "left of and right of"),
        ("behind", "in_front_of", "behind and in front of"),
    ):
        after: dict[int, set[int]] = {i: set() for i in range(count)}
        for relation in relations:
            if relation.kind == forward:
                after[relation.subject].add(relation.reference)
            elif relation.kind == backward:
                after[relation.reference].add(relation.subject)
        if _has_cycle(after):
            raise ValueError(f"the relations contradict each other: some objects are {words} each other")


def _has_cycle(after: dict[int, set[int]]) -> bool:
    left = dict(after)
    while left:
        ends = [i for i, following in left.items() if not following & left.keys()]
        if not ends:
            return True
        for i in ends:
            del left[i]
    return False


def object_motions(
    description: Description, shapes: tuple[Shape, ...], rng: np.random.Generator
) -> tuple[Motion, ...]:
    """Motions of objects, timed by stage, with every direction chosen."""
    groups = members(description)
    stages = sorted({e.stage for e in description.events})
    motions: list[Motion] = []
    for event in sorted(description.events, key=lambda e: e.stage):
        rank = stages.index(event.stage)
        direction = event.direction or _direction(event, rng)
        start, end = rank / len(stages), (rank + 1) / len(stages)
        if event.speed == "fast" and event.kind in ("roll", "slide"):
            end -= 0.2 * (end - start)
        for k, n in enumerate(groups[event.subject]):
            target = None
            if event.target is not None:
                partners = groups[event.target]
                target = partners[min(k, len(partners) - 1)] if event.kind == "swap" else partners[0]
                if event.kind == "swap" and k >= len(partners):
                    continue
            motions.append(
                Motion(
                    kind=event.kind,
                    subject=n,
                    direction=direction,
                    speed=event.speed,
                    target=target,
                    start=start,
                    end=end,
                    stage=rank,
                )
            )
    return tuple(motions + _leads(motions, shapes, rng))


def _direction(event: Event, rng: np.random.Generator) -> Direction | None:
    options = MOTION_DIRECTIONS[event.kind]
    if None in options:
        return None
    if event.kind in ("roll", "slide"):
        return pick(rng, options, (0.35, 0.35, 0.15, 0.15))
    return pick(rng, options)


def _leads(motions: list[Motion], shapes: tuple[Shape, ...], rng: np.random.Generator) -> list[Motion]:
    """Motions of those who are followed and would otherwise stand still."""
    added: list[Motion] = []
    for motion in motions:
        if motion.kind != "follow" or motion.target is None:
            continue
        moves = any(
            m.stage == motion.stage
            and (m.kind in _PUSHES or (m.kind in ("bounce", "jump") and m.direction is not None))
            and motion.target in (m.subject, m.target if m.kind in ("collide", "swap") else None)
            for m in [*motions, *added]
        )
        if not moves:
            kind: MotionKind = "roll" if shapes[motion.target] == "sphere" else "slide"
            added.append(
                Motion(
                    kind=kind,
                    subject=motion.target,
                    direction=pick(rng, ("left", "right")),
                    start=motion.start,
                    end=motion.end,
                    stage=motion.stage,
                )
            )
    return added
