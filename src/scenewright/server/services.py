"""What the operations of the API work with, one of each a process."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fastapi import Request

from scenewright.server.accounts import Accounts
from scenewright.server.catalogue import Catalogue
from scenewright.server.database import Database, open_database
from scenewright.server.events import Watcher
from scenewright.server.jobs import JobQueue
from scenewright.server.limits import RateLimiter, check_room
from scenewright.server.metrics import Metrics
from scenewright.server.settings import ServerSettings
from scenewright.server.store import FileStore
from scenewright.server.studies import Studies
from scenewright.server.tables import Job
from scenewright.server.uploads import Uploads
from scenewright.server.videos import Video, present
from scenewright.server.webhooks import Deliverer

#: A queue of so many videos takes half a millisecond to put into order.
_LONG_QUEUE = 30


@dataclass
class Services:
    """``started``: seconds since the epoch."""

    settings: ServerSettings
    database: Database
    queue: JobQueue
    store: FileStore
    started: float = field(default_factory=time.time)
    _places: tuple[int, float, dict[str, int]] = field(default_factory=lambda: (-1, 0.0, {}))

    @classmethod
    def open(cls, settings: ServerSettings) -> Services:
        """Open the database and the store. ValueError: one of them, or a model, cannot be used."""
        settings.folder.mkdir(parents=True, exist_ok=True)
        database = open_database(settings.queue_url)
        try:
            services = cls(settings, database, JobQueue(database), FileStore(settings.store_url))
            if services.catalogue.facts(settings.default_model) is None:
                known = ", ".join(services.catalogue.names())
                raise ValueError(f"there is no model {settings.default_model!r}; known: {known}")
        except BaseException:
            database.close()
            raise
        return services

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.database)

    @cached_property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.settings.models)

    @cached_property
    def studies(self) -> Studies:
        return Studies(self.queue)

    @cached_property
    def uploads(self) -> Uploads:
        return Uploads(self.database, self.store, self.settings.limits, loopback=self.private)

    @cached_property
    def watcher(self) -> Watcher:
        return Watcher(self.queue, self.settings.poll)

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics()

    @cached_property
    def deliverer(self) -> Deliverer:
        return Deliverer(
            self.queue, self.secret, self.webhook_body, loopback=self.private, counted=self._count_webhook
        )

    @cached_property
    def requests(self) -> RateLimiter | None:
        per_minute = self.settings.limits.requests_per_minute
        return None if per_minute is None else RateLimiter(per_minute)

    @cached_property
    def logins(self) -> RateLimiter:
        return RateLimiter(self.settings.limits.logins_per_minute)

    @cached_property
    def failures(self) -> RateLimiter:
        """Of requests with wrong keys, by address."""
        return RateLimiter(self.settings.limits.wrong_keys_per_minute)

    @property
    def private(self) -> bool:
        """Whether the server serves this machine's user alone."""
        return self.settings.loopback and not self.settings.accounts

    @cached_property
    def secret(self) -> bytes:
        """From which the secrets for signing are derived; made at the first start."""
        return _secret(self.settings.folder / "secret.key")

    def check_room(self, owner_id: str, more: int = 0, jobs: int = 1) -> None:
        """See :func:`.limits.check_room`."""
        with self.database.look() as connection:
            check_room(connection, owner_id, self.settings.limits, more, jobs)

    def places(self, version: int | None = None) -> dict[str, int]:
        """Places in the queue by job, counted anew only where something has changed, and where the queue's
        clock is known to show ``version`` without a look at it; those of a long queue at most once in a
        while, so that a video that has just joined it may not be there yet."""
        clock, now = self.queue.clock() if version is None else version, time.monotonic()
        counted, at, places = self._places
        if clock != counted and (len(places) < _LONG_QUEUE or now - at > self.settings.poll):
            places = self.queue.queue_positions()
            self._places = (clock, now, places)
        return places

    def present(self, job: Job, base_url: str, position: int | None = None) -> Video:
        return present(job, base_url, self.catalogue.facts(job.model), position)

    def webhook_body(self, job: Job) -> Video:
        return self.present(
            job, self.settings.public_url or f"http://{self.settings.host}:{self.settings.port}"
        )

    def _count_webhook(self, result: str) -> None:
        self.metrics.webhooks.labels(result).inc()

    def close(self) -> None:
        self.database.close()


def services_of(request: Request) -> Services:
    """The services of the app that a request is for."""
    services: Services = request.app.state.services
    return services


def base_url(request: Request) -> str:
    """Where the client reaches the server, without a slash at the end."""
    public = services_of(request).settings.public_url
    return (public or str(request.base_url)).rstrip("/")


def _secret(path: Path) -> bytes:
    given = os.environ.get("SCENEWRIGHT_SECRET")
    if given:
        return given.encode()
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    # Whole or not at all, and the first of several servers that start together has made it.
    made = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(secrets.token_hex(32).encode())
    with contextlib.suppress(FileExistsError):
        os.link(made, path)
    made.unlink()
    return path.read_bytes()
