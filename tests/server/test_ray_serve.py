"""The deployment on Ray Serve: two workers of which one is killed, and what ends, hangs or may not be."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
pytest.importorskip("ray.serve", reason="it needs scenewright[ray]")

import ray
import yaml
from ray import serve
from ray.serve.schema import ServeDeploySchema

from scenewright.client import Client
from scenewright.server import ray_serve
from scenewright.server.claims import Patience
from scenewright.server.database import open_database
from scenewright.server.jobs import JobQueue
from scenewright.server.ray_arguments import RayArguments, arguments_of
from scenewright.server.ray_policy import WANTED, by_queue, workers_for
from scenewright.server.ray_serve import DeploymentError, WorkerReplica, application
from scenewright.server.store import FileStore
from scenewright.server.video_request import VideoRequest

SHORT = {"num_frames": 4, "num_inference_steps": 24}


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray on this machine, with little of it."""
    folder = tempfile.mkdtemp(prefix="sw-ray-")
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=80 << 20,
        log_to_driver=False,
        _temp_dir=folder,
    )
    try:
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def serving(cluster: None) -> Iterator[Callable[[str], str]]:
    """Starts Serve at a host; the address on this machine."""

    def start(host: str) -> str:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        serve.start(http_options={"host": host, "port": port})
        return f"http://127.0.0.1:{port}"

    yield start
    serve.shutdown()


@pytest.mark.slow
def test_one_of_two_workers_is_killed_in_the_middle_of_a_job(
    serving: Callable[[str], str], postgres: Callable[[str], str], tmp_path: Path
) -> None:
    url = postgres("ray")
    given = {"queue": url, "store": str(tmp_path / "files"), "folder": str(tmp_path), "poll": 0.05}
    given |= {"workers": "2", "api_replicas": 2, "batch": 1, "lease": 3, "keep_every": 0.1, "cpus": 0.5}
    address = serving("127.0.0.1")
    serve.run(application(given), name="videos")
    queue, store = JobQueue(open_database(url), Patience(lease=3)), FileStore(tmp_path / "files")
    made_by: dict[str, set[str]] = {}

    def running() -> dict[str, Any]:
        """Jobs by worker."""
        jobs = queue.list(statuses=["running"]).jobs
        for job in jobs:
            made_by.setdefault(job.id, set()).add(job.worker_id or "")
        return {job.worker_id or "": job for job in jobs if job.current_step >= 3}

    with Client(address) as client:
        ids = [client.create("a red ball rolls left", seed=seed, **SHORT).id for seed in range(4)]
        wait_for(lambda: len(running()) == 2)
        victim, other = queue.workers()
        lost = running()[victim.id]
        os.kill(victim.pid, signal.SIGKILL)

        def ended() -> bool:
            running()
            return all(queue.get(id).status == "completed" for id in ids)  # type: ignore[union-attr]

        wait_for(ended, 60)
        jobs = {id: queue.get(id) for id in ids}
        assert {id: job.attempts for id, job in jobs.items() if job} == {id: int(id == lost.id) for id in ids}
        assert victim.id in made_by[lost.id]
        assert made_by[lost.id] - {victim.id}, "another took it"
        files = {client.content(id) for id in ids}
        assert len(files) == 4
        assert all(file[4:8] == b"ftyp" for file in files)
        wait_for(lambda: len({worker.id for worker in queue.workers()} - {victim.id}) == 2)
        assert other.id in {worker.id for worker in queue.workers()}, "it has gone on all the time"

        _bears_open_streams(address)

        half_made = client.create("a blue cube jumps", num_frames=4, num_inference_steps=900).id
        wait_for(lambda: (job := queue.get(half_made)) and job.current_step >= 3)
        serve.shutdown()
        job = queue.get(half_made)
        assert job is not None
        assert (job.status, job.attempts, job.worker_id) == ("queued", 0, None), "given back at once"
        assert store.states() == [half_made]
        assert queue.workers() == []
    queue.database.close()


