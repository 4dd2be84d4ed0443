"""Who asks: users with roles, API keys with scopes, sessions of the studio; and the one user where there are
no accounts."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from sqlalchemy import delete, func, select, update

from scenewright.server.database import Database
from scenewright.server.passwords import hash_password, hash_token, new_token, password_fits
from scenewright.server.tables import ApiKey, LoginSession, User

Role = Literal["admin", "creator", "reviewer"]
Scope = Literal["videos:read", "videos:write", "keys", "admin"]

ROLES: tuple[Role, ...] = get_args(Role)
SCOPES: tuple[Scope, ...] = get_args(Scope)

#: What each role may do. Reviewers see the videos of all, and make none.
_MAY: dict[Role, frozenset[Scope]] = {
    "admin": frozenset(SCOPES),
    "creator": frozenset({"videos:read", "videos:write", "keys"}),
    "reviewer": frozenset({"videos:read"}),
}

KEY_PREFIX = "sk-sw-"
#: Seconds that a login lasts, and between two notes of when a key or session was seen.
SESSION_SECONDS, SEEN_EVERY = 14 * 86400.0, 60.0

#: The only owner where there are no accounts.
LOCAL = "local"


class AccountError(ValueError):
    """An account that cannot be made or changed: one line."""


@dataclass(frozen=True)
class Principal:
    """Who asks. ``owner_id``: whose videos these are; ``by``: how they are known; ``csrf``: what a session
    must send along with a change."""

    owner_id: str
    name: str
    role: Role
    scopes: frozenset[Scope]
    by: Literal["open", "key", "session"]
    csrf: str | None = None
    key_id: str | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes

    @property
    def is_admin(self) -> bool:
        return self.may("admin")


#: Everyone, where there are no accounts.
EVERYONE = Principal(LOCAL, LOCAL, "admin", frozenset(SCOPES), "open")


class Accounts:
    """Users, keys and sessions in the database. ``clock``: seconds since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database, self.now = database, clock

    # ---------------------------------------------------------------------------------------------- users

    def add_user(self, name: str, role: Role, password: str | None = None) -> User:
        """AccountError: the name is taken or no name, or the role unknown."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", name):
            raise AccountError(f"{name!r} is no user name; use letters, digits and . _ @ -, at most 64")
        if role not in ROLES:
            raise AccountError(f"there is no role {role!r}; known: {', '.join(ROLES)}")
        hashed = None if password is None else hash_password(password)
        user = User(
            id=f"user_{secrets.token_hex(12)}",
            name=name,
            role=role,
            password_hash=hashed,
            created_at=self.now(),
            disabled_at=None,
        )
        with self.database.write() as session:
            if session.scalar(select(User).where(func.lower(User.name) == name.lower())) is not None:
                raise AccountError(f"there is a user {name} already")
            session.add(user)
        return user

    def users(self) -> Sequence[User]:
        """All, the oldest first."""
        with self.database.read() as session:
            return session.scalars(select(User).order_by(User.created_at, User.id)).all()

    def user(self, name: str) -> User:
        """AccountError: there is none."""
        with self.database.read() as session:
            found = session.scalar(select(User).where(func.lower(User.name) == name.lower()))
        if found is None:
            raise AccountError(f"there is no user {name}")
        return found

    def set_password(self, name: str, password: str) -> None:
        """Ends the user's sessions, too."""
        user, hashed = self.user(name), hash_password(password)
        with self.database.write() as session:
            session.execute(update(User).where(User.id == user.id).values(password_hash=hashed))
            session.execute(delete(LoginSession).where(LoginSession.user_id == user.id))

    def set_role(self, name: str, role: Role) -> None:
        if role not in ROLES:
            raise AccountError(f"there is no role {role!r}; known: {', '.join(ROLES)}")
        user = self.user(name)
        with self.database.write() as session:
            session.execute(update(User).where(User.id == user.id).values(role=role))

    def set_disabled(self, name: str, disabled: bool) -> None:
        """A disabled user's keys and password are refused; videos stay."""
        user, at = self.user(name), self.now() if disabled else None
        with self.database.write() as session:
            session.execute(update(User).where(User.id == user.id).values(disabled_at=at))
            if disabled:
                session.execute(delete(LoginSession).where(LoginSession.user_id == user.id))

    # ----------------------------------------------------------------------------------------------- keys

    def add_key(
        self, user_id: str, name: str, scopes: Collection[str], expires_at: float | None = None
    ) -> tuple[ApiKey, str]:
        """The key's row and the key itself, which is not kept. AccountError: a scope that the user's role
        does not have, or a time that is over."""
        with self.database.read() as session:
            user = session.get(User, user_id)
        if user is None:
            raise AccountError("there is no such user")
        role = _role(user)
        if unknown := [scope for scope in scopes if scope not in SCOPES]:
            raise AccountError(f"there is no scope {unknown[0]!r}; known: {', '.join(SCOPES)}")
        if beyond := [scope for scope in scopes if scope not in _MAY[role]]:
            raise AccountError(f"a {role} has no scope {beyond[0]}")
        if not scopes:
            raise AccountError("a key without a scope is good for nothing; name one")
        if expires_at is not None and expires_at <= self.now():
            raise AccountError("a key must expire later than now")
        secret = new_token(KEY_PREFIX)
        key = ApiKey(
            id=f"key_{secrets.token_hex(12)}",
            user_id=user_id,
            name=name[:80] or "key",
            prefix=secret[: len(KEY_PREFIX) + 4],
            key_hash=hash_token(secret),
            scopes=sorted(set(scopes)),
            created_at=self.now(),
            expires_at=expires_at,
            revoked_at=None,
            last_used_at=None,
        )
        with self.database.write() as session:
            session.add(key)
        return key, secret

    def keys(self, user_id: str | None = None) -> Sequence[ApiKey]:
        """A user's, or all, the newest first."""
        query = select(ApiKey).order_by(ApiKey.created_at.desc(), ApiKey.id)
        with self.database.read() as session:
            return session.scalars(query if user_id is None else query.where(ApiKey.user_id == user_id)).all()

    def revoke(self, key_id: str, user_id: str | None = None) -> bool:
        """For good. False: the user has no such key."""
        mine = ApiKey.id == key_id
        if user_id is not None:
            mine = mine & (ApiKey.user_id == user_id)
        with self.database.write() as session:
            found = session.scalar(select(ApiKey).where(mine))
            if found is None:
                return False
            found.revoked_at = found.revoked_at or self.now()
            return True

    def by_key(self, secret: str) -> Principal | None:
        """Who has a key; None where it is unknown, revoked or expired, or the user disabled."""
        with self.database.read() as session:
            row = session.execute(
                select(ApiKey, User)
                .join(User, User.id == ApiKey.user_id)
                .where(ApiKey.key_hash == hash_token(secret))
            ).first()
        if row is None:
            return None
        key, user = row
        now = self.now()
        if key.revoked_at is not None or user.disabled_at is not None:
            return None
        if key.expires_at is not None and key.expires_at <= now:
            return None
        if key.last_used_at is None or now - key.last_used_at > SEEN_EVERY:
            with self.database.write() as session:
                session.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=now))
        # A role that has lost a scope takes it from the user's old keys as well.
        role = _role(user)
        scopes = frozenset(scope for scope in SCOPES if scope in key.scopes) & _MAY[role]
        return Principal(user.id, user.name, role, scopes, "key", key_id=key.id)

    # ------------------------------------------------------------------------------------------- sessions

    def log_in(self, name: str, password: str) -> tuple[str, Principal] | None:
        """A session's token and who has it; None for a wrong name or password."""
        with self.database.read() as session:
            user = session.scalar(select(User).where(func.lower(User.name) == name.lower()))
        stored = None if user is None or user.disabled_at is not None else user.password_hash
        if not password_fits(password, stored) or user is None:
            return None
        token, csrf, now = new_token(), new_token(), self.now()
        with self.database.write() as session:
            session.execute(delete(LoginSession).where(LoginSession.expires_at <= now))
            session.add(
                LoginSession(
                    token_hash=hash_token(token),
                    user_id=user.id,
                    csrf=csrf,
                    created_at=now,
                    expires_at=now + SESSION_SECONDS,
                    seen_at=now,
                )
            )
        return token, self._of_session(user, csrf)

    def by_session(self, token: str) -> Principal | None:
        """Who has a session; None where it is unknown or over."""
        with self.database.read() as session:
            row = session.execute(
                select(LoginSession, User)
                .join(User, User.id == LoginSession.user_id)
                .where(LoginSession.token_hash == hash_token(token))
            ).first()
        if row is None or row[0].expires_at <= self.now() or row[1].disabled_at is not None:
            return None
        return self._of_session(row[1], row[0].csrf)

    def log_out(self, token: str) -> None:
        with self.database.write() as session:
            session.execute(delete(LoginSession).where(LoginSession.token_hash == hash_token(token)))

    def _of_session(self, user: User, csrf: str) -> Principal:
        role = _role(user)
        return Principal(user.id, user.name, role, _MAY[role], "session", csrf)


def _role(user: User) -> Role:
    return cast("Role", user.role)


def scopes_of(role: Role) -> list[Scope]:
    """What a role may do, in a fixed order."""
    return [scope for scope in SCOPES if scope in _MAY[role]]


def sees(principal: Principal, *, listing: bool = False) -> str | None:
    """Whose videos one may look at: None for everyone's. Reviewers are there to look at all; administrators
    reach any video by its id, and list their own."""
    everyone = principal.role == "reviewer" or (principal.is_admin and not listing)
    return None if everyone else principal.owner_id


def changes(principal: Principal) -> str | None:
    """Whose videos one may change, None for everyone's."""
    return None if principal.is_admin else principal.owner_id
