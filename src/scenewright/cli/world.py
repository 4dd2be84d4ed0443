"""``scenewright world``: the procedural world by itself."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenewright.cli.console import Progress, emit, json_option, note
from scenewright.cli.sizes import SIZE

if TYPE_CHECKING:
    from scenewright.world.parser import Parsed
    from scenewright.world.scene import Scene

_size = click.option(
    "--size", type=SIZE, default="128x128", show_default=True, help="Width x height in pixels."
)
_num_frames = click.option(
    "--num-frames", type=click.IntRange(1, 100_000), help="Frames. [default: as many as the scene lasts]"
)
_seed = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Chooses what is not said."
)


@click.group()
def world() -> None:
    """Scenes with exact ground truth: render a sentence, describe a scene, sample a dataset."""


@world.command("render")
@click.argument("scene")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("world.mp4"), show_default=True)
@_size
@_num_frames
@click.option("--fps", type=click.FloatRange(1, 240), default=24.0, show_default=True)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=2.0,
    show_default=True,
    help="How long a scene made from a sentence lasts.",
)
@_seed
@click.option(
    "--audio/--no-audio", default=None, help="With its sound. [default: where the format holds sound]"
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    help="Also write masks, depth, flow, tracks and camera to this .npz file.",
)
@click.option("--overwrite", is_flag=True, help="Replace output files that exist.")
@json_option
def render_command(
    scene: str,
    output: Path,
    size: tuple[int, int],
    num_frames: int | None,
    fps: float,
    seconds: float,
    seed: int,
    audio: bool | None,
    truth: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Render SCENE, a sentence or a scene file (.json, as 'world describe --json' prints it).

    \b
    Examples:
      scenewright world render "a small blue cube falls onto a wooden floor" --size 512x512
      scenewright world render scene.json -o scene.webm --truth scene.npz
    """
    for path in (output, truth):
        if path is not None and path.exists() and not overwrite:
            raise click.UsageError(f"{path} exists; choose another name or add --overwrite")
    holds_sound = output.suffix.lower() in (".mp4", ".webm")
    if audio and not holds_sound:
        raise click.UsageError(f"{output.suffix} files hold no sound; use .mp4 or .webm")
    chosen, parsed = _scene(scene, seed, seconds)

    import numpy as np

    from scenewright.clip import Clip
    from scenewright.media import encode
    from scenewright.media.atomic import atomic
    from scenewright.world.physics import simulate
    from scenewright.world.render import OUTPUTS, Output, render
    from scenewright.world.sound import synthesise

    frames = num_frames or max(1, round(chosen.seconds * fps))
    states = simulate(chosen, frames, fps)
    outputs: tuple[Output, ...] = OUTPUTS if truth else ("rgb",)
    made = render(
        [chosen], [states], width=size[0], height=size[1], num_frames=frames, fps=fps, outputs=outputs
    )[0]
    assert made.rgb is not None
    sound = holds_sound if audio is None else audio
    clip = Clip(
        frames=made.rgb,
        fps=fps,
        audio=synthesise(chosen, states) if sound else None,
        caption=scene if parsed else None,
    )
    metadata = {"scene": json.loads(chosen.model_dump_json()), "seed": seed}
    encode(clip, output, metadata=metadata, audio=sound)
    if truth:
        arrays = {name: getattr(made, name) for name in ("masks", "depth", "flow", "tracks", "visibility")}
        arrays |= {name: getattr(states, name) for name in ("times", "position", "rotation", "scale")}
        camera = states.camera
        arrays |= {
            "eye": camera.eye,
            "camera_rotation": camera.rotation,
            "fov_degrees": np.float32(camera.fov_degrees),
        }
        with atomic(truth) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)
    _tell(parsed, as_json)
    if as_json:
        emit({"path": str(output), "truth": truth and str(truth), "frames": frames, "fps": fps, **metadata})
    else:
        click.echo(f"{output}  ({frames} frames, {size[0]}x{size[1]})")