def _bears_open_streams(address: str) -> None:
    """Streams last; there are more than Serve lets a deployment have that says nothing of them."""
    with httpx.Client(base_url=address, timeout=10, trust_env=False) as client, ExitStack() as stack:
        for _ in range(12):
            answer = stack.enter_context(client.stream("GET", "/v1/events"))
            assert answer.headers["content-type"].startswith("text/event-stream")
        for _ in range(4):
            assert client.get("/v1/videos").status_code == 200


@pytest.mark.slow
def test_without_accounts_it_is_not_open_to_all(serving: Callable[[str], str], tmp_path: Path) -> None:
    address = serving("0.0.0.0")
    with pytest.raises(RuntimeError, match="failed"):
        serve.run(application({"folder": str(tmp_path), "workers": 0}), name="open")
    assert "set accounts: true" in serve.status().applications["open"].deployments["API"].message
    assert httpx.get(f"{address}/v1/videos", trust_env=False).status_code in (404, 500, 503)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"wokers": "2"}, "there is no key wokers; did you mean workers"),
        ({"workers": "many"}, "workers = 'many': should be a valid integer"),
        ({"workers": 4, "most_workers": 2}, "from workers = 4 to most_workers = 2"),
        ({"most_workers": "2", "workers": "0"}, "from workers = 0 to most_workers = 2"),
        ({"gpus": 2}, "gpus = 2: should be less than or equal to 1"),
        ({"limits.queued": "0"}, "limits.queued = 0"),
        ({"queue": "mysql://a/b"}, "the queue is kept in"),
        ({"store": "nonsense://x"}, "nonsense"),
        ({"default_model": "no-such"}, "there is no model 'no-such'"),
        ({"accounts": "true"}, "no user yet who could log in"),
    ],
)
def test_a_wrong_argument_is_one_line(
    given: dict[str, Any], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeploymentError) as caught:
        application(given)
    assert line in caught.value.message
    assert len(caught.value.message.splitlines()) == 1
    assert caught.value.exit_code == 2


def test_arguments_come_as_words_or_as_a_config_file_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = {
        "workers": "2",
        "limits.queued": "5",
        "queue": "sqlite:///a.sqlite",
        "store": "b",
        "models": "[m]",
    }
    typed = {
        "workers": 2,
        "limits": {"queued": 5},
        "queue": "sqlite:///a.sqlite",
        "store": "b",
        "models": ["m"],
    }
    assert arguments_of(words) == arguments_of(typed)
    arguments = arguments_of(words)
    assert arguments.queue_url == f"sqlite:///{tmp_path / 'a.sqlite'}", "replicas have other current folders"
    assert arguments.store_url == str(tmp_path / "b")
    assert arguments.models == (str(tmp_path / "m"),)
    remote = arguments_of({"queue": "postgresql://u:p%40@h/d", "store": "s3://bucket/videos"})
    assert (remote.queue_url, remote.store_url) == ("postgresql://u:p%40@h/d", "s3://bucket/videos")


def test_the_config_file_of_the_guide_is_one() -> None:
    guide = Path(__file__).parents[2] / "docs/guide/workers.md"
    (block,) = re.findall(r"^```yaml\n(.*?)^```", guide.read_text(), re.M | re.S)
    given = ServeDeploySchema.model_validate(yaml.safe_load(block)).applications[0]
    assert given.import_path == f"{ray_serve.__name__}:{application.__name__}"
    arguments = arguments_of(given.args)
    assert (arguments.most_workers, arguments.gpus, arguments.limits.queued) == (8, 1.0, 200)


def test_every_argument_is_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs/guide/workers.md").read_text()
    table = "\n".join(line for line in guide.splitlines() if line.startswith("| `"))
    assert set(RayArguments.model_fields) == set(re.findall(r"`(\w+)`", table.replace("`gpus: ", "")))


