"""Messages to the ``callback_url`` of a video that has ended, signed as Standard Webhooks has it.

What is to be delivered is in the database before it is tried, so that a kill loses nothing; a message may
come twice and has the same ``webhook-id`` then. The signature is HMAC-SHA256 over ``id.timestamp.body`` with
a secret that is the user's own.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel
from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from starlette.concurrency import run_in_threadpool

from scenewright.server.jobs import ENDED, JobQueue
from scenewright.server.references import Resolve, UnreachableError, check_url, resolve, send
from scenewright.server.tables import Job, WebhookDelivery

log = logging.getLogger(__name__)

#: Seconds to wait after each failed attempt; after the last one it is given up.
WAITS = (5.0, 30.0, 120.0, 600.0, 3600.0, 4 * 3600.0, 12 * 3600.0)

#: Seconds that an attempt may take, and bytes of its answer that are read.
_SECONDS, _ANSWER_BYTES = 10.0, 64 * 1024
#: How many are delivered at once, and jobs that are looked at in one go.
_AT_ONCE, _PAGE = 8, 200


def secret_of(master: bytes, owner_id: str) -> str:
    """The secret with which an owner's messages are signed: ``whsec_`` and base64."""
    derived = hmac.new(master, f"webhooks of {owner_id}".encode(), hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(derived).decode()}"


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header ``webhook-signature``."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


class Deliverer:
    """Delivers what the table says. ``render``: a job as its owner sees it; ``loopback``: whether URLs may
    name this machine; ``poll``: seconds between two looks; ``clock``: seconds since the epoch."""

    def __init__(
        self,
        queue: JobQueue,
        master: bytes,
        render: Callable[[Job], BaseModel],
        *,
        loopback: bool,
        poll: float = 1.0,
        clock: Callable[[], float] = time.time,
        resolver: Resolve = resolve,
        counted: Callable[[str], None] = lambda result: None,
    ) -> None:
        self.queue, self.master, self.render = queue, master, render
        self.loopback, self.poll, self.now, self.resolver = loopback, poll, clock, resolver
        self.counted = counted

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.round()
            except Exception:  # the next round may go better
                log.exception("webhooks could not be delivered")
            await asyncio.sleep(self.poll)

    async def round(self) -> int:
        """Note what is due, and try it once. How many were tried."""
        await run_in_threadpool(self.note_ended)
        due = await run_in_threadpool(self._due)
        for start in range(0, len(due), _AT_ONCE):
            await asyncio.gather(*(self._deliver(*item) for item in due[start : start + _AT_ONCE]))
        return len(due)

    def note_ended(self) -> int:
        """Put what has ended and is not noted yet into the table. How many."""
        noted = 0
        while True:
            known = select(WebhookDelivery.video_id)
            ended = Job.callback_url.is_not(None) & Job.status.in_(ENDED) & Job.id.not_in(known)
            with self.queue.database.read() as session:
                jobs = session.scalars(select(Job).where(ended).limit(_PAGE)).all()
            for job in jobs:
                with contextlib.suppress(IntegrityError), self.queue.database.write() as session:
                    # Another process of the API may have noted it in the meantime.
                    session.add(self._message(job))
                noted += 1
            if len(jobs) < _PAGE:
                return noted

    def forget(self, video_id: str) -> None:
        """The video goes on: what was told of its end is to be told again when it ends."""
        with self.queue.database.write() as session:
            session.execute(delete(WebhookDelivery).where(WebhookDelivery.video_id == video_id))

    def _message(self, job: Job) -> WebhookDelivery:
        assert job.callback_url is not None
        ended = datetime.fromtimestamp(job.completed_at or self.now(), UTC)
        body = {
            "type": f"video.{job.status}",
            "timestamp": ended.isoformat().replace("+00:00", "Z"),
            "data": self.render(job).model_dump(mode="json"),
        }
        return WebhookDelivery(
            # The same of every process; another one where the video is retried and ends anew.
            id=f"msg_{job.id.removeprefix('video_')}_{int(1000 * (job.completed_at or 0.0))}",
            video_id=job.id,
            url=job.callback_url,
            body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            attempts=0,
            not_before=None,
            delivered_at=None,
            last_error=None,
        )

    def _due(self) -> Sequence[tuple[WebhookDelivery, str]]:
        """Messages to try now, each with its owner; they are this process's for as long as a try may take."""
        now = self.now()
        waits = or_(WebhookDelivery.not_before.is_(None), WebhookDelivery.not_before <= now)
        open_ = WebhookDelivery.delivered_at.is_(None) & (WebhookDelivery.attempts <= len(WAITS))
        with self.queue.database.write() as session:
            rows = session.execute(
                select(WebhookDelivery, Job.owner_id)
                .join(Job, Job.id == WebhookDelivery.video_id)
                .where(open_, waits)
                .limit(_PAGE)
                .with_for_update(of=WebhookDelivery, skip_locked=True)
            ).all()
            for row, _ in rows:
                row.not_before = now + 4 * _SECONDS
        return [(row, owner) for row, owner in rows]

    async def _deliver(self, message: WebhookDelivery, owner_id: str) -> None:
        body, timestamp = message.body.encode(), int(self.now())
        secret = secret_of(self.master, owner_id)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(secret, message.id, timestamp, body),
        }
        error: str | None = None
        try:
            checked = await check_url(message.url, loopback=self.loopback, resolver=self.resolver)
            answer = await send(
                checked,
                method="POST",
                content=body,
                headers=headers,
                most_bytes=_ANSWER_BYTES,
                seconds=_SECONDS,
            )
            if not 200 <= answer.status < 300:
                error = f"HTTP status {answer.status}"
        except UnreachableError as reason:
            error = str(reason)
        self.counted("failed" if error else "delivered")
        await run_in_threadpool(self._note, message, error)

    def _note(self, message: WebhookDelivery, error: str | None) -> None:
        now, attempts = self.now(), message.attempts + 1
        values: dict[str, object] = {"attempts": attempts, "last_error": error}
        if error is None:
            values["delivered_at"] = now
        else:
            values["not_before"] = now + WAITS[min(attempts, len(WAITS)) - 1]
        with self.queue.database.write() as session:
            mine = WebhookDelivery.id == message.id
            session.execute(update(WebhookDelivery).where(mine).values(**values))
