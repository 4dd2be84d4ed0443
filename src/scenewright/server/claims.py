"""The workers' side of the queue: taking jobs, keeping them by a lease, saying how they went.

A job that a worker has taken is its own until its lease runs out. Whatever a worker says about a job that is
no longer its own is refused, so that a worker that was away for too long spoils nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, cast

from sqlalchemy import Table, delete, func, select, text, update
from sqlalchemy.orm import Session

from scenewright.config import Config
from scenewright.server.database import CLAIM_LOCK, Database
from scenewright.server.order import may_be_taken, next_in_line
from scenewright.server.tables import Clock, Job, WorkerRow

_CLOCK = cast(Table, Clock.__table__)
#: Without the object mapper, which takes longer than the database.
_TICK = update(_CLOCK).values(value=_CLOCK.c.value + 1).returning(_CLOCK.c.value)

#: What a worker is told about a job: go on, stop in one of two ways, or it is another's now.
Command = Literal["pause", "cancel", "lost"] | None


class Patience(Config):
    """``lease``: seconds without a sign of life after which a worker's jobs are another's. A job that fails
    in a way that may pass is tried ``attempts`` times, after ``backoff`` seconds, twice as many each time up
    to ``longest``."""

    lease: float = 30.0
    attempts: int = 4
    backoff: float = 2.0
    longest: float = 300.0

    def wait(self, attempts: int) -> float:
        """Seconds until the next try after so many failed ones."""
        return min(self.longest, self.backoff * 2.0 ** (attempts - 1))


class Claims:
    """See the module. ``clock`` gives the seconds since the epoch."""

    def __init__(
        self, database: Database, patience: Patience | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.database, self.patience, self.now = database, patience or Patience(), clock

    # --------------------------------------------------------------------------------------------- workers

    def register(self, worker_id: str, *, host: str, device: str, pid: int) -> None:
        """A worker has started."""
        now = self.now()
        with self.database.write() as session:
            session.merge(
                WorkerRow(
                    id=worker_id,
                    host=host,
                    device=device,
                    pid=pid,
                    started_at=now,
                    seen_at=now,
                    models=[],
                    memory=0,
                )
            )

    def workers(self) -> list[WorkerRow]:
        """Those that gave a sign of life within a lease, the oldest first."""
        with self.database.read() as session:
            alive = WorkerRow.seen_at > self.now() - self.patience.lease
            return list(session.scalars(select(WorkerRow).where(alive).order_by(WorkerRow.started_at)))

    def unregister(self, worker_id: str) -> None:
        """A worker has ended, and has no job any more."""
        with self.database.write() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))

    # ----------------------------------------------------------------------------------------- taking jobs

    def share(self, models: Collection[str] | None = None) -> int:
        """How many of the jobs that wait are one idle worker's, where they are shared evenly; 0 where none
        waits. ``models`` as for :meth:`claim`."""
        with self.database.read() as session:
            due = may_be_taken(self.now(), models)
            waiting = session.scalars(select(func.count()).select_from(Job).where(due)).one()
            if not waiting:
                return 0
            busy = select(Job.worker_id).where(Job.status == "running", Job.worker_id.is_not(None))
            idle = (WorkerRow.seen_at > self.now() - self.patience.lease) & WorkerRow.id.not_in(busy)
            workers = session.scalars(select(func.count()).select_from(WorkerRow).where(idle)).one()
        return math.ceil(waiting / max(1, workers))

    def demand(self) -> int:
        """How many jobs are being worked on or could be now."""
        with self.database.read() as session:
            wanted = may_be_taken(self.now()) | (Job.status == "running")
            return session.scalars(select(func.count()).select_from(Job).where(wanted)).one()

    def claim(
        self,
        worker_id: str,
        limit: int = 1,
        *,
        models: Collection[str] | None = None,
        alone: Collection[str] = (),
    ) -> list[Job]:
        """Take the next job, and up to ``limit`` in all that can be made in one batch with it.

        ``models``: those that this worker may run, None for all; ``alone``: those it makes one by one. Empty
        where nothing waits.
        """
        with self.database.read() as session:
            # Idle workers look often, and must not keep others from writing.
            if (
                session.scalars(select(Job.id).where(may_be_taken(self.now(), models)).limit(1)).first()
                is None
            ):
                return []
        with self.database.write() as session:
            if not self.database.sqlite:
                # One at a time, so that the second sees whom the first has served.
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CLAIM_LOCK})
            due = may_be_taken(self.now(), models)
            taken: list[Job] = []
            while len(taken) < limit:
                job = session.scalars(next_in_line(due)).first()
                if job is None:
                    break
                self._take(session, job, worker_id)
                taken.append(job)
                if job.batch_key is None or job.model in alone:
                    break
                due = may_be_taken(self.now()) & (Job.batch_key == taken[0].batch_key)
            return taken

    def _take(self, session: Session, job: Job, worker_id: str) -> None:
        job.status, job.phase, job.command = "running", "load", None
        job.worker_id, job.lease_until = worker_id, self.now() + self.patience.lease
        job.started_at, job.completed_at, job.not_before = self.now(), None, None
        job.error_code = job.error_message = job.eta_seconds = None
        job.served = self._changed(session, job)
        session.flush()

    def put_back(self, worker_id: str, ids: Iterable[str], *, begun: bool = False) -> None:
        """Let others have jobs that this worker will not go on with; as if it had never taken them, but that
        those which are ``begun`` are not made in one batch with others."""
        with self.database.write() as session:
            for job in self._held(session, worker_id, ids):
                if job.command == "cancel":
                    self._cancel(job)
                elif job.command == "pause":
                    _rest(job)
                else:
                    _settle(job, "queued")
                    job.phase = "queued"
                if begun:
                    job.batch_key = None
                self._changed(session, job)

    # -------------------------------------------------------------------------------------- while it works

    def heartbeat(
        self, worker_id: str, ids: Collection[str], *, models: Sequence[str] = (), memory: int = 0
    ) -> dict[str, Command]:
        """Give a sign of life: jobs stay this worker's for another lease. What is wanted of each."""
        now = self.now()
        with self.database.write() as session:
            session.execute(
                update(WorkerRow)
                .where(WorkerRow.id == worker_id)
                .values(seen_at=now, models=list(models), memory=memory)
            )
            mine = Job.id.in_(ids) & (Job.worker_id == worker_id) & (Job.status == "running")
            session.execute(update(Job).where(mine).values(lease_until=now + self.patience.lease))
        return self.commands(worker_id, ids)

    def commands(self, worker_id: str, ids: Collection[str]) -> dict[str, Command]:
        """What is wanted of each of these jobs."""
        with self.database.read() as session:
            mine = Job.id.in_(ids) & (Job.worker_id == worker_id) & (Job.status == "running")
            found = dict(session.execute(select(Job.id, Job.command).where(mine)).all())
        return {id: found.get(id, "lost") for id in ids}  # type: ignore[misc]

    def progress(self, worker_id: str, fields: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Set fields of running jobs by their ids, such as phase, current_step, preview; those that are still
        this worker's."""
        found: set[str] = set()
        with self.database.write() as session:
            for id in sorted(fields):
                mine = (Job.id == id) & (Job.worker_id == worker_id) & (Job.status == "running")
                found.update(session.scalars(update(Job).where(mine).values(**fields[id]).returning(Job.id)))
            if found:
                session.execute(update(Job).where(Job.id.in_(found)).values(version=self._tick(session)))
        return found

    # --------------------------------------------------------------------------------------------- the end

    def finish(self, id: str, worker_id: str, **files: Any) -> bool:
        """The video is made and in the store. ``files``: hashes and facts, by their columns. False: it is
        another's now."""

        def done(job: Job) -> None:
            for name, value in files.items():
                setattr(job, name, value)
            _settle(job, "completed")
            job.phase, job.eta_seconds, job.completed_at = "final", 0.0, self.now()

        return self._end(id, worker_id, done)

    def fail(self, id: str, worker_id: str, code: str, message: str, *, retry: bool) -> bool:
        """It could not be made; ``retry``: another try may go better. False: it is another's now."""
        return self._end(id, worker_id, lambda job: self._failed(job, code, message, retry))

    def hold(self, id: str, worker_id: str, notes: Sequence[str] = ()) -> bool:
        """The job rests until it is resumed. False: it is another's now."""

        def rest(job: Job) -> None:
            _rest(job)
            job.notes = list(dict.fromkeys([*job.notes, *notes]))

        return self._end(id, worker_id, rest)

    def cancelled(self, id: str, worker_id: str) -> bool:
        """The work on it has stopped for good. False: it is another's now."""
        return self._end(id, worker_id, self._cancel)

    def _cancel(self, job: Job) -> None:
        _settle(job, "cancelled")
        job.eta_seconds, job.completed_at = None, self.now()

    def release(self, worker_id: str) -> int:
        """A worker is dead: what it had is for others, or failed where it was lost too often. How many."""
        with self.database.write() as session:
            mine = (Job.worker_id == worker_id) & (Job.status == "running")
            session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))
            return self._lose(session, session.scalars(select(Job).where(mine).with_for_update()).all())

    def sweep(self) -> int:
        """The same for all jobs whose lease has run out."""
        with self.database.write() as session:
            late = (Job.status == "running") & (Job.lease_until < self.now())
            lost = session.scalars(select(Job).where(late).with_for_update(skip_locked=True)).all()
            return self._lose(session, lost)

    def _lose(self, session: Session, jobs: Sequence[Job]) -> int:
        for job in jobs:
            if job.command == "cancel":
                self._cancel(job)
            elif job.command == "pause":
                _rest(job)
            else:
                self._failed(job, "worker_lost", "the worker that made this video was lost", retry=True)
            self._changed(session, job)
        return len(jobs)

    def _failed(self, job: Job, code: str, message: str, retry: bool) -> None:
        job.attempts += 1
        job.error_code, job.error_message = code, message
        # What is left of it may be half made, and is not made in one batch with others.
        job.batch_key = job.eta_seconds = None
        if retry and job.attempts < self.patience.attempts:
            _settle(job, "queued")
            job.phase = "queued"
            job.not_before = self.now() + self.patience.wait(job.attempts)
        else:
            _settle(job, "failed")
            job.completed_at = self.now()

    # ------------------------------------------------------------------------------------ in a transaction

    def _end(self, id: str, worker_id: str, change: Callable[[Job], None]) -> bool:
        with self.database.write() as session:
            jobs = self._held(session, worker_id, [id])
            for job in jobs:
                change(job)
                self._changed(session, job)
        return bool(jobs)

    def _held(self, session: Session, worker_id: str, ids: Iterable[str]) -> list[Job]:
        mine = Job.id.in_(list(ids)) & (Job.worker_id == worker_id) & (Job.status == "running")
        return list(session.scalars(select(Job).where(mine).order_by(Job.id).with_for_update()))

    def _changed(self, session: Session, *jobs: Job) -> int:
        """Note that jobs have changed, which are new or locked: the queue's clock is the last that a
        transaction locks."""
        value = self._tick(session)
        for job in jobs:
            job.version = value
        return value

    def _tick(self, session: Session) -> int:
        return int(session.connection().execute(_TICK).scalar_one())


def _settle(job: Job, status: str) -> None:
    """It is no worker's any more."""
    job.status = status
    job.worker_id = job.lease_until = job.command = job.preview = None


def _rest(job: Job) -> None:
    """It waits until it is resumed, and is then made alone."""
    _settle(job, "paused")
    job.phase, job.batch_key, job.eta_seconds = "paused", None, None
