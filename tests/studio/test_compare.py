"""Two videos in step, their difference, and grids that fill as their videos come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_server import Server, written

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

#: The same length; grey levels that tell which frame is seen, 20 apart in one and 10 in the other.
RISING = [(20 + 20 * n,) * 3 for n in range(8)]
SLOWER = [(20 + 10 * n,) * 3 for n in range(8)]


@pytest.fixture(autouse=True)
def _alone(server: Server) -> Iterator[None]:
    yield
    server.empty()


@pytest.fixture
def pair(server: Server, tmp_path: Path) -> tuple[str, str]:
    a = server.keep(written(tmp_path / "a.mp4", "a red ball rolls left", RISING))
    b = server.keep(written(tmp_path / "b.mp4", "a blue ball rolls left", SLOWER))
    return a["id"], b["id"]


def grey(page: Any, n: int) -> int:
    """The grey level in the middle of the n-th canvas."""
    middle = "c => c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data[0]"
    found: int = page.locator("canvas").nth(n).evaluate(middle)
    return found


def near(found: int, wanted: float) -> bool:
    """As near as an encoder leaves it."""
    return abs(found - wanted) <= 4


def test_both_sides_show_the_same_frame(open_page: Any, server: Server, pair: tuple[str, str]) -> None:
    page = open_page(f"compare?a={pair[0]}&b={pair[1]}")
    expect(page.locator(".transport-time")).to_have_text("Frame 1 of 8")
    for frame in range(1, 8):
        page.keyboard.press("ArrowRight")
        expect(page.locator(".transport-time")).to_have_text(f"Frame {frame + 1} of 8")
        server.wait(
            lambda n=frame: near(grey(page, 0), RISING[n][0]) and near(grey(page, 1), SLOWER[n][0]),
            seconds=10,
        )
    page.keyboard.press("ArrowLeft")
    page.get_by_label("Position").fill("2")
    server.wait(lambda: near(grey(page, 0), RISING[2][0]) and near(grey(page, 1), SLOWER[2][0]), seconds=10)


def test_overlay_blends_and_difference_subtracts(
    open_page: Any, server: Server, pair: tuple[str, str]
) -> None:
    page = open_page(f"compare?a={pair[0]}&b={pair[1]}")
    page.get_by_label("Position").fill("4")
    page.get_by_role("radio", name="Overlay").check()
    for share in (0, 50, 100):
        page.get_by_label("How much of B is seen").fill(str(share))
        wanted = RISING[4][0] + share / 100 * (SLOWER[4][0] - RISING[4][0])
        server.wait(lambda level=wanted: near(grey(page, 0), level), seconds=10)
    page.get_by_role("radio", name="Difference").check()
    server.wait(lambda: near(grey(page, 0), 40), seconds=10)
    page.get_by_role("radio", name="× 4").check()
    server.wait(lambda: near(grey(page, 0) // 4, 40), seconds=10)
    mean = float(page.locator(".compare-modes p").inner_text().split()[2])
    assert abs(mean - 40) < 4


def test_a_video_does_not_differ_from_itself(open_page: Any, pair: tuple[str, str]) -> None:
    page = open_page(f"compare?a={pair[0]}&b={pair[0]}")
    expect(page.locator("canvas")).to_have_count(2)
    page.keyboard.press("d")
    expect(page.locator(".compare-modes p")).to_have_text("Mean difference 0 of 255")


def test_playing_goes_round(open_page: Any, pair: tuple[str, str]) -> None:
    page = open_page(f"compare?a={pair[0]}&b={pair[1]}")
    expect(page.locator("canvas")).to_have_count(2)
    page.keyboard.press("Space")
    for text in ("Frame 4 of 8", "Frame 1 of 8"):
        page.wait_for_function(
            "t => document.querySelector('.transport-time').textContent === t", arg=text, polling="raf"
        )
    page.keyboard.press("Space")


def test_videos_are_chosen_here_or_in_the_library(open_page: Any, pair: tuple[str, str]) -> None:
    page = open_page("compare")
    expect(page.get_by_role("heading", name="See two videos in step")).to_be_visible()
    for side, prompt in (("A", "a red ball rolls left"), ("B", "a blue ball rolls left")):
        page.get_by_role("button", name=f"Choose video {side}").click()
        page.get_by_role("dialog").get_by_role("button", name=prompt).click()
    expect(page.locator("canvas")).to_have_count(2)
    page.get_by_role("link", name="Library").click()
    for box in page.get_by_label("Compare").all():
        box.check()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("canvas")).to_have_count(2)


def test_a_grid_makes_every_pair_and_shows_them(open_page: Any, server: Server) -> None:
    page = open_page("compare/grid")
    page.get_by_label("Prompt", exact=True).fill("a red ball rolls left")
    page.get_by_label("Seed: values").fill("3-4")
    page.get_by_label("Down", exact=True).select_option("num_inference_steps")
    page.get_by_label("Steps: values").fill("1, two")
    expect(page.get_by_role("alert")).to_contain_text("one to 8 numbers")
    page.get_by_label("Steps: values").fill("1, 2")
    page.get_by_role("button", name="Make 4 videos").click()
    expect(page.get_by_text("4 of 4 made")).to_be_visible()
    made = {(video["seed"], video["num_inference_steps"]) for video in server.videos()}
    assert made == {(3, 1), (3, 2), (4, 1), (4, 2)}
    expect(page.get_by_role("columnheader")).to_have_text(["Seed 3", "Seed 4"])
    expect(page.get_by_role("rowheader")).to_have_text(["Steps 1", "Steps 2"])
    expect(page.locator(".cell video")).to_have_count(4)
    page.reload()
    expect(page.locator(".cell video")).to_have_count(4)
