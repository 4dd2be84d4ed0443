"""A server that is killed and started again: who waits for a video gets it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenewright import Client
from scenewright.client import Video


@contextmanager
def _served(folder: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "scenewright", "serve", "--port", str(port), "--device", "cpu"]
    process = subprocess.Popen([*command, "--folder", str(folder)], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = ""
        while "serving at" not in line:
            line = process.stderr.readline()
            assert line, "the server ended"
        yield process, line.split()[2].rstrip(";")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        assert process.stderr is not None
        process.stderr.close()


def test_a_video_outlives_its_server(tmp_path: Path) -> None:
    seen: list[Video] = []
    with _served(tmp_path, 0) as (first, url):
        client = Client(url)
        video = client.create("a red ball rolls left", seed=3, num_inference_steps=10)
        for seen_now in client.watch(video.id):
            seen.append(seen_now)
            if seen_now.current_step >= 2:
                os.kill(first.pid, signal.SIGKILL)
                break
    assert seen[-1].status == "in_progress"
    with _served(tmp_path, int(url.rpartition(":")[2])):
        done = client.wait(video.id)
        assert done.status == "completed"
        client.download(video.id, tmp_path / "ball.mp4")
    client.close()
    assert (tmp_path / "ball.mp4").stat().st_size > 1000
