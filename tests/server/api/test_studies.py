"""Studies: blind and balanced tasks about videos of the library, and what people said of them."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from running_server import Running
from scenewright.evaluation.people.answers import Answers
from scenewright.evaluation.people.results import results
from scenewright.evaluation.people.study import Study, StudySettings

Headers = dict[str, str]

PROMPTS = ("a red ball rolls left", "a blue cube falls", "a green cone spins", "a red cube slides right")
QUESTIONS = [
    {"kind": "compare"},
    {"kind": "rank", "text": "Order them"},
    {"kind": "rate", "text": "How smooth?", "scale": 7},
    {
        "kind": "answer",
        "text": "What is it?",
        "choices": ["ball", "cube", "cone"],
        "right": {PROMPTS[0]: "ball", PROMPTS[1]: "cube"},
    },
    {"kind": "answer", "text": "Say what happens"},
]


def made(server: Running, prompt: str, content: str, headers: Headers | None = None, **fields: Any) -> str:
    """A finished video; its id."""
    answer = server.client.post("/v1/videos", json={"prompt": prompt, **fields}, headers=headers)
    assert answer.status_code == 200, answer.text
    video: str = answer.json()["id"]
    server.finish(video, (content * 40).encode())
    return video


def systems_of(
    server: Running, *labels: str, takes: int = 1, prompts: Sequence[str] = PROMPTS, **fields: Any
) -> dict[str, list[str]]:
    """Videos of each prompt, whose content names their system by its place among the labels, prompt and
    take."""
    return {
        label: [
            made(
                server, prompt, f"system {at}, prompt {i}, take {take}. ", seed=900_000_000_000 + at, **fields
            )
            for take in range(takes)
            for i, prompt in enumerate(prompts)
        ]
        for at, label in enumerate(labels)
    }


def created(
    server: Running, systems: dict[str, list[str]], headers: Headers | None = None, **fields: Any
) -> dict[str, Any]:
    body = {"name": "mine", "systems": systems, **fields}
    answer = server.client.post("/v1/studies", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def path_of(study: dict[str, Any]) -> str:
    return f"/v1/studies/{study['id']}"


class Rater:
    """One who answers, by a name or an account."""

    def __init__(self, server: Running, path: str, name: str | None = None, headers: Headers | None = None):
        self.server, self.path, self.name, self.headers = server, path, name, headers
        self.seen: list[str] = []

    def get(self, path: str, **params: Any) -> httpx.Response:
        answer = self.server.client.get(path, params=params, headers=self.headers)
        self.seen += [str(answer.request.url), str(answer.headers.raw)]
        if "/videos/" not in path:
            self.seen.append(answer.text)
        return answer

    def task(self) -> dict[str, Any] | None:
        named = {} if self.name is None else {"rater": self.name}
        task: dict[str, Any] | None = self.get(f"{self.path}/task", **named).json()["task"]
        return task

    def clips(self, task: dict[str, Any]) -> list[str]:
        return [self.get(path).text for path in task["videos"]]

    def say(self, task: dict[str, Any], answer: Any, **fields: Any) -> httpx.Response:
        body = {"task": task["id"], "answer": answer, "rater": self.name, **fields}
        found = self.server.client.post(f"{self.path}/answers", json=body, headers=self.headers)
        self.seen.append(found.text)
        return found

    def answer_all(self, judge: Callable[[dict[str, Any], list[str]], Any]) -> list[dict[str, Any]]:
        """Every task that there is; those in earnest."""
        earnest = []
        for _ in range(500):
            task = self.task()
            if task is None:
                return earnest
            check = task["check"]
            if check is not None:
                assert task["text"].endswith({"first": "choose left.", "second": "choose right."}[check])
                self.clips(task)
            found = self.say(task, check or judge(task, self.clips(task)), seconds=2.5)
            assert found.status_code == 200, found.text
            earnest += [] if check else [task]
        raise AssertionError("the tasks do not end")


def better(task: dict[str, Any], clips: list[str]) -> Any:
    """The system with the higher number is better."""
    if task["kind"] == "compare":
        return "first" if clips[0] > clips[1] else "second"
    if task["kind"] == "rank":
        return sorted(range(len(clips)), key=lambda place: clips[place], reverse=True)
    if task["kind"] == "rate":
        return 2 + 2 * int(clips[0][7])
    return task["choices"][int(clips[0][7])] if task["choices"] else f"I see {clips[0][:8]}"


def test_nothing_tells_a_rater_which_system_it_is(accounts_server: Running, key_of: Any) -> None:
    server, ann, bob = accounts_server, key_of("ann"), key_of("bob", "creator")
    settings = {"num_inference_steps": 17, "guidance_scale": 3.8125}
    systems = systems_of(server, "secret-one", "secret-two", headers=ann, takes=2, **settings)
    study = created(server, systems, ann, questions=QUESTIONS, votes=1, checks=0.2, shared=True, name="n")
    rater = Rater(server, path_of(study), headers=bob)
    rater.get("/v1/studies")
    rater.get(rater.path)
    given = rater.answer_all(better)
    assert len(given) == 2 * len(PROMPTS) * (1 + 1 + 2 + 2 + 2)
    jobs = [server.queue.get(id) for ids in systems.values() for id in ids]
    secrets = [*systems, *(job.id for job in jobs), *(job.video_hash for job in jobs)]
    secrets += ["nano", "seed", "90000000000", "steps", "guidance", "3.8125", "128x128", 'right":{"']
    seen = "\n".join(rater.seen)
    assert "/videos/1" in seen
    assert not [secret for secret in secrets if secret in seen]
    with server.services.database.read() as session:
        from scenewright.server.tables import StudyRow

        row = session.get(StudyRow, study["id"])
    assert row is not None
    assert row.salt not in seen
    # Without the salt nobody finds the system of a task of one clip by trying labels.
    unsalted = Study(StudySettings.model_validate(row.config), server.services.studies.opened(row).clips)
    assert not {task["id"] for task in given} & set(unsalted.tasks)


def test_every_pair_is_seen_from_both_sides(server: Running) -> None:
    study = created(server, systems_of(server, "one", "two", takes=2), votes=2, checks=0)
    seen: Counter[tuple[str, str]] = Counter()
    for name in ("ann", "bob"):
        rater = Rater(server, path_of(study), name)
        own = []

        def judge(task: dict[str, Any], clips: list[str], own: list[Any] = own) -> str:
            own.append(tuple(clip[: clip.index(".")] for clip in clips))
            return "tie"

        rater.answer_all(judge)
        assert len(own) == len({frozenset(pair) for pair in own}) == 2 * len(PROMPTS)
        seen.update(own)
    assert set(seen.values()) == {1}
    for left, right in seen:
        assert (right, left) in seen
        # The same prompt and take of the other system.
        assert left.partition(",")[2] == right.partition(",")[2]
    assert Rater(server, path_of(study), "cleo").task() is None


def test_two_raters_share_what_a_crowd_is_asked(server: Running) -> None:
    study = created(server, systems_of(server, "one", "two"), votes=1, checks=0)
    raters = [Rater(server, path_of(study), name) for name in ("ann", "bob")]
    prompts: list[str] = []
    for turn in range(len(PROMPTS)):
        task = raters[turn % 2].task()
        assert task is not None
        prompts.append(task["prompt"])
        assert raters[turn % 2].say(task, "first").json() == {"taken": True, "revealed": None}
    assert sorted(prompts) == sorted(PROMPTS)
    assert [rater.task() for rater in raters] == [None, None]
    found = server.client.get(f"{path_of(study)}?rater=ann").json()
    assert (found["answers"], found["wanted"], found["mine"]) == (4, 4, 2)
    assert server.client.get(f"{path_of(study)}/task?rater=ann").json()["done"] == 2


def test_experts_answer_everything(server: Running) -> None:
    study = created(server, systems_of(server, "one", "two", "three"), mode="expert", checks=0)
    for name in ("ann", "bob"):
        assert len(Rater(server, path_of(study), name).answer_all(better)) == 3 * len(PROMPTS)
    found = server.client.get(f"{path_of(study)}/results").json()
    assert (found["answers"], found["wanted"], found["raters"]) == (24, None, 2)
    assert found["questions"][0]["ranking"] == ["three", "two", "one"]
    assert found["questions"][0]["alpha"]["value"] == 1.0


def test_who_fails_checks_is_left_out_and_asked_for_again(server: Running) -> None:
    study = created(server, systems_of(server, "one", "two"), votes=1, checks=0.5)
    careless = Rater(server, path_of(study), "careless")
    while (task := careless.task()) is not None:
        careless.say(task, "second" if task["check"] == "first" else "first")
    assert server.client.get(f"{path_of(study)}/results").json()["left_out"] == ["careless"]
    assert len(Rater(server, path_of(study), "ann").answer_all(better)) == len(PROMPTS)
    found = server.client.get(f"{path_of(study)}/results").json()
    assert (found["answers"], found["wanted"], found["left_out"]) == (4, 4, ["careless"])
    assert found["questions"][0]["ranking"] == ["two", "one"]


def test_results_are_those_of_the_package_on_the_same_votes(server: Running, tmp_path: Path) -> None:
    prompts = PROMPTS[:2]
    systems = systems_of(server, "one", "two", takes=2, prompts=prompts)
    study = created(server, systems, questions=QUESTIONS, votes=2, checks=0.1)
    for name in ("ann", "bob", "cleo"):
        Rater(server, path_of(study), name).answer_all(better)
    found = server.client.get(f"{path_of(study)}/results").json()
    # By hand: the clips by prompt and take, and the votes as they were exported.
    row = server.services.studies.get(study["id"])
    assert row is not None
    clips = {
        label: {prompt: [ids[i], ids[i + 2]] for i, prompt in enumerate(prompts)}
        for label, ids in systems.items()
    }
    by_hand = Study(StudySettings.model_validate(row.config), clips, row.salt)
    exported = server.client.get(f"{path_of(study)}/answers.csv")
    assert exported.headers["content-disposition"] == 'attachment; filename="mine-answers.csv"'
    (tmp_path / "out.csv").write_bytes(exported.content)
    answers = Answers(tmp_path / "answers.sqlite")
    assert answers.import_csv(by_hand, tmp_path / "out.csv") > 64
    with (tmp_path / "out.csv").open(newline="") as lines:
        order = [(line["task"], line["rater"]) for line in csv.DictReader(lines)]
    votes = sorted(answers, key=lambda answer: order.index((answer.task, answer.rater)))
    assert found == json.loads(json.dumps(results(by_hand, votes)))
    compared, ranked, rated, asked, told = found["questions"]
    assert compared["answers"] == compared["strengths"]["two"]["n"] == 8
    assert compared["strengths"]["two"]["clusters"] == 2
    assert ranked["ranking"] == ["two", "one"]
    assert rated["means"]["two"]["value"] == 4
    assert asked["accuracy"]["one"]["value"] == 0.5
    assert {text["take"] for text in told["texts"]} == {0, 1}


def test_an_answer_is_changed_but_not_given_from_both_sides(server: Running) -> None:
    study = created(server, systems_of(server, "one", "two"), votes=2, checks=0)
    rater = Rater(server, path_of(study), "ann")
    task = rater.task()
    assert task is not None
    assert rater.say(task, "first").status_code == rater.say(task, "tie").status_code == 200
    assert [a.answer for a in server.services.studies.answers(study["id"])] == ["tie"]
    row = server.services.studies.get(study["id"])
    assert row is not None
    opened = server.services.studies.opened(row)
    (turned,) = [t for t in opened.tasks.values() if t.prompt == task["prompt"] and t.id != task["id"]]
    again = rater.say({"id": turned.id}, "first")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "answered_already")


def test_a_clip_that_was_deleted_is_not_asked_for(server: Running) -> None:
    systems = systems_of(server, "one", "two")
    study = created(server, systems, votes=1, checks=0.5)
    rater = Rater(server, path_of(study), "ann")
    task = rater.task()
    while task is not None and task["check"] is not None:
        rater.say(task, task["check"])
        task = rater.task()
    assert task is not None
    rater.say(task, "first")
    answered = PROMPTS.index(task["prompt"])
    others = [i for i in range(len(PROMPTS)) if i != answered]
    for i in (answered, others[0]):
        assert server.client.delete(f"/v1/videos/{systems['two'][i]}").status_code == 200
    gone = [server.client.get(path).status_code for path in task["videos"]]
    assert sorted(gone) == [200, 404]
    left = Rater(server, path_of(study), "bob").answer_all(better)
    assert {task["prompt"] for task in left} == {PROMPTS[i] for i in others[1:]}
    found = server.client.get(f"{path_of(study)}/results").json()
    assert (found["answers"], found["wanted"]) == (3, 3)
    server.client.post(f"/v1/videos/{systems['two'][others[0]]}/restore")
    back = Rater(server, path_of(study), "cleo").answer_all(better)
    assert [task["prompt"] for task in back] == [PROMPTS[others[0]]]
    server.queue.delete(systems["two"][0])
    server.queue.purge(server.queue.now() + 10)
    assert server.client.get(f"{path_of(study)}/results").json()["answers"] == 4


def test_a_closed_study_asks_nothing(server: Running) -> None:
    study = created(server, systems_of(server, "one", "two"), checks=0)
    rater = Rater(server, path_of(study), "ann")
    task = rater.task()
    assert task is not None
    closed = server.client.patch(path_of(study), json={"closed": True, "title": "Which?"}).json()
    assert closed["closed_at"] is not None
    assert (closed["title"], closed["shared"]) == ("Which?", False)
    assert rater.task() is None
    refused = rater.say(task, "first")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "study_closed")
    assert server.client.patch(path_of(study), json={"closed": False}).json()["closed_at"] is None
    assert rater.say(task, "first").status_code == 200
    assert server.client.delete(path_of(study)).json()["deleted"] is True
    assert server.client.get(path_of(study)).status_code == 404
    assert rater.say(task, "first").status_code == 404


def test_who_may_see_answer_and_change_a_study(accounts_server: Running, key_of: Any) -> None:
    server, ann, bob = accounts_server, key_of("ann"), key_of("bob")
    roy, eve, root = key_of("roy", "reviewer"), key_of("eve", scopes=("keys",)), key_of("root", "admin")
    systems = systems_of(server, "one", "two", headers=ann)
    study = created(server, systems, ann, questions=[QUESTIONS[3]], votes=1, checks=0)
    path = path_of(study)
    assert (study["owner"], study["manage"], study["systems"]) == ("ann", True, systems)
    assert server.client.get(path, headers=root).json()["systems"] == systems
    assert server.client.get(path).status_code == 401
    for headers in (bob, roy):
        for address in ("", "/task", "/results", "/answers.csv", "/tasks/check-1/videos/0"):
            assert server.client.get(path + address, headers=headers).status_code == 404
        assert server.client.get("/v1/studies", headers=headers).json()["data"] == []
    assert server.client.patch(path, json={"shared": True}, headers=bob).status_code == 404
    assert server.client.get(path, headers=eve).json()["error"]["code"] == "insufficient_scope"
    assert server.client.patch(path, json={"shared": True}, headers=ann).json()["shared"] is True
    for headers in (bob, roy):
        seen = server.client.get(path, headers=headers).json()
        assert (seen["owner"], seen["manage"], seen["systems"]) == ("ann", False, None)
        assert seen["questions"][0]["right"] == {}
        assert server.client.get("/v1/studies", headers=headers).json()["data"] == [seen]
        for method, body in (("PATCH", {"closed": True}), ("DELETE", None)):
            assert server.client.request(method, path, json=body, headers=headers).status_code == 403
        assert server.client.get(f"{path}/answers.csv", headers=headers).status_code == 403
        early = server.client.get(f"{path}/results", headers=headers)
        assert (early.status_code, early.json()["error"]["code"]) == (403, "study_open")
    body = {"name": "x", "systems": systems}
    assert server.client.post("/v1/studies", json=body, headers=roy).status_code == 403
    stolen = server.client.post("/v1/studies", json=body, headers=bob).json()["error"]
    assert (stolen["param"], stolen["code"]) == ("systems.one", "video_not_found")
    # The rater is the account, whatever the body says.
    rater = Rater(server, path, "ann", roy)
    task = rater.task()
    assert task is not None
    assert rater.say(task, "ball").status_code == 200
    assert [a.rater for a in server.services.studies.answers(study["id"])] == ["roy"]
    assert server.client.get(path, headers=roy).json()["mine"] == 1
    assert server.client.get(path, headers=bob).json()["mine"] == 0
    Rater(server, path, headers=bob).answer_all(better)
    server.client.patch(path, json={"closed": True}, headers=root)
    told = server.client.get(f"{path}/results", headers=roy).json()
    assert (told["raters"], sorted(told["questions"][0]["skills"])) == (2, ["rater 1", "rater 2"])
    mine = server.client.get(f"{path}/results", headers=ann).json()
    assert sorted(mine["questions"][0]["skills"]) == ["bob", "roy"]
    server.client.patch(path, json={"shared": False}, headers=ann)
    assert server.client.get(f"{path}/results", headers=roy).status_code == 404


def test_pages_of_studies(server: Running) -> None:
    systems = systems_of(server, "one", "two")
    ids = [created(server, systems, name=f"s{i}")["id"] for i in range(5)]
    first = server.client.get("/v1/studies?limit=2").json()
    assert ([s["id"] for s in first["data"]], first["has_more"]) == (ids[:2:-1], True)
    rest = server.client.get(f"/v1/studies?after={first['last_id']}").json()
    assert ([s["id"] for s in rest["data"]], rest["has_more"]) == (ids[2::-1], False)
    before = server.client.get(f"/v1/studies?before={ids[0]}&order=desc&limit=2").json()
    assert [s["id"] for s in before["data"]] == [ids[2], ids[1]]
    up = server.client.get(f"/v1/studies?after={ids[3]}&order=asc").json()
    assert [s["id"] for s in up["data"]] == ids[4:]
    unknown = server.client.get("/v1/studies?after=study_none")
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "after")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server with a study of one task a question, what of it can be named in wrong requests, and its
    path."""
    from running_server import running
    from scenewright.server.settings import ServerSettings

    with running(ServerSettings(folder=tmp_path_factory.mktemp("asked"), poll=0.02)) as server:
        one, two = (made(server, PROMPTS[0], content) for content in ("one", "two"))
        other = made(server, PROMPTS[1], "other")
        deleted = made(server, PROMPTS[0], "deleted")
        server.client.delete(f"/v1/videos/{deleted}")
        waiting = server.create(PROMPTS[0])["id"]
        questions = [*QUESTIONS[:3], {**QUESTIONS[3], "right": {}}]
        study = created(server, {"one": [one], "two": [two]}, questions=questions, votes=1, checks=0)
        names = {"ONE": one, "TWO": two, "OTHER": other, "DELETED": deleted, "WAITING": waiting}
        row = server.services.studies.get(study["id"])
        assert row is not None
        for task in server.services.studies.opened(row).tasks.values():
            names[questions[task.question]["kind"].upper()] = task.id
        yield server, names, path_of(study)
        assert server.services.studies.answers(study["id"]) == []


