"""A reading in the terms of a prompt, so that what follows from it can be asked."""

from __future__ import annotations

from itertools import permutations

from scenewright.evaluation.reading import Reading
from scenewright.evaluation.relations import holds
from scenewright.world.scene import (
    MAX_OBJECTS,
    MOTION_DIRECTIONS,
    RELATION_KINDS,
    TARGETED_MOTIONS,
    Description,
    Entity,
    Event,
    Relation,
)


def described(reading: Reading) -> Description | None:
    """Every object of ``reading`` with all its attributes, its motions in their order (three at most) and
    every relation that holds; None where nothing was seen. Of more objects than the world holds, the surest.

    Motions towards another object (orbit, push and the like) do not say which one a reader saw; they are left
    out.
    """
    objects = sorted(reading.objects, key=lambda item: -item.presence)[:MAX_OBJECTS]
    if not objects:
        return None
    entities = [Entity(shape=o.shape, color=o.color, size=o.size, material=o.material) for o in objects]
    events = []
    for place, item in enumerate(objects):
        for stage, motion in enumerate(item.motions[:3]):
            if motion.kind in TARGETED_MOTIONS:
                continue
            known = motion.direction in MOTION_DIRECTIONS[motion.kind]
            direction = motion.direction if known else None
            events.append(Event(kind=motion.kind, subject=place, direction=direction, stage=stage))
    relations = [
        Relation(kind=kind, subject=a, reference=b)
        for a, b in permutations(range(len(objects)), 2)
        for kind in RELATION_KINDS
        if kind != "between" and holds(kind, objects[a], objects[b])
    ]
    return Description(entities=tuple(entities), events=tuple(events), relations=tuple(relations))
