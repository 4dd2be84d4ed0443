"""A plain page on which raters answer a study; see ``scenewright study serve``."""

from __future__ import annotations

import json
import shutil
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from scenewright.evaluation.people.answers import Answer, Answers
from scenewright.evaluation.people.study import Study, Task

#: The most that an answer may have, in bytes.
MOST_BYTES = 64_000


class StudyServer(ThreadingHTTPServer):
    """Serves a study at ``address``: the page, tasks as JSON without any system's name, and their videos."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], study: Study[Path], answers: Answers) -> None:
        super().__init__(address, _Handler)
        self.study, self.answers = study, answers

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"


class _Handler(BaseHTTPRequestHandler):
    server: StudyServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        if url.path == "/":
            self._send(_page("page.html"), "text/html; charset=utf-8")
        elif url.path in ("/page.js", "/page.css"):
            kind = "text/javascript" if url.path.endswith(".js") else "text/css"
            self._send(_page(url.path[1:]), f"{kind}; charset=utf-8")
        elif url.path == "/task":
            self._task(parse_qs(url.query).get("rater", [""])[0])
        elif len(parts) == 3 and parts[0] == "video":
            self._video(parts[1], parts[2])
        else:
            self._error(HTTPStatus.NOT_FOUND, "there is nothing here")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if urlsplit(self.path).path != "/answer" or length > MOST_BYTES:
            self.close_connection = True
            self._error(HTTPStatus.NOT_FOUND, "there is nothing here")
            return
        try:
            given = json.loads(self.rfile.read(length))
            task = self.server.study.find(str(given["task"]))
            rater = str(given["rater"]).strip()
            if not rater or not self.server.study.valid(task, given["answer"]):
                raise ValueError("that is no answer to this task")
            self.server.answers.add(
                Answer(
                    task.id,
                    rater[:200],
                    given["answer"],
                    _number(given.get("seconds")),
                    _number(given.get("watched")),
                    int(given.get("replays") or 0),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            self._error(HTTPStatus.BAD_REQUEST, f"not taken: {error}")
            return
        self._json({"taken": True})

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal belongs to the command."""

    def _task(self, rater: str) -> None:
        rater = rater.strip()
        if not rater:
            self._error(HTTPStatus.BAD_REQUEST, "say who you are")
            return
        study = self.server.study
        task = self.server.answers.next_task(study, rater)
        done = self.server.answers.count(rater)
        if task is None:
            self._json({"title": study.config.title, "task": None, "done": done})
            return
        self._json(
            {"title": study.config.title, "done": done, "task": study.shown(task, partial(_address, task))}
        )

    def _video(self, task: str, name: str) -> None:
        place = name.removesuffix(".mp4")
        try:
            found = self.server.study.find(task)
            file = self.server.study.video(found, int(place))
            size = file.stat().st_size
        except (ValueError, IndexError, OSError):
            self._error(HTTPStatus.NOT_FOUND, "there is no such video")
            return
        start, end = _range(self.headers.get("Range"), size)
        partial = self.headers.get("Range") is not None
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        with file.open("rb") as video:
            video.seek(start)
            if end == size:
                shutil.copyfileobj(video, self.wfile)
            else:
                self.wfile.write(video.read(end - start))

    def _json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(value, ensure_ascii=False).encode(), "application/json; charset=utf-8", status)

    def _error(self, status: HTTPStatus, reason: str) -> None:
        self._json({"error": reason}, status)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)


def _address(task: Task, place: int) -> str:
    return f"/video/{task.id}/{place}.mp4"


def _page(name: str) -> bytes:
    return Path(str(files("scenewright.evaluation.people") / name)).read_bytes()


def _range(header: str | None, size: int) -> tuple[int, int]:
    """First byte and the one behind the last; all where the header cannot be met."""
    if not header or not header.startswith("bytes="):
        return 0, size
    first, _, last = header.removeprefix("bytes=").partition("-")
    try:
        start = int(first) if first else max(0, size - int(last))
        end = min(size, int(last) + 1) if first and last else size
    except ValueError:
        return 0, size
    return (start, end) if 0 <= start < end else (0, size)


def _number(value: Any) -> float | None:
    return None if value is None else min(max(float(value), 0.0), 1e6)
