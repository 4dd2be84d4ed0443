"""Numbers for Prometheus: requests as they come, the queue and the workers as they are when asked."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from scenewright.server.jobs import JobQueue
from scenewright.server.tables import Job

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STATUSES = ("queued", "running", "paused", "completed", "failed", "cancelled")


class Metrics:
    """A registry of its own, so that several apps of one process do not count together."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names = ("method", "route", "status")
        self.requests = Counter("scenewright_http_requests", "Answers.", names, registry=self.registry)
        self.seconds = Histogram(
            "scenewright_http_request_seconds",
            "Seconds from a request to the beginning of its answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.webhooks = Counter(
            "scenewright_webhooks", "Attempts to deliver.", ("result",), registry=self.registry
        )

    def watch(self, queue: JobQueue, watchers: Any) -> None:
        """Report the state of a queue, and how many event streams are open: ``watchers()``."""
        self.registry.register(_Queue(queue, watchers))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self.registry)


class _Queue(Collector):
    def __init__(self, queue: JobQueue, watchers: Any) -> None:
        self.queue, self.watchers = queue, watchers

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with self.queue.database.read() as session:
            alive = Job.deleted_at.is_(None)
            query = select(Job.status, func.count()).where(alive).group_by(Job.status)
            counts = {row[0]: row[1] for row in session.execute(query)}
            oldest = session.scalar(select(func.min(Job.created_at)).where(alive, Job.status == "queued"))
        jobs = GaugeMetricFamily("scenewright_videos", "Videos by status.", labels=["status"])
        for status in _STATUSES:
            jobs.add_metric([status], counts.get(status, 0))
        yield jobs
        waited = 0.0 if oldest is None else max(0.0, time.time() - oldest)
        yield GaugeMetricFamily("scenewright_oldest_queued_seconds", "Age of the oldest that waits.", waited)
        workers = self.queue.workers()
        yield GaugeMetricFamily("scenewright_workers", "Workers that gave a sign of life.", len(workers))
        memory = sum(worker.memory for worker in workers)
        yield GaugeMetricFamily("scenewright_worker_model_bytes", "Memory of loaded models.", memory)
        yield GaugeMetricFamily("scenewright_event_streams", "Open event streams.", self.watchers())
