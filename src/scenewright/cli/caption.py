"""``scenewright caption``."""

from __future__ import annotations

from pathlib import Path

import click

from scenewright.cli.console import emit, json_option


@click.command()
@click.argument("videos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", required=True, help="A model that reads videos: a folder, or zoo/video-bert.")
@json_option
def caption(videos: tuple[Path, ...], model: str, as_json: bool) -> None:
    """Say in words what VIDEOS show.

    The model is one that makes videos and words of one vocabulary.

    \b
    Examples:
      scenewright caption clip.mp4 --model zoo/video-bert
      scenewright caption *.mp4 --model zoo/video-gpt --json
    """
    from scenewright.generation.loading import load_generator
    from scenewright.generation.tokens import TokenGenerator
    from scenewright.media import decode

    generator = load_generator(model)
    if not isinstance(generator, TokenGenerator):
        raise click.UsageError(f"{model} makes videos and reads none; take zoo/video-bert or zoo/video-gpt")
    found = {}
    for path in videos:
        found[str(path)] = generator.caption(decode(path, audio=False))
        if not as_json:
            click.echo(f"{path}: {found[str(path)]}")
    if as_json:
        emit(found)
