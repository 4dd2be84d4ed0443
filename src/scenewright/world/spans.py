"""Where a sentence says what: each entity, its attributes and each event, by characters of the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from scenewright.world.lexicon import token_places, tokenize
from scenewright.world.parser import Parsed, parse
from scenewright.world.reading import (
    COLORS,
    MATERIALS,
    MATERIALS_BEHIND,
    NOUNS,
    SIZES,
    VERBS,
    PhraseTable,
)
from scenewright.world.scene import Entity, Event

Attribute = Literal["shape", "color", "size", "material"]

#: First character and the one behind the last.
Span = tuple[int, int]

_TABLES: tuple[tuple[Attribute, PhraseTable[Any]], ...] = (
    ("size", SIZES),
    ("color", COLORS),
    ("material", MATERIALS),
    ("material", MATERIALS_BEHIND),
)


@dataclass(frozen=True)
class EntityPlaces:
    """``mentions``: its noun phrases, the one that brings it first; empty for the second of a pair, which no
    phrase names alone. ``attributes``: where each attribute is said."""

    entity: Entity
    mentions: tuple[Span, ...] = ()
    attributes: dict[Attribute, Span] = field(default_factory=dict)


@dataclass(frozen=True)
class Places:
    """What :func:`.parse` gives, with places. ``events``: each with its verb's, None where it has none of its
    own. ``unknown``: words that no table knows, each time they come."""

    parsed: Parsed
    entities: tuple[EntityPlaces, ...]
    events: tuple[tuple[Event, Span | None], ...]
    unknown: tuple[tuple[str, Span], ...]


def locate(text: str) -> Places:
    """Reads ``text`` and says where. Raises ValueError where it names no object of the world."""
    parsed = parse(text)
    tokens, spans = tokenize(text), token_places(text)
    if len(spans) != len(tokens):  # marks that combine across a word's border
        spans = [(0, len(text))] * len(tokens)
    phrases: dict[int, list[tuple[int, int]]] = {}
    for index, start, end in parsed.phrases:
        phrases.setdefault(index, []).append((start, end))
    entities = []
    for index, entity in enumerate(parsed.description.entities):
        own = sorted(phrases.get(index, []))
        attributes: dict[Attribute, Span] = {}
        for start, end in own:
            for name, first, last in _attributes(tokens, start, end, entity):
                attributes.setdefault(name, (spans[first][0], spans[last - 1][1]))
        mentions = tuple((spans[start][0], spans[end - 1][1]) for start, end in own)
        entities.append(EntityPlaces(entity, mentions, attributes))
    return Places(
        parsed,
        tuple(entities),
        tuple(_events(tokens, spans, parsed.description.events)),
        tuple((word, spans[at]) for at, word in enumerate(tokens) if word in parsed.unknown),
    )


def unknown_words(text: str, known: frozenset[str]) -> list[tuple[str, Span]]:
    """Words of ``text`` that are not in ``known``, with their places; none where nothing is known."""
    if not known:
        return []
    found = zip(tokenize(text), token_places(text), strict=False)
    return [(word, span) for word, span in found if word[0].isalnum() and word not in known]


def _attributes(tokens: list[str], start: int, end: int, entity: Entity) -> list[tuple[Attribute, int, int]]:
    """(attribute, first token, the one behind the last) of what a noun phrase says of its entity."""
    found: list[tuple[Attribute, int, int]] = []
    at = start
    while at < end:
        length = 1
        noun = NOUNS.match(tokens, at)
        if noun is not None and noun[0][0] is not None and noun[0][0] == entity.shape:
            found.append(("shape", at, at + noun[1]))
            length = noun[1]
        else:
            for name, table in _TABLES:
                match = table.match(tokens, at)
                if match is not None and match[0] == getattr(entity, name):
                    found.append((name, at, at + match[1]))
                    length = match[1]
                    break
        at += length
    return found


def _events(
    tokens: list[str], spans: list[Span], events: tuple[Event, ...]
) -> list[tuple[Event, Span | None]]:
    """Each event with its verb, as both come in the text; one verb may be of several subjects."""
    verbs: list[tuple[Any, Span]] = []
    at = 0
    while at < len(tokens):
        match = VERBS.match(tokens, at)
        if match is None:
            at += 1
            continue
        verbs.append((match[0].kind, (spans[at][0], spans[at + match[1] - 1][1])))
        at += match[1]
    used: set[Span] = set()
    located: list[tuple[Event, Span | None]] = []
    for event in events:
        fitting = [span for kind, span in verbs if kind in (event.kind, None)]
        span = next((span for span in fitting if span not in used), fitting[-1] if fitting else None)
        if span is not None:
            used.add(span)
        located.append((event, span))
    return located
