"""``/v1/account``, ``/v1/sessions``, ``/v1/keys``: who one is, logging in, keys of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from scenewright.server.accounts import AccountError, Principal, Role, Scope
from scenewright.server.errors import ApiError, bad_request, described, not_found
from scenewright.server.limits import queued_jobs, stored_bytes
from scenewright.server.requests import Body
from scenewright.server.security import COOKIE, address_of, requires
from scenewright.server.services import services_of
from scenewright.server.tables import ApiKey
from scenewright.server.webhooks import secret_of

router = APIRouter(tags=["account"])

Known = Annotated[Principal, Depends(requires(None))]
KeyHolder = Annotated[Principal, Depends(requires("keys"))]

_NO_ACCOUNTS = "this server has no accounts; it serves this machine alone"


class Usage(BaseModel):
    """``queued``: videos that wait or are being made; ``stored_bytes``: of videos and uploads. None is no
    limit."""

    queued: int
    most_queued: int
    stored_bytes: int
    most_stored_bytes: int | None
    most_upload_bytes: int
    requests_per_minute: int | None


class Account(BaseModel):
    """``accounts``: whether this server has any; without, everyone is the one local user. ``csrf_token``: for
    the header X-CSRF-Token, where one is logged in by cookie. ``webhook_secret``: what messages to a
    ``callback_url`` are signed with; only for those who may make videos."""

    id: str
    name: str
    role: Role
    scopes: list[Scope]
    accounts: bool
    logged_in_by: Literal["open", "key", "session"]
    csrf_token: str | None = None
    webhook_secret: str | None = None
    usage: Usage


class LogIn(Body):
    name: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=200, json_schema_extra={"format": "password"})


class NewKey(Body):
    """``expires_in``: seconds, None for never."""

    name: str = Field(default="key", min_length=1, max_length=80)
    scopes: list[Scope] = Field(default=["videos:read", "videos:write"], min_length=1)
    expires_in: int | None = Field(default=None, ge=1, le=10 * 366 * 86400)


class Key(BaseModel):
    """``prefix``: its first characters. ``secret``: the key itself, told once, when it is made."""

    id: str
    object: Literal["api_key"] = "api_key"
    name: str
    prefix: str
    scopes: list[str]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None
    secret: str | None = None


class KeyList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Key]


class Gone(BaseModel):
    id: str
    deleted: bool = True


@router.get("/v1/account", response_model=Account, responses=described(401, 429))
def account(request: Request, principal: Known) -> Account:
    """Who one is, what one may do, and what one has used."""
    return _account(request, principal)


@router.post("/v1/sessions", response_model=Account, responses=described(400, 401, 409, 429))
def log_in(request: Request, response: Response, body: LogIn) -> Account:
    """Sets the session's cookie. Wrong names and passwords look alike."""
    services = services_of(request)
    if not services.settings.accounts:
        raise ApiError(409, _NO_ACCOUNTS, code="no_accounts")
    services.logins.check(address_of(request))
    found = services.accounts.log_in(body.name, body.password)
    if found is None:
        raise ApiError(401, "the name or the password is wrong", code="wrong_password")
    token, principal = found
    secure = request.url.scheme == "https" or (services.settings.public_url or "").startswith("https:")
    response.set_cookie(
        COOKIE, token, max_age=14 * 86400, path="/", secure=secure, httponly=True, samesite="strict"
    )
    return _account(request, principal)


@router.delete("/v1/sessions/current", response_model=Gone, responses=described(401, 403, 429))
def log_out(request: Request, response: Response, principal: Known) -> Gone:
    """Ends the session and forgets its cookie."""
    token = request.cookies.get(COOKIE)
    if token:
        services_of(request).accounts.log_out(token)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return Gone(id="current")


@router.get("/v1/keys", response_model=KeyList, responses=described(401, 403, 429))
def list_keys(request: Request, principal: KeyHolder) -> KeyList:
    """One's own, revoked ones too."""
    keys: Sequence[ApiKey] = []
    if services_of(request).settings.accounts:
        keys = services_of(request).accounts.keys(principal.owner_id)
    return KeyList(data=[_key(key) for key in keys])


@router.post("/v1/keys", response_model=Key, responses=described(400, 401, 403, 409, 429))
def create_key(request: Request, body: NewKey, principal: KeyHolder) -> Key:
    """``secret`` is told this once. No key can do more than who makes it."""
    services = services_of(request)
    if not services.settings.accounts:
        raise ApiError(409, _NO_ACCOUNTS, code="no_accounts")
    if beyond := [scope for scope in body.scopes if not principal.may(scope)]:
        raise ApiError(403, f"you do not have the scope {beyond[0]} yourself", code="insufficient_scope")
    accounts = services.accounts
    expires_at = None if body.expires_in is None else accounts.now() + body.expires_in
    try:
        key, secret = accounts.add_key(principal.owner_id, body.name, body.scopes, expires_at)
    except AccountError as error:
        raise bad_request(str(error)) from None
    return _key(key, secret)


@router.delete("/v1/keys/{key_id}", response_model=Gone, responses=described(401, 403, 404, 429))
def revoke_key(request: Request, key_id: str, principal: KeyHolder) -> Gone:
    """For good, at once."""
    if not services_of(request).accounts.revoke(key_id, principal.owner_id):
        raise not_found("key", key_id, "key_id")
    return Gone(id=key_id)


def _account(request: Request, principal: Principal) -> Account:
    services = services_of(request)
    limits = services.settings.limits
    secret = secret_of(services.secret, principal.owner_id) if principal.may("videos:write") else None
    with services.database.look() as connection:
        queued, stored = (count(connection, principal.owner_id) for count in (queued_jobs, stored_bytes))
    return Account(
        id=principal.owner_id,
        name=principal.name,
        role=principal.role,
        scopes=sorted(principal.scopes),
        accounts=services.settings.accounts,
        logged_in_by=principal.by,
        csrf_token=principal.csrf,
        webhook_secret=secret,
        usage=Usage(
            queued=queued,
            most_queued=limits.queued,
            stored_bytes=stored,
            most_stored_bytes=limits.stored_bytes,
            most_upload_bytes=limits.upload_bytes,
            requests_per_minute=limits.requests_per_minute,
        ),
    )


def _key(key: ApiKey, secret: str | None = None) -> Key:
    return Key(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=list(key.scopes),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
        secret=secret,
    )
