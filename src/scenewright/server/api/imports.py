"""``/v1/videos/import``: the settings that a file carries, and the file itself into the library."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from scenewright.remaking import picture_of
from scenewright.server.accounts import Principal
from scenewright.server.api.videos import Writer
from scenewright.server.errors import ApiError, bad_request, described
from scenewright.server.forms import body_of
from scenewright.server.jobs import new_id
from scenewright.server.requests import Flag
from scenewright.server.services import Services, base_url, services_of
from scenewright.server.tables import Job
from scenewright.server.uploads import checked_video
from scenewright.server.video_request import INPUTS, VideoRequest, request_of
from scenewright.server.videos import Video

router = APIRouter(tags=["videos"])


class Imported(BaseModel):
    """``settings``: fields of ``POST /v1/videos`` that make the video again; pictures that it was made with
    are taken from the file. ``missing``: those that are not in it, and that are not yours here.
    ``model_known``: whether its model is installed here. ``video``: the kept one, None unless ``keep``.
    """

    settings: dict[str, Any]
    missing: list[str]
    model_known: bool
    kind: str
    metadata: dict[str, Any]
    video: Video | None = None


_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "additionalProperties": False,
                }
            }
        },
    }
}


@router.post(
    "/v1/videos/import",
    response_model=Imported,
    responses=described(400, 401, 403, 413, 415, 429),
    openapi_extra=_FORM,
    summary="Read a video's settings",
)
async def import_video(
    request: Request,
    principal: Writer,
    keep: Annotated[Flag, Query(description="Put the video into the library, too.")] = False,
) -> Imported:
    """For files that ``scenewright`` made; they carry what made them."""
    services = services_of(request)
    async with body_of(request, services.settings.limits.upload_bytes) as body:
        file = body.pop("file", None)
        if not isinstance(file, UploadFile) or body:
            raise bad_request("send one file, in the form's field file", "file")
        content = await file.read()
    found, job = await run_in_threadpool(_read, services, principal, content, keep=bool(keep))
    if job is not None:
        services.watcher.hurry()
        found.video = services.present(job, base_url(request))
    return found


def _read(
    services: Services, principal: Principal, content: bytes, *, keep: bool
) -> tuple[Imported, Job | None]:
    info = checked_video(content, "file")
    try:
        wanted = request_of(info.metadata)
    except (ValueError, ValidationError, TypeError, KeyError, AttributeError):
        raise bad_request(
            "the file does not say how it was made; it was not made here, or was changed since",
            "file",
            "no_settings",
        ) from None
    # A hash in a file is no right to a file: what one did not give oneself is taken from the file, or not.
    foreign = {name for name, hash in wanted.inputs.items() if not _own(services, principal, hash, name)}
    inside = _pictures(services, principal, info.metadata)
    inside = {name: hash for name, hash in inside.items() if name not in wanted.inputs or name in foreign}
    missing = sorted(foreign - set(inside))
    wanted = wanted.model_copy(update={**dict.fromkeys(missing), **inside})
    settings = wanted.model_dump(exclude_none=True, exclude={"cache", "lora"})
    for name in INPUTS:
        if name in settings:
            settings[name] = {"file_id": f"file_{settings[name]}"}
    if not settings["negative_prompt"]:
        del settings["negative_prompt"]
    imported = Imported(
        settings=settings,
        missing=missing,
        model_known=services.catalogue.facts(wanted.model) is not None,
        kind="extend" if info.metadata.get("kind") == "extend" else "generate",
        metadata=dict(info.metadata),
    )
    return imported, _kept(services, principal, content, imported.kind, wanted) if keep else None


def _pictures(services: Services, principal: Principal, facts: Mapping[str, Any]) -> dict[str, str]:
    """The hashes of pictures that a file carries, by the fields that they were given for."""
    found: dict[str, str] = {}
    entries = facts.get("inputs")
    for entry in entries if isinstance(entries, list) else []:
        try:
            at, content = picture_of(entry)
            name = {0: "input_reference", -1: "last_frame"}[at]
            media_type = services.uploads.checked_picture(content, name)
            if media_type != "image/webp":
                continue
        except (KeyError, ValueError, ApiError):
            continue  # one that cannot be taken is told as missing
        found[name] = services.uploads.keep(principal.owner_id, content, media_type)
    return found


def _own(services: Services, principal: Principal, digest: str, param: str) -> bool:
    try:
        services.uploads.own(principal.owner_id, digest, param)
    except ApiError:
        return False
    return True


def _kept(services: Services, principal: Principal, content: bytes, kind: str, wanted: VideoRequest) -> Job:
    from scenewright.media import MediaError, decode
    from scenewright.server.pictures import spritesheet_of, thumbnail_of

    services.check_room(principal.owner_id, len(content), jobs=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"given.{wanted.format}"
        path.write_bytes(content)
        try:
            clip = decode(path, audio=False)
        except (MediaError, ValueError, OSError):
            raise bad_request("the video cannot be decoded", "file", "invalid_media") from None
    store, now = services.store, time.time()
    digest = store.put_bytes(content, f"video/{wanted.format}")
    return services.queue.add_made(
        Job(
            id=new_id(),
            owner_id=principal.owner_id,
            kind=kind,
            status="completed",
            phase="final",
            position=0.0,
            request=wanted.model_dump(mode="json"),
            model=wanted.model,
            created_at=now,
            completed_at=now,
            notes=["imported from a file"],
            tags=[],
            video_hash=digest,
            thumbnail_hash=store.put_bytes(thumbnail_of(clip), "image/webp"),
            spritesheet_hash=store.put_bytes(spritesheet_of(clip), "image/webp"),
            bytes=len(content),
            width=clip.width,
            height=clip.height,
            num_frames=len(clip),
            fps=clip.fps,
        )
    )
