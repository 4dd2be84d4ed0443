"""The full description of a scene: everything said that can be said."""

from __future__ import annotations

from scenewright.world.motions import without_mirrored_swaps
from scenewright.world.scene import (
    Description,
    Entity,
    Event,
    Motion,
    Relation,
    Scene,
)


def description_of(scene: Scene) -> Description:
    """The description that says everything about ``scene``.

    Every attribute, motion, speed and relation of the scene, its camera and its setting. Objects that are
    alike in every attribute, motion and relation become one entity with a count.
    """
    groups = _groups(scene)
    entity_of = {n: k for k, group in enumerate(groups) for n in group}
    entities = []
    for group in groups:
        first = scene.objects[group[0]]
        entities.append(
            Entity(
                shape=first.shape,
                color=first.color,
                size=first.size,
                material=first.material,
                count=len(group),
            )
        )
    stages = sorted({m.stage for m in scene.motions})
    events = [
        Event(
            kind=m.kind,
            subject=entity_of[m.subject],
            direction=m.direction,
            speed=m.speed,
            target=None if m.target is None else entity_of[m.target],
            stage=stages.index(m.stage),
        )
        for m in without_mirrored_swaps(scene.motions)
    ]
    relations = [
        Relation(
            kind=r.kind,
            subject=entity_of[r.subject],
            reference=entity_of[r.reference],
            second=None if r.second is None else entity_of[r.second],
        )
        for r in scene.relations
    ]
    return Description(
        entities=tuple(entities),
        events=tuple(dict.fromkeys(events)),
        relations=tuple(dict.fromkeys(relations)),
        camera=scene.camera.move,
        ground=scene.ground,
        sky=scene.sky,
        time=scene.time,
    )


def _groups(scene: Scene) -> list[list[int]]:
    """Objects that can be spoken of together, in order of their first member."""
    groups: list[list[int]] = []
    for n in range(len(scene.objects)):
        for group in groups:
            if _alike(scene, group[0], n):
                group.append(n)
                break
        else:
            groups.append([n])
    return groups


def _alike(scene: Scene, a: int, b: int) -> bool:
    first, second = scene.objects[a], scene.objects[b]
    same = (first.shape, first.color, first.size, first.material) == (
        second.shape,
        second.color,
        second.size,
        second.material,
    )
    return (
        same
        and _doings(scene, a) == _doings(scene, b)
        and _role(scene, a) == _role(scene, b)
        and not _linked(scene, a, b)
    )


def _doings(scene: Scene, n: int) -> list[tuple[object, ...]]:
    def key(m: Motion) -> tuple[object, ...]:
        return (m.stage, m.kind, m.direction or "", m.speed or "", -1 if m.target is None else m.target)

    return sorted(key(m) for m in scene.motions if m.subject == n)


def _role(scene: Scene, n: int) -> set[tuple[object, ...]]:
    """What is said of ``n`` in relations and as a target."""
    role: set[tuple[object, ...]] = set()
    for r in scene.relations:
        if r.subject == n:
            role.add((r.kind, "subject", r.reference, r.second))
        if n in (r.reference, r.second):
            role.add((r.kind, "reference", r.subject, r.second if r.reference == n else r.reference))
    for m in scene.motions:
        if m.target == n:
            role.add((m.kind, "target", m.subject, m.stage))
    return role


def _linked(scene: Scene, a: int, b: int) -> bool:
    pair = {a, b}
    return any(pair <= {r.subject, r.reference, r.second} for r in scene.relations) or any(
        pair <= {m.subject, m.target} for m in scene.motions
    )
