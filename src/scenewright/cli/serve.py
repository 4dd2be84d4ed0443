"""``scenewright serve``."""

from __future__ import annotations

from pathlib import Path

import click

from scenewright.cli.console import note

#: Where the studio keeps its queue and its files.
FOLDER = "runs/studio"

port_option = click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free one."
)


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen. Anywhere but on this machine needs --accounts.",
)
@port_option
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    default=FOLDER,
    show_default=True,
    help="For the queue, the files and the secret that messages are signed with.",
)
@click.option(
    "--queue", metavar="URL", help="sqlite:///PATH or postgresql://…  [default: FOLDER/jobs.sqlite]"
)
@click.option("--store", metavar="URL", help="A folder, or s3://… and the like.  [default: FOLDER/files]")
@click.option("--accounts", is_flag=True, help="Ask for an API key or a login; see: scenewright accounts.")
@click.option(
    "--public-url", metavar="URL", help="Where clients reach the server, if that is behind a proxy."
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Another name that the server is reached by. Repeatable.",
)
@click.option("--default-model", default="nano", show_default=True, help="For requests that name none.")
@click.option("--model", "models", multiple=True, metavar="FOLDER", help="Offer this model, too. Repeatable.")
@click.option(
    "--device",
    "devices",
    multiple=True,
    help="One worker for each, such as cpu or cuda:0; none: no worker.  [default: every GPU, else cpu]",
)
@click.option("--batch", type=click.IntRange(1, 64), help="The most videos that a worker makes together.")
@click.option(
    "--memory", type=click.FloatRange(min=0, min_open=True), metavar="GIB", help="For the models of a worker."
)
@click.option(
    "--requests-per-minute", type=click.IntRange(1), metavar="N", help="Of one user.  [default: any number]"
)
@click.option(
    "--upload-limit",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    metavar="MIB",
    help="The longest body of a request.",
)
@click.option(
    "--queue-limit",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    metavar="N",
    help="Videos of one user that may wait.",
)
@click.option(
    "--quota", type=click.FloatRange(min=0, min_open=True), metavar="GIB", help="Files of one user."
)
@click.option(
    "--expire-days",
    type=click.FloatRange(min=0, min_open=True),
    help="Days after which a video is removed.  [default: never]",
)
@click.option("--open", "open_page", is_flag=True, help="Open the studio in the browser.")
def serve(
    host: str,
    port: int,
    folder: str,
    queue: str | None,
    store: str | None,
    accounts: bool,
    public_url: str | None,
    allowed_hosts: tuple[str, ...],
    default_model: str,
    models: tuple[str, ...],
    devices: tuple[str, ...],
    batch: int | None,
    memory: float | None,
    requests_per_minute: int | None,
    upload_limit: int,
    queue_limit: int,
    quota: float | None,
    expire_days: float | None,
    open_page: bool,
) -> None:
    """Serve the studio and an API for videos as OpenAI's clients speak it.

    What is queued survives this program's end, however it ends; start it again and it goes on.

    \b
    Examples:
      scenewright serve
      scenewright serve --port 9000 --device cuda:0 --device cuda:1
      scenewright serve --host 0.0.0.0 --accounts --public-url https://videos.example.org
      scenewright serve --device none --queue postgresql://… --store s3://…
    """
    import logging

    from scenewright.server.running import run, usual_devices
    from scenewright.server.settings import Limits, ServerSettings

    if "none" in devices and len(devices) > 1:
        raise click.UsageError("--device none goes without other devices")
    settings = ServerSettings(
        folder=Path(folder).resolve(),
        queue=queue or "",
        store=store or "",
        host=host,
        port=port,
        accounts=accounts,
        allowed_hosts=allowed_hosts,
        models=models,
        default_model=default_model,
        public_url=public_url,
        expire_days=expire_days,
        limits=Limits(
            requests_per_minute=requests_per_minute,
            upload_bytes=upload_limit << 20,
            queued=queue_limit,
            stored_bytes=None if quota is None else round(quota * 2**30),
        ),
    )
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    options = [] if batch is None else ["--batch", str(batch)]
    options += [] if memory is None else ["--memory", str(memory)]

    def ready(url: str) -> None:
        note(f"serving at {url}; Ctrl-C ends it")
        if open_page:
            click.launch(url)

    workers = [] if devices == ("none",) else list(devices) or usual_devices()
    run(settings, workers, options, ready)
