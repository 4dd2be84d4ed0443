"""Webhooks: signed as the standard says, tried again, never lost, never sent inside."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from running_server import Running, running
from scenewright.server.settings import ServerSettings
from scenewright.server.tables import WebhookDelivery
from scenewright.server.webhooks import WAITS, Deliverer, secret_of, signature


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = server.statuses.pop(0) if server.statuses else 200
        with server.news:
            server.received.append((dict(self.headers), body, status))
            server.news.notify_all()
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    server.received, server.statuses, server.news = [], [], threading.Condition()
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def _wait(receiver: Any, count: int) -> None:
    with receiver.news:
        assert receiver.news.wait_for(lambda: len(receiver.received) >= count, 10)


def _deliverer(server: Running, **options: Any) -> Deliverer:
    services = server.services
    given = {"loopback": True, **options}
    return Deliverer(server.queue, services.secret, services.webhook_body, **given)


def test_a_video_that_has_ended_is_told_with_a_signature(server: Running, receiver: Any) -> None:
    video = server.create(callback_url=receiver.url)
    server.finish(video["id"])
    _wait(receiver, 1)
    headers, body, _ = receiver.received[0]
    told = json.loads(body)
    assert told["type"] == "video.completed"
    assert (told["data"]["id"], told["data"]["status"]) == (video["id"], "completed")
    # By the words of the standard, with what the user is told of the secret.
    secret = server.client.get("/v1/account").json()["webhook_secret"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body.decode()}"
    expected = base64.b64encode(hmac.new(key, content.encode(), hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_the_signature_is_that_of_the_standards_example() -> None:
    """From the specification's test vector."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_user_has_a_secret_of_its_own() -> None:
    assert len({secret_of(b"master", owner) for owner in ("ann", "bob", "local")}) == 3
    assert secret_of(b"master", "ann") != secret_of(b"other", "ann")


def test_what_fails_is_tried_again_after_a_while(settings: ServerSettings, receiver: Any) -> None:
    now = [1000.0]
    with running(settings, webhooks=False) as server:
        video = server.create(callback_url=receiver.url)
        server.finish(video["id"])
        mine = _deliverer(server, clock=lambda: now[0])
        receiver.statuses[:] = [500, 500]
        asyncio.run(mine.round())
        _wait(receiver, 1)
        assert asyncio.run(mine.round()) == 0  # not yet
        now[0] += WAITS[0] + 1
        assert asyncio.run(mine.round()) == 1
        now[0] += WAITS[1] + 1
        assert asyncio.run(mine.round()) == 1
        now[0] += 1e6
        assert asyncio.run(mine.round()) == 0  # delivered
        assert len(receiver.received) == 3
        assert len({headers["webhook-id"] for headers, _, _ in receiver.received}) == 1
        assert len({body for _, body, _ in receiver.received}) == 1
        with server.services.database.read() as session:
            (row,) = session.query(WebhookDelivery).all()
        assert row.attempts == 3
        assert row.delivered_at is not None


def test_it_is_given_up_at_last(settings: ServerSettings, receiver: Any) -> None:
    now = [1000.0]
    with running(settings, webhooks=False) as server:
        receiver.statuses[:] = [404] * 50
        server.finish(server.create(callback_url=receiver.url)["id"])
        mine = _deliverer(server, clock=lambda: now[0])
        for _ in range(20):
            asyncio.run(mine.round())
            now[0] += 1e6
        assert len(receiver.received) == len(WAITS) + 1


def test_a_restart_loses_nothing(settings: ServerSettings, receiver: Any) -> None:
    with running(settings, webhooks=False) as server:
        video = server.create(callback_url=receiver.url)
    with running(settings) as server:  # it ends while no message has been written
        server.finish(video["id"])
        _wait(receiver, 1)
    assert json.loads(receiver.received[0][1])["data"]["id"] == video["id"]


def test_a_video_that_is_retried_is_told_again(server: Running, receiver: Any) -> None:
    video = server.create(callback_url=receiver.url)["id"]
    server.client.post(f"/v1/videos/{video}/cancel")
    _wait(receiver, 1)
    server.client.post(f"/v1/videos/{video}/retry")
    server.finish(video)
    _wait(receiver, 2)
    assert [json.loads(body)["type"] for _, body, _ in receiver.received] == [
        "video.cancelled",
        "video.completed",
    ]
    assert len({headers["webhook-id"] for headers, _, _ in receiver.received}) == 2


def test_nothing_inside_is_told_where_there_are_accounts(settings: ServerSettings, receiver: Any) -> None:
    """Even where the name was public when the video was asked for."""
    with running(settings, webhooks=False) as server:
        server.finish(server.create(callback_url=receiver.url)["id"])
        asyncio.run(_deliverer(server, loopback=False).round())
        with server.services.database.read() as session:
            (row,) = session.query(WebhookDelivery).all()
        assert receiver.received == []
        assert "only public addresses" in (row.last_error or "")
