"""A server with a worker, for a whole file, and one without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the server needs scenewright[serve]")

import running_server
from running_server import Running, running
from scenewright.server.settings import ServerSettings


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """Without a worker: what is queued waits."""
    with running(ServerSettings(folder=tmp_path, poll=0.02)) as started:
        yield started


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With a worker on the embedded model."""
    with running_server.working(tmp_path_factory.mktemp("server")) as started:
        yield started
