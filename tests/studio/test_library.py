"""The library: found, played, reused, remixed, imported, deleted and brought back."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_server import Server, written

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

RED, BLUE = (200, 40, 40), (40, 40, 200)


@pytest.fixture(autouse=True)
def _alone(server: Server) -> Iterator[None]:
    yield
    server.empty()


@pytest.fixture
def two(server: Server, tmp_path: Path) -> list[dict[str, Any]]:
    """A red and a blue video in the library."""
    settings = {"steps": 7, "guidance_scale": 2.5}
    red = written(tmp_path / "red.mp4", "a red ball rolls left", [RED] * 8, seed=77, settings=settings)
    blue = written(tmp_path / "blue.mp4", "a blue cube spins", [BLUE] * 8)
    return [server.keep(red), server.keep(blue)]


def card(page: Any, prompt: str) -> Any:
    return page.locator(".card", has_text=prompt)


def test_empty_it_says_what_to_do(open_page: Any) -> None:
    page = open_page("library")
    expect(page.get_by_role("heading", name="No videos yet")).to_be_visible()
    page.get_by_role("link", name="Make the first one").click()
    expect(page.get_by_label("Prompt", exact=True)).to_be_visible()


def test_search_and_tags_find(open_page: Any, server: Server, two: list[dict[str, Any]]) -> None:
    server.http.patch(f"/v1/videos/{two[1]['id']}", json={"tags": ["keep"], "title": "The spinner"})
    page = open_page("library")
    expect(page.locator(".card")).to_have_count(2)
    page.get_by_label("Search", exact=True).fill("rolls")
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_label("Search").fill("no such thing")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    page.get_by_role("button", name="Show everything").click()
    expect(page.locator(".card")).to_have_count(2)
    page.get_by_label("Tag", exact=True).select_option("keep")
    expect(page.locator(".card-prompt")).to_have_text(["The spinner"])


def test_a_card_plays_while_it_is_pointed_at_or_focused(open_page: Any, two: list[dict[str, Any]]) -> None:
    page = open_page("library")
    link = card(page, "a blue cube spins").locator("a.card-picture")
    for come, go in (
        (link.hover, lambda: page.mouse.move(0, 0)),
        (link.focus, lambda: page.get_by_label("Search").focus()),
    ):
        come()
        expect(link).to_have_attribute("data-playing", "yes")
        go()
        expect(link.locator("video")).to_have_count(0)


def test_with_reduced_motion_nothing_plays_by_itself(open_page: Any, two: list[dict[str, Any]]) -> None:
    page = open_page("library", reduced_motion="reduce")
    link = card(page, "a blue cube spins").locator("a.card-picture")
    link.hover()
    link.focus()
    expect(link.locator("video")).to_have_count(0)
    link.click()
    assert not page.locator(".detail-show video").evaluate("v => v.autoplay")
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--calm')") == "0ms"


def test_settings_are_used_again_one_or_all(open_page: Any, two: list[dict[str, Any]]) -> None:
    page = open_page("library")
    card(page, "a red ball rolls left").locator("a").click()
    page.get_by_role("button", name="Reuse: Steps").click()
    expect(page.get_by_role("dialog").get_by_text("Steps is in the form.")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Make", exact=True).click()
    page.get_by_text("More settings").click()
    expect(page.get_by_label("Steps", exact=True)).to_have_value("7")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("")
    page.goto(page.url.replace("#/make", f"#/library/{two[0]['id']}"))
    page.get_by_role("button", name="Reuse all").click()
    page.get_by_text("More settings").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a red ball rolls left")
    expect(page.get_by_label("Seed", exact=True)).to_have_value("77")
    expect(page.get_by_label("Guidance", exact=True)).to_have_value("2.5")
    expect(page.get_by_role("button", name="Keep the seed for the next video")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_title_and_tags_are_kept(open_page: Any, server: Server, two: list[dict[str, Any]]) -> None:
    page = open_page(f"library/{two[0]['id']}")
    page.get_by_label("Title", exact=True).fill("The red one")
    page.get_by_label("Title", exact=True).press("Enter")
    page.get_by_label("Add a tag").fill("favourite")
    page.get_by_label("Add a tag").press("Enter")
    server.wait(lambda: server.video(two[0]["id"])["tags"] == ["favourite"])
    assert server.video(two[0]["id"])["title"] == "The red one"
    expect(page.get_by_role("dialog")).to_contain_text("The red one")
    page.get_by_role("button", name="Remove tag favourite").click()
    server.wait(lambda: server.video(two[0]["id"])["tags"] == [])


def test_deleted_and_brought_back(open_page: Any, server: Server, two: list[dict[str, Any]]) -> None:
    page = open_page(f"library/{two[0]['id']}")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".card")).to_have_count(1)
    server.wait(lambda: len(server.videos()) == 1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".card")).to_have_count(2)
    assert len(server.videos()) == 2


def test_a_remix_shows_in_the_family(open_page: Any, server: Server, two: list[dict[str, Any]]) -> None:
    page = open_page(f"library/{two[0]['id']}")
    page.get_by_role("dialog").get_by_label("Prompt", exact=True).fill("a green ball rolls left")
    page.get_by_role("button", name="Make the remix").click()
    server.wait(lambda: len(server.videos()) == 3)
    child = server.videos()[0]
    assert (child["remixed_from_video_id"], child["seed"]) == (two[0]["id"], 77)
    branch = page.locator(".tree").get_by_role("link", name="a green ball rolls left")
    branch.click()
    expect(page.locator(".branch.is-here")).to_have_text("a green ball rolls left")
    expect(page.locator(".tree").get_by_role("link", name="a red ball rolls left")).to_be_visible()


def test_a_video_is_continued(open_page: Any, server: Server, two: list[dict[str, Any]]) -> None:
    page = open_page(f"library/{two[0]['id']}")
    page.get_by_role("radio", name="Continue").check()
    page.get_by_role("dialog").get_by_label("Prompt", exact=True).fill("a red ball jumps")
    page.get_by_role("button", name="Continue the video").click()
    server.wait(lambda: len(server.videos()) == 3)
    assert server.videos()[0]["kind"] == "extend"


def test_the_file_downloads_under_a_name_that_says_what_it_is(
    open_page: Any, two: list[dict[str, Any]]
) -> None:
    page = open_page(f"library/{two[0]['id']}")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download").click()
    assert waiting.value.suggested_filename == "a-red-ball-rolls-left-77.mp4"
    assert waiting.value.path().stat().st_size == two[0]["bytes"]


DROP = """([bytes, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], name, {type: 'video/mp4'}));
  for (const kind of ['dragenter', 'dragover', 'drop'])
    document.querySelector('main').dispatchEvent(
      new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: data}));
}"""


def drop(page: Any, path: Path) -> None:
    page.evaluate(DROP, [base64.b64encode(path.read_bytes()).decode(), path.name])


def test_a_dropped_file_brings_its_settings_back(open_page: Any, server: Server, tmp_path: Path) -> None:
    file = written(tmp_path / "old.mp4", "a pink cone jumps", [RED] * 8, seed=5, settings={"steps": 9})
    page = open_page("make")
    drop(page, file)
    dialog = page.get_by_role("dialog", name="Found in old.mp4")
    expect(dialog).to_contain_text("a pink cone jumps")
    dialog.get_by_role("button", name="Use these settings").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a pink cone jumps")
    expect(page.get_by_label("Seed", exact=True)).to_have_value("5")
    assert server.videos() == []
    drop(page, file)
    dialog.get_by_role("button", name="Keep in the library").click()
    server.wait(lambda: len(server.videos()) == 1)


def test_a_file_without_settings_is_refused_in_one_line(open_page: Any, tmp_path: Path) -> None:
    page = open_page("library", allow=("400",))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    drop(page, broken)
    expect(page.locator(".toast.is-bad")).to_contain_text("broken.mp4")
