"""What the server costs beside making videos, and what it bears.

    python benchmarks/serving.py [overhead] [ray] [watchers] [batching] [load] [--runs 3] [--json]

- ``overhead``: how long the API takes for a request, beside making the video; no worker runs.
- ``ray``: the same beside Ray Serve with one replica, in turns; only where it is asked for.
- ``watchers``: the memory of the server process with 500 idle event streams, over a minute, and while videos
  are queued and deleted.
- ``batching``: videos a minute of four clients that each want one after the other, with a worker that makes
  four together, against one that makes one at a time; the two take turns in one run.
- ``load``: 20 users queue 10 short videos each, and the worker is killed three times; whether all are made,
  and how evenly.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

PROMPTS = ("a red ball rolls left", "a blue cube jumps", "a green cone falls", "a pink torus spins")
WATCHERS, WATCHED_SECONDS = 500, 60.0
CLIENTS, EACH, KILLS = 20, 10, 3
#: A video as short as they get, for the load.
SHORT = {"num_frames": 4, "num_inference_steps": 2}


@dataclass(frozen=True)
class Server:
    """``process``: of the API; its workers are its children."""

    url: str
    process: subprocess.Popen[str]
    folder: Path

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    @property
    def memory(self) -> int:
        """Resident bytes of the process of the API."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """``scenewright serve`` on a free port, until the block ends."""
    command = [sys.executable, "-m", "scenewright", "serve", "--port", "0", "--folder", str(folder), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    url = None
    for line in process.stderr:
        if found := re.search(r"http://\S+?(?=[;\s])", line):
            url = found[0]
            break
    if url is None:
        raise SystemExit(f"the server did not start: {' '.join(command)}")
    threading.Thread(target=process.stderr.read, daemon=True).start()
    try:
        yield Server(url, process, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def unworked() -> Iterator[Server]:
    """One without a worker."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--device", "none") as server:
        yield server


