"""The Make page with the real server and the embedded model: from a sentence to a video that plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_server import Server

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

#: Steps of a video that takes long enough to be steered.
LONG = 400


@pytest.fixture(autouse=True)
def _alone(server: Server) -> Iterator[None]:
    yield
    server.empty()


def write(page: Any, prompt: str) -> None:
    page.get_by_label("Prompt", exact=True).fill(prompt)


def say_steps(page: Any, steps: int) -> None:
    page.get_by_text("More settings").click()
    page.get_by_label("Steps", exact=True).fill(str(steps))


def plays(page: Any, selector: str) -> None:
    """A video that has a picture and moves on."""
    page.wait_for_function(
        "s => { const v = document.querySelector(s); return v && v.videoWidth > 0 && v.currentTime > 0.2; }",
        arg=selector,
    )


def test_a_sentence_becomes_a_video_that_plays(open_page: Any, server: Server) -> None:
    page = open_page()
    write(page, "a large red metal sphere rolls left")
    page.get_by_role("radio", name="Quick").check()
    page.get_by_role("button", name="Make video").click()
    page.wait_for_selector(".queue-row")
    plays(page, ".stage video")
    (made,) = server.videos()
    assert made["status"] == "completed"
    assert (made["prompt"], made["fast"]) == ("a large red metal sphere rolls left", True)
    expect(page.get_by_test_id("announcer")).to_contain_text("Finished: a large red metal sphere")


def test_what_was_understood_can_be_clicked_and_corrected(open_page: Any) -> None:
    page = open_page()
    write(page, "a frobnicated red ball rolls left and an orange cube spins")
    field = page.get_by_label("Prompt", exact=True)
    page.get_by_label("Colour of object 1").select_option("orange")
    expect(field).to_have_value("a frobnicated orange ball rolls left and an orange cube spins")
    page.get_by_label("Colour of object 2").select_option("blue")
    expect(field).to_have_value("a frobnicated orange ball rolls left and a blue cube spins")
    page.get_by_label("Shape of object 1").select_option("cone")
    expect(field).to_have_value("a frobnicated orange cone rolls left and a blue cube spins")
    page.get_by_label("Motion of object 2").select_option("jump")
    expect(field).to_have_value("a frobnicated orange cone rolls left and a blue cube jumps")
    chips = page.get_by_role("list", name="The scene as it was understood")
    expect(chips.get_by_role("listitem")).to_have_count(2)
    expect(page.locator(".prompt-behind mark")).to_have_text("frobnicated")
    expect(page.locator("#understood")).to_contain_text("frobnicated")


def test_an_estimate_stands_before_the_button_once_a_video_was_made(open_page: Any, server: Server) -> None:
    done = server.submit("a red ball rolls left", num_inference_steps=2)
    server.wait(lambda: server.video(done["id"])["status"] == "completed")
    page = open_page()
    write(page, "a blue ball rolls left")
    expect(page.locator(".estimate")).to_contain_text("measured on this machine")


def test_what_the_server_objects_to_stands_at_its_field(open_page: Any, server: Server) -> None:
    page = open_page(allow=("400",))
    write(page, "a red ball rolls left")
    page.get_by_label("Size").select_option("own")
    page.get_by_label("Width").fill("9000")
    page.get_by_role("button", name="Make video").click()
    wrong = page.locator(".field", has=page.get_by_label("Width")).get_by_role("alert")
    expect(wrong).to_contain_text("8192")
    expect(page.get_by_label("Width")).to_have_attribute("aria-invalid", "true")
    assert server.videos() == []
    page.get_by_label("Width").fill("64")
    wrong.wait_for(state="detached")


def test_without_a_prompt_it_says_so_and_goes_there(open_page: Any) -> None:
    page = open_page()
    page.get_by_role("button", name="Make video").click()
    assert page.locator("#prompt-error").inner_text() == "Write what the video shows."
    assert page.evaluate("document.activeElement.id") == "prompt"


def test_a_sweep_makes_one_video_a_seed(open_page: Any, server: Server) -> None:
    page = open_page()
    write(page, "a red ball rolls left")
    say_steps(page, 1)
    page.get_by_label("Seed", exact=True).fill("41")
    page.get_by_role("button", name="One more").click()
    page.get_by_role("button", name="One more").click()
    assert "Seeds 41 to 43" in page.locator(".composer").inner_text()
    page.get_by_role("button", name="Make 3 videos").click()
    server.wait(lambda: len(server.videos()) == 3)
    made = server.videos()
    assert sorted(video["seed"] for video in made) == [41, 42, 43]
    assert len({video["batch"] for video in made}) == 1
    assert page.get_by_label("Seed", exact=True).input_value() == "41"


def test_the_first_frame_goes_along(open_page: Any, server: Server, tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "first.png"
    Image.new("RGB", (128, 128), (200, 40, 40)).save(picture)
    page = open_page()
    write(page, "a red ball rolls left")
    say_steps(page, 1)
    page.get_by_label("First frame").set_input_files(picture)
    page.locator(".frame-picker img").wait_for()
    page.get_by_role("button", name="Make video").click()
    server.wait(lambda: server.videos())
    (made,) = server.videos()
    assert made["input_reference"].startswith("file_")
    assert made["last_frame"] is None


def test_a_picture_that_is_none_is_refused_where_it_was_given(
    open_page: Any, server: Server, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    page = open_page(allow=("400",))
    write(page, "a red ball rolls left")
    page.get_by_label("Last frame").set_input_files(broken)
    page.get_by_role("button", name="Make video").click()
    picker = page.locator(".frame-picker", has_text="Last frame")
    expect(picker.get_by_role("alert")).to_be_visible()
    picker.get_by_role("button", name="Remove: Last frame").click()
    expect(picker.get_by_role("alert")).to_have_count(0)
    assert server.videos() == []


def test_a_queue_is_reordered_by_keyboard_paused_resumed_and_cancelled(
    open_page: Any, server: Server
) -> None:
    names = ["a red ball rolls left", "a blue cube spins", "a green cone jumps", "a pink ring rolls right"]
    ids = [server.submit(name, num_inference_steps=LONG)["id"] for name in names]
    server.wait(lambda: server.video(ids[0])["status"] == "in_progress")
    page = open_page()
    page.locator(".queue-row").nth(3).wait_for()

    def order() -> list[str]:
        return [
            v["prompt"] for v in sorted(server.videos(status=["queued"]), key=lambda v: v["queue_position"])
        ]

    page.locator(f'[data-id="{ids[3]}"] .queue-main').focus()
    page.keyboard.press("Alt+ArrowUp")
    server.wait(lambda: order() == [names[1], names[3], names[2]])
    expect(page.locator(".queue-prompt").nth(2)).to_have_text(names[3])
    page.get_by_role("button", name=f"Move up: {names[3]}").click()
    server.wait(lambda: order() == [names[3], names[1], names[2]])
    expect(page.get_by_test_id("announcer")).to_contain_text("Now number 1 of 3")

    page.wait_for_selector(".stage img.is-preview")
    page.locator(".stage").get_by_role("button", name="Pause").click()
    server.wait(lambda: server.video(ids[0])["phase"] == "paused")
    half = server.video(ids[0])["current_step"]
    page.locator(f'[data-id="{ids[0]}"]').get_by_role("button", name="Resume").click()
    server.wait(lambda: not server.video(ids[0])["paused"])
    for id in ids[1:]:
        page.locator(f'[data-id="{id}"]').get_by_role("button", name="Cancel").click()
        server.wait(lambda id=id: server.video(id)["status"] == "cancelled")
    server.wait(lambda: server.video(ids[0])["current_step"] > half)
    page.locator(f'[data-id="{ids[0]}"]').get_by_role("button", name="Cancel").click()
    server.wait(lambda: server.video(ids[0])["status"] == "cancelled")
    page.get_by_text("Nothing is waiting.").wait_for()


def test_dragging_moves_a_video_in_the_queue(open_page: Any, server: Server) -> None:
    names = ["a red ball rolls left", "a blue cube spins", "a green cone jumps"]
    ids = [server.submit(name, num_inference_steps=LONG)["id"] for name in names]
    server.wait(lambda: server.video(ids[0])["status"] == "in_progress")
    page = open_page()
    page.locator(".queue-row").nth(2).wait_for()
    page.locator(f'[data-id="{ids[2]}"]').drag_to(page.locator(f'[data-id="{ids[1]}"]'))
    server.wait(lambda: server.video(ids[2])["queue_position"] == 1)


def test_a_closed_tab_loses_neither_the_video_nor_the_draft(open_page: Any, server: Server) -> None:
    page = open_page()
    write(page, "a red ball rolls left")
    say_steps(page, 20)
    page.get_by_role("button", name="Make video").click()
    page.wait_for_selector(".queue-row")
    write(page, "half a thought")
    context = page.context
    page.close()
    again = context.new_page()
    again.goto(f"{server.url}/#/make")
    again.wait_for_selector(".queue-row, .stage video")
    assert again.get_by_label("Prompt", exact=True).input_value() == "half a thought"
    plays(again, ".stage video")
    assert [video["status"] for video in server.videos()] == ["completed"]


def test_a_killed_server_loses_nothing(open_page: Any, server: Server) -> None:
    page = open_page(allow=("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "Failed to load"))
    write(page, "a red ball rolls left")
    say_steps(page, 24)
    page.get_by_role("button", name="Make video").click()
    server.wait(lambda: any(video["current_step"] > 3 for video in server.videos()))
    server.kill()
    page.get_by_text("The server does not answer. Trying again").wait_for()
    server.start()
    page.locator(".link-state").wait_for(state="detached")
    plays(page, ".stage video")
    (made,) = server.videos()
    assert made["status"] == "completed"


def test_without_a_stream_the_server_is_asked_instead(open_page: Any, server: Server) -> None:
    page = open_page(allow=("ERR_FAILED",))
    page.route("**/v1/events", lambda route: route.abort())
    page.reload()
    write(page, "a red ball rolls left")
    say_steps(page, 60)  # it takes longer than the studio waits before it asks again
    page.get_by_role("button", name="Make video").click()
    expect(page.locator(".queue-row")).to_contain_text("Step")
    plays(page, ".stage video")


def test_a_cancelled_video_is_brought_back_and_a_failed_one_says_why(open_page: Any, server: Server) -> None:
    id = server.submit("a red ball rolls left", num_inference_steps=LONG)["id"]
    page = open_page()
    row = page.locator(f'[data-id="{id}"]')
    row.get_by_role("button", name="Cancel").click()
    server.wait(lambda: server.video(id)["status"] == "cancelled")
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(row.get_by_role("button", name="Pause")).to_be_visible()
    row.get_by_role("button", name="Cancel").click()
    server.wait(lambda: server.video(id)["status"] == "cancelled")

    def fail(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        for video in body["data"]:
            video |= {"status": "failed", "error": {"code": "out_of_memory", "message": "not enough memory"}}
        route.fulfill(response=answer, json=body)

    page.route("**/v1/videos?limit=30", fail)
    page.reload()
    expect(row).to_contain_text("not enough memory")
    page.unroute("**/v1/videos?limit=30")
    row.get_by_role("button", name="Try again").click()
    server.wait(lambda: server.video(id)["status"] in ("queued", "in_progress"))
