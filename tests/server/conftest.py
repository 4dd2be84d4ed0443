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
def postgres_server() -> Iterator[tuple[Callable[[str], str], Callable[[], None]]]:
    """A throwaway cluster: what makes a new database in it and gives its URL, and what crashes and starts
    it."""
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

    def restart() -> None:
        run(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "-l", folder / "log", "restart")

    try:
        yield new, restart
    finally:
        run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(postgres_server) -> Callable[[str], str]:
    """Makes a new database of a throwaway cluster; its URL."""
    return postgres_server[0]


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, str]]:
    """Options of a file system on a server of moto's, which has a bucket named bucket."""
    server_module = pytest.importorskip("moto.server")
    import s3fs

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"endpoint_url": f"http://{host}:{port}", "key": "testing", "secret": "testing"}
    s3fs.S3FileSystem(**options).mkdir("bucket")
    yield options
    server.stop()


@pytest.fixture(scope="session")
def emptied(postgres) -> Callable[[], str]:
    """Empties a database of the cluster; its URL."""
    url = postgres("emptied")

    def empty() -> str:
        import psycopg

        with psycopg.connect(url) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return url

    return empty


@pytest.fixture(params=["sqlite", "postgresql"])
def queue_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    return request.getfixturevalue("emptied")()


@pytest.fixture
def queue(queue_url: str, clock: Clock) -> Iterator[JobQueue]:
    """On both databases, with a clock that stands still."""
    database = open_database(queue_url)
    yield JobQueue(database, Patience(lease=30, attempts=3, backoff=2.0), clock)
    database.close()
