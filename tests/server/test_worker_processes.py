"""Real worker processes, killed at every moment; what they leave behind is finished by others."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from scenewright.generation.loading import load_pipeline
from scenewright.server.claims import Patience
from scenewright.server.database import open_database, patiently
from scenewright.server.jobs import JobQueue
from scenewright.server.loaded import LoadedModels
from scenewright.server.making import Making
from scenewright.server.store import FileStore
from scenewright.server.supervisor import Supervisor
from scenewright.server.video_request import VideoRequest
from scenewright.server.worker import Worker, WorkerSettings

#: A worker that kills itself where it is told to: as a phase begins, in a step, or between two calls.
SUICIDAL = """
import os, signal, sys
from scenewright.cli.main import main
from scenewright.generation.sampling import Sampling
from scenewright.server import store
from scenewright.server.jobs import JobQueue

where = sys.argv[1]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

progress, finish, put_file = JobQueue.progress, JobQueue.finish, store.FileStore.put_file
advance = Sampling.advance

def report(self, worker_id, fields):
    if any(told.get("phase") == where for told in fields.values()):
        die()
    return progress(self, worker_id, fields)

def putting(self, path, media_type):
    if where == "before the file":
        die()
    found = put_file(self, path, media_type)
    if where == "after the file":
        die()
    return found

def finishing(self, *args, **fields):
    done = finish(self, *args, **fields)
    if where == "after the end":
        die()
    return done

def advancing(self):
    if where == "step 3" and self.step == 2:
        die()
    advance(self)

JobQueue.progress, JobQueue.finish, store.FileStore.put_file = report, finishing, putting
Sampling.advance = advancing
sys.exit(main(["worker", *sys.argv[2:]]))
"""
#: And from which steps, at least and at most, another goes on.
PLACES = {
    "load": (0, 0),
    "encode": (0, 0),
    "denoise": (0, 0),
    "step 3": (1, 2),
    "decode": (4, 4),
    "export": (4, 4),
    "before the file": (4, 4),
    "after the file": (4, 4),
}


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts a worker; all are killed in the end."""
    running: list[subprocess.Popen] = []

    def begin(url: str, *options: str, where: str | None = None) -> subprocess.Popen:
        program = ["-m", "scenewright", "worker"] if where is None else ["-c", SUICIDAL, where]
        command = [sys.executable, *program, "--queue", url, "--store", str(tmp_path / "files"), *options]
        process = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait(20)


@pytest.fixture(scope="module")
def nano():
    return load_pipeline("nano")


@pytest.fixture
def url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'jobs.sqlite'}"


@pytest.fixture
def local(url, tmp_path, nano):
    """A queue, its store, and a worker in this process."""
    queue = JobQueue(open_database(url), Patience(backoff=0.0, lease=2.0))
    store = FileStore(tmp_path / "files")
    yield (
        queue,
        store,
        Worker(queue, store, LoadedModels(load=lambda name, device: nano), WorkerSettings(batch=1)),
    )
    queue.database.close()


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def submit(queue, seed=1, steps=4, frames=4, **fields) -> str:
    asked = {
        "prompt": "a red ball",
        "seed": seed,
        "num_frames": frames,
        "num_inference_steps": steps,
        **fields,
    }
    return queue.submit("me", VideoRequest(**asked)).id


@pytest.mark.parametrize("where", PLACES)
def test_a_killed_worker_loses_nothing(local, start, url, monkeypatch, where):
    queue, store, worker = local
    id = submit(queue, cache=False)
    dead = start(url, "--batch", "1", "--keep-every", "0.1", "--id", "victim", where=where)
    assert dead.wait(60) == -signal.SIGKILL
    job = queue.get(id)
    assert (job.status, job.worker_id) == ("running", "victim")
    queue.release("victim")
    begun: list[int] = []
    restore = Making._restore

    def restoring(self, work, id):
        restore(self, work, id)
        begun.append(work.step)

    monkeypatch.setattr(Making, "_restore", restoring)
    assert worker.turn()
    job = queue.get(id)
    assert (job.status, job.attempts) == ("completed", 1)
    least, most = PLACES[where]
    assert least <= begun[0] <= most, "it went on from what was kept"
    whole = submit(queue, cache=False)
    assert worker.turn()
    assert queue.get(whole).video_hash == job.video_hash
    assert store.states() == []


def test_what_was_finished_stays_so_when_the_worker_dies_after_it(local, start, url):
    queue, store, worker = local
    id = submit(queue)
    assert start(url, where="after the end").wait(60) == -signal.SIGKILL
    assert queue.get(id).status == "completed"
    assert store.states() == [id]
    assert worker.turn() is False, "it removes what is of no use"
    assert store.states() == []


def test_a_lease_that_runs_out_frees_the_job(local, start, url):
    queue, _, worker = local
    id = submit(queue)
    assert start(url, "--lease", "1", where="denoise").wait(60) == -signal.SIGKILL
    wait_for(lambda: queue.sweep() == 1, seconds=5)
    assert worker.turn()
    assert queue.get(id).status == "completed"


