"""Who may do what, from where, and how much of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from running_server import Running, running
from scenewright.server.accounts import Accounts
from scenewright.server.database import open_database
from scenewright.server.passwords import hash_password, password_fits
from scenewright.server.security import COOKIE, CSRF_HEADER
from scenewright.server.settings import Limits, ServerSettings, is_loopback
from scenewright.server.tables import Job

Headers = Callable[..., dict[str, str]]
PASSWORD = "correct horse battery"


def _code(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["code"]


# ------------------------------------------------------------------------------------------------- keys


def test_without_a_valid_key_nothing_is_told(accounts_server: Running, key_of: Headers) -> None:
    client, accounts = accounts_server.client, accounts_server.services.accounts
    paths = ("/v1/videos", "/v1/models", "/v1/machine", "/v1/account", "/v1/keys", "/v1/events", "/metrics")
    for path in paths:
        assert _code(client.get(path)) == (401, "missing_credentials")
        assert client.get(path).headers["www-authenticate"] == "Bearer"
    assert client.get("/healthz").status_code == 200
    headers = key_of("ann")
    assert client.get("/v1/videos", headers=headers).status_code == 200
    (key,) = accounts.keys()
    accounts.revoke(key.id)
    assert _code(client.get("/v1/videos", headers=headers)) == (401, "invalid_api_key")
    assert _code(client.get("/v1/videos", headers={"Authorization": "Basic x"})) == (
        401,
        "missing_credentials",
    )


def test_a_key_expires(accounts_server: Running, key_of: Headers) -> None:
    accounts = accounts_server.services.accounts
    headers = key_of("ann")
    _, secret = accounts.add_key(accounts.user("ann").id, "short", ["videos:read"], accounts.now() + 30)
    short = {"Authorization": f"Bearer {secret}"}
    assert accounts_server.client.get("/v1/videos", headers=short).status_code == 200
    accounts.now = lambda: time.time() + 31
    assert _code(accounts_server.client.get("/v1/videos", headers=short)) == (401, "invalid_api_key")
    assert accounts_server.client.get("/v1/videos", headers=headers).status_code == 200


def test_keys_do_what_their_scopes_and_roles_say(accounts_server: Running, key_of: Headers) -> None:
    client = accounts_server.client
    reader = key_of("ann", scopes=("videos:read",))
    assert client.get("/v1/videos", headers=reader).status_code == 200
    for method, path in (("POST", "/v1/videos"), ("GET", "/v1/keys"), ("GET", "/metrics")):
        assert _code(client.request(method, path, headers=reader)) == (403, "insufficient_scope")
    creator = key_of("ann")
    made = client.post("/v1/keys", json={"scopes": ["videos:read"], "expires_in": 60}, headers=creator).json()
    assert made["secret"].startswith(made["prefix"])
    with_it = {"Authorization": f"Bearer {made['secret']}"}
    assert client.get("/v1/videos", headers=with_it).status_code == 200
    listed = client.get("/v1/keys", headers=creator).json()["data"]
    assert made["id"] in [key["id"] for key in listed]
    assert all(key["secret"] is None for key in listed)
    beyond = client.post("/v1/keys", json={"scopes": ["admin"]}, headers=creator)
    assert _code(beyond) == (403, "insufficient_scope")
    # What a role loses, its old keys lose.
    accounts_server.services.accounts.set_role("ann", "reviewer")
    assert _code(client.post("/v1/videos", json={"prompt": "x"}, headers=creator)) == (
        403,
        "insufficient_scope",
    )
    assert client.delete(f"/v1/keys/{made['id']}", headers=creator).status_code == 403


def test_another_users_videos_are_not_there(accounts_server: Running, key_of: Headers) -> None:
    client, ann, bob = accounts_server.client, key_of("ann"), key_of("bob")
    video = client.post("/v1/videos", json={"prompt": "a red ball"}, headers=ann).json()["id"]
    steering = ("cancel", "pause", "resume", "retry", "restore", "move", "remix")
    attempts = [("GET", ""), ("DELETE", ""), ("PATCH", ""), ("GET", "/content"), ("GET", "/events")]
    attempts += [("POST", f"/{action}") for action in steering]
    for method, end in attempts:
        body = {"prompt": "x"} if end == "/remix" else {}
        given = {"json": body} if method in ("POST", "PATCH") else {}
        theirs = client.request(method, f"/v1/videos/{video}{end}", headers=bob, **given)
        nobodys = client.request(method, f"/v1/videos/video_{'0' * 24}{end}", headers=bob, **given)
        assert _code(theirs) == _code(nobodys) == (404, "video_not_found")
    extension = {"prompt": "x", "video": {"id": video}}
    assert _code(client.post("/v1/videos/extensions", json=extension, headers=bob)) == (
        404,
        "video_not_found",
    )
    assert client.get("/v1/videos", headers=bob).json()["data"] == []
    assert _code(client.get(f"/v1/videos?after={video}", headers=bob)) == (404, "video_not_found")
    assert client.get(f"/v1/videos/{video}", headers=ann).json()["status"] == "queued"
    # Reviewers see the videos of all and change none; administrators reach them by their ids.
    eve = key_of("eve", "reviewer")
    assert [v["id"] for v in client.get("/v1/videos", headers=eve).json()["data"]] == [video]
    assert _code(client.delete(f"/v1/videos/{video}", headers=eve)) == (403, "insufficient_scope")
    root = key_of("root", "admin")
    assert client.get("/v1/videos", headers=root).json()["data"] == []
    assert client.post(f"/v1/videos/{video}/cancel", headers=root).json()["status"] == "cancelled"


def test_another_users_files_are_no_reference(accounts_server: Running, key_of: Headers) -> None:
    import io

    from PIL import Image

    client, ann, bob = accounts_server.client, key_of("ann"), key_of("bob")
    sink = io.BytesIO()
    Image.new("RGB", (8, 8)).save(sink, "PNG")
    made = client.post(
        "/v1/videos", data={"prompt": "x"}, files={"input_reference": sink.getvalue()}, headers=ann
    )
    body = {"prompt": "x", "input_reference": {"file_id": made.json()["input_reference"]}}
    assert client.post("/v1/videos", json=body, headers=ann).status_code == 200
    assert _code(client.post("/v1/videos", json=body, headers=bob)) == (404, "file_not_found")


def test_priority_is_for_administrators(accounts_server: Running, key_of: Headers) -> None:
    client, body = accounts_server.client, {"prompt": "a ball", "priority": 1}
    assert _code(client.post("/v1/videos", json=body, headers=key_of("ann"))) == (403, "insufficient_scope")
    assert client.post("/v1/videos", json=body, headers=key_of("root", "admin")).json()["priority"] == 1


# --------------------------------------------------------------------------------------------- sessions


@pytest.fixture
def session(accounts_server: Running) -> tuple[httpx.Client, str]:
    """A browser that is logged in, and what it must send along."""
    accounts_server.services.accounts.add_user("ann", "creator", PASSWORD)
    browser = httpx.Client(base_url=accounts_server.url)
    answer = browser.post("/v1/sessions", json={"name": "ann", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    set_cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in set_cookie
    assert "samesite=strict" in set_cookie
    return browser, answer.json()["csrf_token"]


def test_changes_by_a_session_carry_its_token(session: tuple[httpx.Client, str]) -> None:
    browser, csrf = session
    assert browser.get("/v1/account").json()["csrf_token"] == csrf
    assert _code(browser.post("/v1/videos", json={"prompt": "x"})) == (403, "csrf_failed")
    wrong = browser.post("/v1/videos", json={"prompt": "x"}, headers={CSRF_HEADER: "x"})
    assert _code(wrong) == (403, "csrf_failed")
    assert browser.post("/v1/videos", json={"prompt": "x"}, headers={CSRF_HEADER: csrf}).status_code == 200
    token = browser.cookies[COOKIE]
    assert browser.delete("/v1/sessions/current", headers={CSRF_HEADER: csrf}).status_code == 200
    browser.cookies.set(COOKIE, token)
    assert _code(browser.get("/v1/videos")) == (401, "session_expired")


def test_wrong_names_and_passwords_look_alike_and_become_slow(accounts_server: Running) -> None:
    accounts_server.services.accounts.add_user("ann", "creator", PASSWORD)
    client = accounts_server.client
    answers = [
        client.post("/v1/sessions", json={"name": name, "password": "wrong password"})
        for name in ("ann", "x")
    ]
    assert answers[0].json() == answers[1].json()
    assert _code(answers[0]) == (401, "wrong_password")
    for _ in range(8):
        client.post("/v1/sessions", json={"name": "ann", "password": "wrong password"})
    blocked = client.post("/v1/sessions", json={"name": "ann", "password": PASSWORD})
    assert _code(blocked) == (429, "rate_limit_exceeded")
    assert int(blocked.headers["retry-after"]) >= 1


def test_passwords_are_stretched() -> None:
    stored = hash_password(PASSWORD)
    assert stored != hash_password(PASSWORD)
    assert PASSWORD not in stored
    assert password_fits(PASSWORD, stored)
    assert not password_fits(PASSWORD + "x", stored)
    assert not password_fits(PASSWORD, None)


def test_a_disabled_user_is_out(tmp_path: Any) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'x.sqlite'}")
    accounts = Accounts(database)
    accounts.add_user("ann", "creator", PASSWORD)
    logged_in = accounts.log_in("ann", PASSWORD)
    assert logged_in is not None
    assert accounts.by_session(logged_in[0]) is not None
    accounts.set_disabled("ann", True)
    assert accounts.by_session(logged_in[0]) is None
    assert accounts.log_in("ann", PASSWORD) is None
    database.close()


# --------------------------------------------------------------------------------- where a request comes from


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "169.254.169.254", ""]
)
def test_other_names_for_this_machine_are_refused(server: Running, host: str) -> None:
    answer = server.client.get("/v1/videos", headers={"Host": host})
    assert answer.status_code in (400, 403)
    assert server.client.get("/v1/videos", headers={"Host": "localhost:1"}).status_code == 200
    assert server.client.get("/v1/videos", headers={"Host": "[::1]:1"}).status_code == 200


def test_a_name_can_be_allowed(settings: ServerSettings) -> None:
    with running(settings.model_copy(update={"allowed_hosts": ("box.lan",)})) as server:
        assert server.client.get("/healthz", headers={"Host": "box.lan:8000"}).status_code == 200
        assert server.client.get("/healthz", headers={"Host": "other.lan"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_other_sites_pages_change_nothing(server: Running, headers: dict[str, str]) -> None:
    answer = server.client.post("/v1/videos", data={"prompt": "x"}, files={"a": b""}, headers=headers)
    assert _code(answer) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in answer.headers
    preflight = server.client.options(
        "/v1/videos", headers={**headers, "Access-Control-Request-Method": "POST"}
    )
    assert "access-control-allow-origin" not in preflight.headers


def test_its_own_pages_may(server: Running) -> None:
    headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    assert server.client.post("/v1/videos", json={"prompt": "a ball"}, headers=headers).status_code == 200


def test_answers_say_what_browsers_may_do_with_them(server: Running) -> None:
    for path in ("/v1/videos", "/nowhere", "/healthz"):
        headers = server.client.get(path).headers
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-request-id"].startswith("req_")
        assert "server" not in headers


def test_binding_elsewhere_needs_accounts() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(ValueError, match="add --accounts"):
            ServerSettings(host=host)
        assert not is_loopback(host)
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        assert ServerSettings(host=host).loopback


# --------------------------------------------------------------------------------------------- how much


def test_too_many_requests_have_to_wait(settings: ServerSettings) -> None:
    with running(settings.model_copy(update={"limits": Limits(requests_per_minute=3)})) as server:
        for _ in range(3):
            assert server.client.get("/v1/videos").status_code == 200
        answer = server.client.get("/v1/videos")
        assert _code(answer) == (429, "rate_limit_exceeded")
        assert 1 <= int(answer.headers["retry-after"]) <= 21


def test_a_queue_and_a_store_are_full_at_some_time(settings: ServerSettings) -> None:
    limits = Limits(queued=2, stored_bytes=1000)
    with running(settings.model_copy(update={"limits": limits})) as server:
        first = server.create()
        server.create()
        refused = server.client.post("/v1/videos", json={"prompt": "x"})
        assert _code(refused) == (429, "queue_full")
        server.finish(first["id"], b"x" * 2000)
        refused = server.client.post("/v1/videos", json={"prompt": "x"})
        assert _code(refused) == (429, "insufficient_quota")
        assert refused.headers["x-should-retry"] == "false"


def test_an_idempotency_key_stands_for_one_body(server: Running) -> None:
    headers = {"Idempotency-Key": "abc"}
    one = server.client.post("/v1/videos", json={"prompt": "a ball"}, headers=headers).json()
    again = server.client.post("/v1/videos", json={"prompt": "a ball"}, headers=headers).json()
    assert (again["id"], again["seed"]) == (one["id"], one["seed"])
    form = server.client.post("/v1/videos", files={"prompt": (None, "a ball")}, headers=headers)
    assert form.json()["id"] == one["id"]
    other = server.client.post("/v1/videos", json={"prompt": "a cube"}, headers=headers)
    assert _code(other) == (409, "idempotency_conflict")
    remix = server.client.post(f"/v1/videos/{one['id']}/remix", json={"prompt": "a ball"}, headers=headers)
    assert _code(remix) == (409, "idempotency_conflict")
    assert (
        server.client.post(
            "/v1/videos", json={"prompt": "x"}, headers={"Idempotency-Key": "x" * 300}
        ).status_code
        == 400
    )
    assert len(server.queue.list().jobs) == 1


# ------------------------------------------------------------------------------------------ nothing leaks


@pytest.mark.parametrize(
    "path",
    [
        "/v1/videos/..%2f..%2fetc%2fpasswd",
        "/v1/videos/%2e%2e/content",
        "/v1/videos/../../secret.key",
        "/..%2f..%2fsecret.key",
        "/%2e%2e/%2e%2e/jobs.sqlite",
        "/assets/..%2f..%2f..%2fcards.py",
        "/v1/models/..%2f..%2fetc",
        "/v1/models//etc/passwd",
        "/v1/videos/x%00y",
        "/v1//videos",
    ],
)
def test_paths_lead_nowhere_else(server: Running, path: str) -> None:
    answer = server.client.get(path)
    assert answer.status_code in (400, 404)
    assert "root:" not in answer.text


def test_a_model_is_no_path(server: Running, tmp_path: Any) -> None:
    (tmp_path / "config.json").write_text("{}")
    for name in (str(tmp_path), "../nano", "nano/", "."):
        answer = server.client.post("/v1/videos", json={"prompt": "x", "model": name})
        assert _code(answer) == (404, "model_not_found")


def test_a_fault_tells_its_number_and_no_more(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> None:
        raise RuntimeError("secret /etc/passwd")

    monkeypatch.setattr(server.queue, "list", broken)
    answer = server.client.get("/v1/videos")
    assert _code(answer) == (500, "internal_error")
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothing", (404, "not_found")),
        ("GET", "/v1/nothing", (404, "not_found")),
        ("PUT", "/v1/videos", (405, "method_not_allowed")),
        ("GET", "/v1/videos?limit=0", (400, "invalid_value")),
        ("GET", "/v1/videos?limit=x", (400, "invalid_value")),
        ("GET", "/v1/videos?order=up", (400, "invalid_value")),
        ("GET", "/v1/videos?status=odd", (400, "invalid_value")),
        ("GET", "/v1/videos?after=video_1", (404, "video_not_found")),
        ("GET", "/v1/videos/video_1", (404, "video_not_found")),
        ("GET", "/v1/videos/video_1/content?variant=x", (400, "invalid_value")),
        ("POST", "/v1/prompts/parse", (400, "missing_required_parameter")),
        ("POST", "/v1/keys", (409, "no_accounts")),
    ],
)
def test_every_error_is_in_the_envelope(
    server: Running, method: str, path: str, expected: tuple[int, str]
) -> None:
    answer = server.client.request(method, path, json={} if method == "POST" else None)
    assert _code(answer) == expected


def test_the_servers_secret_is_its_own(server: Running) -> None:
    secret = server.services.secret
    file = server.services.settings.folder / "secret.key"
    assert file.read_bytes() == secret
    assert len(secret) >= 32
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in file.parent.glob(".secret*")] == []


def test_callbacks_lead_nowhere_inside_where_there_are_accounts(
    accounts_server: Running, key_of: Headers
) -> None:
    for url in ("http://127.0.0.1:1/x", "http://169.254.169.254/", "file:///x", "nonsense"):
        body = {"prompt": "a ball", "callback_url": url}
        answer = accounts_server.client.post("/v1/videos", json=body, headers=key_of("ann"))
        assert _code(answer) == (400, "invalid_url")
        assert answer.json()["error"]["param"] == "callback_url"


def test_a_playlist_is_no_video(server: Running) -> None:
    """FFmpeg would open what it names."""
    playlist = b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1.0,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    for name in ("video.mp4", "video.m3u8"):
        answer = server.client.post(
            "/v1/videos/extensions", data={"prompt": "x"}, files={"video": (name, playlist, "video/mp4")}
        )
        assert _code(answer) == (400, "invalid_media")


def test_the_job_of_a_deleted_video_is_gone_for_its_owner(server: Running) -> None:
    video = server.create()
    server.client.delete(f"/v1/videos/{video['id']}")
    assert _code(server.client.post(f"/v1/videos/{video['id']}/cancel")) == (404, "video_not_found")
    listed = server.client.get("/v1/videos?deleted=true").json()["data"]
    assert [v["id"] for v in listed] == [video["id"]]
    assert server.client.post(f"/v1/videos/{video['id']}/restore").json()["status"] == "cancelled"
    with server.services.database.read() as session:
        assert session.get(Job, video["id"]) is not None
