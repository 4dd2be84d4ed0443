"""Studies and arenas: made, voted in by keyboard, and what they found."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from studio_server import Server, written
from test_access import FOCUSED, violations

from scenewright.evaluation.people.preferences import Vote, fit_preferences

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

PROMPTS = ("a red ball rolls left", "a blue cube spins")
#: Grey levels that tell which of the two systems is seen.
LEVELS = {2: 60, 24: 180}


@pytest.fixture(autouse=True)
def _alone(server: Server) -> Iterator[None]:
    server.empty()
    yield
    for study in studies(server):
        server.http.delete(f"/v1/studies/{study['id']}")
    server.empty()


@pytest.fixture
def clips(server: Server, tmp_path: Path) -> dict[str, list[str]]:
    """Two prompts, each made with 2 steps and with 24; ids by system."""
    found: dict[str, list[str]] = {}
    for steps, level in LEVELS.items():
        for n, prompt in enumerate(PROMPTS):
            path = tmp_path / f"{steps}-{n}.mp4"
            kept = server.keep(written(path, prompt, [(level,) * 3] * 8, seed=n, settings={"steps": steps}))
            found.setdefault(f"{steps} steps", []).append(kept["id"])
    return found


def studies(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.http.get("/v1/studies", params={"limit": 100}).json()["data"]
    return found


def made(server: Server, systems: dict[str, list[str]], *questions: dict[str, Any], **fields: Any) -> str:
    """The id of a study without attention checks."""
    asked = questions or ({"kind": "compare"},)
    body = {"kind": "study", "name": "Steps", "systems": systems, "questions": asked, "checks": 0, **fields}
    answer = server.http.post("/v1/studies", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def answers(server: Server, study: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(server.http.get(f"/v1/studies/{study}/answers.csv").text)))


@pytest.fixture
def vote_page(open_page: Any) -> Callable[..., Any]:
    """The page of a study's votes, as a rater whose name is given."""

    def opened(study: str, rater: str = "Kim", **options: Any) -> Any:
        page = open_page(f"studies/{study}/vote", **options)
        page.get_by_label("Your name").fill(rater)
        page.get_by_role("button", name="Begin").click()
        return page

    return opened


def known(page: Any) -> None:
    """The browser remembers who votes."""
    page.evaluate("localStorage.setItem('scenewright.rater', 'Kim')")
    page.reload()


def ready(page: Any) -> None:
    """The clips can be seen, and so be judged."""
    page.locator("[data-ready=yes]").wait_for()


def grey(page: Any, n: int) -> float:
    """The grey level in the middle of the n-th clip."""
    look = """v => { const c = new OffscreenCanvas(1, 1).getContext('2d');
        c.drawImage(v, v.videoWidth / 2, v.videoHeight / 2, 1, 1, 0, 0, 1, 1);
        return c.getImageData(0, 0, 1, 1).data[0]; }"""
    found: float = page.locator(".clips video").nth(n).evaluate(look)
    return found


