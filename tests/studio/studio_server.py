"""``scenewright serve`` in a process of its own, as the tests of the studio use it, and files to keep."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from scenewright.clip import Clip


class Server:
    """``scenewright serve`` at a port that stays the same when it is started again, and a worker."""

    def __init__(self, folder: Path, *options: str, works: bool = True) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.folder, self.options, self.works = folder, options, works
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=20)
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self._run("serve", "--port", str(self.port), "--device", "none", *self.options)
        # One video at a time, and one whose worker is lost is soon another's.
        if self.works:
            self._run("worker", "--batch", "1", "--lease", "3")
        self.wait(self._answers)

    def _run(self, command: str, *options: str) -> None:
        with self._log.open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "scenewright", command, "--folder", str(self.folder), *options],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
            )

    def kill(self) -> None:
        """As a power cut would: all at once, in the middle of whatever they do."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait(20)
        self._processes = []

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        self.http.close()

    @property
    def _log(self) -> Path:
        return self.folder.parent / "server.log"

    def wait(self, true: Any, seconds: float = 60) -> Any:
        """What ``true()`` gives when it gives something."""
        end = time.monotonic() + seconds
        while not (found := true()):
            if time.monotonic() > end or any(process.poll() is not None for process in self._processes):
                log = self._log.read_text()[-2000:]
                raise AssertionError(f"it did not come true; the server says:\n{log}")
            time.sleep(0.05)
        return found

    def _answers(self) -> bool:
        try:
            return self.http.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    # ------------------------------------------------------------------------------------------- its videos

    def videos(self, **filters: Any) -> list[dict[str, Any]]:
        """Those that match, the newest first."""
        answer = self.http.get("/v1/videos", params={"limit": 100, **filters})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    def video(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/v1/videos/{id}").json()
        return found

    def submit(self, prompt: str, **fields: Any) -> dict[str, Any]:
        answer = self.http.post("/v1/videos", json={"prompt": prompt, "cache": False, **fields})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def keep(self, path: Path) -> dict[str, Any]:
        """Puts a file into the library."""
        with path.open("rb") as file:
            answer = self.http.post("/v1/videos/import?keep=true", files={"file": (path.name, file)})
        assert answer.status_code == 200, answer.text
        kept: dict[str, Any] = answer.json()["video"]
        return kept

    def empty(self) -> None:
        """No video is left that waits, is made or is seen."""
        for video in self.videos():
            self.http.delete(f"/v1/videos/{video['id']}")
        self.wait(lambda: not self.videos(status=["queued", "in_progress"]))


def written(path: Path, prompt: str, colors: list[tuple[int, int, int]], **metadata: Any) -> Path:
    """A file as ``scenewright generate`` writes it: one plain picture of each colour, at 8 a second."""
    frames = np.empty((len(colors), 64, 64, 3), np.uint8)
    frames[:] = np.array(colors, np.uint8)[:, None, None]
    facts = {"prompt": prompt, "model": "nano", "seed": 1, "num_frames": len(colors), "fps": 8.0}
    Clip(frames, 8.0).save(path, metadata={**facts, "width": 64, "height": 64, **metadata})
    return path
