"""A queue on each kind of database, and a throwaway PostgreSQL."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scenewright.server.claims import Patience
from scenewright.server.database import open_database
from scenewright.server.jobs import JobQueue


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[str], str]]:
    """Makes a new database of a throwaway cluster; its URL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    programs = found[-1].parent
    user: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL refuses to run as root, and there is no runuser")
        user = ["runuser", "-u", "postgres", "--"]
    folder = Path(tempfile.mkdtemp(prefix="scenewright-pg-"))
    if user:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"

    def run(*command: object) -> None:
        words = [*user, *(str(word) for word in command)]
        subprocess.run(words, check=True, capture_output=True, cwd=folder, timeout=60)

    try:
        run(programs / "initdb", "-D", data, "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses= -k {folder} -c fsync=off -c max_connections=60"
        run(programs / "pg_ctl", "-D", data, "-o", options, "-w", "-l", folder / "log", "start")
    except subprocess.CalledProcessError as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL does not start here: {error.stderr.decode()[:200]}")

    def new(name: str) -> str:
        run(programs / "createdb", "-h", folder, "-U", "tester", name)
        return f"postgresql://tester@/{name}?host={folder}"

    try:
        yield new
    finally:
        run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def queue_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    new = request.getfixturevalue("postgres")
    return new(f"t{abs(hash(request.node.nodeid)):x}")


@pytest.fixture
def queue(queue_url: str, clock: Clock) -> Iterator[JobQueue]:
    """On both databases, with a clock that stands still."""
    database = open_database(queue_url)
    yield JobQueue(database, Patience(lease=30, attempts=3, backoff=2.0), clock)
    database.close()
