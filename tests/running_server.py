"""Servers for tests: in this process on a free port, with or without a worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from scenewright.server.running import listener_at, listening
from scenewright.server.services import Services
from scenewright.server.settings import ServerSettings


class Running:
    """A server that listens. ``client``: for its paths."""

    def __init__(self, services: Services, port: int) -> None:
        self.services = services
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=20, trust_env=False)

    @property
    def queue(self) -> Any:
        return self.services.queue

    def create(self, prompt: str = "a red ball rolls left", **fields: Any) -> dict[str, Any]:
        """A video that waits, by JSON."""
        answer = self.client.post("/v1/videos", json={"prompt": prompt, **fields})
        assert answer.status_code == 200, answer.text
        video: dict[str, Any] = answer.json()
        return video

    def finish(self, video_id: str, content: bytes = b"0123456789" * 10, **facts: Any) -> None:
        """Make a video as a worker would, of given bytes."""
        jobs = self.queue.claim("worker", 100)
        assert video_id in [job.id for job in jobs]
        digest = self.services.store.put_bytes(content, "video/mp4")
        fields = {"width": 128, "height": 128, "num_frames": 16, "fps": 8.0, "bytes": len(content), **facts}
        self.queue.finish(video_id, "worker", video_hash=digest, **fields)
        self.queue.put_back("worker", [job.id for job in jobs if job.id != video_id])


@contextmanager
def running(settings: ServerSettings, *, webhooks: bool = True) -> Iterator[Running]:
    """The server of some settings, until the block ends. ``webhooks``: whether it delivers any."""
    services = Services.open(settings)
    if not webhooks:
        services.deliverer.poll = 1e9
    listener = listener_at(settings.host, 0)
    server = listening(services)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    started = Running(services, listener.getsockname()[1])
    try:
        for _ in range(200):
            if server.started:
                break
            thread.join(0.05)
        assert server.started
        yield started
    finally:
        started.client.close()
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()
        listener.close()


@contextmanager
def working(folder: Path) -> Iterator[Running]:
    """A server with a worker on the embedded model, in a thread, until the block ends."""
    from scenewright.server.loaded import LoadedModels
    from scenewright.server.worker import Worker

    with running(ServerSettings(folder=folder, poll=0.05)) as started:
        worker = Worker(started.queue, started.services.store, LoadedModels())
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        try:
            yield started
        finally:
            worker.stop()
            thread.join(30)
