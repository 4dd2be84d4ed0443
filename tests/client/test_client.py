"""The client against a server, with a worker on the embedded model for what needs one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from running_server import Running
from scenewright import AsyncClient, Client
from scenewright.cli.main import main
from scenewright.client import ServerError, UnreachableServerError, Video, VideoFailedError
from scenewright.client.sending import EventReader
from scenewright.media import decode, probe

PROMPT = "a red ball rolls left"
FEW = {"num_inference_steps": 2, "num_frames": 8}


def test_a_video_is_made_watched_and_downloaded(working: Running, tmp_path: Path) -> None:
    phases: list[Video] = []
    with Client(working.url) as client:
        queued = client.create(PROMPT, seed=3, size=(64, 64), **FEW)
        done = client.wait(queued.id, phases.append)
        path = client.download(done.id, tmp_path / "ball.mp4")
        picture = client.content(done.id, "thumbnail")
    assert phases[-1].status == "completed"
    assert [video.progress for video in phases] == sorted(video.progress for video in phases)
    clip = decode(path)
    assert (len(clip), clip.width, clip.height) == (8, 64, 64)
    assert probe(path).metadata["seed"] == 3
    assert picture[:4] == b"RIFF"


def test_the_asynchronous_client_makes_the_same(working: Running, tmp_path: Path) -> None:
    async def flow() -> tuple[bytes, bytes]:
        async with AsyncClient(working.url) as client:
            first, again = await asyncio.gather(
                client.create(PROMPT, seed=5, **FEW), client.create(PROMPT, seed=5, cache=False, **FEW)
            )
            one, two = await asyncio.gather(client.wait(first.id), client.wait(again.id))
            path = await client.download(one.id, tmp_path / "one.mp4")
            assert {video.id async for video in client.list(search="red", limit=2)}
            return path.read_bytes(), await client.content(two.id)

    one, two = asyncio.run(flow())
    assert one == two


def test_the_command_line_lets_a_server_work(working: Running, tmp_path: Path) -> None:
    image = tmp_path / "first.png"
    Image.fromarray(np.full((40, 40, 3), (200, 30, 30), np.uint8)).save(image)
    out = tmp_path / "out.mp4"
    command = ["generate", PROMPT, "--server", working.url, "-o", str(out), "--image", str(image)]
    command += ["--steps", "2", "--num-frames", "8", "--size", "64x64", "--seed", "9", "--json"]
    code = (
        "import sys; from scenewright.cli.main import main; code = main(sys.argv[1:]);"
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=100
    )
    assert result.returncode == 0, result.stderr
    (record,) = json.loads(result.stdout)
    assert (record["path"], record["seed"], record["num_frames"]) == (str(out), 9, 8)
    assert decode(out, frames=[0]).frames.reshape(-1, 3).mean(0)[0] > 150


def test_a_video_goes_on(working: Running) -> None:
    with Client(working.url) as client:
        first = client.wait(client.create(PROMPT, seed=3, **FEW).id)
        longer = client.wait(
            client.extend(first.id, "a red ball bounces", num_frames=4, num_inference_steps=2).id
        )
    assert (longer.num_frames, longer.seconds) == (12, "1.5")
    assert longer.remixed_from_video_id == first.id


def test_what_fails_says_why(working: Running) -> None:
    with Client(working.url) as client:
        impossible = client.create("qwerty uiop", model="zoo/oracle")
        with pytest.raises(VideoFailedError, match="names no object") as failed:
            client.wait(impossible.id)
    assert failed.value.code == "invalid_request"


def test_steering(server: Running) -> None:
    with Client(server.url) as client:
        one, two = client.create(PROMPT), client.create(PROMPT)
        assert (one.queue_position, two.queue_position) == (1, 2)
        assert client.move(two.id, before=one.id).queue_position == 1
        assert client.pause(one.id).paused
        assert not client.resume(one.id).paused
        assert client.cancel(one.id).status == "cancelled"
        assert client.retry(one.id).status == "queued"
        assert client.update(one.id, title="mine", tags=["x"]).title == "mine"
        assert [video.id for video in client.list(tag="x")] == [one.id]
        client.delete(one.id)
        assert [video.id for video in client.list()] == [two.id]
        assert client.restore(one.id).id == one.id
        with pytest.raises(ServerError) as refused:
            client.remix(two.id, " ")
    assert (refused.value.status, refused.value.param) == (400, "prompt")


def test_waiting_outlasts_a_cancelled_and_a_deleted_video(server: Running) -> None:
    with Client(server.url) as client:
        for end in (client.cancel, client.delete):
            video = client.create(PROMPT)
            thread = threading.Timer(0.3, end, [video.id])
            thread.start()
            with pytest.raises(VideoFailedError):
                client.wait(video.id)
            thread.join()


def test_facts_of_the_server(server: Running) -> None:
    with Client(f"{server.url}/v1/") as client:
        assert "nano" in [model["id"] for model in client.models()]
        assert client.machine()["cores"] > 0
        assert client.account()["accounts"] is False
        assert client.parse(PROMPT)["entities"][0]["shape"] == "sphere"
        assert client.estimate(PROMPT) == {**dict.fromkeys(client.estimate(PROMPT)), "known": False}


def test_no_server_and_no_address_are_one_line() -> None:
    with pytest.raises(ValueError, match="no address"), Client("ftp://x"):
        pass
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(UnreachableServerError, match="is scenewright serve"),
    ):
        client.create(PROMPT)


@pytest.mark.parametrize("options", [["-o", "x.gif"], ["--sound", __file__], ["--image", __file__] * 2])
def test_options_that_a_server_has_not_are_one_line(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", PROMPT, "--server", "http://127.0.0.1:9", *options]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_requests_that_may_go_better_are_sent_again() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) == 1:
            raise httpx.ReadError("gone")
        if len(seen) == 2:
            return httpx.Response(503, json={}, headers={"Retry-After": "0"})
        return httpx.Response(409, json={"error": {"message": "no", "code": "x", "param": "y"}})

    with Client("http://server", transport=httpx.MockTransport(answer)) as client:
        with pytest.raises(ServerError) as refused:
            client.create(PROMPT)
        assert (refused.value.status, refused.value.code, len(seen)) == (409, "x", 3)
        assert len({request.headers["idempotency-key"] for request in seen}) == 1
        seen.clear()
        with pytest.raises(UnreachableServerError):
            client.cancel("video_1")  # may have been done: it is not sent twice
    assert len(seen) == 1


def test_events_are_read_line_by_line() -> None:
    reader = EventReader()
    lines = ["retry: 1", "", ": alive", "", "id: 4", "event: video", 'data: {"a":', "data: 1}", ""]
    assert [event for line in lines if (event := reader.feed(line))] == [("video", {"a": 1})]


def test_the_key_of_the_environment_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEWRIGHT_API_KEY", "sk-sw-x")
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization", ""))
        return httpx.Response(200, json={"data": []})

    with Client("http://server", transport=httpx.MockTransport(answer)) as client:
        client.models()
    assert sent == ["Bearer sk-sw-x"]
