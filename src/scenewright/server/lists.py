"""Looking into the queue: one job, pages of them, who is next, and what has changed."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import ColumnElement, String, and_, bindparam, cast, or_, select
from sqlalchemy.orm import Session

from scenewright.server.database import Database
from scenewright.server.order import line
from scenewright.server.paging import Order, page_of
from scenewright.server.tables import Clock, Job

Jobs = list[Job]


# Made once: to put a question together takes longer than to answer it.
_CLOCK, _ONE = select(Clock.value), select(Job).where(Job.id == bindparam("id"))


class Page(NamedTuple):
    """Part of a list, and whether there is more after it."""

    jobs: Jobs
    has_more: bool


class Lists:
    """What only reads."""

    database: Database

    def get(self, id: str, owner_id: str | None = None) -> Job | None:
        """The job of an id, deleted or not; None where it is not ``owner_id``'s."""
        with self.database.read() as session:
            job = session.scalars(_ONE, {"id": id}).one_or_none()
        return job if job is not None and owner_id in (None, job.owner_id) else None

    def list(
        self,
        owner_id: str | None = None,
        *,
        after: str | None = None,
        before: str | None = None,
        limit: int = 20,
        order: Order = "desc",
        statuses: Collection[str] | None = None,
        search: str | None = None,
        tag: str | None = None,
        batch: str | None = None,
        deleted: bool = False,
    ) -> Page:
        """Jobs by the time they were submitted, ``desc`` with the newest first. ``after`` and ``before``: ids
        between which the page lies, in this order. ``search``: words in prompts and titles. ``deleted``: only
        those. ``owner_id`` None: of all. Hidden ones are in no list.

        Raises:
            ValueError: there is no job ``after`` or ``before``.
        """
        conditions: list[ColumnElement[bool]] = [
            Job.deleted_at.is_not(None) if deleted else Job.deleted_at.is_(None),
            Job.hidden.is_(False),
        ]
        if owner_id is not None:
            conditions.append(Job.owner_id == owner_id)
        if statuses is not None:
            conditions.append(Job.status.in_(list(statuses)))
        for word in (search or "").split():
            found = Job.request["prompt"].as_string().icontains(word, autoescape=True)
            conditions.append(or_(found, Job.title.icontains(word, autoescape=True)))
        if tag is not None:
            conditions.append(cast(Job.tags, String).contains(json.dumps(tag), autoescape=True))
        if batch is not None:
            conditions.append(Job.batch == batch)
        columns = (Job.created_at, Job.position, Job.id)
        with self.database.read() as session:
            first, last = (self._from(session, id, owner_id) for id in (after, before))
            found = page_of(
                session, Job, columns, conditions, after=first, before=last, limit=limit, order=order
            )
        return Page(*found)

    def _from(self, session: Session, id: str | None, owner_id: str | None) -> Job | None:
        job = None if id is None else session.get(Job, id)
        if id is not None and (job is None or owner_id not in (None, job.owner_id)):
            raise ValueError(f"there is no video {id!r} to list from")
        return job

    def queue_position(self, id: str) -> int | None:
        """1 for the job that is taken next; None for one that is not queued."""
        return self.queue_positions().get(id)

    def queue_positions(self) -> dict[str, int]:
        """The same for all that are queued."""
        with self.database.read() as session:
            return {id: place for place, id in enumerate(line(session), 1)}

    def clock(self) -> int:
        """The version of what changed last."""
        with self.database.look() as connection:
            return int(connection.execute(_CLOCK).scalar_one())

    def changed(self, since: int) -> Jobs:
        """All jobs that changed after the clock showed ``since``, by version, deleted ones too. None is ever
        missed: the next time, ask since the version of the last one."""
        with self.database.read() as session:
            return [*session.scalars(select(Job).where(Job.version > since).order_by(Job.version))]

    def made_before(self, request_hash: str, owner_id: str) -> Job | None:
        """The newest completed video of an owner's for the same request by the same model."""
        same = and_(
            Job.request_hash == request_hash,
            Job.owner_id == owner_id,
            Job.status == "completed",
            Job.deleted_at.is_(None),
        )
        with self.database.read() as session:
            return session.scalars(select(Job).where(same).order_by(Job.completed_at.desc()).limit(1)).first()
