"""``scenewright worker``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scenewright.cli.console import note

#: Where the studio keeps its queue and its files.
FOLDER = "runs/studio"


@click.command()
@click.option(
    "--queue", metavar="URL", help="sqlite:///PATH or postgresql://…  [default: FOLDER/jobs.sqlite]"
)
@click.option("--store", metavar="URL", help="A folder, or s3://… and the like.  [default: FOLDER/files]")
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    default=FOLDER,
    show_default=True,
    help="Where the queue and the store are, unless they are given.",
)
@click.option("--device", default=None, help="Such as cpu or cuda:0.  [default: cuda if there is one]")
@click.option(
    "--model", "models", multiple=True, metavar="MODEL", help="Run these models alone; may be given again."
)
@click.option(
    "--batch",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="The most videos that are made together.",
)
@click.option(
    "--memory",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GIB",
    help="For the weights of models that stay loaded.  [default: half of what is free]",
)
@click.option(
    "--lease",
    type=click.FloatRange(1, 3600),
    default=30.0,
    show_default=True,
    help="Seconds without a sign of life after which other workers take over.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 100),
    default=4,
    show_default=True,
    help="How often a video is tried that fails, or whose worker is lost.",
)
@click.option(
    "--keep-every",
    type=click.FloatRange(0.1, 3600),
    default=5.0,
    show_default=True,
    help="Seconds after which a half-made video is kept again.",
)
@click.option("--id", "worker_id", metavar="ID", help="A name for this worker that no other has.")
@click.option("--until-input-ends", is_flag=True, help="Also stop when standard input ends.")
def worker(
    queue: str | None,
    store: str | None,
    folder: str,
    device: str | None,
    models: tuple[str, ...],
    batch: int,
    memory: float | None,
    lease: float,
    attempts: int,
    keep_every: float,
    worker_id: str | None,
    until_input_ends: bool,
) -> None:
    """Make the videos of a queue, on this machine and device.

    Any number of workers may share a queue and a store. On the first interrupt a worker keeps what is half
    made and stops; another goes on from there.

    \b
    Examples:
      scenewright worker
      scenewright worker --queue postgresql://user@host/videos --store s3://bucket/videos --device cuda:1
    """
    import logging

    from scenewright.server.claims import Patience
    from scenewright.server.loaded import checked_device
    from scenewright.server.making import Rhythm
    from scenewright.server.worker import WorkerSettings, open_worker

    device = checked_device(device)
    base = Path(folder).resolve()
    made = open_worker(
        queue or f"sqlite:///{base / 'jobs.sqlite'}",
        store or str(base / "files"),
        device,
        WorkerSettings(
            batch=batch,
            patience=Patience(lease=lease, attempts=attempts),
            rhythm=Rhythm(keep=keep_every),
        ),
        memory=memory,
        models=models,
        worker_id=worker_id,
    )
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("scenewright").setLevel(logging.INFO)
    _stop_when_told(made, until_input_ends)
    note(f"{made.id} on {device} waits for videos; Ctrl-C ends it")
    made.run()


def _stop_when_told(made: Any, until_input_ends: bool) -> None:
    """A signal, or the end of the input, stops the worker after its next step; a second signal at once."""
    import signal
    import sys
    import threading

    def stop(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        made.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)

    def wait_for_end() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        made.stop()

    if until_input_ends:
        threading.Thread(target=wait_for_end, daemon=True).start()