@world.command("describe")
@click.argument("scene")
@_seed
@click.option(
    "--phrasings",
    type=click.IntRange(1, 10_000),
    default=5,
    show_default=True,
    help="How many sentences to write.",
)
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=2.0, hidden=True)
@json_option
def describe_command(scene: str, seed: int, phrasings: int, seconds: float, as_json: bool) -> None:
    """Say SCENE (a sentence or a scene file) in other words; with --json also what was understood.

    The JSON holds the scene itself: save it as a file, change it, render it.

    \b
    Examples:
      scenewright world describe "two red balls bounce while a cone spins"
      scenewright world describe "a cube" --seed 4 --json | jq .scene > scene.json
    """
    from scenewright.world.grammar import partial, write
    from scenewright.world.layout import description_of

    chosen, parsed = _scene(scene, seed, seconds)
    description = parsed.description if parsed else description_of(chosen)
    if parsed:
        texts = [write(description, seed + i) for i in range(phrasings)]
    else:
        texts = [write(partial(description, seed + i), seed + i) for i in range(phrasings)]
    _tell(parsed, as_json)
    if as_json:
        emit(
            {
                "description": json.loads(description.model_dump_json()),
                "unknown_words": list(parsed.unknown) if parsed else [],
                "phrasings": texts,
                "scene": json.loads(chosen.model_dump_json()),
            }
        )
    else:
        click.echo("\n".join(texts))


@world.command("sample")
@click.option("-n", "--clips", type=click.IntRange(1), default=16, show_default=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The dataset's folder.",
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["videos", "shards", "scenes"]),
    default="videos",
    show_default=True,
    help="MP4 files with index.jsonl, raw shards for training, or the scenes alone, not rendered.",
)
@_size
@click.option("--num-frames", type=click.IntRange(1, 10_000), default=16, show_default=True)
@click.option("--fps", type=click.FloatRange(1, 240), default=8.0, show_default=True)
@_seed
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the sampler, such as num_objects=[1,1] or still=0. Repeatable.",
)
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also draw a contact sheet (PNG) of the first clips.",
)
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@json_option
def sample_command(
    clips: int,
    output: Path,
    kind: str,
    size: tuple[int, int],
    num_frames: int,
    fps: float,
    seed: int,
    overrides: tuple[str, ...],
    sheet: Path | None,
    workers: int,
    as_json: bool,
) -> None:
    """Render a dataset of random scenes with captions.

    A run that was stopped goes on where it was when the same command is given again.

    \b
    Examples:
      scenewright world sample -n 32 -o balls --set shapes=[sphere] --sheet balls.png
      scenewright world sample -n 20000 -o shards --as shards --size 64x64 --workers 2
    """
    from scenewright.config import load_recipe
    from scenewright.data.world_source import WorldSource, render_shards, render_videos

    settings = [f"sampler.{line}" for line in overrides]
    source = load_recipe(WorldSource, None, settings).model_copy(
        update={"seed": seed, "width": size[0], "height": size[1], "num_frames": num_frames, "fps": fps}
    )
    make: Callable[..., None] = functools.partial(render_shards, frames=kind == "shards")
    if kind == "videos":
        make = render_videos
    title = "Sampling" if kind == "scenes" else "Rendering"
    with Progress(title, total=clips, unit="clips", as_json=as_json) as bar:
        make(source, output, clips, workers=workers, on_done=bar.advance)
    if sheet:
        _draw_sheet(source, min(clips, 16), sheet)
    emit({"path": str(output), "clips": clips} if as_json else output, as_json=as_json)


def _draw_sheet(source: Any, count: int, path: Path) -> None:
    from scenewright.clip import Clip
    from scenewright.data.world_source import caption
    from scenewright.media import contact_sheet, save_image

    scenes = [source.scene(i) for i in range(count)]
    clips = [Clip(frames=frames, fps=source.fps) for frames in source.render(scenes)]
    captions = [caption(scene, i) for i, scene in enumerate(scenes)]
    save_image(contact_sheet(clips, captions=captions, columns=2, frames_per_clip=5), path)


def _scene(text: str, seed: int, seconds: float) -> tuple[Scene, Parsed | None]:
    """A scene file's scene, or the scene of a sentence and what was understood of it."""
    from scenewright.world.layout import complete
    from scenewright.world.parser import parse
    from scenewright.world.scene import Scene

    if text.endswith(".json"):
        content = Path(text).read_bytes()
        from pydantic import ValidationError

        from scenewright.config import validation_summary

        try:
            return Scene.model_validate_json(content), None
        except ValidationError as error:
            raise click.UsageError(f"{text} is no scene file: {validation_summary(error, Scene)}") from None
    parsed = parse(text)
    return complete(parsed.description, seed, seconds=seconds), parsed


def _tell(parsed: Parsed | None, as_json: bool) -> None:
    """What of a sentence was not understood, or cannot be shown."""
    if parsed is None:
        return
    for text in parsed.notes:
        note(f"note: {text}", as_json=as_json)
    if parsed.unknown:
        words = ", ".join(f'"{word}"' for word in parsed.unknown)
        note(f"note: not understood and left out: {words}", as_json=as_json)