def filled(value: Any, names: dict[str, str]) -> Any:
    text = json.dumps(value)
    for name, id in names.items():
        text = text.replace(f'"{name}"', f'"{id}"')
    return json.loads(text)


BOTH = {"systems": {"one": ["ONE"], "two": ["TWO"]}}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "systems"),
        ({"systems": {}}, "systems"),
        ({"systems": {"one": ["ONE"], "two": []}}, "systems.two"),
        ({"systems": {"one": ["ONE"]}}, "systems"),
        ({"systems": {"one": ["ONE"]}, "questions": [{"kind": "rank"}]}, "systems"),
        ({"systems": {"one": ["ONE"], "two": ["video_none"]}}, "systems.two"),
        ({"systems": {"one": ["ONE"], "two": ["DELETED"]}}, "systems.two"),
        ({"systems": {"one": ["ONE"], "two": ["WAITING"]}}, "systems.two"),
        ({"systems": {"one": ["ONE"], "two": ["TWO", "TWO"]}}, "systems.two"),
        ({"systems": {"one": ["ONE"], "two": ["OTHER"]}}, "systems"),
        ({"systems": {"one": ["ONE"], "tie": ["TWO"]}}, "systems"),
        ({"systems": {"one": ["ONE"], "": ["TWO"]}}, "systems..[key]"),
        ({"systems": {"one": ["ONE"], "a|b": ["TWO"]}}, "systems.a|b.[key]"),
        ({**BOTH, "name": ""}, "name"),
        ({**BOTH, "name": " "}, "name"),
        ({**BOTH, "title": ""}, "title"),
        ({**BOTH, "kind": "poll"}, "kind"),
        ({**BOTH, "mode": "mob"}, "mode"),
        ({**BOTH, "votes": 0}, "votes"),
        ({**BOTH, "votes": 1001}, "votes"),
        ({**BOTH, "votes": 1000, "questions": [{"kind": "rate"}] * 11}, "votes"),
        ({**BOTH, "checks": 0.6}, "checks"),
        ({**BOTH, "failures": -1}, "failures"),
        ({**BOTH, "shared": "perhaps"}, "shared"),
        ({**BOTH, "seed": 1}, "seed"),
        ({**BOTH, "questions": []}, "questions"),
        ({**BOTH, "questions": [{"kind": "rate", "scale": 1}]}, "questions.0.scale"),
        ({**BOTH, "questions": [{"kind": "compare", "choices": ["a"]}]}, "questions.0"),
        ({**BOTH, "questions": [{"kind": "guess"}]}, "questions.0.kind"),
        ({**BOTH, "questions": [{"kind": "answer", "right": {"no prompt": "x"}}]}, "questions"),
        ({**BOTH, "contestants": {"a": {}, "b": {}}}, "contestants"),
    ],
)
def test_studies_that_cannot_be(asked: Any, body: dict[str, Any], param: str) -> None:
    server, names, _ = asked
    answer = server.client.post("/v1/studies", json={"name": "n", **filled(body, names)})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
    assert len(server.client.get("/v1/studies").json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"task": "none", "answer": "first"}, 404, "task"),
        ({"task": "check-01", "answer": "first"}, 404, "task"),
        ({"task": "check-", "answer": "first"}, 404, "task"),
        ({"task": "check-9", "answer": "left"}, 400, "answer"),
        ({"task": "check-999999", "answer": "first"}, 404, "task"),
        ({"answer": "first"}, 400, "task"),
        ({"task": "COMPARE"}, 400, "answer"),
        ({"task": "COMPARE", "answer": "both"}, 400, "answer"),
        ({"task": "COMPARE", "answer": 1}, 400, "answer"),
        ({"task": "RATE", "answer": 0}, 400, "answer"),
        ({"task": "RATE", "answer": 8}, 400, "answer"),
        ({"task": "RATE", "answer": "4"}, 400, "answer"),
        ({"task": "RATE", "answer": True}, 400, "answer"),
        ({"task": "RANK", "answer": [0]}, 400, "answer"),
        ({"task": "RANK", "answer": [0, 0]}, 400, "answer"),
        ({"task": "ANSWER", "answer": "dog"}, 400, "answer"),
        ({"task": "ANSWER", "answer": "b" * 5000}, 400, "answer"),
        ({"task": "COMPARE", "answer": "first", "rater": "r" * 201}, 400, "rater"),
        ({"task": "COMPARE", "answer": "first", "seconds": -1}, 400, "seconds"),
        ({"task": "COMPARE", "answer": "first", "replays": 1.5}, 400, "replays"),
        ({"task": "COMPARE", "answer": "first", "mood": "good"}, 400, "mood"),
    ],
)
def test_answers_that_are_not_taken(asked: Any, body: dict[str, Any], status: int, param: str) -> None:
    server, names, path = asked
    answer = server.client.post(f"{path}/answers", json=filled(body, names))
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), answer.text


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/studies/none", None, 404),
        ("GET", "/v1/studies/none/task", None, 404),
        ("GET", "/v1/studies/none/results", None, 404),
        ("GET", "PATH/tasks/none/videos/0", None, 404),
        ("GET", "PATH/tasks/check-3/videos/2", None, 404),
        ("GET", "PATH/tasks/check-3/videos/-1", None, 404),
        ("GET", "PATH/tasks/check-3/videos/x", None, 400),
        ("GET", "PATH/task?rater=" + "r" * 201, None, 400),
        ("GET", "PATH/rounds/none", None, 404),
        ("POST", "PATH/rounds", {"prompt": "a ball"}, 400),
        ("POST", "/v1/studies/none/rounds", {"prompt": "a ball"}, 404),
        ("PATCH", "PATH", {"closed": "soon"}, 400),
        ("PATCH", "PATH", {"votes": 2}, 400),
        ("PATCH", "PATH", {"title": ""}, 400),
        ("DELETE", "/v1/studies/none", None, 404),
        ("GET", "/v1/studies?limit=0", None, 400),
    ],
)
def test_requests_that_are_refused(asked: Any, method: str, path: str, body: Any, status: int) -> None:
    server, _, study = asked
    answer = server.client.request(method, path.replace("PATH", study), json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_clips_come_in_ranges_and_once(asked: Any) -> None:
    server, _, path = asked
    address = f"{path}/tasks/check-3/videos/0"
    whole = server.client.get(address)
    part = server.client.get(address, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, whole.content[4:8])
    assert part.headers["content-range"] == f"bytes 4-7/{len(whole.content)}"
    assert server.client.get(address, headers={"Range": "bytes=9999-"}).status_code == 416
    kept = server.client.get(address, headers={"If-None-Match": whole.headers["etag"]})
    assert (kept.status_code, kept.content) == (304, b"")
    assert whole.headers["cache-control"].startswith("private")
    assert whole.headers["content-disposition"] == "inline"
    assert server.client.head(address).headers["content-length"] == str(len(whole.content))
