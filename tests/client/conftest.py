"""A server with a worker, for a whole file, and one without."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the server needs scenewright[serve]")

from scenewright.server.loaded import LoadedModels
from scenewright.server.settings import ServerSettings
from scenewright.server.worker import Worker
from serving import Running, running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """Without a worker: what is queued waits."""
    with running(ServerSettings(folder=tmp_path, poll=0.02)) as started:
        yield started


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With a worker on the embedded model, in a thread."""
    with running(ServerSettings(folder=tmp_path_factory.mktemp("server"), poll=0.05)) as started:
        worker = Worker(started.queue, started.services.store, LoadedModels())
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        try:
            yield started
        finally:
            worker.stop()
            thread.join(30)
