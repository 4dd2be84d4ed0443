"""The server and its workers on Ray Serve, by Serve's own tools:

    serve run scenewright.server.ray_serve:application queue=postgresql://… store=s3://… workers=2

or a config file of Serve's that names the same import path.

One deployment answers requests, the other makes videos. They share the database and the file store and
nothing else, as everywhere; Serve places their replicas, looks after them and replaces those that die.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import click
import ray
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.deployment import Application
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from scenewright.server.app import app_of
from scenewright.server.ray_arguments import RayArguments, arguments_of
from scenewright.server.ray_policy import WANTED, by_queue, workers_for
from scenewright.server.running import GRACE, open_services, usual_devices
from scenewright.server.supervisor import GRACE as WORKER_GRACE

log = logging.getLogger(__name__)

#: Seconds between two looks of Serve at a replica, and until it takes an answer that does not come for a no.
_LOOK, _PATIENCE = 5.0, 30.0
#: How often a replica is tried that never began, before Serve says why.
_TRIES = 2
#: Requests beside the open event streams that a replica answers at once.
_REQUESTS = 200
#: Seconds: how far back reports of the queue count, and how long more or fewer workers must be wanted.
_LOOK_BACK, _MORE_AFTER, _FEWER_AFTER = 10.0, 5.0, 120.0


class DeploymentError(click.ClickException, ValueError):
    """What cannot be deployed, in one line; Serve's command line shows it as it is."""

    exit_code = 2


def application(given: dict[str, Any]) -> Application:
    """The application of some arguments, see :class:`RayArguments`.

    Raises:
        DeploymentError: an unknown argument or a value that cannot be, or the database, the store or the
            usual model cannot be used.
    """
    # Has an effect where this process starts the cluster.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        arguments = arguments_of(given)
        if arguments.gpus is None:
            arguments = arguments.model_copy(update={"gpus": 1.0 if _has_gpus() else 0.0})
        # Said here at once, and not by every replica.
        open_services(arguments.server_settings("127.0.0.1", 8000)).close()
    except ValueError as error:
        raise DeploymentError(str(error)) from None
    api: Any = serve.deployment(
        serve.ingress(_builder(arguments))(),
        name="API",
        num_replicas=arguments.api_replicas,
        # It waits for the database most of the time, and must not wait for the workers' cores.
        ray_actor_options={"num_cpus": 0},
        # An event stream is a request that lasts.
        max_ongoing_requests=arguments.limits.events + _REQUESTS,
        graceful_shutdown_timeout_s=GRACE,
        health_check_period_s=_LOOK,
        health_check_timeout_s=_PATIENCE,
        max_constructor_retry_count=_TRIES,
    )
    if arguments.workers == 0:
        return api.bind()
    # Nothing is asked of the workers through Serve; naming them here deploys them.
    return api.bind(_workers(arguments))


def _workers(arguments: RayArguments) -> Application:
    number: dict[str, Any] = {"num_replicas": arguments.workers}
    if arguments.most_workers is not None:
        scaling = {
            "min_replicas": arguments.workers,
            "max_replicas": arguments.most_workers,
            "look_back_period_s": _LOOK_BACK,
            "upscale_delay_s": _MORE_AFTER,
            "downscale_delay_s": _FEWER_AFTER,
            "policy": {"policy_function": f"{by_queue.__module__}:{by_queue.__name__}"},
        }
        number = {"autoscaling_config": scaling}
    deployment: Any = serve.deployment(
        WorkerReplica,
        name="Worker",
        ray_actor_options={"num_cpus": arguments.cpus, "num_gpus": arguments.gpus},
        graceful_shutdown_wait_loop_s=0.1,
        graceful_shutdown_timeout_s=WORKER_GRACE + GRACE,
        health_check_period_s=_LOOK,
        health_check_timeout_s=_PATIENCE,
        max_constructor_retry_count=_TRIES,
        **number,
    )
    return deployment.bind(arguments)


def _builder(arguments: RayArguments) -> Callable[[], ASGIApp]:
    """What makes the app in each replica."""

    def build() -> ASGIApp:
        there = machines()
        arguments.check_machines(there)
        arguments.check_secret(there)
        settings = arguments.server_settings(*listening_at())
        app: Any = app_of(open_services(settings))
        if settings.public_url is not None:
            app = ProxyHeadersMiddleware(app, os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1"))
        return app

    return build


class WorkerReplica:
    """A worker on one device, in a thread, for as long as Serve wants it."""

    def __init__(self, arguments: RayArguments) -> None:
        # Only these processes need torch.
        from scenewright.server.loaded import checked_device
        from scenewright.server.worker import open_worker

        arguments.check_machines(machines())
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
        logging.getLogger("scenewright").setLevel(logging.INFO)
        self.hangs_after, self.batch = arguments.hangs_after, arguments.batch
        self.failure: BaseException | None = None
        self.worker = open_worker(
            arguments.queue_url,
            arguments.store_url,
            checked_device("cuda" if arguments.gpus else "cpu"),
            arguments.worker_settings(),
            memory=arguments.memory,
        )
        self.thread = threading.Thread(target=self._work, name="worker", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:
            self.failure = error
            log.exception("the worker has ended")

    def check_health(self) -> None:
        """Serve asks this. RuntimeError: the worker has ended, or does nothing any more."""
        if not self.thread.is_alive():
            raise RuntimeError(f"the worker has ended: {self.failure!r}")
        still = time.monotonic() - self.worker.moved
        if still > self.hangs_after:
            raise RuntimeError(f"the worker has done nothing for {still:.0f} s")

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Serve asks this where the number of workers goes with the queue."""
        videos = await asyncio.to_thread(self.worker.queue.demand)
        return {WANTED: float(workers_for(videos, self.batch))}

    def __del__(self) -> None:
        """Serve calls this at the end: what is half made is kept, and given to others at once."""
        worker: Any = getattr(self, "worker", None)
        if worker is None or worker.stopping.is_set():
            return
        worker.stop()
        self.thread.join(WORKER_GRACE)
        if self.thread.is_alive():
            # It will be killed now, as one that a supervisor waits for in vain.
            worker.queue.release(worker.id)


def listening_at() -> tuple[str, int]:
    """Host and port at which Serve takes requests; all addresses where its replicas take them themselves."""
    client: Any = _get_global_client()
    options = client.http_config
    directly = ("RAY_SERVE_ENABLE_DIRECT_INGRESS", "RAY_SERVE_ENABLE_HA_PROXY")
    open_to_all = any(os.environ.get(name) == "1" for name in directly)
    return "0.0.0.0" if open_to_all else options.host or "127.0.0.1", options.port


def machines() -> int:
    """How many machines the cluster has now, by their addresses."""
    nodes: Any = ray.nodes
    return len({node["NodeManagerAddress"] for node in nodes() if node["Alive"]})


def _has_gpus() -> bool:
    """Whether the cluster has any; this machine, where there is no cluster yet."""
    if ray.is_initialized():
        resources: Any = ray.cluster_resources
        return bool(resources().get("GPU", 0) > 0)
    return usual_devices() != ["cpu"]
