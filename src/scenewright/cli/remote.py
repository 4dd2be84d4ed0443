"""``scenewright generate --server``: the same, made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from scenewright.cli.console import Progress, emit, note

if TYPE_CHECKING:
    from scenewright.client import Client, Video


class Wanted(NamedTuple):
    """What the options of ``generate`` ask for that is not the same for a server; one prompt's seeds are
    ``seed``, ``seed + 1`` and so on, ``batch`` of them."""

    texts: Sequence[str]
    seed: int
    batch: int
    images: Sequence[str]
    last_image: str | None
    extended: str | None
    kind: str


def generate_remotely(
    server: str, wanted: Wanted, options: Mapping[str, Any], paths: Sequence[Path], *, as_json: bool
) -> None:
    """Queue all, wait for them in turn, and write each file. What is not done when the program is
    interrupted is cancelled."""
    if wanted.kind not in ("mp4", "webm"):
        raise click.UsageError(f"a server makes mp4 and webm, not {wanted.kind}")
    if len(wanted.images) > 1:
        raise click.UsageError("a server takes one --image, which the video begins with")
    if wanted.extended is not None and Path(wanted.extended).is_dir():
        raise click.UsageError("--extend with --server takes a video's file, not a folder of frames")
    from scenewright.client import Client

    with Client(server) as client:
        videos: list[Video] = []
        try:
            for text in wanted.texts:
                for index in range(wanted.batch):
                    videos.append(_queued(client, wanted, text, {**options, "seed": wanted.seed + index}))
            records = [_made(client, video, path, as_json) for video, path in zip(videos, paths, strict=True)]
        except KeyboardInterrupt:
            _cancel(client, videos)
            raise
    for text in dict.fromkeys(line for record in records for line in record["notes"]):
        note(f"note: {text}", as_json=as_json)
    if as_json:
        emit(records)
        return
    for record in records:
        click.echo(f"{record['path']}  ({record['seconds']:.1f} s, seed {record['seed']})")


def _queued(client: Client, wanted: Wanted, text: str, options: Mapping[str, Any]) -> Video:
    given = {**options, "format": wanted.kind}
    if wanted.extended is not None:
        return client.extend(Path(wanted.extended), text, **given)
    first = Path(wanted.images[0]) if wanted.images else None
    last = Path(wanted.last_image) if wanted.last_image is not None else None
    return client.create(text, input_reference=first, last_frame=last, **given)


def _made(client: Client, video: Video, path: Path, as_json: bool) -> dict[str, Any]:
    with Progress("Generating", total=100, unit="%", as_json=as_json) as bar:

        def changed(now: Video) -> None:
            if now.progress > bar.done:
                bar.advance(now.progress - bar.done, phase=now.phase)

        done = client.wait(video.id, changed)
        client.download(done.id, path)
    told = done.model_dump(exclude={"seconds", "preview", "polling_url", "unsigned_urls"})
    taken = told.get("seconds_taken") or 0.0
    return {"path": str(path), "seconds": round(taken, 3), **told}


def _cancel(client: Client, videos: Sequence[Video]) -> None:
    from scenewright.client import ServerError, UnreachableServerError

    for video in videos:
        try:
            client.cancel(video.id)
        except (ServerError, UnreachableServerError):
            continue  # it is done already, or the server is gone
