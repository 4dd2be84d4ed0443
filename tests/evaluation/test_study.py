"""Studies: blinded and balanced tasks, answers that are kept, results of simulated raters, the server."""

import dataclasses
import json
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from scenewright.cli.study import study as command
from scenewright.clip import Clip
from scenewright.evaluation.people.answers import Answer, Answers, write_hits
from scenewright.evaluation.people.results import results
from scenewright.evaluation.people.server import StudyServer
from scenewright.evaluation.people.study import Question, Study, StudyConfig
from scenewright.media import encode

PROMPTS = [f"prompt number {i}" for i in range(8)]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    for name in ("secret-one", "secret-two", "secret-three"):
        (home / name).mkdir()
        lines = []
        for i, prompt in enumerate(PROMPTS):
            frames = rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
            encode(Clip(frames=frames, fps=8), home / name / f"{i}.mp4")
            lines.append(json.dumps({"file": f"{i}.mp4", "prompt": prompt}))
        (home / name / "index.jsonl").write_text("\n".join(lines))
    return home


def opened(home: Path, systems: int = 2, **settings) -> Study:
    names = ("secret-one", "secret-two", "secret-three")[:systems]
    return Study.open(StudyConfig(name="s", systems={n: home / n for n in names}, **settings))


def test_sides_are_balanced_and_each_further_vote_turns_them(home):
    study = opened(home, 3, votes=4)
    sides = Counter((t.shown[0], frozenset(t.shown)) for t in study.tasks.values())
    assert len(study.tasks) == 8 * 3 * 4
    assert set(sides.values()) == {16}
    by_prompt = Counter((t.prompt, t.shown) for t in study.tasks.values())
    assert set(by_prompt.values()) == {2}


def test_a_rater_sees_each_pair_of_clips_once_and_everyone_another_order(home, tmp_path):
    study, answers = opened(home, votes=2, checks=0), Answers(tmp_path / "a.sqlite")
    orders = {}
    for rater in ("ann", "bob"):
        orders[rater] = []
        while (task := answers.next_task(study, rater)) is not None:
            orders[rater].append(task.prompt)
            answers.add(Answer(task.id, rater, "first"))
        assert sorted(orders[rater]) == sorted(PROMPTS)
    assert orders["ann"] != orders["bob"]
    assert answers.next_task(study, "cleo") is None
    assert len({a.task for a in answers}) == len(study.tasks)


def test_experts_answer_everything_each_from_their_own_side(home, tmp_path):
    study, answers = opened(home, mode="expert", checks=0), Answers(tmp_path / "a.sqlite")
    first = Counter()
    for rater in ("ann", "bob", "cleo"):
        prompts = []
        while (task := answers.next_task(study, rater)) is not None:
            prompts.append(task.prompt)
            first[task.shown[0]] += 1
            answers.add(Answer(task.id, rater, "tie"))
        assert sorted(prompts) == sorted(PROMPTS)
    assert min(first.values()) >= 6
    found = results(study, answers)
    assert (found["answers"], found["wanted"], found["raters"]) == (24, None, 3)


def test_what_a_careless_rater_has_answered_is_asked_again(home, tmp_path):
    study, answers = opened(home, votes=1, checks=0.3), Answers(tmp_path / "a.sqlite")
    for rater in ("careless", "ann"):
        while (task := answers.next_task(study, rater)) is not None:
            wrong = {"first": "second", "second": "first"}.get(task.expected or "")
            answer = wrong if rater == "careless" and wrong else task.expected or "first"
            answers.add(Answer(task.id, rater, answer))
    found = results(study, answers)
    assert found["left_out"] == ["careless"]
    assert found["answers"] == found["wanted"] == 8


