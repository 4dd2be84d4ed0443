"""Who a request is from: an API key, a session of the studio, or anyone where there are no accounts."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.concurrency import run_in_threadpool

from scenewright.server.accounts import EVERYONE, Principal, Scope
from scenewright.server.errors import ApiError
from scenewright.server.guard import SAFE
from scenewright.server.services import Services, services_of

COOKIE, CSRF_HEADER = "scenewright_session", "x-csrf-token"

#: For OpenAPI; a request needs one of them where there are accounts.
bearer = HTTPBearer(auto_error=False, scheme_name="ApiKey", description="A key of one's own: sk-sw-...")
cookie = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    scheme_name="Session",
    description="A login of the studio, with X-CSRF-Token.",
)


def requires(scope: Scope | None) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency: who asks, who must have ``scope``; None asks for no more than to be known."""

    async def known(request: Request) -> Principal:
        if services_of(request).settings.accounts:
            principal = await run_in_threadpool(principal_of, request)
        else:
            principal = EVERYONE
        if scope is not None and not principal.may(scope):
            raise ApiError(403, f"this needs the scope {scope}", code="insufficient_scope")
        limiter = services_of(request).requests
        if limiter is not None:
            limiter.check(principal.key_id or principal.owner_id)
        return principal

    return known


def principal_of(request: Request) -> Principal:
    """Who asks. ApiError: 401 where that is not known, 403 for a change without the session's token."""
    services = services_of(request)
    if not services.settings.accounts:
        return EVERYONE
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        found = services.accounts.by_key(secret.strip())
        if found is None:
            raise _unknown(services, request, "the API key is wrong, expired or revoked", "invalid_api_key")
        return found
    token = request.cookies.get(COOKIE)
    if not token:
        raise _unknown(services, request, "send an API key, or log in", "missing_credentials")
    found = services.accounts.by_session(token)
    if found is None:
        raise _unknown(services, request, "the login is over; log in again", "session_expired")
    given = request.headers.get(CSRF_HEADER, "")
    if request.method not in SAFE and not hmac.compare_digest(given.encode(), (found.csrf or "").encode()):
        raise ApiError(403, "a change by a session must carry its X-CSRF-Token", code="csrf_failed")
    return found


def _unknown(services: Services, request: Request, message: str, code: str) -> ApiError:
    """Where there are many wrong ones from one address, it has to wait."""
    services.failures.check(address_of(request))
    return ApiError(401, message, code=code, headers={"WWW-Authenticate": "Bearer"})


def address_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client is not None else "unknown"
