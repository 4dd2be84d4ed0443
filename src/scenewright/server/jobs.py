"""The queue of videos. Looking into it is in :mod:`.lists`, the workers' side in :mod:`.claims`.

It lives in a database and nowhere else, so that any process may be killed at any moment. Whoever wants to
know what happens asks for what has changed since it last asked; see :meth:`JobQueue.changed`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, String, and_, cast, delete, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, object_session

from scenewright.server.claims import Claims
from scenewright.server.lists import Lists, Page
from scenewright.server.tables import FILES, IdempotencyKey, Job, Upload
from scenewright.server.video_request import Kind, VideoRequest

__all__ = ["ENDED", "IdempotencyConflict", "Job", "JobQueue", "JobStateError", "Page", "new_id"]

ENDED = ("completed", "failed", "cancelled")


class IdempotencyConflict(ValueError):  # noqa: N818
    """An idempotency key that was used before, for something else."""


class JobStateError(ValueError):
    """What is wanted of a job does not go with its status."""


class JobQueue(Claims, Lists):
    """Methods that change one job give it as it is then, or None where there is no such job."""

    # ------------------------------------------------------------------------------------------ submitting

    def submit(
        self,
        owner_id: str,
        request: VideoRequest,
        *,
        priority: int = 0,
        kind: Kind = "generate",
        remixed_from: str | None = None,
        batch: str | None = None,
        callback_url: str | None = None,
        title: str | None = None,
        tags: Sequence[str] = (),
        expires_at: float | None = None,
        idempotency: tuple[str, str] | None = None,
        id: str | None = None,
        hidden: bool = False,
        check: Callable[[Connection], None] | None = None,
    ) -> Job:
        """Put a request at the end of its owner's line.

        ``idempotency``: a key of the owner's, and a hash of what was sent with it; the same again gives the
        job of the first time. ``id``: a :func:`new_id` that was noted elsewhere; ``hidden``: whether it is in
        no list until it is revealed. ``check``: asked first, in the same transaction; what it raises leaves
        the queue as it is.

        Raises:
            IdempotencyConflict: the key came with something else before.
        """
        job = Job(
            id=id or new_id(),
            owner_id=owner_id,
            kind=kind,
            priority=priority,
            position=0.0,
            request=request.model_dump(mode="json"),
            batch_key=request.batch_key(kind),
            model=request.model,
            created_at=self.now(),
            expires_at=expires_at,
            remixed_from=remixed_from,
            batch=batch,
            title=title,
            tags=list(tags),
            callback_url=callback_url,
            hidden=hidden,
        )
        try:
            with self.database.write() as session:
                if idempotency is not None:
                    if (earlier := self._earlier(session, owner_id, idempotency)) is not None:
                        return earlier
                    key, body_hash = idempotency
                    session.add(
                        IdempotencyKey(
                            owner_id=owner_id,
                            key=key,
                            body_hash=body_hash,
                            video_id=job.id,
                            created_at=self.now(),
                        )
                    )
                    session.flush()  # whoever uses the same key waits here, and not for the clock
                if check is not None:
                    check(session.connection())
                session.add(job)
                job.position = float(self._changed(session, job))
            return job
        except IntegrityError:
            # On PostgreSQL another process may have used the key in the meantime.
            assert idempotency is not None
            with self.database.read() as session:
                earlier = self._earlier(session, owner_id, idempotency)
            assert earlier is not None
            return earlier

    def add_made(self, job: Job) -> Job:
        """Put a video into its owner's library that was made elsewhere."""
        with self.database.write() as session:
            session.add(job)
            job.position = float(self._changed(session, job))
        return job

    def submitted(self, owner_id: str, idempotency: tuple[str, str]) -> Job | None:
        """The job that was submitted with a key and body before; None where there is none. Errors as
        :meth:`submit`."""
        with self.database.read() as session:
            return self._earlier(session, owner_id, idempotency)

    def _earlier(self, session: Session, owner_id: str, idempotency: tuple[str, str]) -> Job | None:
        key, body_hash = idempotency
        mine = (IdempotencyKey.owner_id == owner_id) & (IdempotencyKey.key == key)
        found = session.scalars(select(IdempotencyKey).where(mine)).first()
        if found is None:
            return None
        if found.body_hash != body_hash:
            raise IdempotencyConflict(
                f"the idempotency key {key!r} was used for another request; take a new key"
            )
        return session.get(Job, found.video_id)

    # -------------------------------------------------------------------------------------------- steering

    def cancel(self, id: str) -> Job | None:
        """At once where it waits; a running one at its next step. JobStateError: it has ended otherwise."""
        with self._one(id) as job:
            if job is not None and job.status != "cancelled":
                if job.status in ("completed", "failed"):
                    raise JobStateError(f"the video is {job.status}; there is nothing to cancel")
                self._stop(job)
        return job

    def pause(self, id: str) -> Job | None:
        """At once where it waits; a running one at its next step, from which it goes on when it is resumed.
        JobStateError: it has ended."""
        with self._one(id) as job:
            if job is not None and job.status != "paused" and job.command != "cancel":
                if job.status == "running":
                    job.command = "pause"
                elif job.status == "queued":
                    job.status = job.phase = "paused"
                else:
                    raise JobStateError(f"the video is {job.status}; there is nothing to pause")
        return job

    def resume(self, id: str) -> Job | None:
        """JobStateError: it has ended."""
        with self._one(id) as job:
            if job is not None and job.status in ENDED:
                raise JobStateError(f"the video is {job.status}; there is nothing to resume")
            if job is not None and job.status == "paused":
                job.status = job.phase = "queued"
                job.not_before = None
            elif job is not None and job.command == "pause":
                job.command = None
        return job

    def retry(self, id: str) -> Job | None:
        """Queue a job again that failed or was cancelled, or does not wait for its next try any longer.
        JobStateError: it goes on anyway, or is done."""
        with self._one(id) as job:
            if job is not None:
                if job.status not in ("failed", "cancelled") and job.not_before is None:
                    raise JobStateError(f"the video is {job.status}; there is nothing to retry")
                if job.status in ENDED:
                    job.attempts = job.current_step = 0
                job.status = job.phase = "queued"
                job.command = job.not_before = job.completed_at = job.error_code = job.error_message = None
        return job

    def move(self, id: str, before: str | None = None) -> Job | None:
        """Put a job directly before another of the same owner's line; None: at its end.

        Raises:
            JobStateError: one of them does not wait.
            ValueError: there is no such other job of this owner.
        """
        with self._one(id) as job:
            if job is None:
                return None
            waiting = and_(
                Job.owner_id == job.owner_id, Job.status.in_(("queued", "paused")), Job.deleted_at.is_(None)
            )
            session = object_session(job)
            assert session is not None
            places = session.scalars(
                select(Job).where(waiting).order_by(Job.position, Job.id).with_for_update()
            )
            others = [other for other in places if other is not job]
            if job.status not in ("queued", "paused"):
                raise JobStateError(f"the video is {job.status}; only those that wait can be moved")
            if before is None:
                job.position = others[-1].position + 1 if others else job.position
                return job
            if before == id:
                return job
            at = next((i for i, other in enumerate(others) if other.id == before), None)
            if at is None:
                raise ValueError(f"there is no waiting video {before!r} to move this one before")
            if at > 0 and others[at].position - others[at - 1].position < 1e-6:
                _spread(others)
            job.position = (
                (others[at - 1].position + others[at].position) / 2 if at else others[0].position - 1
            )
        return job

    def update(
        self,
        id: str,
        *,
        title: str | None = None,
        tags: Sequence[str] | None = None,
        owner_id: str | None = None,
    ) -> Job | None:
        """Change what is given. An empty title takes it away. None also where it is not ``owner_id``'s,
        hidden, or deleted."""
        with self._one(id) as job:
            if job is not None:
                if owner_id not in (None, job.owner_id) or job.hidden or job.deleted_at is not None:
                    return None
                if title is not None:
                    job.title = title or None
                if tags is not None:
                    job.tags = [*dict.fromkeys(tags)]
        return job

    def delete(self, id: str) -> Job | None:
        """Out of sight until it is restored or purged; what is not done yet is cancelled."""
        with self._one(id) as job:
            if job is not None and job.deleted_at is None:
                job.deleted_at = self.now()
                if job.status not in ENDED:
                    self._stop(job)
        return job

    def restore(self, id: str) -> Job | None:
        """Undo :meth:`delete`; what was cancelled by it can be retried."""
        with self._one(id) as job:
            if job is not None:
                job.deleted_at = None
        return job

    def reveal(self, session: Session, ids: Collection[str]) -> None:
        """Within a transaction: hidden jobs are in the lists from now on."""
        chosen = select(Job).where(Job.id.in_(ids), Job.hidden.is_(True)).order_by(Job.id)
        jobs = session.scalars(chosen.with_for_update()).all()
        for job in jobs:
            job.hidden = False
        if jobs:
            self._changed(session, *jobs)

    def purge(self, older_than: float) -> set[str]:
        """Forget jobs deleted before a time, and delete those that have expired; the hashes of the files
        that nothing needs any more."""
        with self.database.write() as session:
            ended, gone = Job.status.in_(ENDED), Job.deleted_at < older_than
            rows = session.scalars(select(Job).where(gone, ended).with_for_update()).all()
            expired = and_(Job.expires_at < self.now(), Job.deleted_at.is_(None), ended)
            for job in session.scalars(select(Job).where(expired).with_for_update()).all():
                job.deleted_at = self.now()
                self._changed(session, job)
            files = {getattr(job, name) for job in rows for name in FILES} - {None}
            files |= {
                hash for job in rows for hash in VideoRequest.model_validate(job.request).inputs.values()
            }
            ids = [job.id for job in rows]
            session.execute(delete(Job).where(Job.id.in_(ids)))
            session.execute(delete(IdempotencyKey).where(IdempotencyKey.video_id.in_(ids)))
            return {hash for hash in files if not self._used(session, hash)}

    # ------------------------------------------------------------------------------------ in a transaction

    def _used(self, session: Session, hash: str) -> bool:
        columns = [getattr(Job, name) == hash for name in FILES]
        columns.append(cast(Job.request, String).contains(hash))
        return (
            session.scalars(select(Job.id).where(or_(*columns)).limit(1)).first() is not None
            or session.scalars(select(Upload.id).where(Upload.hash == hash).limit(1)).first() is not None
        )

    def _stop(self, job: Job) -> None:
        if job.status == "running":
            job.command = "cancel"
        else:
            self._cancel(job)

    @contextmanager
    def _one(self, id: str) -> Iterator[Job | None]:
        """The job of an id, to be changed; what is changed counts as a change only where something was."""
        with self.database.write() as session:
            job = session.get(Job, id, with_for_update=True)
            yield job
            if session.dirty:
                self._changed(session, *(row for row in session.dirty if isinstance(row, Job)))


def new_id() -> str:
    """An id that no job has."""
    return f"video_{secrets.token_hex(12)}"


def _spread(jobs: Sequence[Job]) -> None:
    """The same order with room between any two."""
    first, last = jobs[0].position, max(jobs[-1].position, jobs[0].position + 1)
    for place, job in enumerate(jobs):
        job.position = first + (last - first) * place / (len(jobs) - 1)
