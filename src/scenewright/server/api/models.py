"""``/v1/models``: what can be asked for, and what each model makes."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from scenewright.generation.cards import ModelFacts
from scenewright.machine import available_memory
from scenewright.server.api.videos import Reader
from scenewright.server.catalogue import created
from scenewright.server.errors import described
from scenewright.server.planning import unknown_model
from scenewright.server.services import services_of

router = APIRouter(tags=["models"])

#: Memory that a worker needs beside a model's weights, in bytes: libraries, activations, the encoder.
_BESIDE = 800_000_000
#: Weights are stored with two bytes a number and computed with four.
_GROWS = 2


class Model(BaseModel):
    """OpenAI's fields, then what it makes. ``native_width``, ``native_height``: pixels it makes best;
    ``usual_frames``: of the clips it learned; ``most_frames``: None for any length; ``settings``: its own way
    to sample, and ``fast`` the one in few steps, None where there is none; ``takes``: which of those can be
    changed. ``fits``: whether its weights fit into the memory that is free here, None where that is not
    known."""

    id: str = Field(examples=["nano"])
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "scenewright"

    family: str
    native_width: int
    native_height: int
    usual_frames: int
    most_frames: int | None
    fps: float
    settings: dict[str, Any] | None
    fast: dict[str, Any] | None
    takes: list[str]
    negative_prompts: bool
    given_frames: bool
    extends: bool
    samples_in_steps: bool
    needs_sound: bool
    knows_words: int = Field(description="Words it was trained with; 0 where that is not recorded.")
    bytes: int = Field(description="Of its weights.")
    default: bool
    fits: bool | None


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/v1/models", response_model=ModelList, responses=described(401, 403, 429))
def list_models(request: Request, principal: Reader) -> ModelList:
    """All that are installed here."""
    services = services_of(request)
    found = {name: services.catalogue.facts(name) for name in services.catalogue.names()}
    default = services.settings.default_model
    return ModelList(
        data=[_model(name, facts, name == default) for name, facts in found.items() if facts is not None]
    )


@router.get("/v1/models/{model:path}", response_model=Model, responses=described(401, 403, 404, 429))
def retrieve_model(request: Request, model: str, principal: Reader) -> Model:
    """One of them, by its name."""
    services = services_of(request)
    facts = services.catalogue.facts(model)
    if facts is None:
        raise unknown_model(model, services.catalogue.names())
    return _model(model, facts, model == services.settings.default_model)


def _model(name: str, facts: ModelFacts, default: bool) -> Model:
    free = available_memory()
    width, height = facts.native_size
    return Model(
        id=name,
        created=int(created(name)),
        family=facts.family,
        native_width=width,
        native_height=height,
        usual_frames=facts.usual_frames,
        most_frames=facts.most_frames,
        fps=facts.fps,
        settings=None if facts.settings is None else dict(facts.settings),
        fast=None if facts.fast is None else dict(facts.fast),
        takes=sorted(facts.takes),
        negative_prompts=facts.negative_prompts,
        given_frames=facts.given_frames,
        extends=facts.given_frames,
        samples_in_steps=facts.settings is not None,
        needs_sound=facts.needs_sound,
        knows_words=len(facts.words),
        bytes=facts.bytes,
        default=default,
        fits=None if free is None else free > _GROWS * facts.bytes + _BESIDE,
    )
