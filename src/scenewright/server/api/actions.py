"""Steering a video that waits or is being made, and bringing back one that was deleted."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from pydantic import Field

from scenewright.server.api.videos import Writer, found, own, shown
from scenewright.server.errors import ApiError, bad_request, described
from scenewright.server.jobs import JobStateError
from scenewright.server.requests import Body
from scenewright.server.services import services_of
from scenewright.server.tables import Job
from scenewright.server.videos import Video, answer

router = APIRouter(tags=["steering"])
_ERRORS = described(401, 403, 404, 409, 429)


class MoveVideo(Body):
    """``before``: another video of one's own that waits; None is the end of one's line."""

    before: str | None = Field(default=None, max_length=80)


@router.post("/v1/videos/{video_id}/cancel", response_model=Video, responses=_ERRORS)
def cancel_video(request: Request, video_id: str, principal: Writer) -> Response:
    """At once where it waits, at its next step where it is being made."""
    own(services_of(request), video_id, principal)
    return _steered(request, video_id, services_of(request).queue.cancel)


@router.post("/v1/videos/{video_id}/pause", response_model=Video, responses=_ERRORS)
def pause_video(request: Request, video_id: str, principal: Writer) -> Response:
    """A half-made video is kept, and goes on from where it is."""
    own(services_of(request), video_id, principal)
    return _steered(request, video_id, services_of(request).queue.pause)


@router.post("/v1/videos/{video_id}/resume", response_model=Video, responses=_ERRORS)
def resume_video(request: Request, video_id: str, principal: Writer) -> Response:
    """Undoes a pause."""
    own(services_of(request), video_id, principal)
    return _steered(request, video_id, services_of(request).queue.resume)


@router.post("/v1/videos/{video_id}/retry", response_model=Video, responses=_ERRORS)
def retry_video(request: Request, video_id: str, principal: Writer) -> Response:
    """Queues a video again that failed or was cancelled."""
    services = services_of(request)
    own(services, video_id, principal)
    video = _steered(request, video_id, services.queue.retry)
    services.deliverer.forget(video_id)
    return video


@router.post("/v1/videos/{video_id}/restore", response_model=Video, responses=_ERRORS)
def restore_video(request: Request, video_id: str, principal: Writer) -> Response:
    """Undoes a deletion, until it is purged."""
    own(services_of(request), video_id, principal, deleted=True)
    return _steered(request, video_id, services_of(request).queue.restore)


@router.post(
    "/v1/videos/{video_id}/move", response_model=Video, responses=described(400, 401, 403, 404, 409, 429)
)
def move_video(request: Request, video_id: str, body: MoveVideo, principal: Writer) -> Response:
    """Changes the order among one's own videos that wait."""
    queue = services_of(request).queue
    own(services_of(request), video_id, principal)
    return _steered(request, video_id, lambda id: queue.move(id, body.before), param="before")


def _steered(
    request: Request, video_id: str, steer: Callable[[str], Job | None], param: str | None = None
) -> Response:
    try:
        job = steer(video_id)
    except JobStateError as error:
        raise ApiError(409, str(error), code="wrong_status") from None
    except ValueError as error:
        raise bad_request(str(error), param) from None
    services_of(request).watcher.hurry()
    return answer(shown(request, found(job, video_id)))
