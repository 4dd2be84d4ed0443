"""Videos from videos: remixes and extensions; edits and characters, which no model here can make."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from scenewright.server.accounts import Principal, sees
from scenewright.server.api.bodies import body_schema
from scenewright.server.api.videos import Reader, Writer, found, visible
from scenewright.server.errors import ApiError, bad_request, described, not_found
from scenewright.server.forms import body_of
from scenewright.server.planning import plan
from scenewright.server.requests import CreateCharacter, EditVideo, ExtendVideo, Options, RemixVideo
from scenewright.server.services import Services, services_of
from scenewright.server.submitting import (
    admit,
    asked_of,
    chosen_model,
    idempotency,
    repeated,
    require_room,
    submit,
)
from scenewright.server.tables import Job
from scenewright.server.video_request import VideoRequest
from scenewright.server.videos import Video, answer

router = APIRouter(tags=["videos from videos"])
_ERRORS = described(400, 401, 403, 404, 409, 413, 415, 429)


class Character(BaseModel):
    """OpenAI's character; there are none."""

    id: str
    object: str = "character"
    created_at: int
    name: str


@router.post(
    "/v1/videos/{video_id}/remix",
    response_model=Video,
    responses=_ERRORS,
    openapi_extra=body_schema(
        RemixVideo, (), {"prompt": "a large blue metal sphere rolls left"}, repeatable=True
    ),
    summary="Make a video again with another prompt",
)
async def remix_video(request: Request, video_id: str, principal: Writer) -> Response:
    """Everything but the prompt is as it was, the seed too, unless it is given anew."""
    services = services_of(request)
    source = await run_in_threadpool(visible, services, video_id, principal)
    async with body_of(request, services.settings.limits.upload_bytes) as body:
        asked = asked_of(body)
    options = asked.checked(RemixVideo)
    before = VideoRequest.model_validate(source.request)
    if source.kind == "extend":
        raise bad_request("an extension cannot be remixed; extend its source with another prompt", "video_id")
    model, facts = chosen_model(services, options.model or before.model)
    options = _as_before(options, before)
    key = await idempotency(request, asked, f"remix {video_id}")
    if (earlier := await repeated(request, principal, key)) is not None:
        return answer(earlier)
    await admit(services, principal, options)
    limits = services.settings.limits
    planned = plan(options, options.prompt, facts, limits, model=model, inputs=before.inputs)
    video = await submit(request, principal, options, planned, remixed_from=source.id, idempotency_key=key)
    return answer(video)


@router.post(
    "/v1/videos/extensions",
    response_model=Video,
    responses=_ERRORS,
    openapi_extra=body_schema(
        ExtendVideo,
        ("video",),
        {"prompt": "the sphere bounces", "video": {"id": "video_0123456789abcdef01234567"}, "seconds": "1"},
        repeatable=True,
    ),
    summary="Go on with a video",
)
async def extend_video(request: Request, principal: Writer) -> Response:
    """``video`` is a completed one by its id, or a file; the result has both parts."""
    services = services_of(request)
    async with body_of(request, services.settings.limits.upload_bytes) as body:
        asked = asked_of(body)
        options = asked.checked(ExtendVideo)
        upload = asked.files.get("video")
        if (upload is None) == (options.video is None):
            raise bad_request("name one video to go on with, by its id or as a file", "video")
        source = None
        if options.video is not None:
            source = await run_in_threadpool(_completed, services, options.video.id, principal)
            if options.wanted_size == (None, None):
                options = options.model_copy(update={"width": source.width, "height": source.height})
        model, facts = chosen_model(services, options.model or (source.model if source else None))
        limits = services.settings.limits
        blank = {"video": "0" * 64}
        planned = plan(options, options.prompt, facts, limits, model=model, kind="extend", inputs=blank)
        key = await idempotency(request, asked, "extend")
        if (earlier := await repeated(request, principal, key)) is not None:
            return answer(earlier)
        await admit(services, principal, options)
        await require_room(request, principal)
        if source is not None:
            assert source.video_hash is not None
            digest = source.video_hash
        else:
            assert upload is not None
            digest = await services.uploads.video(principal.owner_id, upload)
    video = await submit(
        request,
        principal,
        options,
        planned.model_copy(update={"video": digest}),
        kind="extend",
        remixed_from=None if source is None else source.id,
        idempotency_key=key,
    )
    return answer(video)


@router.post(
    "/v1/videos/edits",
    response_model=Video,
    responses=_ERRORS,
    openapi_extra=body_schema(EditVideo, ("video",)),
    summary="Edit a video (no model here can)",
)
async def edit_video(request: Request, principal: Writer) -> Response:
    """Always an error of code ``unsupported_operation``; a remix makes it again from another prompt."""
    services = services_of(request)
    async with body_of(request, services.settings.limits.upload_bytes) as body:
        asked = asked_of(body)
        wanted = asked.checked(EditVideo)
        if wanted.video is not None:
            await run_in_threadpool(_completed, services, wanted.video.id, principal)
    raise _cannot("no model here edits a video; remix it with another prompt, or extend it")


@router.post(
    "/v1/videos/characters",
    response_model=Character,
    responses=_ERRORS,
    openapi_extra=body_schema(CreateCharacter, ("video",)),
    summary="Make a character (no model here can)",
)
async def create_character(request: Request, principal: Writer) -> Any:
    """Always an error of code ``unsupported_operation``."""
    services = services_of(request)
    async with body_of(request, services.settings.limits.upload_bytes) as body:
        asked_of(body).checked(CreateCharacter)
    raise _cannot("no model here learns characters; describe who is to be seen in the prompt")


@router.get(
    "/v1/videos/characters/{character_id}",
    response_model=Character,
    responses=described(401, 403, 404, 429),
    summary="Look at a character (there are none)",
)
def get_character(character_id: str, principal: Reader) -> Any:
    """Always 404."""
    raise not_found("character", character_id, "character_id")


def _completed(services: Services, video_id: str, principal: Principal) -> Job:
    job = services.queue.get(video_id, sees(principal))
    job = found(job if job is None or job.deleted_at is None else None, video_id)
    if job.status != "completed" or job.video_hash is None:
        raise ApiError(409, "the video is not completed yet", code="wrong_status", param="video")
    return job


def _as_before(options: RemixVideo, before: VideoRequest) -> RemixVideo:
    """What is not given anew is taken from the earlier request."""
    given = options.model_fields_set
    changes: dict[str, Any] = {}
    for name in set(Options.model_fields) & set(VideoRequest.model_fields) - {"model", "lora"}:
        if name not in given:
            changes[name] = getattr(before, name)
    if "size" in given:
        changes["width"] = changes["height"] = None
    if "seconds" in given:
        changes["num_frames"] = None
        changes["fps"] = options.fps
    return options.model_copy(update=changes)


def _cannot(message: str) -> ApiError:
    return bad_request(message, None, "unsupported_operation")
