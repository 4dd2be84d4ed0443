"""``scenewright data``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from scenewright.cli.console import Progress, emit, json_option, note
from scenewright.cli.sizes import SIZE


@click.group()
def data() -> None:
    """Datasets: what training reads."""


@data.command("pack")
@click.argument("footage", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The dataset's folder.",
)
@click.option("--size", type=SIZE, default="64x64", show_default=True, help="Width x height in pixels.")
@click.option("--num-frames", type=click.IntRange(1, 10_000), default=16, show_default=True)
@click.option("--fps", type=click.FloatRange(1, 240), default=8.0, show_default=True)
@click.option(
    "--stride",
    type=click.IntRange(1),
    help="Frames from the beginning of one clip to that of the next. [default: as many as a clip has]",
)
@click.option(
    "--only",
    multiple=True,
    metavar="KEY=VALUE,...",
    help="Take videos whose KEY in the index has one of these values. Repeatable.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="KEY=VALUE,...",
    help="Leave out videos whose KEY in the index has one of these values. Repeatable.",
)
@json_option
def pack_command(
    footage: Path,
    output: Path,
    size: tuple[int, int],
    num_frames: int,
    fps: float,
    stride: int | None,
    only: tuple[str, ...],
    without: tuple[str, ...],
    as_json: bool,
) -> None:
    """Cut FOOTAGE, a folder of videos with index.jsonl, into clips for training.

    Each line of the index has file and caption (or captions), and may have action and anything else to choose
    by. Videos are cropped centrally to the shape of the clips and resampled to their rate. A run that was
    stopped goes on where it was when the same command is given again.

    \b
    Examples:
      scenewright data pack people -o runs/train --fps 12.5 --stride 2 --without person=2,7
      scenewright data pack people -o runs/held-out --fps 12.5 --only person=2,7
    """
    from scenewright.data.footage import Windows, pack, read_index

    windows = Windows(width=size[0], height=size[1], num_frames=num_frames, fps=fps, stride=stride)
    index = read_index(footage, windows, _choices("--only", only), _choices("--without", without))
    for name, why in index.left_out.items():
        note(f"note: {name} is left out: {why}", as_json=as_json)
    total = sum(len(windows.starts(video.count)) for video in index.footage)
    with Progress("Packing", total=total, unit="clips", as_json=as_json) as bar:
        pack(index.footage, windows, output, actions=index.actions, on_done=bar.advance)
    facts = {"path": str(output), "clips": total, "videos": len(index.footage), "actions": index.actions}
    emit(facts if as_json else output, as_json=as_json)


def _choices(option: str, lines: tuple[str, ...]) -> dict[str, list[str]]:
    """KEY=VALUE,... of an option, by key."""
    found: dict[str, list[str]] = {}
    for line in lines:
        key, separator, values = line.partition("=")
        if not (key and separator and values):
            raise click.UsageError(f"{option} {line}: write KEY=VALUE, or KEY=VALUE,VALUE")
        found.setdefault(key, []).extend(values.split(","))
    return found


@data.command("encode")
@click.argument("dataset", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--autoencoder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write latents: the folder of a video autoencoder, such as runs/video-autoencoder/model.",
)
@click.option(
    "--text-encoder",
    metavar="MODEL",
    help="Write encoded captions: a model, by name or folder, whose text encoder to use.",
)
@click.option(
    "--captions", type=click.IntRange(1, 1000), help="With --text-encoder: how many a clip. [default: 4]"
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to. [default: beside DATASET, named after the encoder's hash]",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="With --autoencoder: of its matrix products. [default: float32]",
)
@click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda.")
@json_option
def encode_command(
    dataset: Path,
    autoencoder: Path | None,
    text_encoder: str | None,
    captions: int | None,
    output: Path | None,
    precision: Literal["float32", "bfloat16"] | None,
    device: str,
    as_json: bool,
) -> None:
    """Compute what a frozen encoder makes of DATASET, a folder of shards, once for many runs.

    Training then reads it (stages.0.data.latents, stages.0.data.texts) instead of encoding every clip or
    caption anew. A run that was stopped goes on where it was when the same command is given again.

    \b
    Examples:
      scenewright world sample -n 20000 -o runs/world128 --as shards --workers 2
      scenewright data encode runs/world128 --autoencoder runs/video-autoencoder/model
      scenewright data encode runs/world128 --text-encoder nano --captions 8
    """
    from scenewright.data.shards import Shards
    from scenewright.generation.autoencoder import load_autoencoder
    from scenewright.generation.encoding import encode_captions, encode_clips
    from scenewright.generation.loading import load_pipeline
    from scenewright.generation.text_embedding import TextEmbedder

    if (autoencoder is None) == (text_encoder is None):
        raise click.UsageError("give one encoder: --autoencoder or --text-encoder")
    if captions is not None and text_encoder is None:
        raise click.UsageError("--captions: only with --text-encoder")
    if precision is not None and autoencoder is None:
        raise click.UsageError("--precision: only with --autoencoder")
    shards = Shards(dataset)
    with Progress("Encoding", total=len(shards), unit="clips", as_json=as_json) as bar:
        if autoencoder is not None:
            folder = encode_clips(
                load_autoencoder(autoencoder, device), shards, output, bar.advance, precision or "float32"
            )
        else:
            embedder = TextEmbedder.of(load_pipeline(text_encoder or "", device))
            folder = encode_captions(embedder, shards, captions or 4, output, bar.advance)
    emit({"path": str(folder), "clips": len(shards)} if as_json else folder, as_json=as_json)