def test_several_machines_need_a_queue_a_store_and_a_secret_that_they_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SCENEWRIGHT_SECRET", raising=False)
    one = RayArguments()
    one.check_machines(1)
    one.check_secret(1)
    with pytest.raises(ValueError, match=r"of one machine alone .* has 2; set queue to postgresql"):
        one.check_machines(2)
    with pytest.raises(ValueError, match="set store to s3"):
        RayArguments(queue="postgresql://a/b").check_machines(2)
    several = RayArguments(queue="postgresql://a/b", store="s3://bucket/videos")
    several.check_machines(2)
    with pytest.raises(ValueError, match="SCENEWRIGHT_SECRET"):
        several.check_secret(2)
    monkeypatch.setenv("SCENEWRIGHT_SECRET", "x")
    several.check_secret(2)


def test_listening_beyond_this_machine_needs_accounts() -> None:
    with pytest.raises(ValueError, match=r"Serve listens at 0\.0\.0\.0"):
        RayArguments().server_settings("0.0.0.0", 8000)
    settings = RayArguments(accounts=True, default_model="m").server_settings("0.0.0.0", 9000)
    assert (settings.host, settings.port, settings.accounts, settings.default_model) == (
        "0.0.0.0",
        9000,
        True,
        "m",
    )


def test_the_number_of_workers_goes_with_the_queue() -> None:
    assert [workers_for(videos, 4) for videos in (0, 1, 4, 5, 40)] == [0, 1, 1, 2, 10]

    def context(*reports: float) -> Any:
        metrics = {WANTED: dict(enumerate(reports))} if reports else {}
        return SimpleNamespace(
            aggregated_metrics=metrics,
            target_num_replicas=3,
            capacity_adjusted_min_replicas=1,
            capacity_adjusted_max_replicas=6,
        )

    assert [by_queue(context(*reports))[0] for reports in ((), (0,), (2.0, 1.5), (9,))] == [3, 1, 2, 6]


@pytest.fixture
def replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., WorkerReplica]]:
    """A worker's replica in this process, which does what it is told instead of its turns."""
    made: list[WorkerReplica] = []

    def make(turn: Callable[[Any], bool], **fields: Any) -> WorkerReplica:
        monkeypatch.setattr(ray_serve, "machines", lambda: 1)
        monkeypatch.setattr("scenewright.server.worker.Worker.turn", turn)
        made.append(WorkerReplica(RayArguments(folder=tmp_path, **fields)))
        return made[-1]

    yield make
    for replica in made:
        replica.__del__()
        replica.worker.queue.database.close()


def test_a_replica_whose_loop_has_ended_is_not_healthy(replica: Callable[..., WorkerReplica]) -> None:
    def turn(worker: Any) -> bool:
        raise RuntimeError("nonsense")

    made = replica(turn)
    made.thread.join(20)
    with pytest.raises(RuntimeError, match="the worker has ended: RuntimeError\\('nonsense'\\)"):
        made.check_health()


def test_a_replica_that_hangs_is_not_healthy_and_loses_its_jobs(
    replica: Callable[..., WorkerReplica], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_serve, "WORKER_GRACE", 0.2)
    go_on = threading.Event()

    def turn(worker: Any) -> bool:
        if worker.queue.claim(worker.id):
            go_on.wait(20)
        return False

    made = replica(turn, hangs_after=0.5)
    queue = made.worker.queue
    made.check_health()
    id = queue.submit("me", VideoRequest(prompt="a red ball", seed=1)).id
    wait_for(lambda: queue.get(id).status == "running", 10)
    assert queue.demand() == 1
    wait_for(lambda: time.monotonic() - made.worker.moved > 0.5, 10)
    with pytest.raises(RuntimeError, match="the worker has done nothing for"):
        made.check_health()
    made.__del__()
    assert (queue.get(id).status, queue.get(id).attempts) == ("queued", 1)
    go_on.set()
    made.thread.join(20)
    assert not made.thread.is_alive()
