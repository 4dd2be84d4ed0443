"""``scenewright generate``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from scenewright.cli.console import Progress, emit, json_option, note
from scenewright.cli.sizes import SIZE

if TYPE_CHECKING:
    from scenewright.clip import Prompt
    from scenewright.generation.feedback import Feedback
    from scenewright.generation.generator import Generator
    from scenewright.media.encode import Format

FORMATS = ("mp4", "webm", "gif", "webp", "png")
WITH_SOUND = ("mp4", "webm")


@click.command()
@click.argument("prompt", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    help="The file to write; a name that ends in / or holds several videos is a folder.",
)
@click.option(
    "--prompts",
    "prompts_file",
    type=click.File("r", encoding="utf-8"),
    help="A file with one prompt a line; - reads standard input.",
)
@click.option(
    "--negative",
    "--negative-prompt",
    "negative",
    default="",
    metavar="TEXT",
    help="What the video should not show.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="The same seed gives the same video.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Videos a prompt, with seeds SEED, SEED+1, ...",
)
@click.option(
    "--image",
    "images",
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    help="A picture that the video begins with; given several times, its first frames.",
)
@click.option(
    "--last-image",
    type=click.Path(exists=True, dir_okay=False),
    help="A picture that the video ends with; with --image, what happens in between is made.",
)
@click.option(
    "--extend",
    "extended",
    type=click.Path(exists=True),
    metavar="VIDEO",
    help="A video to go on with; --num-frames then counts the new frames.",
)
@click.option(
    "--sound",
    "sound_file",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="A sound, or a video's, that the frames go with, for models that listen such as zoo/sound2sight.",
)
@click.option("--fast", is_flag=True, help="The model's settings for few sampling steps.")
@click.option("--steps", type=click.IntRange(1, 1000), help="Sampling steps. [default: the model's]")
@click.option("--sampler", help="euler, heun, dpmpp_2m or shortcut. [default: the model's]")
@click.option(
    "--guidance-scale",
    type=click.FloatRange(0, 100),
    help="How closely to follow the text. [default: the model's]",
)
@click.option(
    "--flow-shift",
    "shift",
    type=click.FloatRange(0, 100, min_open=True),
    help="How much of the sampling is at high noise. [default: the model's]",
)
@click.option("--size", type=SIZE, help="Width x height in pixels, such as 256x256. [default: the model's]")
@click.option("--num-frames", type=click.IntRange(1), help="Frames to make. [default: the model's]")
@click.option(
    "--fps", type=click.FloatRange(0.1, 240), help="Frames a second of the file. [default: the model's]"
)
@click.option("--model", default="nano", show_default=True, help="A model of the package, or a model folder.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    help="The kind of file; png is a folder of frames. [default: by the output's suffix, else mp4]",
)
@click.option(
    "--audio",
    is_flag=True,
    help="Add the sound of the scene the prompt describes (made from the words, not the pictures).",
)
@click.option(
    "--feedback",
    metavar="FOLDER",
    help="What judges drafts so that better ones are proposed: a folder, zoo/vilbert or zoo/damsm.",
)
@click.option("--rounds", type=click.IntRange(0, 1000), help="Rounds of --feedback. [default: 3]")
@click.option(
    "--feedback-by",
    help="redraw (new seeds), condition (the encoded text is corrected) or guide (the sampler is guided). "
    "[default: redraw]",
)
@click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
@click.option(
    "--server",
    metavar="URL",
    help="Let a server make it, see scenewright serve; SCENEWRIGHT_API_KEY is the key for one with accounts.",
)
@json_option
def generate(
    prompt: str | None,
    output: str | None,
    prompts_file: Any,
    negative: str,
    seed: int,
    batch: int,
    images: tuple[str, ...],
    last_image: str | None,
    extended: str | None,
    sound_file: str | None,
    fast: bool,
    size: tuple[int, int] | None,
    num_frames: int | None,
    fps: float | None,
    model: str,
    file_format: Format | None,
    audio: bool,
    feedback: str | None,
    rounds: int | None,
    feedback_by: str | None,
    overwrite: bool,
    server: str | None,
    as_json: bool,
    **sampling: Any,
) -> None:
    """Make a video from a sentence.

    Without -o the file is named after the prompt and its seed, in this folder. It carries the prompt, seed,
    settings and the model's hash.

    \b
    Examples:
      scenewright generate "a red ball bounces"
      scenewright generate "a blue cube slides right" -o cube.gif --size 256x256 --seed 3
      scenewright generate --prompts prompts.txt -o out/ --batch 4 --json
      scenewright generate "the ball rolls left" --image ball.png
      scenewright generate "a red ball jumps" --extend ball.mp4 --num-frames 24
      scenewright generate "" --model zoo/sound2sight --image ball.png --sound ball.wav -o ball.mp4
      scenewright generate "a red ball jumps" --feedback zoo/damsm --feedback-by guide --rounds 4
      scenewright generate "a red ball jumps" --server http://127.0.0.1:8000
    """
    texts = _texts(prompt, prompts_file)
    count = len(texts) * batch
    kind = file_format or _format(output, many=count > 1)
    if audio and kind not in WITH_SOUND:
        raise click.UsageError(f"{kind} files hold no sound; use {' or '.join(WITH_SOUND)} with --audio")
    if extended and (images or last_image or audio or sound_file):
        raise click.UsageError("--extend goes without --image, --last-image, --audio and --sound")
    if extended and feedback:
        raise click.UsageError("--feedback judges whole videos, and so goes without --extend")
    if feedback is None and (rounds is not None or feedback_by is not None):
        raise click.UsageError("--rounds and --feedback-by are of --feedback; name what judges by it")
    if audio and sound_file:
        raise click.UsageError("--audio makes a sound and --sound gives one; leave one out")
    if server is not None:
        if sound_file or feedback:
            raise click.UsageError("--server takes no --sound and no --feedback; leave them out")
        from scenewright.cli.remote import Wanted, generate_remotely
        from scenewright.clip import Prompt

        wanted = Wanted(texts, seed, batch, images, last_image, extended, kind)
        options = {
            "negative_prompt": negative or None,
            "model": model,
            "size": size,
            "num_frames": num_frames,
            "fps": fps,
            "fast": fast or None,
            "audio": audio or None,
            "num_inference_steps": sampling["steps"],
            "guidance_scale": sampling["guidance_scale"],
            "flow_shift": sampling["shift"],
            "sampler": sampling["sampler"],
        }
        prompts = [Prompt(text=text, seed=seed + i) for text in texts for i in range(batch)]
        paths = _paths(prompts, output, kind, overwrite=overwrite)
        generate_remotely(server, wanted, options, paths, as_json=as_json)
        return

    from scenewright.clip import Prompt
    from scenewright.generation.extending import check_extension, extendable, pieces
    from scenewright.generation.loading import load_generator
    from scenewright.generation.streaming import StreamingTextToVideo
    from scenewright.media import decode, decode_audio
    from scenewright.production import given_frame, produce

    given = [given_frame(path, at) for at, path in enumerate(images)]
    if last_image is not None:
        given.append(given_frame(last_image, -1))
    heard = None if sound_file is None else decode_audio(sound_file)
    prompts = [
        Prompt(
            text=text,
            negative=negative,
            seed=seed + i,
            width=size and size[0],
            height=size and size[1],
            num_frames=num_frames,
            fps=fps,
            given=tuple(given),
            sound=heard,
        )
        for text in texts
        for i in range(batch)
    ]
    paths = _paths(prompts, output, kind, overwrite=overwrite)
    pipeline, passes = load_generator(model), 1
    parts = pipeline.parts(prompts[0]) if isinstance(pipeline, StreamingTextToVideo) else 1
    if feedback is not None:
        pipeline = _with_feedback(pipeline, feedback, feedback_by, rounds, texts)
        passes = pipeline.passes
    settings = pipeline.recommended(fast=fast, changes=sampling)
    before = None
    if extended is not None:
        before = decode(extended, fps=pipeline.fps, audio=False)
        extending = extendable(pipeline)
        check_extension(extending, before, prompts, settings)
        parts = len(pieces(extending, len(before), num_frames))
    else:
        pipeline.check(prompts, settings)
    releases = []
    steps = count * parts * passes * getattr(settings, "steps", 1)
    with Progress("Generating", total=steps, unit="steps", as_json=as_json) as bar:
        for release in produce(
            pipeline,
            prompts,
            paths,
            settings=settings,
            file_format=kind,
            audio=audio,
            progress=lambda *_: bar.advance(),
            before=before,
        ):
            releases.append(release)
    for text in dict.fromkeys(line for release in releases for line in release.notes):
        note(f"note: {text}", as_json=as_json)
    if as_json:
        emit([_record(release) for release in releases])
    else:
        for release in releases:
            click.echo(f"{release.path}  ({release.seconds:.1f} s, seed {release.prompt.seed})")
            if told := release.clip.metadata.get("feedback"):
                click.echo(_rounds(told))


def _texts(prompt: str | None, file: Any) -> list[str]:
    if (prompt is None) == (file is None):
        raise click.UsageError("give one prompt, or --prompts FILE (not both)")
    if prompt is not None:
        return [prompt]
    try:
        texts = [line.strip() for line in file if line.strip()]
    except UnicodeDecodeError:
        raise click.UsageError(f"{file.name} is not a UTF-8 text file") from None
    if not texts:
        raise click.UsageError(f"{file.name} holds no prompt; write one a line")
    return texts


def _format(output: str | None, *, many: bool) -> Format:
    if output is None or many or _is_folder(output) or not (suffix := Path(output).suffix):
        return "mp4"
    if suffix.lower().lstrip(".") not in FORMATS:
        raise click.UsageError(
            f"cannot write {suffix} files ({output}); use {', '.join('.' + name for name in FORMATS)}"
        )
    return cast("Format", suffix.lower().lstrip("."))


def _is_folder(output: str) -> bool:
    return output.endswith(("/", "\\")) or Path(output).is_dir()


def _paths(prompts: list[Prompt], output: str | None, kind: str, *, overwrite: bool) -> list[Path]:
    suffix = "" if kind == "png" else f".{kind}"
    if output is not None and len(prompts) == 1 and not _is_folder(output):
        path = Path(output).with_suffix("") if kind == "png" else Path(output)
        path = path if path.suffix else path.with_suffix(suffix)
        if path.exists() and not overwrite:
            raise click.UsageError(f"{path} exists; choose another name or add --overwrite")
        return [path]
    folder = Path(output or "")
    if folder.exists() and not folder.is_dir():
        raise click.UsageError(f"{folder} is a file; several videos need a folder")
    from scenewright.production import default_path

    paths: list[Path] = []
    for prompt in prompts:
        path, taken = default_path(prompt, folder, suffix), 2
        while path in paths:
            path, taken = path.with_stem(f"{path.stem}-{taken}"), taken + 1
        paths.append(path)
    return paths


def _with_feedback(
    pipeline: Generator, judge: str, by: str | None, rounds: int | None, texts: list[str]
) -> Feedback:
    from scenewright.generation.feedback import Feedback
    from scenewright.generation.loading import find_model
    from scenewright.generation.matching import load_agreement

    return Feedback(
        pipeline,
        load_agreement(find_model(judge)),
        by=by or "redraw",
        rounds=3 if rounds is None else rounds,
        others=texts,
    )


def _rounds(told: dict[str, Any]) -> str:
    """One line on how sure the judge was, after every round, that the video is of its own text."""
    sure = ", ".join(f"{n}: {math.exp(score):.3f}" for n, score in enumerate(told["scores"]))
    return f"  {told['by']}, its own text among {1 + len(told['others'])}, by rounds: {sure}"


def _record(release: Any) -> dict[str, Any]:
    return {
        "path": str(release.path),
        "seconds": round(release.seconds, 3),
        "width": release.clip.width,
        "height": release.clip.height,
        "num_frames": len(release.clip),
        "fps": release.clip.fps,
        "notes": list(release.notes),
        **release.clip.metadata,
    }
