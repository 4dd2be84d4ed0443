"""``/v1/prompts/parse``: how a prompt is understood, by characters of its text."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from scenewright.server.accounts import Principal
from scenewright.server.errors import described
from scenewright.server.requests import MOST_PROMPT, Body
from scenewright.server.security import requires
from scenewright.server.services import Services, services_of
from scenewright.server.submitting import chosen_model
from scenewright.world.scene import Event
from scenewright.world.spans import EntityPlaces, Places, Span, locate, unknown_words

router = APIRouter(tags=["prompts"])


class ParsePrompt(Body):
    """``model``: whose vocabulary the words are held against."""

    prompt: str = Field(max_length=MOST_PROMPT, examples=["a large red ball rolls left"])
    model: str | None = Field(default=None, max_length=200)


class Place(BaseModel):
    """Characters of the prompt, from ``start`` up to but not including ``end``."""

    start: int
    end: int


class Motion(BaseModel):
    """``place``: where its verb is, None where it has none of its own. ``target``: the number of another
    entity. ``stage``: 0, then 1, 2."""

    kind: str
    direction: str | None = None
    speed: str | None = None
    target: int | None = None
    stage: int = 0
    place: Place | None = None


class PromptEntity(BaseModel):
    """``text`` from ``start`` to ``end``: where it is named first. ``words``: where each of its attributes is
    said. ``mentions``: every phrase that means it."""

    text: str
    start: int
    end: int
    count: int
    shape: str | None = None
    colour: str | None = None
    size: str | None = None
    material: str | None = None
    words: dict[str, Place] = {}
    mentions: list[Place] = []
    motions: list[Motion] = []


class UnknownWord(BaseModel):
    """``by``: whether the scene's grammar or the model's vocabulary does not know it."""

    word: str
    start: int
    end: int
    by: list[str]


class PromptRelation(BaseModel):
    kind: str
    subject: int
    reference: int
    second: int | None = None


class ParsedPrompt(BaseModel):
    """``understood``: whether the grammar finds a scene; else only the words are told. ``unknown``: words,
    each once; ``unknown_places``: where they stand."""

    understood: bool
    entities: list[PromptEntity]
    relations: list[PromptRelation] = []
    camera: str | None = None
    setting: dict[str, str] = {}
    unknown: list[str]
    unknown_places: list[UnknownWord]
    notes: list[str]
    choices: dict[str, list[str]] = Field(default={}, description="What each attribute can be.")


@router.post("/v1/prompts/parse", response_model=ParsedPrompt, responses=described(400, 401, 403, 404, 429))
def parse_prompt(
    request: Request, body: ParsePrompt, principal: Annotated[Principal, Depends(requires("videos:read"))]
) -> ParsedPrompt:
    """The scene that the world's grammar finds, and the words that the grammar or the model does not know."""
    return _parsed(services_of(request), body)


def _parsed(services: Services, body: ParsePrompt) -> ParsedPrompt:
    _, facts = chosen_model(services, body.model)
    by_model = unknown_words(body.prompt, facts.words)
    try:
        places = locate(body.prompt)
    except ValueError as error:
        unknown = _unknown([], by_model)
        return ParsedPrompt(
            understood=False,
            entities=[],
            unknown=list(dict.fromkeys(word.word for word in unknown)),
            unknown_places=unknown,
            notes=[str(error)],
            choices=_choices(),
        )
    description = places.parsed.description
    unknown = _unknown(list(places.unknown), by_model)
    setting = {
        name: value
        for name in ("ground", "sky", "time")
        if (value := getattr(description, name, None)) is not None
    }
    return ParsedPrompt(
        understood=True,
        entities=[_entity(body.prompt, number, places) for number in range(len(places.entities))],
        relations=[
            PromptRelation(kind=r.kind, subject=r.subject, reference=r.reference, second=r.second)
            for r in description.relations
        ],
        camera=None if description.camera is None else description.camera.kind,
        setting=setting,
        unknown=list(dict.fromkeys(word.word for word in unknown)),
        unknown_places=unknown,
        notes=list(places.parsed.notes),
        choices=_choices(),
    )


def _entity(text: str, number: int, places: Places) -> PromptEntity:
    found: EntityPlaces = places.entities[number]
    start, end = found.mentions[0] if found.mentions else (0, 0)
    entity = found.entity
    return PromptEntity(
        text=text[start:end],
        start=start,
        end=end,
        count=entity.count,
        shape=entity.shape,
        colour=entity.color,
        size=entity.size,
        material=entity.material,
        words={
            "colour" if name == "color" else name: _place(span) for name, span in found.attributes.items()
        },
        mentions=[_place(span) for span in found.mentions],
        motions=[_motion(event, span) for event, span in places.events if event.subject == number],
    )


def _motion(event: Event, span: Span | None) -> Motion:
    return Motion(
        kind=event.kind,
        direction=event.direction,
        speed=event.speed,
        target=event.target,
        stage=event.stage,
        place=None if span is None else _place(span),
    )


def _place(span: Span) -> Place:
    return Place(start=span[0], end=span[1])


def _unknown(by_world: list[tuple[str, Span]], by_model: list[tuple[str, Span]]) -> list[UnknownWord]:
    found: dict[Span, UnknownWord] = {}
    for who, words in (("grammar", by_world), ("model", by_model)):
        for word, (start, end) in words:
            known = found.setdefault((start, end), UnknownWord(word=word, start=start, end=end, by=[]))
            known.by.append(who)
    return [found[span] for span in sorted(found)]


def _choices() -> dict[str, list[str]]:
    from scenewright.world import scene

    return {
        "shape": list(scene.SHAPES),
        "colour": list(scene.COLORS),
        "size": list(scene.SIZES),
        "material": list(scene.MATERIALS),
        "motion": list(scene.MOTION_KINDS),
        "direction": list(scene.DIRECTIONS),
        "speed": list(scene.SPEEDS),
    }
