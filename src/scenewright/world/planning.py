"""What to say in which clause: the plan of a caption, before any word is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from scenewright.world.canonical import covers
from scenewright.world.scene import Description, Entity, Event, Relation

#: How a clause says a relation along with its events: "" not at all, "adverbial" behind the verb ("rolls left
#: behind a cube"), "behind_noun" ("a ball behind a cube rolls"), "that_is" ("a ball that is behind a cube
#: rolls"), "front" ("behind a cube a ball rolls"), "main" ("a ball that rolls is behind a cube"), "companion"
#: ("a ball with a cube behind it rolls").
Mode = Literal["", "adverbial", "behind_noun", "that_is", "front", "main", "companion"]

Template = Literal[
    "attribute_clause",
    "apposed_attributes",
    "attribute_sentence",
    "fronted_direction",
    "fronted_speed",
    "inverted_participle",
    "cleft",
    "scene_frame",
]
#: The forms that reshape the first clause as a whole.
CLAUSE_TEMPLATES: frozenset[Template] = frozenset(
    {"fronted_direction", "fronted_speed", "inverted_participle", "cleft"}
)
_LEFT_RIGHT = frozenset(("left", "right"))


@dataclass
class Clause:
    """Subjects that share events, and the relation said along with them.

    ``attributive``: the one event is said before the noun ("a spinning cube").
    """

    subjects: tuple[int, ...]
    events: list[Event]
    relation: Relation | None = None
    mode: Mode = ""
    attributive: bool = False

    @property
    def targeted(self) -> bool:
        return any(event.target is not None for event in self.events)


@dataclass
class Plan:
    """``stages``: clauses by stage. ``places``: relations with a sentence of their own. ``unsaid``: the
    entity whose attributes get a sentence of their own, if any: "it is large and red", or in a held-out form
    "the ball is large and red"."""

    stages: list[list[Clause]] = field(default_factory=list)
    places: list[Relation] = field(default_factory=list)
    template: Template | None = None
    unsaid: int | None = None

    @property
    def clauses(self) -> list[Clause]:
        return [clause for stage in self.stages for clause in stage]

    def mentioned(self) -> set[int]:
        """Entities that the clauses and the places name."""
        found: set[int] = set()
        relations = list(self.places)
        for clause in self.clauses:
            found.update(clause.subjects)
            found.update(event.target for event in clause.events if event.target is not None)
            if clause.relation is not None:
                relations.append(clause.relation)
        for relation in relations:
            found.update((relation.subject, relation.reference))
            if relation.second is not None:
                found.add(relation.second)
        return found


def plan(description: Description, rng: Random, *, held_out: bool) -> Plan:
    """A plan that says every fact of ``description`` once; with ``held_out``, in a held-out form."""
    made = Plan()
    by_stage: dict[int, list[Event]] = {}
    for event in dict.fromkeys(description.events):
        by_stage.setdefault(event.stage, []).append(event)
    for stage in sorted(by_stage):
        made.stages.append(_clauses(by_stage[stage], rng))
    relations = list(dict.fromkeys(description.relations))
    if len(relations) > 1:
        rng.shuffle(relations)
    clauses = made.clauses
    for relation in relations:
        if not _attach(relation, clauses, rng):
            made.places.append(relation)
    if held_out:
        _choose_template(made, description.entities, rng)
    elif len(clauses) == 1 and rng.random() < 0.15:
        only = clauses[0]
        event = only.events[0]
        plain = len(only.subjects) == 1 and len(only.events) == 1 and not only.targeted
        if plain and event.direction is None and only.mode in ("", "adverbial", "behind_noun"):
            only.attributive = True
    if not held_out:
        made.unsaid = _described_last(made, description, rng)
    return made


def _described_last(made: Plan, description: Description, rng: Random) -> int | None:
    """The entity that the text ends with and may then describe as "it", sometimes."""
    clauses, entities = made.clauses, description.entities
    if len(clauses) > 1 or made.places or (clauses and len(clauses[0].subjects) > 1):
        return None
    if clauses and (clauses[0].attributive or clauses[0].targeted or clauses[0].mode == "companion"):
        return None
    if len(entities) > 1 and len(made.mentioned()) < len(entities):
        return None
    index = clauses[0].subjects[0] if clauses else 0
    entity = entities[index]
    described = entity.color or entity.size or entity.material
    if not described or not _only_of_its_shape(index, entities):
        return None
    return index if rng.random() < 0.2 else None


def _clauses(events: list[Event], rng: Random) -> list[Clause]:
    """Events of one stage in clauses: what one entity does, or what several do alike."""
    clauses: list[Clause] = []
    for event in events:
        mine = [c for c in clauses if c.subjects == (event.subject,) and len(c.events) < 3]
        if mine and rng.random() < 0.85:
            mine[0].events.append(event)
        else:
            clauses.append(Clause((event.subject,), [event]))
    if len(clauses) == 1:
        return clauses
    if rng.random() < 0.6:
        alike: dict[tuple[object, ...], list[Clause]] = {}
        for clause in clauses:
            event = clause.events[0]
            if len(clause.events) == 1 and event.target is None:
                alike.setdefault((event.kind, event.direction, event.speed), []).append(clause)
        for same in alike.values():
            subjects = tuple(dict.fromkeys(clause.subjects[0] for clause in same))
            if len(subjects) > 1 and len(subjects) == len(same):
                clauses = [c for c in clauses if all(c is not s for s in same)]
                clauses.append(Clause(subjects, same[0].events))
    rng.shuffle(clauses)
    return clauses


def _attach(relation: Relation, clauses: list[Clause], rng: Random) -> bool:
    """Says ``relation`` in the clause that first names its subject or its reference, if that one is free."""
    if rng.random() < 0.35:
        return False
    named: set[int] = set()
    for position, clause in enumerate(clauses):
        free = clause.relation is None and len(clause.subjects) == 1
        if free and clause.subjects == (relation.subject,):
            modes: list[Mode] = []
            if not clause.targeted and not clashes(relation, clause.events):
                modes += ["adverbial", "adverbial", "adverbial"]
            if relation.subject not in named:
                modes += ["behind_noun", "that_is"]
                if position == 0:
                    modes += ["front", "front", "main"]
            if not modes:
                return False
            clause.relation, clause.mode = relation, modes[int(rng.random() * len(modes))]
            return True
        if (
            free
            and clause.subjects == (relation.reference,)
            and relation.kind != "between"
            and not named & {relation.subject, relation.reference}
            and all(relation.subject != event.target for event in clause.events)
        ):
            clause.relation, clause.mode = relation, "companion"
            return True
        named.update(clause.subjects)
        named.update(event.target for event in clause.events if event.target is not None)
    return False


def _choose_template(made: Plan, entities: Sequence[Entity], rng: Random) -> None:
    """Picks a held-out form that the plan can be said in."""
    fitting: list[Template] = ["scene_frame"]
    attributed = [i for i, e in enumerate(entities) if e.color or e.size or e.material]
    if attributed:
        fitting += ["attribute_clause", "apposed_attributes"]
    separate = [i for i in attributed if _only_of_its_shape(i, entities)]
    if separate:
        fitting.append("attribute_sentence")
    first = made.stages[0][0] if made.stages else None
    if first is not None and len(first.subjects) == 1:
        event = first.events[0]
        if len(first.events) == 1 and not first.targeted:
            fitting.append("inverted_participle")
            if event.direction in ("left", "right", "toward", "away"):
                fitting.append("fronted_direction")
            if event.speed:
                fitting.append("fronted_speed")
        if entities[first.subjects[0]].count == 1:
            fitting.append("cleft")
    made.template = fitting[int(rng.random() * len(fitting))]
    if made.template == "attribute_sentence":
        made.unsaid = separate[int(rng.random() * len(separate))]
    if made.template in CLAUSE_TEMPLATES and first is not None and first.relation is not None:
        made.places.append(first.relation)
        first.relation, first.mode = None, ""


def _only_of_its_shape(index: int, entities: Sequence[Entity]) -> bool:
    shape = entities[index].shape
    others = [entity.shape for i, entity in enumerate(entities) if i != index]
    return not others or (shape is not None and None not in others and shape not in others)


def told_apart(entities: Sequence[Entity]) -> bool:
    """Whether no noun phrase fits two entities, so that each can be called "the" from the start."""
    return not any(covers(a, b) for i, a in enumerate(entities) for j, b in enumerate(entities) if i != j)


def clashes(relation: Relation, events: Sequence[Event]) -> bool:
    """Whether "rolls left to the left of" would come about."""
    side = relation.kind in ("left_of", "right_of")
    return side and any(event.direction in _LEFT_RIGHT for event in events)