def test_a_study_is_made_from_the_library_and_answered_by_keyboard(
    open_page: Any, server: Server, clips: dict[str, list[str]]
) -> None:
    page = open_page("library")
    expect(page.locator(".card")).to_have_count(4)
    for box in page.get_by_label("Compare").all():
        box.check()
    expect(page.get_by_role("button", name="Compare", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Ask people").click()
    expect(page.get_by_label("What tells them apart")).to_have_value("num_inference_steps")
    expect(page.get_by_text("2 prompts have a video of every system")).to_be_visible()
    page.get_by_role("button", name="Make the study").click()
    expect(page.get_by_role("alert")).to_have_text("Give it a name.")
    page.get_by_label("Name", exact=True).fill("Few or many steps")
    page.get_by_label("System 2").fill("many")
    page.get_by_label("People for each task").fill("1")
    page.get_by_label("Attention checks in 100 tasks").fill("0")
    page.get_by_role("button", name="Make the study").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Few or many steps")
    (study,) = studies(server)
    assert study["systems"] == {"2 steps": clips["2 steps"], "many": clips["24 steps"]}
    assert (study["votes"], study["checks"], study["wanted"]) == (1, 0, 2)

    page.get_by_role("link", name="Vote").click()
    page.get_by_label("Your name").fill("Kim")
    page.keyboard.press("Enter")
    # The brighter one, which has more steps, wins; first by its number, then by its arrow.
    for keys in (("1", "2"), ("ArrowLeft", "ArrowRight")):
        ready(page)
        expect(page.locator("#question")).to_be_focused()
        task = page.locator(".clips video").first.get_attribute("src")
        page.keyboard.press(keys[0] if grey(page, 0) > grey(page, 1) else keys[1])
        page.wait_for_function(
            "t => document.querySelector('.clips video')?.getAttribute('src') !== t", arg=task
        )
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    expect(page.get_by_test_id("announcer")).to_contain_text("Thank you")
    rows = answers(server, study["id"])
    assert [row["rater"] for row in rows] == ["Kim", "Kim"]
    winners = {row["shown"].split("|")[row["answer"] == '"second"'] for row in rows}
    assert winners == {"many"}
    page.get_by_role("link", name="See the results").click()
    expect(page.get_by_role("rowheader")).to_have_text(["many", "2 steps"])


def test_systems_are_put_together_by_hand(
    open_page: Any, server: Server, clips: dict[str, list[str]]
) -> None:
    few, many = clips["2 steps"], clips["24 steps"]
    page = open_page(f"studies/new/study?videos={','.join([*few, many[0]])}")
    page.get_by_label("What tells them apart").select_option(label="By hand")
    expect(page.get_by_text("No prompt has a video of every system.")).to_be_visible()
    for n, letter in enumerate("AAB"):
        page.locator(".by-hand select").nth(n).select_option(letter)
    expect(page.get_by_text("1 prompt has a video of every system")).to_be_visible()
    page.get_by_text("1 prompt is left out").click()
    expect(page.locator(".lacked")).to_have_text(f"{PROMPTS[1]} not of B")
    page.get_by_label("Name", exact=True).fill("By hand")
    page.get_by_label("System 2").fill("A")
    page.get_by_role("button", name="Make the study").click()
    expect(page.get_by_text("Two of them have the same name.")).to_be_visible()
    page.get_by_label("System 2").fill("the other")
    page.get_by_role("button", name="Make the study").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("By hand")
    assert studies(server)[0]["systems"] == {"A": few, "the other": many[:1]}


def test_nothing_that_a_rater_gets_tells_the_system(
    vote_page: Any, server: Server, clips: dict[str, list[str]]
) -> None:
    study = made(server, clips)
    page = vote_page(study)
    ready(page)
    shown = page.locator(".voting").evaluate("e => e.outerHTML")
    for word in ("steps", *clips["2 steps"], *clips["24 steps"]):
        assert word not in shown, word


def test_clips_play_in_step_stop_and_begin_again(vote_page: Any, server: Server, tmp_path: Path) -> None:
    systems = {}
    for name, frames in (("short", 8), ("long", 12)):
        file = written(tmp_path / f"{name}.mp4", PROMPTS[0], [(90,) * 3] * frames)
        systems[name] = [server.keep(file)["id"]]
    page = vote_page(made(server, systems))
    ready(page)
    look = """() => [...document.querySelectorAll('.clips video')]
        .map(v => ({time: v.currentTime, length: v.duration, paused: v.paused}))"""
    seen = []

    def apart(videos: list[dict[str, float]]) -> float:
        """Seconds between the clips; the shorter one waits at its end."""
        a, b = videos
        return abs(min(a["time"], b["length"]) - min(b["time"], a["length"]))

    def again() -> bool:
        seen.append(page.evaluate(look))
        times = [max(v["time"] for v in videos) for videos in seen]
        return any(now < before - 0.8 for before, now in pairwise(times))

    server.wait(again, seconds=20)
    assert max(v["time"] for videos in seen for v in videos) > 1
    # A seek that is going on is one of the samples at most here and there.
    assert sorted(map(apart, seen))[int(0.9 * len(seen))] < 0.15
    page.keyboard.press(" ")
    server.wait(lambda: all(v["paused"] for v in page.evaluate(look)))
    stopped = page.evaluate(look)
    page.keyboard.press("r")
    server.wait(
        lambda: not any(v["paused"] for v in page.evaluate(look)[1:]) and page.evaluate(look) != stopped
    )


def test_an_answer_can_be_changed_and_a_tie_is_one(
    vote_page: Any, server: Server, clips: dict[str, list[str]]
) -> None:
    study = made(server, clips, votes=1)
    page = vote_page(study)
    ready(page)
    first = page.locator(".task-prompt").inner_text()
    page.get_by_role("button", name="Left is better").click()
    expect(page.locator(".task-prompt")).not_to_have_text(first)
    page.keyboard.press("z")
    expect(page.locator(".task-prompt")).to_have_text(first)
    ready(page)
    page.keyboard.press("0")
    expect(page.locator(".task-prompt")).not_to_have_text(first)
    assert [row["answer"] for row in answers(server, study)] == ['"tie"']


def test_a_check_says_in_ones_own_language_what_to_answer(
    open_page: Any, server: Server, clips: dict[str, list[str]]
) -> None:
    study = made(server, clips, checks=0.5)
    page = open_page(f"studies/{study}", locale="de-DE")
    known(page)
    page.get_by_role("link", name="Abstimmen").click()
    ready(page)
    page.keyboard.press("1")
    asked = page.get_by_role("heading", name="Um zu sehen, dass du da bist")
    expect(asked).to_be_visible()
    ready(page)
    page.keyboard.press("ArrowLeft" if "links" in asked.inner_text() else "ArrowRight")
    expect(page.get_by_text("2 Antworten gegeben")).to_be_visible()
    assert server.http.get(f"/v1/studies/{study}/results").json()["left_out"] == []


def test_a_ranking_is_made_by_numbers_buttons_keys_and_dragging(
    vote_page: Any, server: Server, clips: dict[str, list[str]]
) -> None:
    three = {"a": clips["2 steps"], "b": clips["24 steps"], "c": clips["2 steps"]}
    study = made(server, three, {"kind": "rank", "text": "Which?"}, votes=1)
    page = vote_page(study)
    ready(page)

    def order() -> list[str]:
        found: list[str] = page.locator(".rank-name").all_inner_texts()
        return found

    assert order() == ["Video 1", "Video 2", "Video 3"]
    page.get_by_role("button", name="Move down: Video 1").click()
    assert order() == ["Video 2", "Video 1", "Video 3"]
    expect(page.get_by_test_id("announcer")).to_contain_text("Video 1 is number 2 of 3.")
    page.get_by_role("button", name="Move up: Video 3").focus()
    page.keyboard.press("Alt+ArrowUp")
    assert order() == ["Video 2", "Video 3", "Video 1"]
    expect(page.get_by_role("button", name="Move up: Video 3")).to_be_focused()
    page.locator(".rank-row", has_text="Video 1").drag_to(page.locator(".rank-row").first)
    expect(page.locator(".rank-name")).to_have_text(["Video 1", "Video 2", "Video 3"])
    page.locator("#question").focus()
    page.keyboard.press("3")
    page.keyboard.press("1")
    expect(page.locator(".rank-name")).to_have_text(["Video 3", "Video 1", "Video 2"])
    expect(page.get_by_role("button", name="This is my order")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 answer given")).to_be_visible()
    assert [row["answer"] for row in answers(server, study)] == ["[2, 0, 1]"]


def test_clips_are_rated_and_described(vote_page: Any, server: Server, clips: dict[str, list[str]]) -> None:
    one = {"few": clips["2 steps"][:1]}
    questions = (
        {"kind": "rate", "text": "How good?", "scale": 7},
        {"kind": "answer", "text": "Is it red?", "choices": ["yes", "no"]},
        {"kind": "answer", "text": "What is it?"},
    )
    study = made(server, one, *questions, votes=1)
    page = vote_page(study)
    for _ in questions:
        ready(page)
        question = page.locator("#question").inner_text()
        if question == "What is it?":
            page.get_by_role("button", name="Send").click()
            expect(page.get_by_role("alert")).to_have_text("Write an answer first.")
            page.get_by_label("Your answer").fill("a ball")
            page.keyboard.press("Control+Enter")
        else:
            page.keyboard.press("6" if question == "How good?" else "2")
        page.wait_for_function("q => document.querySelector('#question')?.textContent !== q", arg=question)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert {row["answer"] for row in answers(server, study)} == {"6", '"no"', '"a ball"'}


def voted(server: Server, study: str, winner: int, rater: str) -> None:
    """Answers all, always for one system, wherever it stands; ``winner``: its place among the systems."""
    systems = list(server.http.get(f"/v1/studies/{study}").json()["systems"])
    while task := server.http.get(f"/v1/studies/{study}/task", params={"rater": rater}).json()["task"]:
        body = {"task": task["id"], "answer": "first", "rater": rater, "seconds": 4}
        server.http.post(f"/v1/studies/{study}/answers", json=body)
        shown = next(row for row in answers(server, study) if row["task"] == task["id"])["shown"].split("|")
        body["answer"] = "first" if shown[0] == systems[winner] else "second"
        server.http.post(f"/v1/studies/{study}/answers", json=body)


def test_results_say_what_was_found_and_what_is_open(
    open_page: Any, server: Server, clips: dict[str, list[str]]
) -> None:
    study = made(server, clips, votes=3)
    voted(server, study, 1, "Ada")
    voted(server, study, 1, "Ben")
    page = open_page(f"studies/{study}")
    expect(page.get_by_text("4 answers by 2 raters.")).to_be_visible()
    expect(page.get_by_text("2 more answers are wanted.")).to_be_visible()
    expect(page.locator(".results-table tbody th")).to_have_text(["24 steps", "2 steps"])
    votes = [
        Vote(row["prompt"], *row["shown"].split("|"), outcome=row["answer"].strip('"'), rater=row["rater"])
        for row in answers(server, study)
    ]
    strength = fit_preferences(votes).strengths["24 steps"]
    row = page.locator(".results-table tbody tr").first
    expect(row).to_contain_text(f"+{strength.value:.2f}")
    expect(row).to_contain_text("to")
    chart = page.get_by_role("img", name="Strength")
    assert f"24 steps: +{strength.value:.2f}" in chart.get_attribute("aria-label")
    drawn = chart.locator(".chart-value")
    left, right = (drawn.nth(n).bounding_box()["x"] for n in (1, 0))
    assert left < right - 50
    expect(page.locator(".pair-names")).to_contain_text(["4"])
    missing = server.http.get(f"/v1/studies/{study}/results").json()["questions"][0]["pairs"][0]["missing"]
    assert missing > 0
    expect(page.locator(".pair-row")).to_contain_text(f"about {missing} more prompts are needed")
    expect(page.get_by_text("Raters agree well.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Answers as CSV").click()
    assert len(Path(download.value.path()).read_text().splitlines()) == 5


def test_closing_ends_the_votes_and_a_deletion_can_be_taken_back(
    open_page: Any, vote_page: Any, server: Server, clips: dict[str, list[str]]
) -> None:
    study = made(server, clips)
    rater = vote_page(study, allow=("409",))
    ready(rater)
    page = open_page(f"studies/{study}")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator(".page-head")).to_contain_text("Closed")
    expect(page.get_by_role("link", name="Vote")).to_have_count(0)
    rater.keyboard.press("1")
    expect(rater.get_by_role("heading", name="Closed")).to_be_visible()
    assert answers(server, study) == []
    page.get_by_role("button", name="Open again").click()
    expect(page.get_by_role("link", name="Vote")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Let people decide")).to_be_visible()
    assert [one["id"] for one in studies(server)] == [study]
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("link", name="Steps", exact=True).click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Dismiss").last.click()
    server.wait(lambda: studies(server) == [])
    page.reload()
    expect(page.get_by_role("heading", name="Let people decide")).to_be_visible()


def test_a_grid_gives_the_systems(open_page: Any, server: Server) -> None:
    for steps in (1, 2):
        server.submit("a red ball", seed=3, num_inference_steps=steps, batch="grid-s", num_frames=8)
    server.wait(lambda: not server.videos(status=["queued", "in_progress"]))
    page = open_page("compare/grid/grid-s")
    page.get_by_role("link", name="Ask people").click()
    expect(page.get_by_label("What tells them apart")).to_have_value("num_inference_steps")
    page.get_by_label("Name", exact=True).fill("Grid")
    page.get_by_role("button", name="Make the study").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Grid")
    steps = {video["id"]: video["num_inference_steps"] for video in server.videos()}
    systems = studies(server)[0]["systems"]
    assert {name: [steps[id] for id in ids] for name, ids in systems.items()} == {
        "1 step": [1],
        "2 steps": [2],
    }


def test_a_round_of_the_arena_is_blind_until_the_vote(open_page: Any, server: Server) -> None:
    page = open_page("studies")
    page.get_by_role("link", name="New arena").click()
    page.get_by_role("button", name="Few or many steps").click()
    page.get_by_role("button", name="Remove contestant 12 steps").click()
    for n, steps in enumerate(("1", "2")):
        group = page.get_by_role("group", name=f"Contestant {n + 1}")
        group.get_by_label("Name").fill(f"made in {steps}")
        group.get_by_label("Steps", exact=True).fill(steps)
    page.get_by_label("Name", exact=True).first.fill("Steps")
    page.get_by_role("button", name="Make the arena").click()
    page.get_by_role("link", name="Enter the arena").click()
    page.get_by_label("Your name").fill("Kim")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Prompt", exact=True)).to_be_focused()
    page.keyboard.type("a red ball rolls left")
    page.keyboard.press("Control+Enter")
    ready(page)
    expect(page.get_by_test_id("announcer")).to_contain_text("Which is better?")
    assert "made in" not in page.locator("main").inner_text()
    assert server.videos() == []
    page.keyboard.press("2")
    expect(page.locator(".revealed")).to_be_visible()
    page.keyboard.press("2")
    assert "/vote/" in page.url
    told = page.locator(".revealed dd strong").all_inner_texts()
    assert sorted(told) == ["made in 1", "made in 2"]
    expect(page.get_by_role("heading", name=f"You chose {told[1]}")).to_be_focused()
    expect(page.locator("figure.is-chosen")).to_contain_text(told[1])
    (row,) = answers(server, studies(server)[0]["id"])
    assert (row["shown"], row["answer"]) == ("|".join(told), '"second"')
    assert sorted(video["num_inference_steps"] for video in server.videos()) == [1, 2]
    page.get_by_role("link", name="See the results").click()
    expect(page.locator(".results-table tbody th")).to_have_text([told[1], told[0]])


@pytest.fixture
def guarded(needed: None, tmp_path: Path) -> Iterator[Server]:
    """A server with accounts: ada, who makes, and ben, who reviews."""
    server = Server(tmp_path / "studio", "--accounts", works=False)
    for name, role in (("ada", "creator"), ("ben", "reviewer")):
        add = [
            sys.executable,
            "-m",
            "scenewright",
            "accounts",
            "add",
            name,
            "--role",
            role,
            "--password-stdin",
        ]
        add += ["--folder", str(server.folder)]
        subprocess.run(add, input="a long password\n", text=True, check=True, timeout=60)
    server.start()
    yield server
    server.stop()


def test_an_account_votes_in_what_another_shares(guarded: Server, open_page: Any, tmp_path: Path) -> None:
    server = guarded

    def signed_in(name: str) -> Any:
        page = open_page(at=server.url, allow=("401",))
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill("a long password")
        page.get_by_label("Password").press("Enter")
        page.locator(".pages").wait_for()
        return page

    login = server.http.post("/v1/sessions", json={"name": "ada", "password": "a long password"}).json()
    server.http.headers["X-CSRF-Token"] = login["csrf_token"]
    systems = {
        name: [server.keep(written(tmp_path / f"{name}.mp4", PROMPTS[0], [(level,) * 3] * 4))["id"]]
        for name, level in (("dark", 60), ("bright", 180))
    }
    study = made(server, systems, votes=1)
    ada = signed_in("ada")
    ada.goto(f"{server.url}/#/studies/{study}")
    ada.get_by_role("button", name="Share").click()
    expect(ada.get_by_role("button", name="Stop sharing")).to_be_visible()
    ben = signed_in("ben")
    ben.get_by_role("link", name="Studies").click()
    expect(ben.locator(".study-card")).to_contain_text("by ada")
    assert "bright" not in ben.locator("main").inner_text()
    ben.get_by_role("link", name="Vote: Steps").click()
    ready(ben)
    ben.keyboard.press("1")
    expect(ben.get_by_role("heading", name="Thank you")).to_be_visible()
    ben.goto(f"{server.url}/#/studies/{study}")
    expect(ben.get_by_text("Results are shown here when the study is closed.")).to_be_visible()
    expect(ben.get_by_role("button", name="Delete")).to_have_count(0)


def places(study: str, clips: dict[str, list[str]]) -> dict[str, str]:
    """Every page of studies, and what is there when it is complete."""
    ids = ",".join(id for system in clips.values() for id in system)
    return {
        "studies": ".study-card",
        f"studies/new/study?videos={ids}": ".systems",
        "studies/new/arena": ".contestant",
        f"studies/{study}": ".chart",
        f"studies/{study}/vote": "[data-ready=yes]",
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_the_pages_of_studies(
    open_page: Any, server: Server, clips: dict[str, list[str]], theme: str
) -> None:
    study = made(server, clips)
    voted(server, study, 1, "Ada")
    rank = made(server, clips, {"kind": "rank", "text": "Which?"}, name="Rank")
    page = open_page("studies", color_scheme=theme, bypass_csp=True)
    known(page)
    for place, there in {**places(study, clips), f"studies/{rank}/vote": "[data-ready=yes]"}.items():
        page.goto(f"{server.url}/#/{place}")
        page.locator(there).first.wait_for()
        assert violations(page) == [], place


def test_the_pages_of_studies_fit_320_pixels_and_show_the_focus(
    open_page: Any, server: Server, clips: dict[str, list[str]]
) -> None:
    study = made(server, clips)
    voted(server, study, 1, "Ada")
    page = open_page("studies", viewport={"width": 320, "height": 256})
    known(page)
    for place, there in places(study, clips).items():
        page.goto(f"{server.url}/#/{place}")
        page.locator(there).first.wait_for()
        for _ in range(2):
            page.evaluate("document.querySelector('.language').click()")
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, place
    page.locator("#question").focus()
    seen = []
    for _ in range(20):
        page.keyboard.press("Tab")
        if (found := page.evaluate(FOCUSED)) is None:
            break
        seen.append(found)
    assert [one["name"] for one in seen if "better" in one["name"]] == ["1Left is better", "2Right is better"]
    assert [one for one in seen if not one["shown"]] == []


def test_a_clip_is_tried_again_and_none_plays_by_itself_where_less_motion_is_asked_for(
    open_page: Any, server: Server, clips: dict[str, list[str]]
) -> None:
    study = made(server, clips)
    page = open_page("studies", reduced_motion="reduce", allow=("ERR_FAILED",))
    known(page)
    page.route("**/videos/0", lambda route: route.abort(), times=1)
    page.goto(f"{server.url}/#/studies/{study}/vote")
    expect(page.get_by_role("alert")).to_contain_text("A video could not be loaded.")
    page.get_by_role("button", name="Try again").click()
    ready(page)
    assert page.evaluate("[...document.querySelectorAll('.clips video')].every(v => v.paused)")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("[...document.querySelectorAll('.clips video')].every(v => v.currentTime > 0)")
