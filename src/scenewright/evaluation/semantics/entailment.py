"""What follows from a description, exactly, for sentences of the world's grammar.

Both sentences are taken to be about the same scene, as in natural language inference (Bowman et al. 2015):
what the second says is looked for among what the first says of its objects. Every way to match objects is
tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Literal

from scenewright.world.parser import parse
from scenewright.world.scene import Description, Event, Relation, RelationKind

#: ``entailed``: it follows; ``contradicted``: it cannot be; ``neutral``: neither.
Verdict = Literal["entailed", "contradicted", "neutral"]

#: True where stated, False where something else is, None where nothing is said.
_Fact = bool | None

_OPPOSITE: dict[RelationKind, RelationKind] = {
    "left_of": "right_of",
    "right_of": "left_of",
    "in_front_of": "behind",
    "behind": "in_front_of",
}


def entailment(premise: str, hypothesis: str, *, complete: bool = False) -> Verdict:
    """The verdict on two sentences; see :func:`entails`.

    Raises:
        ValueError: one of them names nothing of the world.
    """
    first, second = parse(premise).description, parse(hypothesis).description
    return entails(first, second, complete=complete)


def entails(premise: Description, hypothesis: Description, *, complete: bool = False) -> Verdict:
    """Whether ``hypothesis`` follows from ``premise``.

    Numbers are at least so many: two balls entail a ball. Of an object's motions the premise names all if it
    names any, and one thing is not two colours. ``complete``: the premise names every object there is and
    what it does, as a reading of a clip does, so that anything else contradicts it.
    """
    scene = [
        _said(getattr(premise, name), getattr(hypothesis, name))
        for name in ("camera", "ground", "sky", "time")
    ]
    theirs, ours = _slots(premise), _slots(hypothesis)
    verdicts = set()
    for match in _matches(len(ours), len(theirs)):
        facts = [*scene, *_facts(premise, hypothesis, theirs, ours, match, complete)]
        if None in match:
            facts.append(False if complete else None)
        if all(fact is True for fact in facts):
            return "entailed"
        verdicts.add(any(fact is False for fact in facts))
    return "contradicted" if verdicts == {True} else "neutral"


def _slots(description: Description) -> list[int]:
    """The entity of each object."""
    return [i for i, entity in enumerate(description.entities) for _ in range(entity.count)]


def _matches(ours: int, theirs: int) -> Iterator[tuple[int | None, ...]]:
    """All ways to give each of our objects another one of theirs; as few as can be have none."""
    padded: list[int | None] = [*range(theirs), *[None] * max(0, ours - theirs)]
    yield from dict.fromkeys(permutations(padded, ours))


def _facts(
    premise: Description,
    hypothesis: Description,
    theirs: Sequence[int],
    ours: Sequence[int],
    match: Sequence[int | None],
    complete: bool,
) -> Iterator[_Fact]:
    for own, other in zip(ours, match, strict=True):
        if other is None:
            continue
        entity, said = hypothesis.entities[own], premise.entities[theirs[other]]
        for name in ("shape", "color", "size", "material"):
            yield _said(getattr(said, name), getattr(entity, name))
    entities = [
        {theirs[o] for s, o in zip(ours, match, strict=True) if s == own and o is not None}
        for own in range(len(hypothesis.entities))
    ]
    for own, found in enumerate(entities):
        wanted = sorted((e for e in hypothesis.events if e.subject == own), key=lambda e: e.stage)
        for entity_of_theirs in found:
            stated = sorted(
                (e for e in premise.events if e.subject == entity_of_theirs), key=lambda e: e.stage
            )
            yield from _events(stated, wanted, entities, complete)
    for relation in hypothesis.relations:
        yield _relation(premise.relations, relation, entities)


def _said(stated: object, wanted: object) -> _Fact:
    if wanted is None:
        return True
    return None if stated is None else stated == wanted


def _events(
    stated: Sequence[Event], wanted: Sequence[Event], entities: Sequence[set[int]], complete: bool
) -> Iterator[_Fact]:
    """Each wanted event takes the next stated one of its kind, in order."""
    if not stated:
        yield from (False if complete else None for _ in wanted)
        return
    at = 0
    for event in wanted:
        found = next((i for i in range(at, len(stated)) if stated[i].kind == event.kind), None)
        if found is None:
            yield False
            continue
        other, at = stated[found], found + 1
        yield True
        yield _said(other.direction, event.direction)
        yield _said(other.speed, event.speed)
        if event.target is not None:
            yield other.target in entities[event.target]


def _relation(stated: Sequence[Relation], wanted: Relation, entities: Sequence[set[int]]) -> _Fact:
    subjects, references = entities[wanted.subject], entities[wanted.reference]
    seconds = entities[wanted.second] if wanted.second is not None else {None}
    opposite = _OPPOSITE.get(wanted.kind)
    verdict: _Fact = None
    for relation in (form for one in stated for form in _forms(one)):
        if relation[1] in subjects and relation[2] in references and relation[3] in seconds:
            if relation[0] == wanted.kind:
                return True
            if relation[0] == opposite or "on_top_of" in (relation[0], wanted.kind):
                verdict = False
        reversed_ = relation[1] in references and relation[2] in subjects
        if reversed_ and relation[0] == wanted.kind == "on_top_of":
            verdict = False
    return verdict


def _forms(relation: Relation) -> Iterator[tuple[RelationKind, int, int, int | None]]:
    """A relation in all the ways it can be said."""
    kind, a, b, c = relation.kind, relation.subject, relation.reference, relation.second
    yield kind, a, b, c
    if kind in _OPPOSITE:
        yield _OPPOSITE[kind], b, a, None
    elif kind == "near":
        yield kind, b, a, None
    elif kind == "between" and c is not None:
        yield kind, a, c, b
