"""The API on PostgreSQL: everything of it that asks the database something of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from running_server import running
from scenewright.server.settings import ServerSettings


def test_the_api_on_postgresql(settings: ServerSettings, postgres: Callable[[str], str]) -> None:
    queue = postgres("api")
    pytest.importorskip("psycopg", reason="PostgreSQL needs scenewright[postgres]")
    with running(settings.model_copy(update={"queue": queue, "accounts": True}), webhooks=False) as server:
        accounts, client = server.services.accounts, server.client
        user = accounts.add_user("ann", "admin", "correct horse")
        _, secret = accounts.add_key(user.id, "test", ["videos:read", "videos:write", "admin"])
        client.headers["Authorization"] = f"Bearer {secret}"
        once = {"Idempotency-Key": "x"}
        body = {"prompt": "a red ball", "tags": ["a"], "callback_url": "http://93.184.216.34/"}
        first = client.post("/v1/videos", json=body, headers=once)
        assert first.status_code == 200, first.text
        assert client.post("/v1/videos", json=body, headers=once).json()["id"] == first.json()["id"]
        assert client.post("/v1/videos", json={"prompt": "x"}, headers=once).status_code == 409
        second = client.post("/v1/videos", json={"prompt": "a blue cube"}).json()["id"]
        assert [v["id"] for v in client.get("/v1/videos?search=cube").json()["data"]] == [second]
        assert [v["prompt"] for v in client.get("/v1/videos?tag=a").json()["data"]] == ["a red ball"]
        assert (
            client.post(f"/v1/videos/{second}/move", json={"before": first.json()["id"]}).status_code == 200
        )
        server.finish(first.json()["id"])
        deliverer = server.services.deliverer
        assert deliverer.note_ended() == 1
        assert [owner for _, owner in deliverer._due()] == [user.id]
        assert deliverer.note_ended() == 0
        uploads = server.services.uploads
        uploads.keep(user.id, b"unused", "image/png")
        assert uploads.tidy(keep=-1) == 1
        for path in ("/metrics", "/readyz", "/v1/machine", "/v1/account"):
            assert client.get(path).status_code == 200
        assert client.post("/v1/estimates", json={"prompt": "a ball"}).json()["known"] is False
        assert accounts.log_in("ann", "correct horse") is not None
