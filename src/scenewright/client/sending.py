"""What both clients share: where the server is, what answers mean, when to try again, events."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from scenewright.client.calls import Call
from scenewright.client.errors import UnreachableServerError, VideoFailedError, refusal
from scenewright.client.video import Video

T = TypeVar("T")

DEFAULT_SERVER = "http://127.0.0.1:8000"

#: How often a request is sent again that may go better, and the longest that is waited for that, in seconds.
TRIES, LONGEST_WAIT = 3, 30.0
#: Seconds that a server may be away while one waits for a video: it may be restarting.
AWAY = 60.0

#: Called with a video whenever it has changed.
OnChange = Callable[[Video], None]


def address(server: str) -> str:
    """The base URL of a server. ValueError: it is none."""
    text = server.strip().rstrip("/").removesuffix("/v1")
    url = httpx.URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{server!r} is no address of a server; write it like {DEFAULT_SERVER}")
    return text


def headers_of(api_key: str | None) -> dict[str, str]:
    """The headers of every request; the key of the environment where none is given."""
    key = api_key or os.environ.get("SCENEWRIGHT_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def arguments(call: Call[Any]) -> dict[str, Any]:
    """A call as httpx's arguments."""
    given: dict[str, Any] = {"params": dict(call.params), "headers": dict(call.headers)}
    if call.json is not None:
        given["json"] = call.json
    if call.files is not None:
        given["files"] = dict(call.files)
        given["data"] = dict(call.data or {})
    return given


def wait_before_retry(call: Call[Any], tried: int, response: httpx.Response | None) -> float | None:
    """Seconds until it is worth another try; None where it is not. ``response``: None where there was
    none."""
    if tried >= TRIES:
        return None
    if response is None:
        return 0.5 * 2**tried if call.repeatable else None
    if response.status_code not in (429, 502, 503, 504) or response.headers.get("x-should-retry") == "false":
        return None
    wait = refusal(response.status_code, b"", response.headers.get("retry-after")).retry_after
    wait = 0.5 * 2**tried if wait is None else wait
    return wait if wait <= LONGEST_WAIT else None


def read(call: Call[T], response: httpx.Response) -> T:
    """The result. ServerError: the server refuses."""
    check(response)
    return call.read(response.json())


def check(response: httpx.Response) -> None:
    """ServerError: the server refuses. The body must have been read."""
    if not response.is_success:
        raise refusal(response.status_code, response.content, response.headers.get("retry-after"))


def unreachable(server: str, error: Exception) -> UnreachableServerError:
    """In one line."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return UnreachableServerError(f"no server answers at {server} ({reason}); is scenewright serve running?")


def made(video: Video) -> Video:
    """The same. VideoFailedError: it will not come."""
    if video.status != "completed":
        raise VideoFailedError(video)
    return video


class EventReader:
    """Puts the lines of server-sent events together."""

    def __init__(self) -> None:
        self._name, self._data = "message", list[str]()

    def feed(self, line: str) -> tuple[str, Any] | None:
        """The event, by its name and data, that a line completes; None where it does not."""
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                self._name = value
            elif field == "data":
                self._data.append(value)
            return None
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "message", []
        return (name, json.loads(data)) if data else None


def options_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the API from keyword arguments; a size may be a pair of pixels."""
    given = dict(options)
    if isinstance(given.get("size"), tuple | list):
        width, height = given["size"]
        given["size"] = f"{width}x{height}"
    return given
