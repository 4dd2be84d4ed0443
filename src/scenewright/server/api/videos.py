"""``/v1/videos``: create, list, look, change, delete; OpenAI's operations, and what goes beyond them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from scenewright.server.accounts import Principal, changes, sees
from scenewright.server.api.bodies import Page, body_schema, videos_example
from scenewright.server.errors import described, not_found
from scenewright.server.requests import Body, CreateVideo, Flag, Tags, Title
from scenewright.server.security import requires
from scenewright.server.services import Services, base_url, services_of
from scenewright.server.submitting import create
from scenewright.server.tables import Job
from scenewright.server.videos import Status, Video, answer

router = APIRouter(tags=["videos"])

Reader = Annotated[Principal, Depends(requires("videos:read"))]
Writer = Annotated[Principal, Depends(requires("videos:write"))]

#: The queue's statuses by the clients'.
_STATUSES: dict[str, tuple[str, ...]] = {
    "queued": ("queued", "paused"),
    "in_progress": ("running",),
    "completed": ("completed",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}

_FINAL = ("completed", "failed", "cancelled")


class VideoList(Page):
    data: list[Video]


class DeletedVideo(BaseModel):
    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: bool = True


class ChangeVideo(Body):
    """What is left out stays; an empty title takes it away."""

    title: Title | None = None
    tags: Tags | None = None


@router.post(
    "/v1/videos",
    response_model=Video,
    responses=described(400, 401, 403, 404, 409, 413, 415, 429),
    openapi_extra=body_schema(
        CreateVideo, ("input_reference", "last_frame"), videos_example, repeatable=True
    ),
    summary="Make a video",
)
async def create_video(request: Request, principal: Writer) -> Response:
    """Queues a video and answers at once. With ``Idempotency-Key``, the same again gives the same video."""
    return answer(await create(request, principal))


@router.get(
    "/v1/videos",
    response_model=VideoList,
    responses=described(400, 401, 403, 404, 429),
    summary="List videos",
)
def list_videos(
    request: Request,
    principal: Reader,
    after: Annotated[str | None, Query(max_length=80, description="The id that the page follows.")] = None,
    before: Annotated[str | None, Query(max_length=80, description="The id that the page ends at.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    status: Annotated[list[Status] | None, Query(description="Only these.")] = None,
    search: Annotated[str | None, Query(max_length=200, description="Words of prompts and titles.")] = None,
    tag: Annotated[str | None, Query(max_length=60)] = None,
    batch: Annotated[str | None, Query(max_length=64)] = None,
    deleted: Annotated[Flag, Query(description="Those that can be restored instead.")] = False,
) -> Response:
    """The newest first, unless ``order`` says otherwise."""
    services = services_of(request)
    owner = sees(principal, listing=True)
    for name, id in (("after", after), ("before", before)):
        if id is not None and services.queue.get(id, owner) is None:
            raise not_found("video", id, name)
    page = services.queue.list(
        owner,
        after=after,
        before=before,
        limit=limit,
        order=order,
        statuses=None if status is None else [ours for theirs in status for ours in _STATUSES[theirs]],
        search=search,
        tag=tag,
        batch=batch,
        deleted=deleted,
    )
    waiting = any(job.status == "queued" for job in page.jobs)
    places = services.places() if waiting else {}
    base = base_url(request)
    videos = [services.present(job, base, places.get(job.id)) for job in page.jobs]
    return answer(VideoList.of(videos, page.has_more))


@router.get(
    "/v1/videos/{video_id}",
    response_model=Video,
    responses=described(401, 403, 404, 429),
    summary="Look at a video",
)
def retrieve_video(request: Request, video_id: str, principal: Reader) -> Response:
    """``openai-poll-after-ms`` says when it is worth looking again."""
    services = services_of(request)
    job = visible(services, video_id, principal)
    headers = {} if job.status in _FINAL else {"openai-poll-after-ms": str(poll_after(job))}
    return answer(shown(request, job), headers)


@router.patch(
    "/v1/videos/{video_id}",
    response_model=Video,
    responses=described(400, 401, 403, 404, 429),
    summary="Change a video's title and tags",
)
def change_video(request: Request, video_id: str, body: ChangeVideo, principal: Writer) -> Response:
    services, owner = services_of(request), changes(principal)
    job = services.queue.update(video_id, title=body.title, tags=body.tags, owner_id=owner)
    services.watcher.hurry()
    return answer(shown(request, found(job, video_id)))


@router.delete(
    "/v1/videos/{video_id}",
    response_model=DeletedVideo,
    responses=described(401, 403, 404, 429),
    summary="Delete a video",
)
def delete_video(request: Request, video_id: str, principal: Writer) -> DeletedVideo:
    """What is being made is cancelled. It can be restored until it is purged."""
    services = services_of(request)
    own(services, video_id, principal)
    found(services.queue.delete(video_id), video_id)
    services.watcher.hurry()
    return DeletedVideo(id=video_id)


def visible(services: Services, video_id: str, principal: Principal) -> Job:
    """A video that one may look at. ApiError (404): there is none, it is another's, hidden or deleted."""
    job = services.queue.get(video_id, sees(principal))
    return found(job if job is None or job.deleted_at is None else None, video_id)


def own(services: Services, video_id: str, principal: Principal, *, deleted: bool = False) -> Job:
    """A video that one may change. ApiError (404): there is none, it is another's, hidden, or (unless
    ``deleted``) deleted."""
    job = services.queue.get(video_id, changes(principal))
    return found(job if job is None or deleted or job.deleted_at is None else None, video_id)


def found(job: Job | None, video_id: str) -> Job:
    if job is None or job.hidden:
        raise not_found("video", video_id, "video_id")
    return job


def shown(request: Request, job: Job) -> Video:
    """A video as its owner sees it, with its place in the queue."""
    services = services_of(request)
    position = services.places().get(job.id) if job.status == "queued" else None
    return services.present(job, base_url(request), position)


def poll_after(job: Job) -> int:
    """Milliseconds until a look is worth it: a quarter of what is left, from half a second to ten."""
    if job.status == "running":
        return round(1000 * min(10.0, max(0.5, (job.eta_seconds or 2.0) / 4)))
    return 1000 if job.status == "queued" else 5000
