"""Event streams: whole snapshots, in order, one look at the queue for all, nothing kept for who is slow."""

from __future__ import annotations

import asyncio
import json
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from running_server import Running
from scenewright.client.sending import EventReader
from scenewright.server import events
from scenewright.server.events import Watcher, events_of_all


class Stream:
    """Events of a path, read by a thread."""

    def __init__(self, server: Running, path: str, **headers: str) -> None:
        self.events: list[tuple[str, Any]] = []
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.ended = threading.Event()
        self._client = httpx.Client(base_url=server.url, timeout=httpx.Timeout(5, read=20))
        self._thread = threading.Thread(target=self._read, args=(path, headers), daemon=True)
        self._thread.start()

    def _read(self, path: str, headers: dict[str, str]) -> None:
        reader = EventReader()
        try:
            with self._client.stream("GET", path, headers=headers) as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                for line in response.iter_lines():
                    found = reader.feed(line)
                    with self._news:
                        self.lines.append(line)
                        if found is not None:
                            self.events.append(found)
                        self._news.notify_all()
        except httpx.TransportError:
            pass
        finally:
            self.ended.set()

    def until(self, condition: Callable[[Any], bool]) -> None:
        """Wait until what has come meets a condition."""
        with self._news:
            assert self._news.wait_for(lambda: condition(self), 10), self.events

    def videos(self, video_id: str) -> list[dict[str, Any]]:
        return [data for name, data in self.events if name == "video" and data["id"] == video_id]


def test_the_stream_of_a_video_ends_with_it(server: Running) -> None:
    video = server.create()["id"]
    stream = Stream(server, f"/v1/videos/{video}/events")
    stream.until(lambda s: s.events)
    assert stream.events[0][1]["queue_position"] == 1
    (job,) = server.queue.claim("worker", 1)
    server.queue.progress("worker", {job.id: {"phase": "denoise", "current_step": 3, "total_steps": 12}})
    stream.until(lambda s: s.events[-1][1]["current_step"] == 3)
    digest = server.services.store.put_bytes(b"video", "video/mp4")
    server.queue.finish(job.id, "worker", video_hash=digest, width=8, height=8, num_frames=2, fps=8.0)
    assert stream.ended.wait(10)
    last = stream.events[-1][1]
    assert (last["status"], last["progress"]) == ("completed", 100)
    assert set(last) == set(server.client.get(f"/v1/videos/{video}").json())
    versions = [data["version"] for _, data in stream.events]
    assert versions == sorted(set(versions))
    again = Stream(server, f"/v1/videos/{video}/events")
    assert again.ended.wait(10)
    assert [name for name, _ in again.events] == ["video"]


def test_one_stream_tells_of_all(server: Running) -> None:
    first = server.create()["id"]
    stream = Stream(server, "/v1/events")
    stream.until(lambda s: any(name == "queue" for name, _ in s.events))
    second = server.create()["id"]
    stream.until(lambda s: s.videos(second))
    assert stream.videos(second)[0]["queue_position"] == 2
    server.client.post(f"/v1/videos/{first}/cancel")
    stream.until(lambda s: s.events[-1] == ("queue", {"queued": 1, "positions": {second: 1}}))
    server.client.delete(f"/v1/videos/{second}")
    stream.until(lambda s: ("deleted", {"id": second}) in s.events)
    server.client.post(f"/v1/videos/{second}/restore")
    stream.until(lambda s: s.videos(second)[-1]["status"] == "cancelled")


def test_streams_tell_ones_own_alone(accounts_server: Running, key_of: Any) -> None:
    ann, bob = key_of("ann"), key_of("bob")
    stream = Stream(accounts_server, "/v1/events", **bob)
    stream.until(lambda s: s.events)
    accounts_server.client.post("/v1/videos", json={"prompt": "hers"}, headers=ann)
    mine = accounts_server.client.post("/v1/videos", json={"prompt": "his"}, headers=bob).json()
    stream.until(lambda s: s.videos(mine["id"]))
    assert "hers" not in "\n".join(stream.lines)


def test_a_silent_stream_gives_signs_of_life(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.05)
    stream = Stream(server, "/v1/events")
    stream.until(lambda s: s.lines.count(": alive") >= 2)


def test_a_stream_ends_with_the_key(
    accounts_server: Running, key_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.05)
    stream = Stream(accounts_server, "/v1/events", **key_of("ann"))
    stream.until(lambda s: s.lines.count(": alive") >= 2)
    assert not stream.ended.is_set()
    (key,) = accounts_server.services.accounts.keys()
    accounts_server.services.accounts.revoke(key.id)
    assert stream.ended.wait(10)


class _Queue:
    """Counts how often it is asked."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.asked = 0

    def changed(self, since: int) -> Any:
        self.asked += 1
        return self._real.changed(since)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_five_hundred_watchers_share_one_look_and_little_memory(server: Running) -> None:
    queue = _Queue(server.queue)
    made = server.create()["id"]

    async def flow() -> tuple[int, int, int]:
        watcher = Watcher(queue, 0.02)  # type: ignore[arg-type]
        streams = [
            events_of_all(watcher, "local", list, lambda job, place: json.dumps({"id": job.id}))
            for _ in range(500)
        ]
        for stream in streams:
            await anext(stream)  # the head
            await anext(stream)  # the queue
        tracemalloc.start()
        try:
            before, asked = tracemalloc.get_traced_memory()[0], queue.asked
            for number in range(60):
                await asyncio.to_thread(server.queue.update, made, title=f"title {number}")
            while queue.asked < asked + 5:
                await asyncio.sleep(0.01)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        # Nobody has read: each stream holds one state of the one video, and then tells it.
        heard = [await anext(stream) for stream in streams]
        assert all(made.encode() in event for event in heard)
        assert len(watcher) == 500
        looks = queue.asked - asked
        watcher.close()
        for stream in streams:
            await stream.aclose()
        return grown, looks, len(watcher)

    grown, looks, left = asyncio.run(flow())
    assert left == 0
    assert looks < 300  # one look serves all, not one each
    assert grown < 5_000_000


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 5.0)
