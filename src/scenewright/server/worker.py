"""A worker: takes jobs from the queue, one batch at a time, until it is told to stop.

It needs no one: what it takes, and how far it is, stands in the database and in the store. A thread tells the
queue that it is alive. If it is killed, its lease runs out and another goes on from what was kept.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection

from sqlalchemy.exc import OperationalError

from scenewright.config import Config
from scenewright.server.claims import Patience
from scenewright.server.database import open_database
from scenewright.server.estimates import machine_name
from scenewright.server.jobs import ENDED, JobQueue
from scenewright.server.loaded import LoadedModels, usual_budget
from scenewright.server.making import Making, Rhythm
from scenewright.server.store import FileStore

log = logging.getLogger(__name__)


class WorkerSettings(Config):
    """``batch``: the most videos made together; ``poll``: seconds between two looks at an empty queue;
    ``gather``: how long those who have just got one of several videos may take to ask for the next; ``tidy``:
    between two times that old files are removed; ``keep_deleted``: seconds that a deleted video can be
    restored."""

    batch: int = 4
    poll: float = 0.2
    gather: float = 0.2
    tidy: float = 60.0
    keep_deleted: float = 7 * 86400.0
    rhythm: Rhythm = Rhythm()
    patience: Patience = Patience()


class Worker:
    """``models``: those it may run, None for all."""

    def __init__(
        self,
        queue: JobQueue,
        store: FileStore,
        loaded: LoadedModels,
        settings: WorkerSettings | None = None,
        *,
        models: Collection[str] | None = None,
        worker_id: str | None = None,
    ) -> None:
        self.queue, self.store, self.loaded, self.models = queue, store, loaded, models
        self.settings = settings or WorkerSettings()
        self.id = worker_id or f"worker_{secrets.token_hex(8)}"
        self.stopping = threading.Event()
        self._ended = threading.Event()
        self._making: Making | None = None
        self._alone: set[str] = set()
        self._together = 1
        self._swept = self._tidied = 0.0
        self._turned = time.monotonic()

    @property
    def moved(self) -> float:
        """When it last did anything, by the monotonic clock: looked for jobs, or went on with one. The
        heartbeat goes on in a worker that hangs, so this is what tells."""
        making = self._making
        return self._turned if making is None else making.moved

    def stop(self) -> None:
        """End after the next step; what is half made is kept for others."""
        self.stopping.set()

    def run(self) -> None:
        """Work until :meth:`stop`. The database may go away for a while; the worker waits for it."""
        self._register()
        alive = threading.Thread(target=self._stay_alive, name="heartbeat", daemon=True)
        alive.start()
        wait = self.settings.poll
        try:
            while not self.stopping.is_set():
                try:
                    worked = self.turn()
                    wait = self.settings.poll
                except OperationalError as error:
                    log.warning("the queue cannot be reached: %s", error.orig)
                    worked, wait = False, min(10.0, 2 * wait)
                if not worked:
                    self.stopping.wait(wait)
        finally:
            self._ended.set()
            alive.join()
            self._leave()

    def turn(self) -> bool:
        """Take jobs and make them, if there are any; whether there were."""
        self._turned = time.monotonic()
        self._now_and_then()
        limit = self._share()
        if not limit:
            return False
        jobs = self.queue.claim(self.id, limit, models=self.models, alone=self._alone)
        if not jobs:
            return False
        self._together = len(jobs)
        log.info("%s: %s", jobs[0].model, ", ".join(job.id for job in jobs))
        making = Making(
            self.id,
            self.queue,
            self.store,
            self.loaded,
            jobs,
            rhythm=self.settings.rhythm,
            stopping=self.stopping,
        )
        self._making = making
        try:
            making.run()
        finally:
            self._making, self._turned = None, time.monotonic()
        if making.alone:
            self._alone.add(making.model)
        return True

    def _share(self) -> int:
        """How many jobs to take. An idle worker looks often, and must not keep others from writing."""
        share = self.queue.share(self.models)
        end = time.monotonic() + self.settings.gather
        while 0 < share < self._together and time.monotonic() < end and not self.stopping.wait(0.02):
            share = self.queue.share(self.models)
        return min(share, self.settings.batch)

    # ---------------------------------------------------------------------------------------- beside the work

    def _register(self) -> None:
        self.queue.register(self.id, host=machine_name(), device=self.loaded.device, pid=os.getpid())

    def _stay_alive(self) -> None:
        while not self._ended.wait(self.settings.patience.lease / 3):
            making = self._making
            ids = [] if making is None else list(making.active)
            self._tolerant(
                lambda ids=ids: self.queue.heartbeat(  # type: ignore[misc]
                    self.id, ids, models=self.loaded.names, memory=self.loaded.memory
                )
            )

    def _leave(self) -> None:
        self._tolerant(lambda: self.queue.unregister(self.id))

    def _now_and_then(self) -> None:
        """Free the jobs of workers that were lost; remove what nobody needs."""
        now = time.monotonic()
        if now - self._swept > self.settings.patience.lease / 3:
            self._swept = now
            if lost := self.queue.sweep():
                log.warning("%d videos of a lost worker are free again", lost)
        if now - self._tidied > self.settings.tidy:
            self._tidied = now
            self._tolerant(lambda: tidy(self.queue, self.store, self.settings.keep_deleted))

    def _tolerant(self, action: Callable[[], object]) -> None:
        """What can be done the next time, too."""
        try:
            action()
        except Exception as error:
            log.warning("beside the work: %s", error)


def open_worker(
    queue_url: str,
    store_url: str,
    device: str,
    settings: WorkerSettings,
    *,
    memory: float | None = None,
    models: Collection[str] | None = None,
    worker_id: str | None = None,
) -> Worker:
    """A worker that can be run. ``memory``: GiB for the weights of models that stay loaded, None for half of
    what is free. ValueError: the database or the store cannot be used."""
    budget = usual_budget(device) if memory is None else round(memory * 2**30)
    return Worker(
        JobQueue(open_database(queue_url), settings.patience),
        FileStore(store_url),
        LoadedModels(budget, device),
        settings,
        models=models or None,
        worker_id=worker_id,
    )


def tidy(queue: JobQueue, store: FileStore, keep_deleted: float) -> None:
    """Forget videos that were deleted so many seconds ago, their files, and half-made ones of no use."""
    for hash in queue.purge(queue.now() - keep_deleted):
        store.delete(hash)
    for id in store.states():
        job = queue.get(id)
        if job is None or (job.status in ENDED and job.status != "failed"):
            store.drop_state(id)
