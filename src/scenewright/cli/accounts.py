"""``scenewright accounts``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenewright.cli.console import emit, json_option, note

if TYPE_CHECKING:
    from scenewright.server.accounts import Accounts

ROLES = ("admin", "creator", "reviewer")
SCOPES = ("videos:read", "videos:write", "keys", "admin")


@click.group()
def accounts() -> None:
    """Users of a server and their API keys."""


_queue_option = click.option(
    "--queue", metavar="URL", help="The server's queue.  [default: FOLDER/jobs.sqlite]"
)
_folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False),
    default="runs/studio",
    show_default=True,
    help="The server's folder.",
)


def _of_queue(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say where the accounts are; the command gets them opened as its first argument."""

    def opened(*args: Any, queue: str | None, folder: str, **options: Any) -> None:
        from scenewright.server.accounts import Accounts
        from scenewright.server.database import open_database

        base = Path(folder).resolve()
        database = open_database(queue or f"sqlite:///{base / 'jobs.sqlite'}")
        try:
            command(Accounts(database), *args, **options)
        finally:
            database.close()

    wrapped: Callable[..., None] = update_wrapper(opened, command)
    return _queue_option(_folder_option(wrapped))


def _password(from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


_from_input = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)


@accounts.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="creator", show_default=True)
@click.option("--no-password", is_flag=True, help="For someone who uses API keys alone.")
@_from_input
@_of_queue
def add_command(store: Accounts, name: str, role: Any, no_password: bool, password_stdin: bool) -> None:
    """Add a user, who may log in to the studio.

    An admin may do everything, a creator makes videos and sees only those, a reviewer sees the videos of all
    and makes none.
    """
    user = store.add_user(name, role, None if no_password else _password(password_stdin))
    note(f"added {user.name}, {user.role}")


@accounts.command("list")
@json_option
@_of_queue
def list_command(store: Accounts, as_json: bool) -> None:
    """List users."""
    users: list[dict[str, Any]] = [
        {
            "id": user.id,
            "name": user.name,
            "role": user.role,
            "can_log_in": user.password_hash is not None,
            "created_at": user.created_at,
            "disabled_at": user.disabled_at,
        }
        for user in store.users()
    ]
    if as_json:
        emit(users)
        return
    for user in users:
        state = "disabled" if user["disabled_at"] else "can log in" if user["can_log_in"] else "keys alone"
        click.echo(f"{user['name']:<24} {user['role']:<10} {state:<12} since {_day(user['created_at'])}")


@accounts.command("password")
@click.argument("name")
@_from_input
@_of_queue
def password_command(store: Accounts, name: str, password_stdin: bool) -> None:
    """Set a user's password; ends the user's sessions."""
    store.user(name)
    store.set_password(name, _password(password_stdin))
    note(f"{name} has a new password")


@accounts.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@_of_queue
def role_command(store: Accounts, name: str, role: Any) -> None:
    """Change what a user may do."""
    store.set_role(name, role)
    note(f"{name} is {role} now")


@accounts.command("disable")
@click.argument("name")
@_of_queue
def disable_command(store: Accounts, name: str) -> None:
    """Refuse a user's keys and password; the videos stay."""
    store.set_disabled(name, True)
    note(f"{name} is disabled")


@accounts.command("enable")
@click.argument("name")
@_of_queue
def enable_command(store: Accounts, name: str) -> None:
    """Let a disabled user in again."""
    store.set_disabled(name, False)
    note(f"{name} is enabled")


@accounts.command("add-key")
@click.argument("name")
@click.option("--label", default="key", show_default=True, help="What the key is for.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("videos:read", "videos:write"),
    show_default=True,
    help="What it is good for. Repeatable.",
)
@click.option(
    "--days", type=click.FloatRange(min=0, min_open=True), help="Until it expires. [default: never]"
)
@json_option
@_of_queue
def add_key_command(
    store: Accounts, name: str, label: str, scopes: tuple[str, ...], days: float | None, as_json: bool
) -> None:
    """Make an API key for a user, and print it this once."""
    expires_at = None if days is None else time.time() + days * 86400
    key, secret = store.add_key(store.user(name).id, label, scopes, expires_at)
    if as_json:
        emit({"id": key.id, "key": secret, "scopes": list(key.scopes), "expires_at": key.expires_at})
    else:
        click.echo(secret)
        note(f"{key.id}; it is not shown again")


@accounts.command("keys")
@click.argument("name", required=False)
@json_option
@_of_queue
def keys_command(store: Accounts, name: str | None, as_json: bool) -> None:
    """List the keys of a user, or of all."""
    names = {user.id: user.name for user in store.users()}
    found = store.keys(None if name is None else store.user(name).id)
    if as_json:
        fields = ("id", "name", "prefix", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
        emit([{"user": names.get(key.user_id), **{f: getattr(key, f) for f in fields}} for key in found])
        return
    for key in found:
        over = key.expires_at is not None and key.expires_at <= time.time()
        state = "revoked" if key.revoked_at else "expired" if over else "valid"
        used = "never used" if key.last_used_at is None else f"used {_day(key.last_used_at)}"
        scopes = ",".join(key.scopes)
        click.echo(f"{key.id}  {names.get(key.user_id, '?'):<16} {key.prefix}…  {state:<8} {scopes}  {used}")


@accounts.command("revoke")
@click.argument("key_id")
@_of_queue
def revoke_command(store: Accounts, key_id: str) -> None:
    """Make a key useless, for good."""
    if not store.revoke(key_id):
        raise click.UsageError(f"there is no key {key_id}")
    note(f"{key_id} is revoked")


def _day(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d")
