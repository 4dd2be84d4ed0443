"""Opening the queue's database: SQLite or PostgreSQL by URL, always at the newest schema."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"

#: An API answers from many threads at once.
_POOL: dict[str, Any] = {"pool_size": 10, "max_overflow": 40}

#: How long a transaction waits for others of the same file.
_SQLITE_SECONDS = 30.0

#: Keys of PostgreSQL's advisory locks: who changes the schema, and who takes jobs.
SCHEMA_LOCK, CLAIM_LOCK = 0x5CE7E01, 0x5CE7E02


class DatabaseError(ValueError):
    """A database that cannot be used: one line with which, why and what to do."""


class Database:
    """Transactions on a database. ``read`` sees one moment; ``write`` is alone on SQLite from its beginning,
    so that what it read cannot have changed when it writes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sqlite = engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """As ``read``, for a question or two that need no objects: those take longer than the database."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Committed when the block ends well, else rolled back."""
        with (
            self.engine.connect().execution_options(immediate=True) as connection,
            Session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open a database by URL (``sqlite:///PATH``, ``postgresql://…``); its schema is made or brought up to
    date first. Any number of processes may open it at once.

    Raises:
        DatabaseError: an unknown kind of URL, no connection, or a schema newer than this version's.
    """
    engine = connect(url)
    try:
        with engine.connect().execution_options(immediate=True) as connection:
            _upgrade(connection)
            connection.commit()
    except OperationalError as error:
        engine.dispose()
        why = " ".join(str(error.orig).split())
        raise DatabaseError(f"{_shown(url)}: the database cannot be opened ({why})") from None
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)


def connect(url: str) -> Engine:
    """An engine whose transactions are real ones; the schema is left alone. Errors as
    :func:`open_database`."""
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise DatabaseError(f"{_shown(url)}: the queue is kept in sqlite:///PATH or postgresql://…")
        if parsed.get_backend_name() == "postgresql":
            return create_engine(parsed, pool_pre_ping=True, **_POOL)
        if not parsed.database or parsed.database == ":memory:":
            raise DatabaseError(
                "a queue is shared by processes and so needs a file, such as sqlite:///jobs.sqlite"
            )
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, connect_args={"timeout": _SQLITE_SECONDS}, **_POOL)
    except (ArgumentError, NoSuchModuleError):
        raise DatabaseError(
            f"{_shown(url)} is no URL of a database; use sqlite:///PATH or postgresql://…"
        ) from None
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def patiently(action: Callable[[], T], seconds: float = 60.0) -> T:
    """The result of ``action``, tried again while the database cannot be reached, for at most so long."""
    end, wait = time.monotonic() + seconds, 0.1
    while True:
        try:
            return action()
        except OperationalError:
            if time.monotonic() + wait > end:
                raise
        time.sleep(wait)
        wait = min(5.0, 2 * wait)


def newest_revision() -> str:
    """The revision of the schema that this version has."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert head is not None
    return head


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema to a revision, within the connection's transaction."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
    logging.getLogger("alembic").setLevel(logging.WARNING)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == newest_revision():
        return
    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if current is not None and current not in known:
        where = connection.engine.url.render_as_string(hide_password=True)
        raise DatabaseError(
            f"{where}: the database was made by a newer version of scenewright; update this installation"
        )
    upgrade(connection)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    _turn_to_wal(cursor)
    # What is committed survives any kill of a process.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
    # SQLite's own knows ASCII alone, and searching goes by it.
    connection.create_function("lower", 1, lambda text: text and str(text).lower(), deterministic=True)


def _turn_to_wal(cursor: Any) -> None:
    """Readers go on while one writes. SQLite does not wait for others when it turns a new file to WAL, its
    timeout notwithstanding: it is waited for here."""
    end = time.monotonic() + _SQLITE_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _shown(url: str) -> str:
    """The URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return repr(url)
