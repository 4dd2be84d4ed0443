"""What happens to videos, told as it happens: server-sent events fed by one look at the queue for all.

Each event is a whole snapshot, so that a client may miss any of them and be right with the next. Whoever
reads slowly gets the newest state of each video and not every step, so that memory does not grow.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool

from scenewright.server.jobs import ENDED, JobQueue
from scenewright.server.tables import Job

log = logging.getLogger(__name__)

#: Seconds between two signs of life of a stream in which nothing happens.
HEARTBEAT = 15.0

#: What tells a browser after how many milliseconds to connect again.
_RETRY = b"retry: 2000\n\n"

#: A job and its place in the queue, as text for its owner.
Render = Callable[[Job, int | None], str]


class Watch:
    """One stream: the newest state of each video that it has not told yet."""

    def __init__(self, watcher: Watcher, owner_id: str | None, video_id: str | None) -> None:
        self._watcher, self.owner_id, self.video_id = watcher, owner_id, video_id
        self.jobs: dict[str, Job] = {}
        self.positions: dict[str, int] | None = None
        self.awake = asyncio.Event()

    def wants(self, job: Job) -> bool:
        if job.hidden:
            return False
        return self.video_id in (None, job.id) and self.owner_id in (None, job.owner_id)

    def tell(self, job: Job) -> None:
        self.jobs.pop(job.id, None)
        self.jobs[job.id] = job
        self.awake.set()

    def take(self) -> tuple[list[Job], dict[str, int] | None]:
        """What is new, and the places in the queue where those are."""
        self.awake.clear()
        jobs, positions = list(self.jobs.values()), self.positions
        self.jobs, self.positions = {}, None
        return jobs, positions


class Watcher:
    """Looks for what has changed every ``poll`` seconds while anybody watches. Use from one event loop."""

    def __init__(self, queue: JobQueue, poll: float) -> None:
        self.queue, self.poll = queue, poll
        self.positions: dict[str, int] = {}
        self._watches: set[Watch] = set()
        self._task: asyncio.Task[None] | None = None
        self._clock = 0
        self._closed = False
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._watches)

    @contextlib.asynccontextmanager
    async def watch(self, owner_id: str | None, video_id: str | None = None) -> AsyncIterator[Watch]:
        """A stream of what happens to an owner's videos, None for everyone's, or to one of them."""
        watch = Watch(self, owner_id, video_id)
        self._watches.add(watch)
        try:
            if self._task is None or self._task.done():
                self._clock = await run_in_threadpool(self.queue.clock)
                self.positions = await run_in_threadpool(self.queue.queue_positions)
                if self._task is None or self._task.done():
                    self._task = asyncio.create_task(self._run())
            yield watch
        finally:
            self._watches.discard(watch)

    def hurry(self) -> None:
        """Look now: something was changed through this process."""
        self._wake.set()

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """End all streams; the server stops."""
        self._closed = True
        for watch in self._watches:
            watch.awake.set()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._watches and not self._closed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self.poll)
            self._wake.clear()
            try:
                changed = await run_in_threadpool(self.queue.changed, self._clock)
                if not changed:
                    continue
                moved = any(
                    job.phase in ("queued", "load", "paused", "final") or job.status in ENDED
                    for job in changed
                )
                if moved:
                    self.positions = await run_in_threadpool(self.queue.queue_positions)
            except Exception:  # a database that is away for a moment must not end all streams
                log.exception("the queue could not be read")
                await asyncio.sleep(self.poll)
                continue
            self._clock = changed[-1].version
            for watch in self._watches:
                for job in changed:
                    if watch.wants(job):
                        watch.tell(job)
                if moved and watch.video_id is None:
                    watch.positions = self.positions
                    watch.awake.set()


async def events_of_one(
    watcher: Watcher, job: Job, get: Callable[[], Job | None], render: Render
) -> AsyncGenerator[bytes, None]:
    """The snapshots of one video, the first at once, until it has ended."""
    async with watcher.watch(None, job.id) as watch:
        yield _RETRY
        found = await run_in_threadpool(get)  # what happened before the watch began
        if found is None:
            return
        told = found.version
        position = watcher.positions.get(job.id)
        yield event("video", render(found, position), found.version)
        if found.status in ENDED or found.deleted_at is not None:
            return
        while not watcher.closed:
            if not await _woken(watch):
                yield b": alive\n\n"
                continue
            for newest in watch.take()[0]:
                if newest.version <= told:
                    continue
                told = newest.version
                if newest.deleted_at is not None:
                    yield event("deleted", json.dumps({"id": newest.id}), newest.version)
                    return
                yield event("video", render(newest, watcher.positions.get(newest.id)), newest.version)
                if newest.status in ENDED:
                    return


async def events_of_all(
    watcher: Watcher, owner_id: str | None, mine: Callable[[], list[Job]], render: Render
) -> AsyncGenerator[bytes, None]:
    """What happens to an owner's videos: snapshots, deletions, and places in the queue where they change. The
    first are those of the videos that are not done yet."""
    async with watcher.watch(owner_id) as watch:
        yield _RETRY
        places: dict[str, int] = {}
        for job in await run_in_threadpool(mine):
            if job.id in watcher.positions:
                places[job.id] = watcher.positions[job.id]
            yield event("video", render(job, watcher.positions.get(job.id)), job.version)
        yield _queue_event(places, watcher)
        while not watcher.closed:
            if not await _woken(watch):
                yield b": alive\n\n"
                continue
            jobs, positions = watch.take()
            for job in jobs:
                if job.deleted_at is not None:
                    places.pop(job.id, None)
                    yield event("deleted", json.dumps({"id": job.id}), job.version)
                    continue
                if job.status == "queued" and job.id in watcher.positions:
                    places[job.id] = watcher.positions[job.id]
                yield event("video", render(job, watcher.positions.get(job.id)), job.version)
            if positions is not None:
                now = {id: positions[id] for id in places if id in positions}
                if now != places or jobs:
                    places = now
                    yield _queue_event(places, watcher)


def event(name: str, data: str, number: int | None = None) -> bytes:
    """An event in the format of server-sent events; ``data`` has no line breaks."""
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {name}\ndata: {data}\n\n".encode()


def _queue_event(places: dict[str, int], watcher: Watcher) -> bytes:
    body: dict[str, Any] = {"queued": len(watcher.positions), "positions": places}
    return event("queue", json.dumps(body))


async def _woken(watch: Watch) -> bool:
    """False where nothing has happened for the time of a heartbeat."""
    try:
        await asyncio.wait_for(watch.awake.wait(), HEARTBEAT)
    except TimeoutError:
        return False
    return True
