"""The schema: from nothing, from every earlier revision, by several at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from scenewright.server.database import (
    MIGRATIONS,
    DatabaseError,
    connect,
    newest_revision,
    open_database,
    patiently,
    upgrade,
)
from scenewright.server.jobs import JobQueue
from scenewright.server.tables import Base
from scenewright.server.video_request import VideoRequest

REVISIONS = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]


@pytest.mark.parametrize("start", [None, *REVISIONS])
def test_every_revision_becomes_the_schema_of_the_tables(queue_url, start):
    if start is not None:
        engine = connect(queue_url)
        with engine.connect() as connection:
            upgrade(connection, start)
            connection.commit()
        engine.dispose()
    database = open_database(queue_url)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == newest_revision()
        assert compare_metadata(context, Base.metadata) == []
    JobQueue(database).submit("someone", VideoRequest(prompt="a ball", seed=0))
    database.close()


def test_several_may_open_a_new_database_at_once(queue_url):
    with ThreadPoolExecutor(6) as pool:
        databases = list(pool.map(lambda _: open_database(queue_url), range(6)))
    queues = [JobQueue(database) for database in databases]
    for queue in queues:
        queue.submit("someone", VideoRequest(prompt="a ball", seed=0))
    assert queues[0].clock() == 6
    for database in databases:
        database.close()


def test_a_database_of_a_newer_version_is_left_alone(queue_url):
    database = open_database(queue_url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(DatabaseError, match=r"made by a newer version of scenewright; update"):
        open_database(queue_url)


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("nonsense", "is no URL of a database"),
        ("mysql://somewhere/videos", "the queue is kept in"),
        ("sqlite://", "needs a file"),
        ("postgresql://me:secret@127.0.0.1:1/videos", "cannot be opened"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line_without_a_password(url, line):
    with pytest.raises(DatabaseError, match=line) as caught:
        open_database(url)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_is_written_in_a_transaction_that_fails_is_not_there(queue):
    def change() -> None:
        with queue.database.write() as session:
            session.execute(text("UPDATE clock SET value = 77"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert queue.clock() == 0


def test_a_database_that_is_away_for_a_moment_is_waited_for(queue, monkeypatch):
    from sqlalchemy.exc import OperationalError

    answers = [OperationalError("away", None, Exception()), OperationalError("away", None, Exception()), 5]

    def ask() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(ask) == 5
    answers.append(OperationalError("away", None, Exception()))
    with pytest.raises(OperationalError):
        patiently(ask, seconds=0)
