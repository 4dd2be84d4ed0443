"""Server-sent events: what happens to one video, or to all of one's own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from scenewright.server import events
from scenewright.server.accounts import Principal, sees
from scenewright.server.api.videos import Reader, visible
from scenewright.server.errors import ApiError, described
from scenewright.server.events import events_of_all, events_of_one
from scenewright.server.security import principal_of
from scenewright.server.services import Services, base_url, services_of
from scenewright.server.tables import Job

router = APIRouter(tags=["events"])

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `video` (a whole snapshot), `deleted` (`{id}`) and `queue` "
        "(`{queued, positions: {id: place}}`), as JSON in `data`.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'id: 7\nevent: video\ndata: {"id": "video_0123456789abcdef01234567"}\n\n',
            }
        },
    },
}

#: Of one's videos that are not done, so many are told at the beginning.
_MOST = 100


@router.get(
    "/v1/videos/{video_id}/events",
    response_class=StreamingResponse,
    responses={**_EVENTS, **described(401, 403, 404, 429)},
    summary="Watch a video",
)
async def watch_video(request: Request, video_id: str, principal: Reader) -> StreamingResponse:
    """The state now and at every change; the stream ends when the video has ended."""
    services = services_of(request)
    job = await run_in_threadpool(visible, services, video_id, principal)
    _check_room(services, principal)
    render = _renderer(request)
    return _stream(request, events_of_one(services.watcher, job, lambda: services.queue.get(job.id), render))


@router.get(
    "/v1/events",
    response_class=StreamingResponse,
    responses={**_EVENTS, **described(401, 403, 429)},
    summary="Watch all of one's videos",
)
async def watch_all(request: Request, principal: Reader) -> StreamingResponse:
    """Those that are not done yet, and then every change; one stream for a whole page."""
    services = services_of(request)
    owner = sees(principal, listing=True)
    _check_room(services, principal)

    def unfinished() -> list[Job]:
        return services.queue.list(owner, statuses=("queued", "running", "paused"), limit=_MOST).jobs

    return _stream(request, events_of_all(services.watcher, owner, unfinished, _renderer(request)))


def _renderer(request: Request) -> Any:
    services, base = services_of(request), base_url(request)

    def render(job: Job, position: int | None) -> str:
        return services.present(job, base, position).model_dump_json()

    return render


def _check_room(services: Services, principal: Principal) -> None:
    if len(services.watcher) >= services.settings.limits.events:
        raise ApiError(
            429,
            "too many event streams are open; close some",
            code="too_many_streams",
            headers={"Retry-After": "5"},
        )


def _stream(request: Request, events: AsyncGenerator[bytes, None]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_allowed(request, events), headers=headers, media_type="text/event-stream")


async def _allowed(request: Request, stream: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """The same for as long as the key or the login holds; looked at as often as a heart beats."""
    checked = time.monotonic()
    async with contextlib.aclosing(stream):
        async for piece in stream:
            if time.monotonic() - checked > events.HEARTBEAT:
                checked = time.monotonic()
                try:
                    await run_in_threadpool(principal_of, request)
                except ApiError:
                    return
            yield piece
