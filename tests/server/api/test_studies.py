"""Studies: blind and balanced tasks about videos of the library, and what people said of them."""

from __future__ import annotations

from typing import Any

from running_server import Running

PROMPTS = ("a red ball rolls left", "a blue cube falls", "a green cone spins")


def made(server: Running, prompt: str, number: int, **fields: Any) -> str:
    """A finished video of content of its own; its id."""
    headers = fields.pop("headers", {})
    answer = server.client.post(
        "/v1/videos", json={"prompt": prompt, "seed": number, **fields}, headers=headers
    )
    assert answer.status_code == 200, answer.text
    video: str = answer.json()["id"]
    server.finish(video, b"content %d " % number * 20)
    return video


def two_systems(server: Running, **fields: Any) -> dict[str, list[str]]:
    return {
        label: [made(server, prompt, 100 * at + i, **fields) for i, prompt in enumerate(PROMPTS)]
        for at, label in enumerate(("secret-one", "secret-two"))
    }


def study(server: Running, systems: dict[str, list[str]], **fields: Any) -> dict[str, Any]:
    headers = fields.pop("headers", {})
    answer = server.client.post(
        "/v1/studies", json={"name": "s", "systems": systems, **fields}, headers=headers
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_study_is_made_and_answered(server: Running) -> None:
    found = study(server, two_systems(server), votes=1, checks=0)
    path = f"/v1/studies/{found['id']}"
    task = server.client.get(f"{path}/task").json()["task"]
    assert server.client.get(task["videos"][0]).content.startswith(b"content")
    answer = server.client.post(f"{path}/answers", json={"task": task["id"], "answer": "first"})
    assert answer.json() == {"taken": True, "revealed": None}
    assert server.client.get(f"{path}/results").json()["answers"] == 1
