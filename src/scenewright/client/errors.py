"""What can go wrong with a server, each in one line."""

from __future__ import annotations

import json
from typing import Any


class ServerError(ValueError):
    """The server refuses. ``status``: of HTTP; ``code``: what is wrong, for programs; ``param``: the field
    that is; ``retry_after``: seconds after which it may be worth another try."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.retry_after = status, code, param, retry_after


class UnreachableServerError(ValueError):
    """No server answers at the address."""


class VideoFailedError(ValueError):
    """A video that was waited for will not come. ``video``: as it is."""

    def __init__(self, video: Any) -> None:
        error = video.error or {}
        reason = error.get("message") or f"it is {video.status}"
        super().__init__(f"the video was not made: {reason}")
        self.video, self.code = video, error.get("code") or video.status


def refusal(status: int, content: bytes, retry_after: str | None) -> ServerError:
    """The error that an answer tells."""
    try:
        error = json.loads(content)["error"]
        message, code, param = str(error["message"]), error.get("code"), error.get("param")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, code, param = f"the server answers with HTTP status {status}", None, None
    try:
        wait = None if retry_after is None else float(retry_after)
    except ValueError:
        wait = None
    return ServerError(status, message, code, param, wait)
