"""The tables of the queue. All times are seconds since the epoch, UTC; all hashes hexadecimal SHA-256.

A change here needs a migration in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, UniqueConstraint, false
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON, list[Any]: JSON}  # noqa: RUF012


class Job(Base):
    """A video that is wanted, being made, or made.

    ``command``: what is wanted of a running one. ``position``: its order among those of its owner, lower
    first. ``request``: a :class:`~scenewright.server.video_request.VideoRequest`. ``request_hash``: of the
    request and the model, once the model is known. ``version``: the queue's clock at the last change;
    ``served``: its clock when a worker last took it. ``attempts``: how often it failed or was lost.
    ``preview``: a data URL of a small animated WebP. ``batch``: shared by what was submitted together.
    ``hidden``: made for a comparison that is not decided yet, and so to be seen nowhere else.
    """

    __tablename__ = "videos"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner_id: Mapped[str]
    kind: Mapped[str] = mapped_column(default="generate")
    status: Mapped[str] = mapped_column(default="queued")
    command: Mapped[str | None]
    priority: Mapped[int] = mapped_column(default=0)
    position: Mapped[float]
    not_before: Mapped[float | None]
    attempts: Mapped[int] = mapped_column(default=0)

    request: Mapped[dict[str, Any]]
    request_hash: Mapped[str | None]
    batch_key: Mapped[str | None]
    model: Mapped[str]

    created_at: Mapped[float]
    started_at: Mapped[float | None]
    completed_at: Mapped[float | None]
    expires_at: Mapped[float | None]
    deleted_at: Mapped[float | None]

    worker_id: Mapped[str | None]
    lease_until: Mapped[float | None]
    served: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger, default=0)

    phase: Mapped[str] = mapped_column(default="queued")
    current_step: Mapped[int] = mapped_column(default=0)
    total_steps: Mapped[int | None]
    eta_seconds: Mapped[float | None]
    preview: Mapped[str | None]

    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    notes: Mapped[list[str]] = mapped_column(default=list)

    remixed_from: Mapped[str | None]
    batch: Mapped[str | None]
    title: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(default=list)
    callback_url: Mapped[str | None]
    hidden: Mapped[bool] = mapped_column(default=False, server_default=false())

    video_hash: Mapped[str | None]
    thumbnail_hash: Mapped[str | None]
    spritesheet_hash: Mapped[str | None]
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    width: Mapped[int | None]
    height: Mapped[int | None]
    num_frames: Mapped[int | None]
    fps: Mapped[float | None]
    seconds_taken: Mapped[float | None]
    cached_from: Mapped[str | None]

    __table_args__ = (
        Index("videos_waiting", "status", "priority", "position"),
        Index("videos_of_owner", "owner_id", "created_at"),
        Index("videos_counted", "owner_id", "status", "deleted_at"),
        Index("videos_served", "owner_id", "served"),
        Index("videos_version", "version"),
        Index("videos_worker", "worker_id"),
        Index("videos_request", "request_hash"),
    )


#: Columns that hold the hash of a file in the store, and those of facts of the video.
FILES = ("video_hash", "thumbnail_hash", "spritesheet_hash")
FACTS = ("bytes", "width", "height", "num_frames", "fps")


class Clock(Base):
    """One row, whose value goes up with every change of a job."""

    __tablename__ = "clock"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(BigInteger)


class User(Base):
    """``role``: admin, creator or reviewer. ``password_hash``: None for one who logs in by key alone."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password_hash: Mapped[str | None]
    created_at: Mapped[float]
    disabled_at: Mapped[float | None]


class ApiKey(Base):
    """``prefix``: the first characters of the key, to tell keys apart; ``key_hash``: of the whole."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    revoked_at: Mapped[float | None]
    last_used_at: Mapped[float | None]


class LoginSession(Base):
    """A login of the studio. ``token_hash``: of the cookie; ``csrf``: what forms must send along."""

    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    csrf: Mapped[str]
    created_at: Mapped[float]
    expires_at: Mapped[float]
    seen_at: Mapped[float | None]


class IdempotencyKey(Base):
    """A submission that may be repeated: the same key and body give the same job."""

    __tablename__ = "idempotency_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[str]
    key: Mapped[str]
    body_hash: Mapped[str]
    video_id: Mapped[str]
    created_at: Mapped[float]

    __table_args__ = (UniqueConstraint("owner_id", "key"),)


class WebhookDelivery(Base):
    """A message to a ``callback_url`` that is to be delivered, or was."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[str] = mapped_column(primary_key=True)
    video_id: Mapped[str] = mapped_column(index=True)
    url: Mapped[str]
    body: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[float | None]
    delivered_at: Mapped[float | None]
    last_error: Mapped[str | None]


class Upload(Base):
    """A file that someone gave, as input of videos."""

    __tablename__ = "uploads"

    id: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str]
    owner_id: Mapped[str]
    media_type: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[float]

    __table_args__ = (UniqueConstraint("hash", "owner_id"),)


class WorkerRow(Base):
    """A worker process. ``models``: those it has loaded; ``memory``: the bytes they take."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    device: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[float]
    seen_at: Mapped[float]
    models: Mapped[list[str]] = mapped_column(default=list)
    memory: Mapped[int] = mapped_column(BigInteger, default=0)


class Measurement(Base):
    """What a video took. ``seconds``: by phase; ``peak_memory`` and ``bytes`` (of its files) in bytes;
    ``batch``: how many were made at once; ``defaults``: what the model chooses where a request does not."""

    __tablename__ = "measurements"

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(index=True)
    host: Mapped[str]
    device: Mapped[str]
    kind: Mapped[str]
    num_frames: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    steps: Mapped[int]
    batch: Mapped[int]
    seconds: Mapped[dict[str, Any]]
    defaults: Mapped[dict[str, Any]]
    peak_memory: Mapped[int | None] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[float]


class StudyRow(Base):
    """Something that people are asked about videos. ``kind``: study or arena. ``config``: a
    :class:`~scenewright.evaluation.people.study.StudySettings`. ``systems``: by label, the prompts and ids of
    its videos; ``contestants``: by label, the settings that it makes videos by; None where it is of the other
    kind. ``salt``: see :class:`~scenewright.evaluation.people.study.Study`."""

    __tablename__ = "studies"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner_id: Mapped[str]
    kind: Mapped[str]
    config: Mapped[dict[str, Any]]
    systems: Mapped[dict[str, Any] | None]
    contestants: Mapped[dict[str, Any] | None]
    salt: Mapped[str]
    shared: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[float]
    closed_at: Mapped[float | None]

    __table_args__ = (Index("studies_of_owner", "owner_id", "created_at"),)


class StudyAnswer(Base):
    """See :class:`~scenewright.evaluation.people.answers.Answer`. ``answer``: JSON."""

    __tablename__ = "study_answers"

    study_id: Mapped[str] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    rater: Mapped[str] = mapped_column(primary_key=True)
    answer: Mapped[str]
    seconds: Mapped[float | None]
    watched: Mapped[float | None]
    replays: Mapped[int | None]
    at: Mapped[float]


class StudyRound(Base):
    """One prompt that two contestants of an arena make a video of. ``id``: of the task; ``shown``: their
    labels by place; ``videos``: ids of what they make, likewise. ``rater``: who asked, and votes."""

    __tablename__ = "study_rounds"

    id: Mapped[str] = mapped_column(primary_key=True)
    study_id: Mapped[str] = mapped_column(index=True)
    owner_id: Mapped[str]
    rater: Mapped[str]
    prompt: Mapped[str]
    shown: Mapped[list[str]]
    videos: Mapped[list[str]]
    created_at: Mapped[float]