@contextmanager
def on_ray() -> Iterator[Server]:
    """The same on Ray Serve, with one replica that answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        application = {
            "name": "scenewright",
            "route_prefix": "/",
            "import_path": "scenewright.server.ray_serve:application",
            "args": {"folder": str(folder / "studio"), "workers": 0},
        }
        config = {"http_options": {"host": "127.0.0.1", "port": port}, "applications": [application]}
        (folder / "serve.json").write_text(json.dumps(config))
        command = [sys.executable, "-m", "ray.serve.scripts", "run", str(folder / "serve.json")]
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        process = subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        server = Server(f"http://127.0.0.1:{port}", process, folder)
        try:
            _wait_for_health(server)
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _wait_for_health(server: Server, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    with server.client() as client:
        while time.monotonic() < end and server.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if client.get("/healthz").status_code == 200:
                    return
            time.sleep(0.2)
    raise SystemExit("Ray Serve did not start; it needs scenewright[ray]")


def ask(client: httpx.Client, method: str, path: str, **arguments: Any) -> Any:
    answer = client.request(method, path, **arguments)
    answer.raise_for_status()
    return answer.json()


def wait(client: httpx.Client, ids: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """The videos once all have ended."""
    end = time.monotonic() + seconds
    while True:
        videos = [ask(client, "GET", f"/v1/videos/{id}") for id in ids]
        if all(video["status"] in ("completed", "failed", "cancelled") for video in videos):
            return videos
        if time.monotonic() > end:
            raise SystemExit("videos are not done in time")
        time.sleep(0.1)


def percentile(values: Sequence[float], share: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


# -------------------------------------------------------------------------------------------------- overhead


def overhead(runs: int) -> list[dict[str, Any]]:
    """Milliseconds of requests, medians of servers that run one after the other."""
    return _rows([_overhead(unworked) for _ in range(runs)])


def ray(runs: int) -> dict[str, list[dict[str, Any]]]:
    """The same of ``scenewright serve`` and of Ray Serve, in turns."""
    found: dict[str, list[dict[str, tuple[float, float]]]] = {"scenewright serve": [], "Ray Serve": []}
    for _ in range(runs):
        for where, start in zip(found, (unworked, on_ray), strict=True):
            found[where].append(_overhead(start))
    return {where: _rows(times) for where, times in found.items()}


def _rows(found: Sequence[dict[str, tuple[float, float]]]) -> list[dict[str, Any]]:
    rows = []
    for name in found[0]:
        middle, late = zip(*(times[name] for times in found), strict=True)
        rows.append(
            {
                "request": name,
                "p50_ms": statistics.median(middle),
                "p95_ms": statistics.median(late),
                "least_p95_ms": min(late),
                "most_p95_ms": max(late),
            }
        )
    return rows


def _overhead(
    start: Callable[[], AbstractContextManager[Server]], requests: int = 400
) -> dict[str, tuple[float, float]]:
    """The median and the 95th percentile of requests, one after the other on one connection, from the first
    byte that is sent to the last that comes; the requests are put together before."""
    rows = {}
    with start() as server, server.client() as client:
        ids = [ask(client, "POST", "/v1/videos", json={"prompt": PROMPTS[n % 4]})["id"] for n in range(100)]
        form = {"prompt": (None, PROMPTS[0]), "seconds": (None, "2")}
        build = client.build_request
        kinds: dict[str, Callable[[int], httpx.Request]] = {
            "create (JSON)": lambda n: build("POST", "/v1/videos", json={"prompt": PROMPTS[n % 4]}),
            "create (form)": lambda n: build("POST", "/v1/videos", files=form),
            "retrieve": lambda n: build("GET", f"/v1/videos/{ids[n % 100]}"),
            "list of 20": lambda n: build("GET", "/v1/videos"),
            "change the tags": lambda n: build(
                "PATCH", f"/v1/videos/{ids[n % 100]}", json={"tags": [f"{n}"]}
            ),
            "health": lambda n: build("GET", "/healthz"),
        }
        address = httpx.URL(server.url)
        connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
        for name, request_of in kinds.items():
            times = []
            for n in range(requests + 20):
                request = request_of(n)
                body, headers = request.read(), dict(request.headers)
                began = time.perf_counter()
                connection.request(request.method, request.url.raw_path.decode(), body, headers)
                answer = connection.getresponse()
                answer.read()
                times.append(1000 * (time.perf_counter() - began))
                if answer.status != 200:
                    raise SystemExit(f"{name}: {answer.status}")
            times = times[20:]
            rows[name] = percentile(times, 0.5), percentile(times, 0.95)
    return rows


# -------------------------------------------------------------------------------------------------- watchers


def watchers() -> dict[str, Any]:
    """Resident memory of the API, in MiB."""
    with unworked() as server, server.client() as client:
        for _ in range(200):
            ask(client, "GET", "/v1/videos")
        return asyncio.run(_watched(server, client))


async def _watched(server: Server, client: httpx.Client) -> dict[str, Any]:
    before, open_streams = server.memory, []
    events = 0

    async def read(stream: asyncio.StreamReader) -> None:
        nonlocal events
        while line := await stream.readline():
            events += line.startswith(b"event: video")

    host, port = server.url.removeprefix("http://").rsplit(":", 1)
    for _ in range(WATCHERS):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /v1/events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        await writer.drain()
        if not (await reader.readline()).startswith(b"HTTP/1.1 200"):
            raise SystemExit("a stream of events was refused")
        open_streams.append((asyncio.create_task(read(reader)), writer))
    await asyncio.sleep(2)
    opened = server.memory
    await asyncio.sleep(WATCHED_SECONDS)
    idle = server.memory
    for n in range(20):
        video = await asyncio.to_thread(ask, client, "POST", "/v1/videos", json={"prompt": PROMPTS[n % 4]})
        await asyncio.to_thread(ask, client, "DELETE", f"/v1/videos/{video['id']}")
        await asyncio.sleep(0.5)
    busy = server.memory
    for task, writer in open_streams:
        task.cancel()
        writer.close()
    mib = 2**20
    return {
        "watchers": WATCHERS,
        "before_mib": before / mib,
        "opened_mib": opened / mib,
        "after_idle_mib": idle / mib,
        "after_events_mib": busy / mib,
        "events_read": events,
    }


# -------------------------------------------------------------------------------------------------- batching


def batching(runs: int, videos: int = 4) -> dict[str, Any]:
    """Videos a minute of four clients, each with ``videos`` one after the other, by the worker's batch."""
    rates: dict[int, list[float]] = {1: [], 4: []}
    with tempfile.TemporaryDirectory() as folder:
        places = {batch: Path(folder) / str(batch) for batch in rates}
        for run in range(runs):
            for batch, place in places.items():
                with serving(place, "--batch", str(batch)) as server, server.client() as client:
                    first = ask(client, "POST", "/v1/videos", json={"prompt": PROMPTS[0], "cache": False})
                    wait(client, [first["id"]], 120)
                    began = time.perf_counter()
                    clients = [
                        threading.Thread(target=_one_after_the_other, args=(server, n, run, videos))
                        for n in range(4)
                    ]
                    for thread in clients:
                        thread.start()
                    for thread in clients:
                        thread.join()
                    rates[batch].append(60 * 4 * videos / (time.perf_counter() - began))
    ratios = [together / alone for alone, together in zip(rates[1], rates[4], strict=True)]
    return {
        "alone_videos_a_minute": statistics.median(rates[1]),
        "together_videos_a_minute": statistics.median(rates[4]),
        "ratio": statistics.median(ratios),
        "least": min(ratios),
        "most": max(ratios),
    }


