"""When two descriptions say the same, and how to leave things out of one."""

from __future__ import annotations

from itertools import permutations, product
from random import Random

from scenewright.world.scene import Description, Entity, Event, Relation

_SYMMETRIC_EVENTS = frozenset({"swap"})


def canonical(description: Description) -> Description:
    """The one form that all descriptions with the same meaning share.

    Entities are sorted by their attributes (identical ones by what they do and where they are), events by
    stage, then subject; used stages are renumbered 0, 1, 2; events and relations said twice count once.
    ``near`` and ``swap`` go both ways and the two references of ``between`` have no order. ``left_of(a, b)``
    and ``right_of(b, a)`` stay different, as do ``collide(a, b)`` and ``collide(b, a)``: one is still while
    the other comes.
    """
    stages = {stage: rank for rank, stage in enumerate(sorted({e.stage for e in description.events}))}
    events = [e if e.stage == stages[e.stage] else e.model_copy(update={"stage": stages[e.stage]})
              for e in description.events]  # fmt: skip
    keys = [_entity_key(entity) for entity in description.entities]
    order = sorted(range(len(keys)), key=lambda i: keys[i])
    groups: list[list[int]] = []
    for index in order:
        if groups and keys[groups[-1][0]] == keys[index]:
            groups[-1].append(index)
        else:
            groups.append([index])
    best: tuple[list, list, list[int]] | None = None
    for choice in product(*(permutations(group) for group in groups)):
        arrangement = [index for group in choice for index in group]
        rank = {old: new for new, old in enumerate(arrangement)}
        event_keys = sorted({_event_key(event, rank) for event in events})
        relation_keys = sorted({_relation_key(relation, rank) for relation in description.relations})
        if best is None or (event_keys, relation_keys) < best[:2]:
            best = (event_keys, relation_keys, arrangement)
    assert best is not None
    event_keys, relation_keys, arrangement = best
    return Description(
        entities=tuple(description.entities[i] for i in arrangement),
        events=tuple(
            Event.model_validate(
                {
                    "stage": stage,
                    "subject": subject,
                    "kind": kind,
                    "target": None if target < 0 else target,
                    "direction": direction or None,
                    "speed": speed or None,
                }
            )
            for stage, subject, kind, target, direction, speed in event_keys
        ),
        relations=tuple(
            Relation.model_validate(
                {
                    "subject": subject,
                    "kind": kind,
                    "reference": reference,
                    "second": None if second < 0 else second,
                }
            )
            for subject, kind, reference, second in relation_keys
        ),
        camera=description.camera,
        ground=description.ground,
        sky=description.sky,
        time=description.time,
    )


def _entity_key(entity: Entity) -> tuple[str, str, str, str, int]:
    return (entity.shape or "", entity.color or "", entity.size or "", entity.material or "", entity.count)


def _event_key(event: Event, rank: dict[int, int]) -> tuple[int, int, str, int, str, str]:
    subject = rank[event.subject]
    target = -1 if event.target is None else rank[event.target]
    if event.kind in _SYMMETRIC_EVENTS and target < subject:
        subject, target = target, subject
    return (event.stage, subject, event.kind, target, event.direction or "", event.speed or "")


def _relation_key(relation: Relation, rank: dict[int, int]) -> tuple[int, str, int, int]:
    subject, reference = rank[relation.subject], rank[relation.reference]
    second = -1 if relation.second is None else rank[relation.second]
    if relation.kind == "near" and reference < subject:
        subject, reference = reference, subject
    if relation.kind == "between" and second < reference:
        reference, second = second, reference
    return (subject, relation.kind, reference, second)


def covers(general: Entity, entity: Entity) -> bool:
    """Whether the noun phrase ``general`` could also mean ``entity``: it says nothing that differs."""
    return (
        general.shape in (None, entity.shape)
        and general.color in (None, entity.color)
        and general.size in (None, entity.size)
        and general.material in (None, entity.material)
    )


def _nested(a: Entity, b: Entity) -> bool:
    """Whether one phrase already fits the other's entity, the two not being the same."""
    return (covers(a, b) or covers(b, a)) and not (covers(a, b) and covers(b, a))


def partial(
    description: Description,
    seed: int,
    *,
    keep_shape: float = 0.97,
    keep_color: float = 0.85,
    keep_size: float = 0.55,
    keep_material: float = 0.55,
    keep_event: float = 0.95,
    keep_direction: float = 0.93,
    keep_speed: float = 0.6,
    keep_relation: float = 0.7,
    keep_camera: float = 0.7,
    keep_setting: float = 0.45,
) -> Description:
    """A description that says less: each fact of ``description`` stays with the probability given.

    Every entity stays, with its count, so that no picture shows more than its caption allows; at least one
    keeps its shape. An attribute that tells an entity from another one stays: no noun phrase of the result
    fits two entities unless it already did in ``description``. If every event would go, one stays whole. The
    same seed leaves out the same things.
    """
    rng = Random(seed)
    entities = list(description.entities)
    shaped = [i for i, entity in enumerate(entities) if entity.shape is not None]
    protected = rng.choice(shaped) if shaped else -1
    chances = (("size", keep_size), ("material", keep_material), ("color", keep_color), ("shape", keep_shape))
    for index in range(len(entities)):
        for attribute, keep in chances:
            dropped = rng.random() >= keep
            if getattr(entities[index], attribute) is None or not dropped:
                continue
            if attribute == "shape" and index == protected:
                continue
            barer = entities[index].model_copy(update={attribute: None})
            clash = any(
                covers(barer, other) or covers(other, barer)
                for j, other in enumerate(entities)
                if j != index and not _nested(entities[index], other)
            )
            if not clash:
                entities[index] = barer
    events = []
    for event in description.events:
        kept = rng.random() < keep_event
        direction = event.direction if rng.random() < keep_direction else None
        speed = event.speed if rng.random() < keep_speed else None
        if kept:
            events.append(event.model_copy(update={"direction": direction, "speed": speed}))
    if description.events and not events:
        events.append(rng.choice(description.events))
    setting = {
        name: getattr(description, name) if rng.random() < keep_setting else None
        for name in ("ground", "sky", "time")
    }
    return Description(
        entities=tuple(entities),
        events=tuple(events),
        relations=tuple(r for r in description.relations if rng.random() < keep_relation),
        camera=description.camera if rng.random() < keep_camera else None,
        **setting,
    )
