"""What every request passes: which host it is for, where it comes from, and what browsers may do with it.

Browsers send requests of any page to a server on this machine. Its own pages come with their own origin and
name the server by a name of its own; anything else that would change something is refused, which also
makes names useless that a stranger's DNS lets point here.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scenewright.server.errors import ApiError, fault
from scenewright.server.services import Services
from scenewright.server.settings import is_loopback

log = logging.getLogger(__name__)

SAFE = ("GET", "HEAD", "OPTIONS")

#: Bytes of a body without files.
MOST_JSON = 1 << 20

#: Paths whose bodies may hold files; each reads its own with the limit of uploads.
WITH_FILES = frozenset(
    {
        "/v1/videos",
        "/v1/videos/extensions",
        "/v1/videos/edits",
        "/v1/videos/characters",
        "/v1/videos/import",
        "/v1/estimates",
    }
)

#: Of pages and of everything else. ``data:`` and ``blob:`` are for previews and files that a user drags in.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """ASGI around the whole app; it also counts and times, and answers faults of the program."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app, self.services = app, services
        self.hosts = {host.lower() for host in services.settings.allowed_hosts}
        if services.settings.public_url is not None:
            self.hosts.add((urlsplit(services.settings.public_url).hostname or "").lower())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, begun = time.perf_counter(), 500, False
        request_id = f"req_{secrets.token_hex(8)}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def dressed(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                begun, status = True, message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                headers["x-request-id"] = request_id
                seconds = time.perf_counter() - began
                headers["openai-processing-ms"] = f"{1000 * seconds:.0f}"
                self.services.metrics.answered(scope["method"], _route(scope), status, seconds)
            await send(message)

        try:
            refused = self.refusal(scope)
            if refused is not None:
                await refused.response()(scope, receive, dressed)
            else:
                await self.app(scope, receive if _has_files(scope) else _limited(receive), dressed)
        except Exception as error:
            if begun:
                log.exception("request %s failed while it was answered", request_id)
                raise
            await fault(request_id, error)(scope, receive, dressed)

    def refusal(self, scope: Scope) -> ApiError | None:
        """Why a request is refused; None where it is not."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self.is_own(host):
            return ApiError(
                403,
                "this server is not reached by that name; start it with --allowed-host to allow it",
                code="host_not_allowed",
            )
        if scope["method"] in SAFE:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        foreign = origin is not None and not self.same_origin(origin, host)
        if foreign or (origin is None and site in ("cross-site", "same-site")):
            return ApiError(403, "the request comes from another site's page", code="origin_not_allowed")
        return None

    def is_own(self, host: str) -> bool:
        """Whether a ``Host`` header names this server."""
        name = re.sub(r":\d*$", "", host).lower()
        if name.strip("[]") in self.hosts or name in self.hosts:
            return True
        if self.services.settings.loopback:
            return is_loopback(name)
        # Reached from elsewhere it has names that it cannot know; users have to log in there.
        return not self.services.settings.allowed_hosts and bool(name)

    def same_origin(self, origin: str, host: str) -> bool:
        """Whether an ``Origin`` header is of this server's own pages."""
        parts = urlsplit(origin)
        own = parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
        public = self.services.settings.public_url
        if public is not None:
            allowed = urlsplit(public)
            own = own or (parts.scheme, parts.netloc.lower()) == (allowed.scheme, allowed.netloc.lower())
        return own


def _has_files(scope: Scope) -> bool:
    return scope["path"] in WITH_FILES


def _limited(receive: Receive) -> Receive:
    """ApiError (413) for a body of more than ``MOST_JSON`` bytes."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_JSON:
            raise ApiError(413, f"the body has more than {MOST_JSON:,} bytes", code="too_large")
        return message

    return counted


def _route(scope: Scope) -> str:
    """The path as it is declared, so that ids do not make a number each."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    return path if isinstance(path, str) else "other"
