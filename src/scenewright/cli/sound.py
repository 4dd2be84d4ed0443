"""``scenewright sound``."""

from __future__ import annotations

from pathlib import Path

import click

from scenewright.cli.console import emit, json_option


@click.command()
@click.argument("video", type=click.Path(exists=True, path_type=Path))
@click.option("--model", required=True, help="What says what is heard: a folder, or zoo/sight2sound.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The video to write, with its sound. [default: none, only the events are told]",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all that is noise in the sound."
)
@click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
@json_option
def sound(video: Path, model: str, output: Path | None, seed: int, overwrite: bool, as_json: bool) -> None:
    """Give VIDEO the sound of what is seen in it.

    Says which sounds are heard and when, in seconds. Each is made by the voices of the world: what is struck
    rings as its material does, what rolls and slides rustles, from where it is in the picture.

    \b
    Examples:
      scenewright sound ball.mp4 --model zoo/sight2sound -o heard.mp4
      scenewright sound ball.mp4 --model zoo/sight2sound --json
    """
    if output is not None and output.exists() and not overwrite:
        raise click.UsageError(f"{output} exists; choose another name or add --overwrite")

    from scenewright.generation.foley import load_foley
    from scenewright.generation.loading import find_model
    from scenewright.media import decode, mux
    from scenewright.world.hearing import sound_of

    foley = load_foley(find_model(model))
    clip = decode(video, fps=foley.config.fps, audio=False)
    events = foley.events(clip)
    if output is not None:
        mux(video, sound_of(events, clip.seconds, seed=seed), output)
    if as_json:
        emit({"output": None if output is None else str(output), "events": [e._asdict() for e in events]})
        return
    for event in events:
        end = "" if event.end == event.start else f" to {event.end:.2f}"
        click.echo(f"{event.start:.2f}{end} s  {event.kind} ({event.material})")
    if not events:
        click.echo("nothing is heard")
    if output is not None:
        click.echo(str(output))
