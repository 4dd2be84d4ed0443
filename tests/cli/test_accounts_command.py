"""``scenewright accounts`` and ``scenewright serve``, as far as they end by themselves."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the server needs scenewright[serve]")

from scenewright.cli.main import main
from scenewright.server.accounts import Accounts
from scenewright.server.database import open_database


def _run(folder: Path, *args: str) -> int:
    return main(["accounts", *args, "--folder", str(folder)])


def test_users_and_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"correct horse\n")))
    assert _run(tmp_path, "add", "ann", "--role", "admin", "--password-stdin") == 0
    assert _run(tmp_path, "add", "bob", "--no-password") == 0
    assert _run(tmp_path, "add", "Ann", "--no-password") == 2
    assert _run(tmp_path, "role", "bob", "reviewer") == 0
    capsys.readouterr()
    assert _run(tmp_path, "add-key", "bob", "--json") == 2
    assert "a reviewer has no scope videos:write" in capsys.readouterr().err
    assert _run(tmp_path, "add-key", "bob", "--scope", "videos:read", "--days", "1", "--json") == 0
    key = json.loads(capsys.readouterr().out)
    database = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    accounts = Accounts(database)
    found = accounts.by_key(key["key"])
    assert found is not None
    assert (found.name, found.role, found.scopes) == ("bob", "reviewer", {"videos:read"})
    assert accounts.log_in("ANN", "correct horse") is not None
    assert _run(tmp_path, "disable", "bob") == 0
    assert accounts.by_key(key["key"]) is None
    assert _run(tmp_path, "enable", "bob") == 0
    assert accounts.by_key(key["key"]) is not None
    assert _run(tmp_path, "revoke", key["id"]) == 0
    assert accounts.by_key(key["key"]) is None
    capsys.readouterr()
    assert _run(tmp_path, "keys", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["user"] == "bob"
    assert row["revoked_at"] is not None
    assert key["key"] not in (tmp_path / "jobs.sqlite").read_bytes().decode("latin-1")
    database.close()


def test_passwords_are_long_and_hashed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"short\n")))
    assert _run(tmp_path, "add", "ann", "--password-stdin") == 2
    assert "from 10 to 200 characters" in capsys.readouterr().err
    assert _run(tmp_path, "revoke", "key_1") == 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--host", "0.0.0.0"], "add --accounts"),
        (["--host", "0.0.0.0", "--accounts"], "no user yet"),
        (["--model", "/nowhere"], "there is no model"),
        (["--default-model", "sora-2"], "known: nano"),
        (["--queue", "mysql://x"], "sqlite:///PATH or postgresql://"),
        (["--public-url", "ftp://x"], "public_url"),
        (["--device", "none", "--device", "cpu"], "goes without other devices"),
    ],
)
def test_a_server_that_cannot_serve_says_why(
    options: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", "--device", "none", "--folder", str(tmp_path), *options]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_a_studio_without_pages_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scenewright.studio.static_folder", lambda: None)
    assert main(["studio", "--port", "0", "--folder", str(tmp_path)]) == 2
    assert "no studio's pages" in capsys.readouterr().err


def test_the_studio_opens_where_it_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    opened: list[str] = []

    def run(settings: object, workers: object, options: object, ready: Callable[[str], None]) -> None:
        given.append(settings)
        ready("http://127.0.0.1:8123")

    monkeypatch.setattr("scenewright.studio.static_folder", lambda: tmp_path)
    monkeypatch.setattr("scenewright.server.running.run", run)
    monkeypatch.setattr("click.launch", opened.append)
    assert main(["studio", "--port", "0", "--folder", str(tmp_path), "--device", "cpu"]) == 0
    assert main(["studio", "--folder", str(tmp_path), "--device", "cpu", "--no-browser"]) == 0
    assert opened == ["http://127.0.0.1:8123"]
    (first, second) = given
    assert getattr(first, "port", None) == 0
    assert getattr(second, "accounts", None) is False


def test_a_port_that_is_taken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port, "--device", "none", "--folder", str(tmp_path)]) == 2
    assert f"port {port}" in capsys.readouterr().err
