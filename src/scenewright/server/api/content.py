"""The files of a video: whole or in ranges, never sent again where the client has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from scenewright.server.api.videos import Reader, visible
from scenewright.server.errors import ApiError, described
from scenewright.server.services import services_of
from scenewright.server.sniffing import media_type_of
from scenewright.server.tables import Job

router = APIRouter(tags=["videos"])

Variant = Literal["video", "thumbnail", "spritesheet"]

_SUFFIXES = {"video/mp4": ".mp4", "video/webm": ".webm", "image/webp": ".webp", "image/png": ".png",
             "image/jpeg": ".jpg"}  # fmt: skip

_POLICY = "default-src 'none'; media-src 'self'; frame-ancestors 'none'; sandbox"

_BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.head("/v1/videos/{video_id}/content", include_in_schema=False)
@router.get(
    "/v1/videos/{video_id}/content",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": dict.fromkeys(_SUFFIXES, _BINARY),
        },
        206: {"description": "The range of it.", "content": {"video/mp4": _BINARY}},
        304: {"description": "The client has it."},
        **described(400, 401, 403, 404, 409, 416, 429),
    },
    summary="Download a video",
)
def download(
    request: Request,
    video_id: str,
    principal: Reader,
    variant: Variant = "video",
    index: Annotated[int, Query(ge=0, le=0, description="OpenRouter's; a video has one file.")] = 0,
    download: Annotated[str | None, Query(pattern="^(true|false)$", description="As an attachment.")] = None,
) -> Response:
    """``Range``, ``If-Range`` and ``If-None-Match`` are met; the ``ETag`` is the file's SHA-256."""
    services = services_of(request)
    job = visible(services, video_id, principal)
    digest = {
        "video": job.video_hash,
        "thumbnail": job.thumbnail_hash,
        "spritesheet": job.spritesheet_hash,
    }[variant]
    if digest is None:
        if job.status in ("failed", "cancelled"):
            raise ApiError(404, f"the video is {job.status} and has no {variant}", code="no_content")
        raise ApiError(409, f"the video has no {variant} yet; it is {job.status}", code="not_ready")
    size = services.store.size(digest)
    if size is None:
        raise ApiError(404, f"the {variant} is not in the store any more", code="no_content")
    head = b"".join(services.store.read(digest, 0, 64))
    media_type = media_type_of(head) or "application/octet-stream"
    headers = {
        "ETag": f'"{digest}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": _disposition(job, variant, media_type, attached=download == "true"),
    }
    read = partial(services.store.read, digest)
    return sent(request, read, size, media_type, headers, what=variant)


def sent(
    request: Request,
    read: Callable[[int, int], Iterator[bytes]],
    size: int,
    media_type: str,
    headers: Mapping[str, str],
    *,
    what: str = "video",
) -> Response:
    """A file of ``size`` bytes, or what of it is asked for. ``read``: its bytes from one to before another.
    ApiError (416): the range is not within it."""
    etag = headers["ETag"]
    headers = {**headers, "Accept-Ranges": "bytes", "Content-Security-Policy": _POLICY}
    if etag in _tags(request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    start, end = 0, size
    wanted = request.headers.get("range")
    ranged = wanted is not None and request.headers.get("if-range", etag) == etag
    if ranged:
        assert wanted is not None
        bounds = byte_range(wanted, size)
        if bounds is None:
            raise ApiError(
                416,
                f"the {what} has {size:,} bytes",
                code="range_not_satisfiable",
                headers={"Content-Range": f"bytes */{size}"},
            )
        start, end = bounds
        ranged = (start, end) != (0, size) or wanted.startswith("bytes=0-")
    if ranged:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    pieces = iter(()) if request.method == "HEAD" else read(start, end)
    return StreamingResponse(pieces, 206 if ranged else 200, headers, media_type)


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the one behind the last of a ``Range`` header; None where it cannot be met. Of several
    ranges, or of what is no range, the whole (RFC 9110 allows it)."""
    match = re.fullmatch(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", header)
    if match is None or not (match[1] or match[2]):
        return 0, size
    if not match[1]:
        length = int(match[2])
        return (max(0, size - length), size) if length and size else None
    start, end = int(match[1]), int(match[2]) + 1 if match[2] else size
    if start >= size:
        return None
    return (start, min(end, size)) if start < end else (0, size)


def _disposition(job: Job, variant: Variant, media_type: str, *, attached: bool) -> str:
    words = re.findall(r"[a-z0-9]+", str(job.request.get("prompt", "")).lower())
    stem = "-".join(words)[:60].strip("-") or "video"
    end = "" if variant == "video" else f"-{variant}"
    name = f"{stem}-{job.request.get('seed', 0)}{end}{_SUFFIXES.get(media_type, '')}"
    return f'{"attachment" if attached else "inline"}; filename="{name}"'


def _tags(header: str | None) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]
