"""Studies and arenas by both clients."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import Any

import pytest

from running_server import Running
from scenewright import AsyncClient, Client
from scenewright.client import ServerError

PROMPTS = ("a red ball rolls left", "a blue cube falls")
FEW = {"num_frames": 8, "size": "64x64"}
CONTESTANTS = {"two": {"num_inference_steps": 2, **FEW}, "three": {"num_inference_steps": 3, **FEW}}


def systems_of(server: Running) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for label in ("one", "two"):
        for prompt in PROMPTS:
            video = server.create(prompt)["id"]
            server.finish(video, label.encode() * 50)
            found.setdefault(label, []).append(video)
    return found


def test_a_study_from_its_making_to_its_end(server: Running, tmp_path: Path) -> None:
    with Client(server.url) as client:
        study = client.studies.create("mine", systems_of(server), votes=1, checks=0, title="Which?")
        id = study["id"]
        while (task := client.studies.task(id, rater="ann")) is not None:
            clips = [client.studies.clip(path) for path in task["videos"]]
            answer = ("first", "second")[clips[1].startswith(b"two")]
            said = client.studies.answer(id, task["id"], answer, rater="ann", seconds=3.5, replays=1)
            assert said is None
        assert client.studies.get(id, rater="ann")["mine"] == 2
        assert [found["id"] for found in client.studies.list()] == [id]
        assert client.studies.results(id)["questions"][0]["ranking"] == ["two", "one"]
        with client.studies.export(id, tmp_path / "out" / "answers.csv").open() as file:
            assert [row["seconds"] for row in csv.DictReader(file)] == ["3.5", "3.5"]
        assert client.studies.update(id, closed=True)["closed_at"] is not None
        with pytest.raises(ServerError, match="closed"):
            client.studies.answer(id, "none", "first")
        client.studies.delete(id)
        with pytest.raises(ServerError, match="there is no study"):
            client.studies.get(id)


def test_the_asynchronous_client_does_the_same(server: Running, tmp_path: Path) -> None:
    systems = systems_of(server)

    async def flow() -> dict[str, Any]:
        async with AsyncClient(server.url) as client:
            studies = client.studies
            question = {"kind": "rank", "text": "Order them"}
            made = [await studies.create(f"s{i}", systems, questions=[question], checks=0) for i in range(3)]
            id = made[0]["id"]
            task = await studies.task(id, rater="ann")
            assert task is not None
            assert len(await studies.clip(task["videos"][1])) == 150
            await studies.answer(id, task["id"], (1, 0), rater="ann")
            assert len([study async for study in studies.list(limit=2)]) == 2
            assert (await studies.update(id, shared=True))["shared"] is True
            assert (await studies.export(id, tmp_path / "a.csv")).stat().st_size > 100
            for study in made[1:]:
                await studies.delete(study["id"])
            assert [study["id"] async for study in studies.list()] == [id]
            assert (await studies.get(id))["answers"] == 1
            return await studies.results(id)

    assert asyncio.run(flow())["questions"][0]["answers"] == 1


def test_arenas_of_both_clients(working: Running) -> None:
    with Client(working.url) as client:
        id = client.studies.create_arena("steps", CONTESTANTS)["id"]
        task = client.studies.begin_round(id, PROMPTS[0], rater="ann")["task"]
        round = client.studies.wait_for_round(id, task, poll=0.1)
        assert round["status"] == "completed", round
        assert client.studies.clip(round["videos"][0])[4:8] == b"ftyp"
        revealed = client.studies.answer(id, task, "second", rater="ann")
        assert sorted(revealed or ()) == sorted(CONTESTANTS)
        assert client.studies.round(id, task)["revealed"] == revealed
        assert client.studies.results(id)["answers"] == 1

    async def flow() -> Any:
        async with AsyncClient(working.url) as client:
            studies = client.studies
            id = (await studies.create_arena("more", CONTESTANTS))["id"]
            task = (await studies.begin_round(id, PROMPTS[1]))["task"]
            round = await studies.wait_for_round(id, task, poll=0.1)
            assert (await studies.round(id, task)) == round
            return await studies.answer(id, task, "tie")

    assert sorted(asyncio.run(flow())) == sorted(CONTESTANTS)
