"""Who is next: the fair order of the queue, as one query and as a list of all who wait.

Among the jobs that may be taken now: the highest priority; then the owner with the fewest running jobs; then
the owner who was served longest ago; then that owner's own order.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from scenewright.server.tables import Job


def may_be_taken(now: float, models: Collection[str] | None = None) -> ColumnElement[bool]:
    """Whether a job waits and is due. ``models``: those that can be run; None for all."""
    due = or_(Job.not_before.is_(None), Job.not_before <= now)
    known = [] if models is None else [Job.model.in_(models)]
    return and_(Job.status == "queued", Job.deleted_at.is_(None), due, *known)


def next_in_line(condition: ColumnElement[bool]) -> Select[Job]:
    """The job to take next among those that meet a condition; locked, those of others skipped."""
    running = (
        select(Job.owner_id, func.count().label("jobs"))
        .where(Job.status == "running")
        .group_by(Job.owner_id)
        .subquery()
    )
    theirs = aliased(Job)
    served = (
        select(func.max(theirs.served))
        .where(theirs.owner_id == Job.owner_id)
        .correlate(Job)
        .scalar_subquery()
    )
    return (
        select(Job)
        .outerjoin(running, running.c.owner_id == Job.owner_id)
        .where(condition)
        .order_by(
            Job.priority.desc(),
            func.coalesce(running.c.jobs, 0),
            func.coalesce(served, 0),
            Job.position,
            Job.id,
        )
        .limit(1)
        .with_for_update(of=Job, skip_locked=True)
    )


def line(session: Session) -> list[str]:
    """The ids of all queued jobs in the order in which they would be taken if none finished."""
    columns = (Job.id, Job.owner_id, Job.priority, Job.position)
    waiting = session.execute(select(*columns).where(Job.status == "queued", Job.deleted_at.is_(None))).all()
    owners = {row.owner_id for row in waiting}
    running = dict(
        session.execute(
            select(Job.owner_id, func.count()).where(Job.status == "running").group_by(Job.owner_id)
        ).all()
    )
    served = dict(
        session.execute(
            select(Job.owner_id, func.max(Job.served)).where(Job.owner_id.in_(owners)).group_by(Job.owner_id)
        ).all()
    )
    return fair(
        [(row.id, row.owner_id, row.priority, row.position) for row in waiting],
        running,
        {owner: value or 0 for owner, value in served.items()},
    )


def fair(
    waiting: Iterable[tuple[str, str, int, float]], running: dict[str, int], served: dict[str, int]
) -> list[str]:
    """The ids of ``waiting``, (id, owner, priority, position), in fair order. ``running``: jobs by owner;
    ``served``: when each owner was last served."""
    classes: dict[int, dict[str, list[tuple[float, str]]]] = defaultdict(lambda: defaultdict(list))
    for id, owner, priority, position in waiting:
        classes[priority][owner].append((position, id))
    clock = max(served.values(), default=0)
    counts, turns, order = dict(running), dict(served), []
    for priority in sorted(classes, reverse=True):
        lines = {owner: sorted(jobs, reverse=True) for owner, jobs in classes[priority].items()}
        heads = [
            (counts.get(owner, 0), turns.get(owner, 0), *jobs[-1], owner) for owner, jobs in lines.items()
        ]
        heapq.heapify(heads)
        while heads:
            *_, id, owner = heapq.heappop(heads)
            order.append(id)
            lines[owner].pop()
            clock += 1
            counts[owner], turns[owner] = counts.get(owner, 0) + 1, clock
            if lines[owner]:
                heapq.heappush(heads, (counts[owner], turns[owner], *lines[owner][-1], owner))
    return order