def simulate(study: Study, answers: Answers, raters: int, better: str, sure: float, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for number in range(raters):
        rater = f"r{number}"
        while (task := answers.next_task(study, rater)) is not None:
            if task.expected is not None:
                answer = task.expected if number else "tie"  # the first does not look
            else:
                place = task.shown.index(better) if better in task.shown else int(rng.integers(2))
                right = rng.random() < sure
                answer = ("first", "second")[place if right else 1 - place]
            answers.add(Answer(task.id, rater, answer, seconds=3.0 + number))


def test_the_better_system_is_found_and_who_does_not_look_is_left_out(home, tmp_path):
    study, answers = opened(home, 3, votes=6, checks=0.2), Answers(tmp_path / "a.sqlite")
    simulate(study, answers, 7, "secret-two", 0.9)
    found = results(study, answers)
    assert found["left_out"] == ["r0"]
    (question,) = found["questions"]
    assert question["ranking"][0] == "secret-two"
    assert question["strengths"]["secret-two"]["low"] > 0
    pair = next(p for p in question["pairs"] if p["systems"] == ["secret-one", "secret-two"])
    assert pair["votes"][1] > 3 * pair["votes"][0]
    assert pair["decided"]
    assert question["left"]["low"] < 0 < question["left"]["high"]
    assert question["alpha"]["value"] > 0.2
    assert found["engagement"]["seconds"] > 3
    assert json.dumps(found, allow_nan=False)


def test_ratings_ranks_and_questions_have_their_own_results(home, tmp_path):
    questions = (
        Question(kind="rate", text="How smooth?", scale=5),
        Question(kind="rank", text="Order them"),
        Question(
            kind="answer",
            text="What is it?",
            choices=("ball", "cube"),
            right={PROMPTS[0]: "ball", PROMPTS[1]: "cube"},
        ),
        Question(kind="answer", text="Say what happens"),
    )
    study = opened(home, questions=questions, votes=2, checks=0)
    answers = Answers(tmp_path / "a.sqlite")
    for rater in ("ann", "bob"):
        while (task := answers.next_task(study, rater)) is not None:
            kind = study.config.questions[task.question]
            good = task.shown[0] == "secret-two"
            answer = {
                "rate": 4 if good else 2,
                "rank": [task.shown.index("secret-two"), task.shown.index("secret-one")]
                if len(task.shown) == 2
                else None,
                "answer": ("ball" if good else "cube") if kind.choices else "it moves",
            }[kind.kind]
            assert study.valid(task, answer)
            answers.add(Answer(task.id, rater, answer))
    rated, ranked, asked, told = results(study, answers)["questions"]
    assert rated["means"]["secret-two"]["value"] == 4
    assert rated["alpha"]["value"] == 1.0
    assert ranked["ranking"] == ["secret-two", "secret-one"]
    assert asked["accuracy"]["secret-two"]["value"] == 0.5
    assert {x["label"] for x in asked["labels"] if x["system"] == "secret-two"} == {"ball"}
    assert len(told["texts"]) == 32
    task = next(t for t in study.tasks.values() if t.question == 0)
    for wrong in (0, 6, "4", None):
        assert not study.valid(task, wrong)


def test_several_clips_of_a_prompt_are_compared_take_by_take(home, tmp_path):
    for name, takes in (("one", 3), ("two", 2)):
        (tmp_path / name).mkdir()
        lines = []
        for i in range(takes):
            shutil.copy(home / "secret-one" / f"{i}.mp4", tmp_path / name / f"take{i}.mp4")
            lines.append(json.dumps({"file": f"take{i}.mp4", "prompt": "a ball"}))
        (tmp_path / name / "index.jsonl").write_text("\n".join(lines))
    systems = {name: tmp_path / name for name in ("one", "two")}
    study = Study.open(StudyConfig(name="s", systems=systems, votes=1, checks=0))
    assert study.prompts == ["a ball"]
    assert study.items == [("a ball", 0), ("a ball", 1)]
    shown = {task.take: [study.video(task, place) for place in (0, 1)] for task in study.tasks.values()}
    for take, files in shown.items():
        assert {file.name for file in files} == {f"take{take}.mp4"}
        assert {file.parent.name for file in files} == {"one", "two"}
    answers = Answers(tmp_path / "a.sqlite")
    for name in ("ann", "bob"):
        while (task := answers.next_task(study, name)) is not None:
            answers.add(Answer(task.id, name, "first"))
    (question,) = results(study, answers)["questions"]
    # Two votes, of one prompt.
    assert question["answers"] == 2
    assert question["left"]["clusters"] == 1


def test_what_is_gone_is_not_asked_for_and_its_answers_count(home, tmp_path):
    study, answers = opened(home, votes=1, checks=0.5), Answers(tmp_path / "a.sqlite")
    first = next(t for t in study.tasks.values() if t.prompt == PROMPTS[0])
    answers.add(Answer(first.id, "ann", "first"))
    lost = {study.clips["secret-two"][prompt][0] for prompt in PROMPTS[:3]}
    less = dataclasses.replace(study, gone=lost)
    for name in ("ann", "bob"):
        while (task := answers.next_task(less, name)) is not None:
            assert less.can_show(task)
            answers.add(Answer(task.id, name, task.expected or "second"))
    found = results(less, answers)
    assert (found["answers"], found["wanted"], found["left_out"]) == (6, 6, [])
    assert {less.find(a.task).prompt for a in answers if a.task in less.tasks} == {PROMPTS[0], *PROMPTS[3:]}
    everything = {file for clips in study.clips.values() for files in clips.values() for file in files}
    assert answers.next_task(dataclasses.replace(study, gone=everything), "cleo") is None


def test_checks_show_every_system_and_have_one_name_each(home):
    study = opened(home, 3)
    shown = Counter(study.check(number).shown[0] for number in range(300))
    assert min(shown.values()) > 60
    assert study.find("check-7") == study.check(7)
    for wrong in ("check-07", "check-", "check-x", "check--1", "check-\u0661", "check-1234567890123"):
        with pytest.raises(ValueError, match="there is no task"):
            study.find(wrong)


def test_a_salt_hides_systems_from_who_knows_their_names(home):
    question = (Question(kind="rate"),)
    plain = opened(home, questions=question)
    salted = dataclasses.replace(plain, salt="x")
    assert not set(plain.tasks) & set(salted.tasks)
    assert len(plain.tasks) == len(salted.tasks)


def test_answers_survive_export_and_import_and_a_wrong_line_takes_nothing_in(home, tmp_path):
    study, answers = opened(home), Answers(tmp_path / "a.sqlite")
    simulate(study, answers, 3, "secret-one", 0.8)
    count = answers.export_csv(study, tmp_path / "out.csv")
    again = Answers(tmp_path / "b.sqlite")
    assert again.import_csv(study, tmp_path / "out.csv") == count == len(list(answers))
    assert list(again) == list(answers)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    wrong = re.sub('""(first|second|tie)""', '""maybe""', lines[3])
    (tmp_path / "bad.csv").write_text("\n".join([*lines[:3], wrong]))
    third = Answers(tmp_path / "c.sqlite")
    with pytest.raises(ValueError, match=r"bad\.csv, line 4: .*maybe.* is no answer"):
        third.import_csv(study, tmp_path / "bad.csv")
    assert list(third) == []


def test_a_crowds_file_goes_out_and_its_answers_come_back(home, tmp_path):
    study, answers = opened(home, votes=1), Answers(tmp_path / "a.sqlite")
    assert write_hits(study, "https://example.org/", tmp_path / "hits.csv") == 8
    header, first, *_ = (tmp_path / "hits.csv").read_text().splitlines()
    assert header == "task,kind,question,prompt,video_0,video_1"
    assert "https://example.org/video/" in first
    assert "secret" not in (tmp_path / "hits.csv").read_text()
    task = next(iter(study.tasks))
    (tmp_path / "back.csv").write_text(
        f"HITId,WorkerId,WorkTimeInSeconds,Input.task,Answer.answer\nH1,W1,17,{task},second\n"
    )
    assert answers.import_csv(study, tmp_path / "back.csv") == 1
    assert next(iter(answers)).seconds == 17


@pytest.fixture
def served(home, tmp_path):
    study, answers = opened(home, votes=1), Answers(tmp_path / "a.sqlite")
    server = StudyServer(("127.0.0.1", 0), study, answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def get(server: StudyServer, path: str, body: object = None, **headers: str):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url.rstrip("/") + path, data, headers)
    return urllib.request.urlopen(request, timeout=20)


def test_a_rater_answers_everything_through_the_page_and_learns_no_name(served):
    for path in ("/", "/page.js", "/page.css"):
        reply = get(served, path)
        assert "default-src 'self'" in reply.headers["Content-Security-Policy"]
        assert b"secret" not in reply.read()
    given = 0
    while True:
        text = get(served, "/task?rater=ann").read().decode()
        assert "secret" not in text
        task = json.loads(text)["task"]
        if task is None:
            break
        for address in task["videos"]:
            whole = get(served, address).read()
            assert whole[4:8] == b"ftyp"
            part = get(served, address, Range="bytes=4-7")
            assert part.status == 206
            assert part.read() == b"ftyp"
        answer = "first" if "left" in task["text"] else "second"
        body = {
            "task": task["id"],
            "rater": "ann",
            "answer": answer,
            "seconds": 2.5,
            "watched": 3,
            "replays": 1,
        }
        assert json.load(get(served, "/answer", body)) == {"taken": True}
        given += 1
    assert given >= 8
    found = results(served.study, served.answers)
    assert found["answers"] == 8
    assert found["left_out"] == []
    assert found["engagement"]["watched"] == 3.0


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/nothing", None, 404),
        ("/task?rater=", None, 400),
        ("/video/none/0.mp4", None, 404),
        ("/video/check-1/7.mp4", None, 404),
        ("/video/../../etc/passwd", None, 404),
        ("/answer", {"task": "none", "rater": "a", "answer": "first"}, 400),
        ("/answer", {"rater": "a"}, 400),
        ("/answer", {"task": "check-1", "rater": "a", "answer": "both"}, 400),
        ("/answer", {"task": "check-1", "rater": " ", "answer": "first"}, 400),
        ("/other", {}, 404),
    ],
)
def test_wrong_requests_are_refused_and_leave_nothing(served, path, body, status):
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(served, path, body)
    assert caught.value.code == status
    assert "error" in json.loads(caught.value.read())
    assert list(served.answers) == []


