"""``scenewright match``."""

from __future__ import annotations

from pathlib import Path

import click

from scenewright.cli.console import emit, json_option


@click.command()
@click.argument("text")
@click.argument("videos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", required=True, help="What judges: a folder, zoo/vilbert or zoo/damsm.")
@json_option
def match(text: str, videos: tuple[Path, ...], model: str, as_json: bool) -> None:
    """Say which VIDEOS match TEXT best.

    The best comes first, each with its score, a logit. Of zoo/vilbert it is that of the video showing what
    the text says; of zoo/damsm it only means something beside others.

    \b
    Examples:
      scenewright match "a red ball rolls left" clips/*.mp4 --model zoo/vilbert
    """
    from scenewright.generation.loading import find_model
    from scenewright.generation.matching import load_agreement
    from scenewright.media import decode

    agreement = load_agreement(find_model(model))
    clips = [decode(path, audio=False).frames for path in videos]
    scores = agreement.scores(clips, [text])[:, 0].tolist()
    ranked = sorted(zip(videos, scores, strict=True), key=lambda pair: -pair[1])
    if as_json:
        emit([{"file": str(path), "score": round(score, 4)} for path, score in ranked])
        return
    for path, score in ranked:
        click.echo(f"{score:8.2f}  {path}")
