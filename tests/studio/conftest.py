"""A real server with a worker, and a browser that looks at its studio."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from studio_server import Server

from scenewright.studio import static_folder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

#: Milliseconds that anything on a page may take, on a machine that does other things too.
PATIENCE = 60_000


@pytest.fixture(scope="session")
def needed() -> None:
    """Skips where the server cannot run or has no studio to hand out."""
    for package in ("fastapi", "uvicorn", "sqlalchemy"):
        pytest.importorskip(package, reason=f"the server needs {package}")
    if static_folder() is None:
        pytest.skip("the studio is not built")


@pytest.fixture(scope="session")
def server(needed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server") / "studio")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Opens pages of the studio; a test fails for anything that the console complains about. ``at``: the
    address of another server than the usual one."""
    contexts, complaints = [], []

    def opened(
        place: str = "make", allow: tuple[str, ...] = (), at: str | None = None, **options: Any
    ) -> Any:
        settings = {"viewport": {"width": 1280, "height": 800}, "locale": "en-US", **options}
        context = browser.new_context(**settings)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()

        def heard(message: Any) -> None:
            if message.type == "error" and not any(text in message.text for text in allow):
                complaints.append(message.text)

        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{at or request.getfixturevalue('server').url}/#/{place}")
        page.wait_for_selector("main h1", state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