def test_the_commands(home, tmp_path):
    file = tmp_path / "mine.yaml"
    systems = {name: str(home / name) for name in ("secret-one", "secret-two")}
    file.write_text(json.dumps({"name": "mine", "systems": systems, "votes": 1}))

    def run(*arguments: object):
        return CliRunner().invoke(command, [str(a) for a in arguments])

    assert "0 of 8 answers by 0 raters" in run("results", file).output
    answers = Answers(tmp_path / "mine.answers.sqlite")
    study = opened(home, votes=1, checks=0.1)
    simulate(study, answers, 3, "secret-one", 1.0)
    text = run("results", file).output
    assert "1. secret-one" in text
    assert "left out for failed checks: r0" in text or "8 of 8" in text
    assert json.loads(run("results", file, "--json").output)["study"] == "mine"
    assert run("export", file, tmp_path / "a.csv").exit_code == 0
    assert "answers" in run("import", file, tmp_path / "a.csv").output
    assert run("export", file, tmp_path / "h.csv", "--hits", "http://x").exit_code == 0
    assert run("power", "--preference", "0.6").output == "194 votes\n"
    file.write_text(json.dumps({"name": "mine", "systems": {"one": systems["secret-one"]}}))
    assert "compare need two systems" in str(run("results", file).exception)
    file.write_text(json.dumps({"name": "mine", "systems": {"one": systems["secret-one"], "tie": "gone"}}))
    assert "no system is called tie" in str(run("results", file).exception)
    file.write_text(json.dumps({"name": "mine", "systems": {"one": "gone", "two": "gone"}}))
    assert "has no index.jsonl" in str(run("results", file).exception)


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_a_browser_shows_the_first_question_and_no_name(served):
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom"]
    address = served.url.rstrip("/") + "/?rater=me"
    found = subprocess.run([str(BROWSER), *options, address], capture_output=True, text=True, timeout=90)
    text = found.stdout
    assert served.study.config.questions[0].text in text
    assert 1 <= text.count("<video") <= len(served.study.config.systems)
    assert not any(f">{name}<" in text or f"/{name}/" in text for name in served.study.config.systems)
