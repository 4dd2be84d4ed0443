"""Servers for tests: in this process on a free port, with or without a worker."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi", reason="the server needs scenewright[serve]")
uvicorn = pytest.importorskip("uvicorn", reason="the server needs scenewright[serve]")

from scenewright.server.app import app_of
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
def running(settings: ServerSettings) -> Iterator[Running]:
    """The server of some settings, until the block ends."""
    services = Services.open(settings)
    listener = socket.create_server((settings.host, 0))
    config = uvicorn.Config(app_of(services), log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
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
        services.watcher.close()
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()
        listener.close()


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return ServerSettings(folder=tmp_path, poll=0.02)


@pytest.fixture
def server(settings: ServerSettings) -> Iterator[Running]:
    """For this machine alone, without accounts and without a worker."""
    with running(settings) as started:
        yield started


@pytest.fixture
def accounts_server(settings: ServerSettings) -> Iterator[Running]:
    """With accounts, without a worker."""
    with running(settings.model_copy(update={"accounts": True})) as started:
        yield started


@pytest.fixture
def key_of(accounts_server: Running) -> Callable[..., dict[str, str]]:
    """Headers of a user, who is made where there is none."""

    def headers(name: str, role: str = "creator", scopes: tuple[str, ...] | None = None) -> dict[str, str]:
        from scenewright.server.accounts import AccountError, scopes_of

        accounts = accounts_server.services.accounts
        try:
            user = accounts.user(name)
        except AccountError:
            user = accounts.add_user(name, role)  # type: ignore[arg-type]
        _, secret = accounts.add_key(user.id, "test", scopes or scopes_of(role))  # type: ignore[arg-type]
        return {"Authorization": f"Bearer {secret}"}

    return headers


@pytest.fixture(scope="session")
def video_file() -> bytes:
    """A small MP4."""
    import tempfile

    import numpy as np

    from scenewright.clip import Clip
    from scenewright.media import encode

    frames = np.random.default_rng(0).integers(0, 255, (8, 64, 64, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.mp4"
        encode(Clip(frames, fps=8.0), path)
        return path.read_bytes()
