"""The studio of a server with accounts: signing in, making, and signing out."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_server import Server

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect


@pytest.fixture
def guarded(needed: None, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "studio", "--accounts", works=False)
    add = [sys.executable, "-m", "scenewright", "accounts", "add", "ada", "--password-stdin", "--folder"]
    subprocess.run([*add, str(server.folder)], input="a long password\n", text=True, check=True, timeout=60)
    server.start()
    yield server
    server.stop()


def test_one_signs_in_makes_and_signs_out(guarded: Server, open_page: Any) -> None:
    page = open_page(at=guarded.url, allow=("401",))
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.get_by_role("navigation")).to_have_count(0)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("a wrong one")
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Prompt", exact=True).fill("a red ball rolls left")
    page.get_by_role("button", name="Make video").click()
    expect(page.locator(".queue-row")).to_contain_text("Waiting")
    page.get_by_role("button", name="Cancel").first.click()
    expect(page.locator(".queue-row")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_where_the_login_is_over_one_signs_in_again(guarded: Server, open_page: Any) -> None:
    page = open_page(at=guarded.url, allow=("401",))
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("a long password")
    page.get_by_label("Password").press("Enter")
    page.get_by_label("Prompt", exact=True).fill("a red ball rolls left")
    page.context.clear_cookies()
    # Whatever asks the server first notices it: the estimate, or this.
    with contextlib.suppress(playwright.TimeoutError):
        page.get_by_role("button", name="Make video").click(timeout=2000)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("a long password")
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a red ball rolls left")
