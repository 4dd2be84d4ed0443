"""Arenas: rounds of two contestants, blind until the vote."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

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


def arena(server: Running, contestants: dict[str, Any] = CONTESTANTS, **fields: Any) -> str:
    body = {"kind": "arena", "name": "steps", "contestants": contestants, **fields}
    answer = server.client.post("/v1/studies", json=body)
    assert answer.status_code == 200, answer.text
    return f"/v1/studies/{answer.json()['id']}"


def begun(server: Running, path: str, prompt: str = PROMPT, **fields: Any) -> dict[str, Any]:
    answer = server.client.post(f"{path}/rounds", json={"prompt": prompt, **fields})
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
    assert {n for n in Counter(label for r in studies.opened(row).rounds for label in r.shown).values()} == {
        6
    }
    assert len(server.client.get("/v1/videos").json()["data"]) == 18


def round_videos(server: Running, path: str, round: dict[str, Any]) -> list[str]:
    state = server.client.get(f"{path}/rounds/{round['task']}").json()
    assert (state["status"], state["progress"]) == ("completed", 100)
    videos: list[str] = state["videos"]
    return videos
