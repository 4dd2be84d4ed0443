"""``scenewright import``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenewright.cli.console import Progress, emit, json_option, note

if TYPE_CHECKING:
    from scenewright.remaking import Remake

#: Settings of sampling by their options of ``generate``.
OPTIONS = {
    "steps": "--steps",
    "sampler": "--sampler",
    "guidance_scale": "--guidance-scale",
    "shift": "--flow-shift",
}


@click.command("import")
@click.argument("video", type=click.Path(exists=True))
@click.option(
    "--pictures",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the pictures that the video was made from into this folder.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Make the video again, into this file.")
@click.option("--model", help="The model to make it again with. [default: the one it names]")
@click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
@json_option
def import_video(
    video: str, pictures: Path | None, output: Path | None, model: str | None, overwrite: bool, as_json: bool
) -> None:
    """Read from VIDEO how it was made, and make it again.

    Prints the command that asks for the same: change it as you like. With -o the same video is made anew,
    with all settings that the file has; the same model on the same kind of machine gives the same frames.

    \b
    Examples:
      scenewright import ball.mp4
      scenewright import ball.mp4 --pictures inputs/
      scenewright import ball.mp4 -o again.mp4
    """
    if output is not None and output.exists() and not overwrite:
        raise click.UsageError(f"{output} exists; choose another name or add --overwrite")
    if model is not None and output is None:
        raise click.UsageError("--model is what to make the video again with; add -o")

    from scenewright.remaking import remake_of

    remake = remake_of(video)
    written = [] if pictures is None else _write(remake, pictures)
    notes = list(remake.notes)
    if pictures is not None and not written:
        notes.append("it was made from no pictures")
    if remake.prompt.given and pictures is None and output is None:
        notes.append("it was made from pictures, which --pictures FOLDER writes and the command then names")
    if output is not None:
        notes += _make(remake, output, model or remake.model, as_json)
    for text in notes:
        note(f"note: {text}", as_json=as_json)
    command = _command(remake, written)
    if as_json:
        emit(
            {
                "prompt": remake.prompt.text,
                "negative_prompt": remake.prompt.negative,
                "seed": remake.prompt.seed,
                "width": remake.prompt.width,
                "height": remake.prompt.height,
                "num_frames": remake.prompt.num_frames,
                "fps": remake.prompt.fps,
                "model": remake.model,
                "model_sha256": remake.model_sha256,
                "settings": dict(remake.settings),
                "audio": remake.audio,
                "pictures": [str(path) for path in written],
                "command": command,
                "output": None if output is None else str(output),
                "notes": notes,
            }
        )
    else:
        click.echo(str(output) if output is not None else command)


def _make(remake: Remake, output: Path, model: str, as_json: bool) -> list[str]:
    """What there is to say of it."""
    from scenewright.generation.loading import load_generator
    from scenewright.production import produce

    generator = load_generator(model)
    settings = generator.recommended(changes=remake.settings)
    notes = []
    if getattr(generator, "model_hash", remake.model_sha256) != remake.model_sha256:
        notes.append(f"{model} here has other weights than the model that made the video: it will differ")
    steps = getattr(settings, "steps", 1)
    with Progress("Generating", total=steps, unit="steps", as_json=as_json) as bar:
        release, *_ = produce(
            generator,
            [remake.prompt],
            [output],
            settings=settings,
            audio=remake.audio,
            progress=lambda *_: bar.advance(),
        )
    return [*notes, *release.notes]


def _write(remake: Remake, folder: Path) -> list[Path]:
    from PIL import Image

    from scenewright.media.atomic import atomic

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for given in remake.prompt.given:
        path = folder / ("last.png" if given.at == -1 else f"frame-{given.at}.png")
        with atomic(path) as temporary:
            Image.fromarray(given.frame).save(temporary)
        paths.append(path)
    return paths


def _command(remake: Remake, pictures: list[Path]) -> str:
    """``scenewright generate`` with all that it has options for, for a shell."""
    prompt = remake.prompt
    args: list[Any] = ["scenewright", "generate", prompt.text]
    if prompt.negative:
        args += ["--negative", prompt.negative]
    args += ["--model", remake.model, "--seed", prompt.seed, "--size", f"{prompt.width}x{prompt.height}"]
    args += ["--num-frames", prompt.num_frames, "--fps", f"{prompt.fps:g}"]
    for name, option in OPTIONS.items():
        if (value := remake.settings.get(name)) is not None:
            args += [option, f"{value:g}" if isinstance(value, float) else value]
    for given, path in zip(prompt.given, pictures, strict=False):
        args += ["--last-image" if given.at == -1 else "--image", path]
    if remake.audio:
        args.append("--audio")
    if prompt.text.startswith("-"):
        args = [*args[:2], *args[3:], "--", prompt.text]
    return shlex.join(str(arg) for arg in args)
