"""The API on PostgreSQL: everything of it that asks the database something of its own."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

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


def test_studies_on_postgresql(settings: ServerSettings, postgres: Callable[[str], str]) -> None:
    queue = postgres("studies")
    pytest.importorskip("psycopg", reason="PostgreSQL needs scenewright[postgres]")
    with running(settings.model_copy(update={"queue": queue})) as server:
        client, systems = server.client, {}
        for label in ("one", "two"):
            systems[label] = [server.create("a red ball")["id"]]
            server.finish(systems[label][0], label.encode())
        body = {"name": "s", "systems": systems, "votes": 2, "checks": 0}
        paths = [f"/v1/studies/{client.post('/v1/studies', json=body).json()['id']}" for _ in range(3)]
        # Several raters at once, and one of them twice.
        with ThreadPoolExecutor(6) as pool:

            def vote(rater: str) -> int:
                task = client.get(f"{paths[0]}/task?rater={rater}").json()["task"]
                vote = {"task": task["id"], "answer": "first", "rater": rater}
                return client.post(f"{paths[0]}/answers", json=vote).status_code

            assert list(pool.map(vote, ["ann", "bob", "cleo"])) == [200] * 3
            task = client.get(f"{paths[1]}/task?rater=ann").json()["task"]
            vote = {"task": task["id"], "answer": "tie", "rater": "ann"}
            again = pool.map(lambda _: client.post(f"{paths[1]}/answers", json=vote).status_code, range(6))
            assert list(again) == [200] * 6
        assert client.get(f"{paths[0]}?rater=bob").json()["mine"] == 1
        assert client.get(f"{paths[1]}/results").json()["answers"] == 1
        rows = list(csv.DictReader(io.StringIO(client.get(f"{paths[0]}/answers.csv").text)))
        assert {row["rater"] for row in rows} == {"ann", "bob", "cleo"}
        assert {row["shown"] for row in rows} <= {"one|two", "two|one"}
        page = client.get("/v1/studies?limit=2").json()
        assert page["has_more"] is True
        assert len(client.get(f"/v1/studies?after={page['last_id']}").json()["data"]) == 1
        contestants = {label: {"num_inference_steps": i} for i, label in enumerate("abcd", 2)}
        body = {"kind": "arena", "name": "a", "contestants": contestants}
        arena = f"/v1/studies/{client.post('/v1/studies', json=body).json()['id']}"
        with ThreadPoolExecutor(4) as pool:
            begin = lambda i: client.post(f"{arena}/rounds", json={"prompt": f"ball {i}"}).json()["task"]  # noqa: E731
            rounds = list(pool.map(begin, range(8)))
        row = server.services.studies.get(arena.rpartition("/")[2])
        assert row is not None
        shown = Counter(
            label for task in server.services.studies.opened(row).tasks.values() for label in task.shown
        )
        assert set(shown.values()) == {4}
        while jobs := server.queue.claim("worker"):
            for job in jobs:
                server.queue.finish(
                    job.id, "worker", video_hash=server.services.store.put_bytes(b"x", "video/mp4")
                )
        assert len(client.get("/v1/videos").json()["data"]) == 2
        vote = {"task": rounds[0], "answer": "second"}
        assert client.post(f"{arena}/answers", json=vote).json()["revealed"]
        assert len(client.get("/v1/videos").json()["data"]) == 4
        assert client.patch(arena, json={"closed": True}).json()["answers"] == 1
        assert len(client.get("/v1/videos").json()["data"]) == 18
        assert client.delete(arena).status_code == client.delete(paths[0]).status_code == 200