def test_a_terminated_worker_keeps_what_is_half_made(local, start, url):
    queue, store, worker = local
    id = submit(queue, steps=60, frames=16)
    process = start(url)
    wait_for(lambda: queue.get(id).current_step >= 2)
    process.terminate()
    assert process.wait(20) == 0
    job = queue.get(id)
    assert (job.status, job.attempts) == ("queued", 0)
    assert job.current_step >= 2
    assert store.states() == [id]
    assert queue.workers() == []
    queue.cancel(id)
    worker.turn()


def test_two_workers_on_postgresql_and_one_is_killed(postgres, start, tmp_path):
    """The jobs of the dead one are finished by the other, from what was kept."""
    url = postgres("two_workers")
    queue = JobQueue(open_database(url), Patience(backoff=0.0, lease=3.0))
    ids = [submit(queue, seed=seed, steps=10) for seed in range(3)]
    options = ("--lease", "3", "--batch", "1", "--keep-every", "0.1")
    workers = {name: start(url, *options, "--id", name) for name in ("first", "second")}
    made_by: dict[str, set[str]] = {id: set() for id in ids}

    def watch() -> set[str]:
        for job in queue.list(statuses=["running"]).jobs:
            if job.worker_id:
                made_by[job.id].add(job.worker_id)
        return {job.id for job in queue.list(statuses=["completed"], limit=50).jobs}

    def half_made() -> list[str]:
        watch()
        running = queue.list(statuses=["running"]).jobs
        return [job.id for job in running if job.worker_id == "first" and job.current_step >= 3]

    wait_for(lambda: half_made() and len(queue.workers()) == 2)
    workers["first"].kill()
    (lost,) = half_made() or [None]
    wait_for(lambda: watch() == set(ids))
    jobs = {id: queue.get(id) for id in ids}
    assert {job.attempts for id, job in jobs.items() if id != lost} == {0}
    if lost is not None:
        assert jobs[lost].attempts == 1
        assert made_by[lost] == {"first", "second"}
    store = FileStore(tmp_path / "files")
    assert all(store.size(job.video_hash) == job.bytes for job in jobs.values())
    assert len({job.video_hash for job in jobs.values()}) == 3
    workers["second"].terminate()
    assert workers["second"].wait(20) == 0
    assert store.states() == []
    queue.database.close()


def test_a_database_that_crashes_is_waited_for(postgres_server, tmp_path, nano):
    new, crash = postgres_server
    queue = JobQueue(open_database(new("crashing")), Patience(backoff=0.0, lease=30.0))
    loaded = LoadedModels(load=lambda name, device: nano)
    worker = Worker(queue, FileStore(tmp_path / "files"), loaded)
    id = submit(queue, steps=900)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        wait_for(lambda: queue.get(id).current_step >= 3)
        crash()
        before = patiently(lambda: queue.get(id)).current_step
        wait_for(lambda: queue.get(id).current_step > before)
        job = queue.cancel(id)
        assert (job.status, job.worker_id, job.attempts) == ("running", worker.id, 0)
        wait_for(lambda: queue.get(id).status == "cancelled")
    finally:
        worker.stop()
        thread.join(20)
    queue.database.close()


def test_a_supervisor_starts_dead_workers_again_and_ends_them_all(local, url, tmp_path):
    queue, _, _ = local
    supervisor = Supervisor(queue, url, str(tmp_path / "files"), ["cpu"], ["--lease", "2"])
    supervisor.start()
    try:
        wait_for(queue.workers)
        (first,) = queue.workers()
        os.kill(first.pid, signal.SIGKILL)
        wait_for(lambda: [w for w in queue.workers() if w.id != first.id])
        assert first.id not in {worker.id for worker in queue.workers()}, "it was reported dead"
        (second,) = supervisor.processes
    finally:
        supervisor.stop()
    assert supervisor.processes == []
    assert queue.workers() == []
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


def test_workers_end_with_the_process_that_started_them(local, url, tmp_path):
    queue, _, _ = local
    program = (
        "import sys, time\n"
        "from scenewright.server.database import open_database\n"
        "from scenewright.server.jobs import JobQueue\n"
        "from scenewright.server.supervisor import Supervisor\n"
        "url, store = sys.argv[1:]\n"
        "Supervisor(JobQueue(open_database(url)), url, store, ['cpu']).start()\n"
        "time.sleep(120)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, url, str(tmp_path / "files")])
    try:
        wait_for(queue.workers)
        (worker,) = queue.workers()
    finally:
        parent.kill()
        parent.wait(20)
    wait_for(lambda: not alive(worker.pid), seconds=20)
    assert queue.workers() == []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that nobody has waited for yet has ended all the same.
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--device", "nonsense"], "there is no device 'nonsense'"),
        (["--queue", "mysql://a/b"], "the queue is kept in"),
        (["--store", "nonsense://x"], "nonsense"),
        (["--batch", "0"], "batch"),
    ],
)
def test_wrong_options_are_one_line(capsys, monkeypatch, tmp_path, options, line):
    from scenewright.cli.main import main

    monkeypatch.chdir(tmp_path)
    assert main(["worker", *options]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert len(error.strip().splitlines()) == 1
