"""Everyone can use it: axe, keyboard alone, narrow windows, two languages, and shortcuts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_server import Server, written

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

PAGES = ("make", "library", "compare", "compare/grid", "machine")


@pytest.fixture(scope="module")
def stocked(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """A library of two, one with tags, notes and a child, and a queue of three that is not made meanwhile."""
    folder = tmp_path_factory.mktemp("files")
    colors = [(200, 60, 40)] * 8
    ids = [
        server.keep(written(folder / f"{n}.mp4", prompt, colors))["id"]
        for n, prompt in enumerate(
            ["a red ball rolls left", "a cone of a colour nobody knows spins on the grass"]
        )
    ]
    server.http.patch(f"/v1/videos/{ids[0]}", json={"tags": ["first", "keep"]})
    server.http.post(f"/v1/videos/{ids[0]}/remix", json={"prompt": "a blue ball rolls left"})
    for n in range(3):
        server.submit(f"a green cube number {n} jumps", num_inference_steps=900)
    for video in server.videos(status=["queued", "in_progress"]):
        server.http.post(f"/v1/videos/{video['id']}/pause")
    server.wait(lambda: all(v["phase"] == "paused" for v in server.videos(status=["queued", "in_progress"])))
    yield ids
    server.empty()


def settled(page: Any, place: str) -> None:
    """Everything that the page fetches is there."""
    if place == "machine":
        page.locator(".model").first.wait_for()
        page.get_by_text("Asking the doctor").wait_for(state="detached")
    if place == "library":
        page.locator(".card").first.wait_for()
    if place == "make":
        page.locator(".queue-row").first.wait_for()
        page.get_by_label("Prompt", exact=True).fill("a frobnicated red ball rolls left")
        page.locator("#understood[aria-busy=false] mark").wait_for()
    if place.startswith("compare?"):
        page.locator("canvas").nth(1).wait_for()


def violations(page: Any) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    # Under this policy nothing may be added to the page but by the browser's own tools, as playwright does.
    found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa",
                                               "best-practice"]})  # fmt: skip
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(
    open_page: Any, server: Server, stocked: list[str], theme: str
) -> None:
    page = open_page(color_scheme=theme, bypass_csp=True)
    for place in (*PAGES, f"library/{stocked[0]}", f"compare?a={stocked[0]}&b={stocked[1]}"):
        page.goto(f"{server.url}/#/{place}")
        settled(page, place)
        assert violations(page) == [], place
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_role("dialog").wait_for()
    assert violations(page) == []


@pytest.mark.parametrize("height", [640, 256])
def test_nothing_scrolls_sideways_at_320_pixels(
    open_page: Any, server: Server, stocked: list[str], height: int
) -> None:
    """320 x 256 is what 1280 x 1024 leaves at 400 %."""
    page = open_page(viewport={"width": 320, "height": height})
    for place in (*PAGES, f"library/{stocked[0]}", f"compare?a={stocked[0]}&b={stocked[1]}"):
        page.goto(f"{server.url}/#/{place}")
        settled(page, place)
        for language in ("Deutsch", "English"):
            page.evaluate("l => document.querySelector('.language').click()", language)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= 320, (place, language)
            inner = "[...document.querySelectorAll('dialog[open]')].map(d => d.scrollWidth - d.clientWidth)"
            assert all(wide <= 0 for wide in page.evaluate(inner)), (place, language)


#: What has the focus, and whether it or what it belongs to is outlined; null at the end of the page.
FOCUSED = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return null;
  const outlined = element => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  };
  const near = [focused, focused.nextElementSibling, focused.parentElement].filter(Boolean);
  const name = focused.getAttribute('aria-label') || focused.textContent || focused.id;
  return {name, tag: focused.tagName, shown: near.some(outlined)};
}"""


def test_every_control_shows_where_the_focus_is(open_page: Any, stocked: list[str]) -> None:
    page = open_page("make")
    settled(page, "make")
    page.locator("body").click(position={"x": 2, "y": 2})
    seen = []
    for _ in range(70):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if found is None:
            break
        seen.append(found)
    assert len(seen) > 25
    assert [one for one in seen if not one["shown"]] == []


def test_a_video_is_made_and_kept_by_keyboard_alone(open_page: Any, server: Server) -> None:
    page = open_page("library")

    def tab_to(there: Callable[[], bool], key: str = "Tab") -> None:
        for _ in range(80):
            page.keyboard.press(key)
            if there():
                return
        raise AssertionError("the focus does not get there")

    def focused(text: str) -> Callable[[], bool]:
        name = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
        return lambda: text in page.evaluate(name)

    page.keyboard.press("n")
    expect(page.locator("#prompt")).to_be_focused()
    page.keyboard.type("a red ball rolls left")
    tab_to(lambda: page.evaluate("document.activeElement.type === 'radio'"))
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("radio", name="Quick")).to_be_checked()
    page.keyboard.press("Control+Enter")
    server.wait(lambda: any(v["fast"] for v in server.videos()))
    made = next(v for v in server.videos() if v["fast"])
    server.wait(lambda: server.video(made["id"])["status"] == "completed")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("2")
    # Others of the same sentence may be there before it is.
    card = page.locator(f'a.card-picture[href$="{made["id"]}"]')
    card.wait_for()
    tab_to(lambda: bool(card.evaluate("card => card === document.activeElement")))
    assert focused("Open: a red ball rolls left")()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    tab_to(focused("Delete"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(card).to_be_focused()
    server.http.delete(f"/v1/videos/{made['id']}")


def test_the_shortcut_sheet_opens_closes_and_turns_single_keys_off(open_page: Any) -> None:
    page = open_page("machine")
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_be_visible()
    sheet.get_by_label("Single keys do something").uncheck()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    page.keyboard.press("2")
    page.keyboard.press("?")
    expect(sheet).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Models and machine")
    sheet.get_by_label("Single keys do something").check()
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    expect(page.get_by_role("heading", level=1)).to_have_text("Library")


def test_keys_do_nothing_while_one_writes(open_page: Any) -> None:
    page = open_page("make")
    page.get_by_label("Prompt", exact=True).press_sequentially("2 red balls? n/t")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("2 red balls? n/t")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_language_follows_the_browser_and_the_switch(open_page: Any) -> None:
    page = open_page("library", locale="de-AT")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sammlung")
    assert page.evaluate("document.documentElement.lang") == "de"
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Library")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Library")
    assert page.evaluate("document.documentElement.lang") == "en"


def test_the_theme_follows_the_system_and_the_switch(open_page: Any) -> None:
    page = open_page("library", color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert light != dark
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate(ground) == dark
    page.reload()
    assert page.evaluate(ground) == dark


def test_the_machine_page_says_what_runs_here(open_page: Any, server: Server) -> None:
    done = server.submit("a red ball rolls left", num_inference_steps=1)
    server.wait(lambda: server.video(done["id"])["status"] == "completed")
    page = open_page("machine")
    nano = page.locator(".model", has_text="nano").first
    expect(nano).to_contain_text("Runs here")
    expect(nano).to_contain_text("a video")
    expect(page.locator(".workers")).to_contain_text("cpu")
    expect(page.get_by_role("heading", name="What would help")).to_be_visible()
    page.get_by_text("things that are fine").click()
    expect(page.locator(".advices").last).to_contain_text("python")


def test_files_of_the_studio_need_no_other_host(open_page: Any, server: Server, tmp_path: Path) -> None:
    page = open_page("make")
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    for place in PAGES:
        page.goto(f"{server.url}/#/{place}")
    page.reload()
    page.locator("main h1").wait_for(state="attached")
    assert hosts == {server.url.split("/")[2]}
