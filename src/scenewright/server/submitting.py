"""Putting what a client asks for into the queue: checked, within limits, once where it comes twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from scenewright.generation.cards import ModelFacts
from scenewright.server.accounts import Principal
from scenewright.server.errors import ApiError, bad_request, from_validation
from scenewright.server.forms import body_of
from scenewright.server.jobs import IdempotencyConflict
from scenewright.server.limits import check_room
from scenewright.server.planning import plan, unknown_model
from scenewright.server.references import UnreachableError, check_url
from scenewright.server.requests import FILES, CreateVideo, Options, Reference, in_our_names
from scenewright.server.services import Services, base_url, services_of
from scenewright.server.tables import Job
from scenewright.server.video_request import Kind, VideoRequest
from scenewright.server.videos import Video

B = TypeVar("B", bound=BaseModel)

MOST_KEY = 255


@dataclass(frozen=True)
class Asked:
    """A body that was read. ``given``: its fields as they came; ``files``: those that are files."""

    given: dict[str, Any]
    files: dict[str, UploadFile]

    def checked(self, kind: type[B]) -> B:
        """ApiError (400): a field is missing, unknown or wrong."""
        try:
            return kind.model_validate(self.given)
        except ValidationError as error:
            raise from_validation(error.errors()) from None

    async def digest(self, operation: str) -> str:
        """SHA-256 of all that was asked for: what must be the same where an idempotency key is."""
        files = {}
        for name, file in sorted(self.files.items()):
            files[name] = hashlib.sha256(await file.read()).hexdigest()
            await file.seek(0)
        text = json.dumps([operation, self.given, files], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def asked_of(body: Mapping[str, Any]) -> Asked:
    """A body in anyone's names, with its files apart. ApiError (400): a file where none belongs."""
    given = in_our_names(body)
    files = {name: given.pop(name) for name in FILES if isinstance(given.get(name), UploadFile)}
    for name, value in given.items():
        if isinstance(value, UploadFile) or (
            isinstance(value, list) and any(isinstance(item, UploadFile) for item in value)
        ):
            raise bad_request(f"{name} is no file", name)
    # An empty field of a form is one that was left out.
    return Asked({name: value for name, value in given.items() if value != "" or name == "prompt"}, files)


async def create(request: Request, principal: Principal) -> Video:
    """``POST /v1/videos``."""
    services = services_of(request)
    async with body_of(request, services.settings.limits.upload_bytes) as body:
        asked = asked_of(body)
        options = asked.checked(CreateVideo)
        if "video" in asked.files:
            raise bad_request(
                "a video is gone on with at /v1/videos/extensions", "video", "unknown_parameter"
            )
        model, facts = chosen_model(services, options.model)
        references = {"input_reference": options.input_reference, "last_frame": options.last_frame}
        wanted = {
            name: asked.files.get(name) or reference
            for name, reference in references.items()
            if asked.files.get(name) is not None or reference is not None
        }
        # Everything that can be refused is refused before anything is fetched or stored.
        blank = dict.fromkeys(wanted, "0" * 64)
        planned = plan(options, options.prompt, facts, services.settings.limits, model=model, inputs=blank)
        key = await idempotency(request, asked, "create")
        if (earlier := await repeated(request, principal, key)) is not None:
            return earlier
        await admit(services, principal, options)
        if wanted:
            await require_room(request, principal)
        inputs = {
            name: await services.uploads.picture(principal.owner_id, given, name)
            for name, given in wanted.items()
            if isinstance(given, UploadFile | Reference)
        }
    planned = planned.model_copy(update=inputs)
    return await submit(request, principal, options, planned, idempotency_key=key)


async def submit(
    request: Request,
    principal: Principal,
    options: Options,
    planned: VideoRequest,
    *,
    kind: Kind = "generate",
    remixed_from: str | None = None,
    idempotency_key: tuple[str, str] | None = None,
    id: str | None = None,
    hidden: bool = False,
) -> Video:
    """Queue it; the video as it is then. ``id`` and ``hidden`` as for :meth:`.JobQueue.submit`. ApiError
    (429): too many wait, or too much is stored."""
    services = services_of(request)
    days, limits = services.settings.expire_days, services.settings.limits

    def put() -> tuple[Job, int | None]:
        try:
            job = services.queue.submit(
                principal.owner_id,
                planned,
                priority=options.priority,
                kind=kind,
                remixed_from=remixed_from,
                batch=options.batch,
                callback_url=options.callback_url,
                title=options.title,
                tags=options.tags,
                expires_at=None if days is None else time.time() + days * 86400,
                idempotency=idempotency_key,
                id=id,
                hidden=hidden,
                check=lambda connection: check_room(connection, principal.owner_id, limits),
            )
        except IdempotencyConflict as error:
            raise key_conflict(error) from None
        return job, services.places(job.version).get(job.id)

    job, position = await run_in_threadpool(put)
    services.watcher.hurry()
    return services.present(job, base_url(request), position)


def chosen_model(services: Services, name: str | None) -> tuple[str, ModelFacts]:
    """The model of a name, or the server's own. ApiError (404): there is none."""
    model = name or services.settings.default_model
    facts = services.catalogue.facts(model)
    if facts is None:
        raise unknown_model(model, services.catalogue.names())
    return model, facts


async def admit(services: Services, principal: Principal, options: Options) -> None:
    """ApiError: 403 for a priority above one's rights, 400 for a callback that leads inside."""
    if options.priority > 0 and not principal.is_admin:
        raise ApiError(
            403, "only administrators set a priority above 0", code="insufficient_scope", param="priority"
        )
    if options.callback_url is not None:
        try:
            await check_url(options.callback_url, loopback=services.private)
        except UnreachableError as error:
            raise bad_request(str(error), "callback_url", "invalid_url") from None


async def require_room(request: Request, principal: Principal, jobs: int = 1) -> None:
    """Before anything is fetched, stored or queued. ApiError (429): there is no room for so many videos, or
    for what the body declares."""
    declared = request.headers.get("content-length", "")
    more = int(declared) if declared.isdecimal() else 0
    await run_in_threadpool(services_of(request).check_room, principal.owner_id, more, jobs)


async def idempotency(request: Request, asked: Asked, operation: str) -> tuple[str, str] | None:
    """The header ``Idempotency-Key`` with the hash of what it stands for."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= MOST_KEY or not key.isprintable():
        raise bad_request(f"a key has from 1 to {MOST_KEY} printable characters", "Idempotency-Key")
    return key, await asked.digest(operation)


async def repeated(request: Request, principal: Principal, key: tuple[str, str] | None) -> Video | None:
    """The video of an earlier request of the same key and body: nothing is fetched or counted again.
    ApiError (409): the key came with another body."""
    if key is None:
        return None
    services = services_of(request)

    def find() -> tuple[Job | None, int | None]:
        try:
            job = services.queue.submitted(principal.owner_id, key)
        except IdempotencyConflict as error:
            raise key_conflict(error) from None
        return job, None if job is None else services.places().get(job.id)

    job, position = await run_in_threadpool(find)
    return None if job is None else services.present(job, base_url(request), position)


def key_conflict(error: IdempotencyConflict) -> ApiError:
    return ApiError(409, str(error), code="idempotency_conflict", param="Idempotency-Key")
