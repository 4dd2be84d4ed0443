"""``scenewright data``."""

from __future__ import annotations

from pathlib import Path

import click

from scenewright.cli.console import Progress, emit, json_option


@click.group()
def data() -> None:
    """Datasets: what training reads."""


@data.command("encode")
@click.argument("dataset", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--autoencoder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder of a video autoencoder, such as runs/video-autoencoder/model.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to. [default: beside DATASET, named after the encoder's hash]",
)
@click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda.")
@json_option
def encode_command(dataset: Path, autoencoder: Path, output: Path | None, device: str, as_json: bool) -> None:
    """Compute the latents of DATASET, a folder of shards, once for many runs.

    Training then reads them (stages.0.data.latents) instead of encoding every clip anew. A run that was
    stopped goes on where it was when the same command is given again.

    \b
    Examples:
      scenewright world sample -n 20000 -o runs/world128 --as shards --workers 2
      scenewright data encode runs/world128 --autoencoder runs/video-autoencoder/model
    """
    from scenewright.data.shards import Shards
    from scenewright.generation.autoencoder import load_autoencoder
    from scenewright.generation.encoding import encode_shards

    model, shards = load_autoencoder(autoencoder, device), Shards(dataset)
    with Progress("Encoding", total=len(shards), unit="clips", as_json=as_json) as bar:
        folder = encode_shards(model, shards, output, on_done=bar.advance)
    emit({"path": str(folder), "clips": len(shards)} if as_json else folder, as_json=as_json)
