"""What a deployment on Ray Serve is told, and what several machines need that one does not."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from scenewright.config import load_recipe
from scenewright.server.settings import Offer, ServerSettings, is_loopback

if TYPE_CHECKING:
    from scenewright.server.worker import WorkerSettings


class RayArguments(Offer):
    """``api_replicas``: processes that answer requests. ``workers``: those that make videos; 0 where
    ``scenewright worker`` runs elsewhere. ``most_workers``: their number goes up to this one with the queue,
    None for a fixed one. ``cpus`` and ``gpus``: of one worker; ``gpus`` may be a part of one, and left out is
    1 where there is any, else 0. ``hangs_after``: seconds without a step, after which a worker is replaced; a
    step, loading a model, and decoding must each take less. The others are as of ``scenewright worker``."""

    api_replicas: int = Field(default=1, ge=1)
    workers: int = Field(default=1, ge=0)
    most_workers: int | None = Field(default=None, ge=1)
    cpus: float = Field(default=1.0, gt=0)
    gpus: float | None = Field(default=None, ge=0, le=1)
    batch: int = Field(default=4, ge=1, le=64)
    memory: float | None = Field(default=None, gt=0)
    lease: float = Field(default=30.0, ge=1, le=3600)
    attempts: int = Field(default=4, ge=1, le=100)
    keep_every: float = Field(default=5.0, ge=0.1, le=3600)
    hangs_after: float = Field(default=900.0, gt=0)

    @model_validator(mode="after")
    def _some_to_most(self) -> RayArguments:
        if self.most_workers is not None and not 1 <= self.workers <= self.most_workers:
            raise ValueError(
                f"from workers = {self.workers} to most_workers = {self.most_workers}: the first must be at "
                "least 1 and no more than the second"
            )
        return self

    def worker_settings(self) -> WorkerSettings:
        """Those of each worker."""
        from scenewright.server.claims import Patience
        from scenewright.server.making import Rhythm
        from scenewright.server.worker import WorkerSettings

        return WorkerSettings(
            batch=self.batch,
            patience=Patience(lease=self.lease, attempts=self.attempts),
            rhythm=Rhythm(keep=self.keep_every),
        )

    def server_settings(self, host: str, port: int) -> ServerSettings:
        """Those of a server that is reached at an address. ValueError: it may not be open to all."""
        if not self.accounts and not is_loopback(host):
            raise ValueError(
                f"Serve listens at {host}, where everyone on the network could make, see and delete videos; "
                "set accounts: true, or http_options: {host: 127.0.0.1}"
            )
        return ServerSettings(
            **{name: getattr(self, name) for name in Offer.model_fields}, host=host, port=port
        )

    def check_machines(self, machines: int) -> None:
        """ValueError: what is set does for one machine, and the cluster has several."""
        if machines < 2:
            return
        several = f"and the cluster has {machines}"
        if self.queue_url.startswith("sqlite"):
            raise ValueError(
                "an SQLite file can be shared by the processes of one machine alone (its locks do not reach "
                f"further), {several}; set queue to postgresql://…"
            )
        if not self.store:
            raise ValueError(
                f"the usual folder for files is of one machine alone, {several}; set store to s3://… or to a "
                "folder that all of them share"
            )

    def check_secret(self, machines: int) -> None:
        """ValueError: servers on several machines would sign their messages differently."""
        if machines > 1 and not os.environ.get("SCENEWRIGHT_SECRET"):
            raise ValueError(
                f"the secret that messages are signed with is a file of one machine, and the cluster has "
                f"{machines}; set the same SCENEWRIGHT_SECRET in the environment of all"
            )


def arguments_of(given: Mapping[str, Any]) -> RayArguments:
    """Those of ``serve run … key=value``, whose values are YAML and may be dotted, or of a config file.

    Relative paths are taken from the current folder, for processes that may have another.

    Raises:
        ConfigError: an unknown key or a value that cannot be, in one line.
    """
    # What is no text is given as JSON, which YAML reads as well.
    texts = [value if isinstance(value, str) else json.dumps(value) for value in given.values()]
    overrides = [f"{key}={text}" for key, text in zip(given, texts, strict=True)]
    arguments = load_recipe(RayArguments, overrides=overrides)
    return arguments.model_copy(
        update={
            "folder": arguments.folder.absolute(),
            "queue": _absolute_database(arguments.queue),
            "store": _absolute_folder(arguments.store),
            "models": tuple(str(Path(folder).absolute()) for folder in arguments.models),
        }
    )


def _absolute_folder(store: str) -> str:
    return str(Path(store).absolute()) if store and "://" not in store and "::" not in store else store


def _absolute_database(queue: str) -> str:
    try:
        url = make_url(queue)
    except ArgumentError:
        return queue  # opening it says what is wrong
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return queue
    return url.set(database=str(Path(url.database).absolute())).render_as_string(hide_password=False)
