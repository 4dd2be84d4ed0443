"""How much one user may ask for: requests a minute, videos in the queue, bytes in the store."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from sqlalchemy import Connection, bindparam, func, select

from scenewright.server.errors import ApiError
from scenewright.server.settings import Limits
from scenewright.server.tables import Job, Upload

#: Of so many askers the latest is remembered.
_MOST_ASKERS = 10_000


# Made once: to put a question together takes longer than to answer it.
_STORED = [select(func.sum(kind.bytes)).where(kind.owner_id == bindparam("owner")) for kind in (Job, Upload)]
_QUEUED = select(func.count()).where(
    Job.owner_id == bindparam("owner"),
    Job.status.in_(("queued", "running", "paused")),
    Job.deleted_at.is_(None),
)


class RateLimiter:
    """A bucket of tokens for each asker: ``per_minute`` come back a minute, a whole minute's fit in."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute, self.now = per_minute, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, asker: str) -> float | None:
        """None where the request may go on, else the seconds to wait."""
        now = self.now()
        left, at = self._buckets.pop(asker, (float(self.per_minute), now))
        left = min(float(self.per_minute), left + (now - at) * self.per_minute / 60)
        allowed = left >= 1
        self._buckets[asker] = (left - 1 if allowed else left, now)
        while len(self._buckets) > _MOST_ASKERS:
            self._buckets.popitem(last=False)
        return None if allowed else (1 - left) * 60 / self.per_minute

    def check(self, asker: str) -> None:
        """ApiError (429), with the seconds to wait, where there were too many."""
        wait = self.take(asker)
        if wait is not None:
            seconds = max(1, round(wait + 0.5))
            raise ApiError(
                429,
                f"too many requests; wait {seconds} s",
                code="rate_limit_exceeded",
                headers={"Retry-After": str(seconds)},
            )


def stored_bytes(connection: Connection, owner_id: str) -> int:
    """Bytes of a user's videos, deleted ones until they are purged included, and uploads."""
    return sum(int(connection.scalar(count, {"owner": owner_id}) or 0) for count in _STORED)


def queued_jobs(connection: Connection, owner_id: str) -> int:
    """How many videos of a user wait or are being made."""
    return connection.scalar(_QUEUED, {"owner": owner_id}) or 0


def check_room(connection: Connection, owner_id: str, limits: Limits, more: int = 0, jobs: int = 1) -> None:
    """ApiError (429) where ``jobs`` more videos, or ``more`` bytes, are too many."""
    if jobs and (waiting := queued_jobs(connection, owner_id)) + jobs > limits.queued:
        raise ApiError(
            429,
            f"{waiting} of your videos wait already, and {limits.queued} may; wait for some, or cancel them",
            code="queue_full",
            headers={"Retry-After": "30"},
        )
    if limits.stored_bytes is None:
        return
    used = stored_bytes(connection, owner_id)
    if used + more >= limits.stored_bytes:
        raise ApiError(
            429,
            f"your videos and uploads take {used:,} bytes of {limits.stored_bytes:,}; delete some first",
            code="insufficient_quota",
            headers={"x-should-retry": "false"},
        )
