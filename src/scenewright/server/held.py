"""The jobs that a worker has taken, and what it tells the queue of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.exc import OperationalError

from scenewright.server.database import patiently
from scenewright.server.jobs import JobQueue
from scenewright.server.tables import Job

log = logging.getLogger(__name__)


class Held:
    """``active``: what is still this worker's to make, by id."""

    def __init__(self, worker_id: str, queue: JobQueue, jobs: Sequence[Job]) -> None:
        self.worker_id, self.queue = worker_id, queue
        self.active = {job.id: job for job in jobs}

    def _report(self, id: str, **fields: Any) -> None:
        self._report_all({id: fields})

    def _report_all(self, fields: dict[str, dict[str, Any]]) -> None:
        """Tell the queue of several; what is another's now is let go. It is not waited for."""
        try:
            mine = self.queue.progress(self.worker_id, fields)
        except OperationalError as error:
            log.warning("the queue cannot be reached: %s", error.orig)
        else:
            for id in fields.keys() - mine:
                self._let_go(id)

    def _tolerant(self, action: Callable[[], object]) -> None:
        """What must not spoil a video that is done."""
        try:
            action()
        except Exception as error:
            log.warning("afterwards: %s", error)

    def _note(self, id: str, text: str) -> None:
        job = self.active[id]
        job.notes = [*job.notes, text]

    def _let_go(self, id: str) -> None:
        self.active.pop(id, None)

    def _fail(self, id: str, code: str, message: str, retry: bool) -> None:
        patiently(lambda: self.queue.fail(id, self.worker_id, code, message, retry=retry))
        self._let_go(id)
