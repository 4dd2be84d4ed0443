"""Arenas: rounds of two contestants, blind until the vote."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from running_server import Running, running, working
from scenewright.evaluation.people.arena import draw
from scenewright.evaluation.people.results import results
from scenewright.server.settings import Limits, ServerSettings

PROMPT = "a red ball rolls left"
CONTESTANTS = {
    "secret-few": {"num_inference_steps": 2, "num_frames": 8, "size": "64x64"},
    "secret-less": {"num_inference_steps": 3, "num_frames": 8, "size": "64x64"},
}


def arena(
    server: Running, contestants: Any = CONTESTANTS, headers: dict[str, str] | None = None, **fields: Any
) -> str:
    body = {"kind": "arena", "name": "steps", "contestants": contestants, **fields}
    answer = server.client.post("/v1/studies", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return f"/v1/studies/{answer.json()['id']}"


def begun(
    server: Running, path: str, prompt: str = PROMPT, headers: dict[str, str] | None = None, **fields: Any
) -> dict[str, Any]:
    answer = server.client.post(f"{path}/rounds", json={"prompt": prompt, **fields}, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def finish_all(server: Running) -> None:
    """Make what waits as a worker would, of bytes that tell its steps."""
    while jobs := server.queue.claim("worker"):
        (job,) = jobs
        digest = server.services.store.put_bytes(b"%d" % job.request["num_inference_steps"] * 50, "video/mp4")
        server.queue.finish(job.id, "worker", video_hash=digest, bytes=50)


def jobs_of(server: Running) -> list[Any]:
    from sqlalchemy import select

    from scenewright.server.tables import Job

    with server.services.database.read() as session:
        return list(session.scalars(select(Job)))


def test_contestants_meet_as_often_as_each_other_on_either_side() -> None:
    names = ["a", "b", "c", "d"]
    shown: list[tuple[str, str]] = []
    for _ in range(120):
        shown.append(draw(names, shown, random.Random(len(shown))))
        rounds = Counter(name for pair in shown for name in pair)
        assert max(rounds.values()) - min(rounds[name] for name in names) <= 1
    assert all(first != second for first, second in shown)
    met = Counter(frozenset(pair) for pair in shown)
    assert {met[frozenset(pair)] for pair in combinations(names, 2)} <= {18, 19, 20, 21, 22}
    for one, other in combinations(names, 2):
        assert abs(shown.count((one, other)) - shown.count((other, one))) <= 1
    assert {draw(names, [], random.Random(seed)) for seed in range(200)} == {
        (one, other) for one in names for other in names if one != other
    }


def test_a_round_from_prompt_to_standings(tmp_path: Path) -> None:
    from scenewright.media import decode

    with working(tmp_path) as server:
        path = arena(server)
        round = begun(server, path, rater="ann")
        seen = [json.dumps(round)]
        while round["status"] in ("queued", "in_progress"):
            assert round["videos"] == []
            round = server.client.get(f"{path}/rounds/{round['task']}").json()
            seen.append(json.dumps(round))
        assert round["status"] == "completed", round
        jobs = jobs_of(server)
        first, second = sorted(jobs, key=lambda job: job.request["num_inference_steps"])
        assert first.request["seed"] == second.request["seed"]
        assert server.client.get("/v1/videos").json()["data"] == []
        task = server.client.get(f"{path}/task?rater=ann").json()["task"]
        assert (task["id"], task["videos"], task["kind"]) == (round["task"], round["videos"], "compare")
        clips = [server.client.get(address) for address in round["videos"]]
        for i, clip in enumerate(clips):
            assert clip.headers["content-type"] == "video/mp4"
            (tmp_path / f"{i}.mp4").write_bytes(clip.content)
            assert decode(tmp_path / f"{i}.mp4").metadata == {}
            assert b"nano" not in clip.content
            assert PROMPT.encode() not in clip.content
        seen += [json.dumps(task), *(str(dict(clip.headers)) for clip in clips)]
        secrets = [job.id for job in jobs] + [job.video_hash for job in jobs] + ["secret", "nano", "seed"]
        for text in seen:
            assert not [secret for secret in secrets if secret in text]
        vote = {"task": round["task"], "answer": "first", "rater": "ann"}
        revealed = server.client.post(f"{path}/answers", json=vote).json()["revealed"]
        assert sorted(revealed) == sorted(CONTESTANTS)
        listed = server.client.get("/v1/videos").json()["data"]
        assert {video["id"] for video in listed} == {job.id for job in jobs}
        assert listed[0]["tags"] == ["arena steps"]
        for i, label in enumerate(revealed):
            steps = CONTESTANTS[label]["num_inference_steps"]
            (video,) = [video for video in listed if video["num_inference_steps"] == steps]
            whole = server.client.get(f"/v1/videos/{video['id']}/content").content
            assert b"nano" in whole
            (tmp_path / "whole.mp4").write_bytes(whole)
            frames = decode(tmp_path / "whole.mp4").frames
            assert np.array_equal(frames, decode(tmp_path / f"{i}.mp4").frames)
        found = server.client.get(f"{path}/results").json()
        assert found["wanted"] is None
        assert found["questions"][0]["ranking"][0] == revealed[0]
        assert server.client.get(f"{path}/rounds/{round['task']}").json()["revealed"] == revealed


def test_votes_are_judged_as_by_the_package(server: Running) -> None:
    path = arena(server, {**CONTESTANTS, "secret-most": {"num_inference_steps": 4}})
    for number in range(9):
        round = begun(server, path, f"prompt {number % 4}")
        finish_all(server)
        contents = [server.client.get(address).content for address in round_videos(server, path, round)]
        steps = [int(content[:1]) for content in contents]
        answer = "tie" if number == 0 else ("first", "second")[steps.index(max(steps))]
        revealed = server.client.post(f"{path}/answers", json={"task": round["task"], "answer": answer})
        labels = {"secret-few": 2, "secret-less": 3, "secret-most": 4}
        assert [labels[label] for label in revealed.json()["revealed"]] == steps
    found = server.client.get(f"{path}/results").json()
    studies = server.services.studies
    row = studies.get(path.rpartition("/")[2])
    assert found == json.loads(json.dumps(results(studies.opened(row), studies.answers(row.id))))
    assert found["questions"][0]["ranking"][0] == "secret-most"
    rounds = Counter(label for round in studies.opened(row).rounds for label in round.shown)
    assert set(rounds.values()) == {6}
    assert len(server.client.get("/v1/videos").json()["data"]) == 18


def round_videos(server: Running, path: str, round: dict[str, Any]) -> list[str]:
    state = server.client.get(f"{path}/rounds/{round['task']}").json()
    assert (state["status"], state["progress"]) == ("completed", 100)
    videos: list[str] = state["videos"]
    return videos


def error_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def test_videos_of_a_round_are_seen_nowhere_before_the_vote(server: Running) -> None:
    path, ids = arena(server), [job.id for job in jobs_of(server)]
    assert ids == []
    with server.client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line == "event: queue")
        round = begun(server, path)
        jobs = jobs_of(server)
        early = server.client.get(f"{path}/tasks/{round['task']}/videos/0")
        assert error_of(early)[:2] == (409, "not_ready")
        vote = {"task": round["task"], "answer": "tie"}
        assert error_of(server.client.post(f"{path}/answers", json=vote))[:2] == (409, "not_ready")
        assert server.client.get(f"{path}/task").json()["task"] is None
        for job in jobs:
            for method, end in (("GET", ""), ("GET", "/content"), ("GET", "/events"), ("DELETE", ""),
                                ("POST", "/cancel"), ("PATCH", ""), ("POST", "/restore")):  # fmt: skip
                body = {} if method in ("PATCH", "POST") else None
                answer = server.client.request(method, f"/v1/videos/{job.id}{end}", json=body)
                assert answer.status_code == 404, (method, end)
            remix = server.client.post(f"/v1/videos/{job.id}/remix", json={"prompt": "x"})
            assert remix.status_code == 404
            extension = {"prompt": "x", "video": {"id": job.id}}
            assert server.client.post("/v1/videos/extensions", json=extension).status_code == 404
        finish_all(server)
        body = {"name": "s", "systems": {"a": [jobs[0].id], "b": [jobs[1].id]}}
        assert error_of(server.client.post("/v1/studies", json=body))[1] == "video_not_found"
        assert server.client.get("/v1/videos?tag=arena steps").json()["data"] == []
        assert server.client.get("/v1/account").json()["usage"]["stored_bytes"] == 100
        other = server.create("something else")
        assert server.client.post(f"{path}/answers", json=vote).status_code == 200
        told = []
        while {job.id for job in jobs} - set(told):
            line = next(lines)
            if line.startswith("data: ") and '"id"' in line:
                told.append(json.loads(line[6:])["id"])
        assert told[0] == other["id"]
    assert {video["id"] for video in server.client.get("/v1/videos").json()["data"]} == {
        *(job.id for job in jobs),
        other["id"],
    }


def test_a_vote_is_given_once(server: Running) -> None:
    path = arena(server)
    round = begun(server, path, rater="ann")
    finish_all(server)
    vote = {"task": round["task"], "answer": "first"}
    assert error_of(server.client.post(f"{path}/answers", json={**vote, "rater": "bob"}))[0] == 404
    wrong = {**vote, "answer": "both", "rater": "ann"}
    assert error_of(server.client.post(f"{path}/answers", json=wrong)) == (400, "invalid_value", "answer")
    assert server.client.post(f"{path}/answers", json={**vote, "rater": "ann"}).status_code == 200
    again = server.client.post(f"{path}/answers", json={**vote, "answer": "second", "rater": "ann"})
    assert error_of(again)[:2] == (409, "answered_already")
    assert server.client.get(f"{path}/results").json()["questions"][0]["answers"] == 1
    seen = server.client.get(f"{path}?rater=ann").json()
    assert (seen["answers"], seen["mine"], seen["wanted"], seen["prompts"]) == (1, 1, None, 1)
    assert seen["contestants"]["secret-few"] == {"model": "nano", **CONTESTANTS["secret-few"]}


def test_a_round_that_fails_is_over(server: Running) -> None:
    path = arena(server)
    round = begun(server, path)
    first, *_ = server.queue.claim("worker")
    assert server.client.get(f"{path}/rounds/{round['task']}").json()["status"] == "in_progress"
    server.queue.fail(first.id, "worker", "no_memory", "secret-few is too large", retry=False)
    state = server.client.get(f"{path}/rounds/{round['task']}").json()
    assert (state["status"], state["videos"]) == ("failed", [])
    assert "secret" not in state["error"]
    # So that one can see why.
    assert len(server.client.get("/v1/videos").json()["data"]) == 2
    finish_all(server)
    assert server.client.get(f"{path}/task").json()["task"] is None
    vote = {"task": round["task"], "answer": "first"}
    assert error_of(server.client.post(f"{path}/answers", json=vote))[1] == "not_ready"


@pytest.mark.parametrize("ended", ["closed", "deleted"])
def test_what_is_never_voted_on_comes_to_light_in_the_end(server: Running, ended: str) -> None:
    path = arena(server)
    round = begun(server, path)
    finish_all(server)
    if ended == "closed":
        server.client.patch(path, json={"closed": True})
        assert error_of(server.client.post(f"{path}/rounds", json={"prompt": PROMPT}))[1] == "study_closed"
        vote = {"task": round["task"], "answer": "first"}
        assert error_of(server.client.post(f"{path}/answers", json=vote))[1] == "study_closed"
        assert server.client.get(f"{path}/task").json()["task"] is None
    else:
        server.client.delete(path)
        assert server.client.get(f"{path}/rounds/{round['task']}").status_code == 404
    assert len(server.client.get("/v1/videos").json()["data"]) == 2


def test_rounds_are_their_askers_own(accounts_server: Running, key_of: Any) -> None:
    server, ann, bob = accounts_server, key_of("ann"), key_of("bob")
    roy, root = key_of("roy", "reviewer"), key_of("root", "admin")
    path = arena(server, headers=ann)
    hidden = server.client.post(f"{path}/rounds", json={"prompt": PROMPT}, headers=bob)
    assert hidden.status_code == 404
    server.client.patch(path, json={"shared": True}, headers=ann)
    assert server.client.get(path, headers=bob).json()["contestants"] is None
    round = begun(server, path, headers=bob)
    finish_all(server)
    for headers in (ann, roy, root):
        assert server.client.get(f"{path}/rounds/{round['task']}", headers=headers).status_code == 404
        address = f"{path}/tasks/{round['task']}/videos/0"
        assert server.client.get(address, headers=headers).status_code == 404
        vote = {"task": round["task"], "answer": "first"}
        assert server.client.post(f"{path}/answers", json=vote, headers=headers).status_code == 404
        assert server.client.get("/v1/videos", headers=headers).json()["data"] == []
    refused = server.client.post(f"{path}/rounds", json={"prompt": PROMPT}, headers=roy)
    assert error_of(refused)[:2] == (403, "insufficient_scope")
    # The videos are of who asked for them.
    assert server.client.post(f"{path}/answers", json=vote, headers=bob).json()["revealed"]
    assert len(server.client.get("/v1/videos", headers=bob).json()["data"]) == 2
    assert server.client.get("/v1/videos", headers=ann).json()["data"] == []


def test_rounds_count_against_what_one_may_have(tmp_path: Path) -> None:
    limits = Limits(queued=3, pixels=64 * 64)
    with running(ServerSettings(folder=tmp_path, poll=0.02, limits=limits)) as server:
        path = arena(server)
        begun(server, path)
        assert server.client.get("/v1/account").json()["usage"]["queued"] == 2
        full = server.client.post(f"{path}/rounds", json={"prompt": PROMPT})
        assert error_of(full)[:2] == (429, "queue_full")
        assert len(jobs_of(server)) == 2
        large = {"a": {}, "b": {"size": "128x128"}}
        body = {"kind": "arena", "name": "n", "contestants": large}
        assert error_of(server.client.post("/v1/studies", json=body))[2] == "contestants.b.size"


TWO = {"a": {}, "b": {"num_inference_steps": 4}}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "contestants"),
        ({"contestants": {"a": {}}}, "contestants"),
        ({"contestants": {"a": {}, "tie": {}}}, "contestants"),
        ({"contestants": {"a": {}, "b": {"model": "sora-2"}}}, "contestants.b.model"),
        ({"contestants": {"a": {}, "b": {"num_inference_steps": 0}}}, "contestants.b.num_inference_steps"),
        ({"contestants": {"a": {}, "b": {"num_frames": 99}}}, "contestants.b.num_frames"),
        ({"contestants": {"a": {}, "b": {"sampler": "magic"}}}, "contestants.b.sampler"),
        ({"contestants": {"a": {}, "b": {"guidance_scale": -1}}}, "contestants.b.guidance_scale"),
        ({"contestants": {"a": {}, "b": {"seed": 1}}}, "contestants.b.seed"),
        ({"contestants": {"a": {}, "b": {"prompt": "x"}}}, "contestants.b.prompt"),
        ({"contestants": TWO, "systems": {"a": ["v"]}}, "systems"),
        ({"contestants": TWO, "votes": 3}, "votes"),
        ({"contestants": TWO, "checks": 0.1}, "checks"),
        ({"contestants": TWO, "mode": "crowd"}, "mode"),
        ({"contestants": TWO, "questions": [{"kind": "rate"}]}, "questions"),
        ({"contestants": TWO, "questions": [{"kind": "compare"}] * 2}, "questions"),
    ],
)
def test_arenas_that_cannot_be(server: Running, body: dict[str, Any], param: str) -> None:
    answer = server.client.post("/v1/studies", json={"kind": "arena", "name": "n", **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


def test_prompts_that_no_round_is_of(server: Running) -> None:
    path = arena(server)
    for body, param in (({}, "prompt"), ({"prompt": ""}, "prompt"), ({"prompt": "  "}, "prompt"),
                        ({"prompt": "x", "seed": 1}, "seed")):  # fmt: skip
        answer = server.client.post(f"{path}/rounds", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
    assert jobs_of(server) == []