def _one_after_the_other(server: Server, client_number: int, run: int, videos: int) -> None:
    with server.client() as client:
        for n in range(videos):
            seed = 1000 * run + 10 * client_number + n
            body = {"prompt": PROMPTS[client_number], "seed": seed, "cache": False}
            video = ask(client, "POST", "/v1/videos", json=body)
            (made,) = wait(client, [video["id"]], 300)
            if made["status"] != "completed":
                raise SystemExit(f"a video failed: {made['error']}")


# ------------------------------------------------------------------------------------------------------ load


def load() -> dict[str, Any]:
    """How 200 videos of 20 users come out while the worker is killed three times."""
    from scenewright.server.accounts import Accounts
    from scenewright.server.database import open_database
    from scenewright.server.jobs import JobQueue

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = open_database(f"sqlite:///{folder / 'jobs.sqlite'}")
        accounts = Accounts(database)
        users = [accounts.add_user(f"user{n}", "creator") for n in range(CLIENTS)]
        keys = [accounts.add_key(user.id, "benchmark", ["videos:read", "videos:write"])[1] for user in users]
        queue = JobQueue(database)
        with serving(folder, "--accounts") as server:
            # The first users queue all that they want before the last have queued anything.
            for n, key in enumerate(keys):
                with server.client(key) as client:
                    for k in range(EACH):
                        body = {"prompt": PROMPTS[k % 4], "seed": 100 * n + k, "cache": False, **SHORT}
                        ask(client, "POST", "/v1/videos", json=body)
            began, killed, most_apart = time.monotonic(), 0, 0
            while True:
                counts = _completed(queue, [user.id for user in users])
                done = sum(counts)
                if done < CLIENTS * EACH:
                    most_apart = max(most_apart, max(counts) - min(counts))
                if done >= CLIENTS * EACH * (killed + 1) // (KILLS + 1) and killed < KILLS:
                    os.kill(queue.workers()[0].pid, signal.SIGKILL)
                    killed += 1
                if done == CLIENTS * EACH or time.monotonic() - began > 600:
                    break
                time.sleep(0.2)
            seconds = time.monotonic() - began
        statuses = [job.status for user in users for job in queue.list(user.id, limit=100).jobs]
        database.close()
    return {
        "users": CLIENTS,
        "videos": len(statuses),
        "completed": statuses.count("completed"),
        "worker_killed": killed,
        "seconds": seconds,
        "most_apart": most_apart,
    }


def _completed(queue: Any, owners: Sequence[str]) -> list[int]:
    return [len(queue.list(owner, statuses=["completed"], limit=100).jobs) for owner in owners]


def print_times(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        spread = f"({row['least_p95_ms']:.2f} to {row['most_p95_ms']:.2f})"
        print(f"{row['request']:16}  p50 {row['p50_ms']:6.2f} ms  p95 {row['p95_ms']:6.2f} ms {spread}")


def main() -> None:
    kinds = ("overhead", "watchers", "batching", "load")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"[default: all: {', '.join(kinds)}]")
    parser.add_argument("--runs", type=int, default=3, help="of overhead, ray and batching")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.what) - {*kinds, "ray"}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    chosen = options.what or kinds
    found: dict[str, Any] = {}
    if "overhead" in chosen:
        found["overhead"] = overhead(options.runs)
    if "ray" in chosen:
        found["ray"] = ray(options.runs)
    if "watchers" in chosen:
        found["watchers"] = watchers()
    if "batching" in chosen:
        found["batching"] = batching(options.runs)
    if "load" in chosen:
        found["load"] = load()
    if options.json:
        print(json.dumps(found))
        return
    print_times(found.get("overhead", []))
    for where, rows in found.get("ray", {}).items():
        print(f"{where}:")
        print_times(rows)
    for name in ("watchers", "batching", "load"):
        for key, value in found.get(name, {}).items():
            print(
                f"{name:9} {key:26} {value:.2f}" if isinstance(value, float) else f"{name:9} {key:26} {value}"
            )


if __name__ == "__main__":
    main()
