"""Servers of this process, and their users' keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the server needs scenewright[serve]")

from running_server import Running, running
from scenewright.server.settings import ServerSettings


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
