"""The video as clients see it: OpenAI's fields exactly, and beside them all that a studio shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from scenewright.clip import Prompt
from scenewright.generation.cards import ModelFacts
from scenewright.generation.resizing import wanted_size
from scenewright.server.tables import Job
from scenewright.server.video_request import VideoRequest

Status = Literal["queued", "in_progress", "completed", "failed", "cancelled"]

_STATUS: dict[str, Status] = {
    "queued": "queued",
    "paused": "queued",
    "running": "in_progress",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
#: Per cent of the work that is done when a phase begins.
_BEGINS = {"queued": 0, "load": 0, "encode": 1, "denoise": 2, "decode": 92, "export": 97}


class VideoError(BaseModel):
    code: str
    message: str


class Video(BaseModel):
    """OpenAI's fields, then more. ``progress``: per cent. ``phase``: queued, load, encode, denoise, decode,
    export, final or paused. ``eta_seconds``: from now, None where it cannot be told. ``queue_position``: 1 is
    made next. ``preview``: a data URL of a small animated WebP. ``num_inference_steps`` and the like: None is
    the model's choice. ``size`` and ``seconds``: what was asked for until it is made, then what the file has.
    ``input_reference``, ``last_frame`` and ``video``: ids of given files, to be given again."""

    id: str = Field(examples=["video_0123456789abcdef01234567"])
    object: Literal["video"] = "video"
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    status: Status
    progress: int = Field(ge=0, le=100)
    model: str
    prompt: str
    seconds: str = Field(examples=["2"])
    size: str = Field(examples=["128x128"])
    error: VideoError | None = None
    remixed_from_video_id: str | None = None

    kind: Literal["generate", "extend"] = "generate"
    phase: str
    current_step: int = 0
    total_steps: int | None = None
    eta_seconds: float | None = None
    queue_position: int | None = None
    preview: str | None = None
    cancellable: bool
    paused: bool
    started_at: float | None = None
    seconds_taken: float | None = None
    deleted_at: float | None = None

    seed: int
    negative_prompt: str = ""
    width: int
    height: int
    num_frames: int
    fps: float
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    flow_shift: float | None = None
    sampler: str | None = None
    fast: bool = False
    audio: bool = False
    format: str = "mp4"
    input_reference: str | None = None
    last_frame: str | None = None
    video: str | None = None

    title: str | None = None
    tags: list[str] = []
    notes: list[str] = []
    batch: str | None = None
    priority: int = 0
    attempts: int = 0
    bytes: int | None = None
    cached: bool = False
    cached_from: str | None = None
    has_thumbnail: bool = False
    has_spritesheet: bool = False
    version: int = 0
    polling_url: str
    unsigned_urls: list[str] = []


def answer(model: BaseModel, headers: Mapping[str, str] | None = None) -> Response:
    """A model as JSON; written once, where a framework would check it again first."""
    return Response(model.model_dump_json(), media_type="application/json", headers=dict(headers or {}))


def present(job: Job, base_url: str, facts: ModelFacts | None, position: int | None = None) -> Video:
    """A job for its owner. ``base_url``: where clients reach the server, without a slash at the end."""
    request = VideoRequest.model_validate(job.request)
    status = _STATUS[job.status]
    num_frames, fps = _length(job, request, facts)
    width, height = _size(job, request, facts)
    done = status == "completed"
    link = f"{base_url}/v1/videos/{job.id}"
    return Video(
        id=job.id,
        created_at=int(job.created_at),
        completed_at=int(job.completed_at) if done and job.completed_at is not None else None,
        expires_at=int(job.expires_at) if job.expires_at is not None else None,
        status=status,
        progress=progress_of(job),
        model=job.model,
        prompt=request.prompt,
        seconds=f"{round(num_frames / fps, 3):g}",
        size=f"{width}x{height}",
        error=_error(job) if status == "failed" else None,
        remixed_from_video_id=job.remixed_from,
        kind="extend" if job.kind == "extend" else "generate",
        phase=job.phase,
        current_step=job.current_step,
        total_steps=job.total_steps,
        eta_seconds=job.eta_seconds,
        queue_position=position,
        preview=job.preview,
        cancellable=job.status in ("queued", "running", "paused") and job.command != "cancel",
        paused=job.status == "paused" or job.command == "pause",
        started_at=job.started_at,
        seconds_taken=job.seconds_taken,
        deleted_at=job.deleted_at,
        width=width,
        height=height,
        num_frames=num_frames,
        fps=fps,
        input_reference=_file_id(request.input_reference),
        last_frame=_file_id(request.last_frame),
        video=_file_id(request.video),
        title=job.title,
        tags=list(job.tags),
        notes=_notes(job, request, facts),
        batch=job.batch,
        priority=job.priority,
        attempts=job.attempts,
        bytes=job.bytes,
        cached=job.cached_from is not None,
        cached_from=job.cached_from,
        has_thumbnail=job.thumbnail_hash is not None,
        has_spritesheet=job.spritesheet_hash is not None,
        version=job.version,
        polling_url=link,
        unsigned_urls=[f"{link}/content"] if done else [],
        **request.model_dump(
            include={
                "seed", "negative_prompt", "num_inference_steps", "guidance_scale", "flow_shift", "sampler",
                "fast", "audio", "format",
            }
        ),
    )  # fmt: skip


def _error(job: Job) -> VideoError:
    return VideoError(code=job.error_code or "failed", message=job.error_message or "the video failed")


def progress_of(job: Job) -> int:
    if job.status == "completed":
        return 100
    begins = _BEGINS.get(job.phase, 0)
    if job.total_steps and job.phase in ("denoise", "paused", "queued"):
        return min(92, round(2 + 90 * job.current_step / job.total_steps)) if job.current_step else begins
    return begins


def _length(job: Job, request: VideoRequest, facts: ModelFacts | None) -> tuple[int, float]:
    usual = facts.usual_frames if facts is not None else 16
    fps = facts.fps if facts is not None else 8.0
    return job.num_frames or request.num_frames or usual, job.fps or request.fps or fps


def _size(job: Job, request: VideoRequest, facts: ModelFacts | None) -> tuple[int, int]:
    if job.width and job.height:
        return job.width, job.height
    native = facts.native_size if facts is not None else (128, 128)
    return wanted_size(Prompt(text=request.prompt, width=request.width, height=request.height), native)


def _notes(job: Job, request: VideoRequest, facts: ModelFacts | None) -> list[str]:
    notes = list(job.notes)
    if facts is None or job.kind != "generate" or request.num_frames != facts.most_frames:
        return notes
    if request.fps is not None and request.fps < facts.fps:
        notes.append(
            f"{job.model} makes at most {facts.most_frames} frames, which are shown at {request.fps:g} "
            f"a second instead of {facts.fps:g}"
        )
    return notes


def _file_id(digest: str | None) -> str | None:
    return None if digest is None else f"file_{digest}"
