"""The one path from a prompt to a released file: generate, add sound, encode with its own description."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenewright.clip import Clip, GivenFrame, Prompt
from scenewright.generation.extending import check_extension, extend, extendable
from scenewright.generation.generator import Generator, Progress
from scenewright.generation.loading import DEFAULT_MODEL, load_generator
from scenewright.remaking import inputs_of

if TYPE_CHECKING:
    from scenewright.media.encode import Format


@dataclass(frozen=True)
class Release:
    """A finished file: where it is, what was asked, what the user should know, how long it took (seconds)."""

    path: Path
    prompt: Prompt
    clip: Clip
    notes: tuple[str, ...]
    seconds: float


def generate(
    prompt: str | Prompt,
    *,
    model: str | Path = DEFAULT_MODEL,
    seed: int | None = None,
    settings: Any = None,
) -> Clip:
    """Make one clip from a sentence.

    Args:
        prompt: The sentence, or a :class:`~scenewright.clip.Prompt` with size, length and negative text.
        model: A model of the package by name, or the path of a model folder. It stays loaded.
        seed: Fixes the randomness; replaces the prompt's. The same prompt and seed give the same frames.
        settings: Sampler, steps and guidance; the model's own where left out.

    Raises:
        ValueError: an unknown model, or a prompt the model cannot make (too long, empty).
    """
    request = Prompt(text=prompt) if isinstance(prompt, str) else prompt
    if seed is not None:
        request = request.model_copy(update={"seed": seed})
    return _loaded(str(model)).generate([request], settings)[0]


def produce(
    pipeline: Generator,
    prompts: Sequence[Prompt],
    paths: Sequence[Path],
    *,
    settings: Any = None,
    file_format: Format | None = None,
    audio: bool = False,
    progress: Progress | None = None,
    before: Clip | None = None,
) -> Iterator[Release]:
    """Make and write one file a prompt, in order; each is complete on disk before the next begins.

    ``before``: a clip that each video begins with; see :func:`scenewright.generation.extending.extend`.

    ``file_format``: as :func:`scenewright.media.encode`'s format; by each path's suffix where left out.
    ``audio`` adds a soundtrack synthesised from the prompt's scene (see :func:`soundtrack`).

    Raises:
        ValueError: a prompt the model cannot make, before anything is made; a format that holds no sound.
    """
    if before is None:
        pipeline.check(prompts, settings)
    else:
        check_extension(extendable(pipeline), before, prompts, settings)
    for index, (prompt, path) in enumerate(zip(prompts, paths, strict=True)):
        began = time.monotonic()
        report = None if progress is None else partial(_at, progress, index)
        if before is None:
            clip = pipeline.generate([prompt], settings, report)[0]
        else:
            clip = extend(extendable(pipeline), before, prompt, settings, report)
        path.parent.mkdir(parents=True, exist_ok=True)
        clip, more = export(pipeline, clip, prompt, path, before=before, file_format=file_format, audio=audio)
        notes = pipeline.notes(prompt) + more
        yield Release(path, prompt, clip, tuple(notes), time.monotonic() - began)


def export(
    pipeline: Generator,
    clip: Clip,
    prompt: Prompt,
    path: Path,
    *,
    before: Clip | None = None,
    file_format: Format | None = None,
    audio: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> tuple[Clip, list[str]]:
    """Write a clip that was made of a prompt, with what a file must say to be made again, and ``facts``; the
    clip as it was written, and what the user should know. Other arguments and errors as for
    :func:`produce`."""
    from scenewright.media import encode

    notes: list[str] = []
    if audio:
        clip, notes = soundtrack(clip, prompt)
    told = inputs_of(prompt, pipeline.native_size, before, audio=clip.audio is not None)
    clip = clip.with_(metadata={**clip.metadata, **told, **(facts or {})})
    encode(clip, path, format=file_format)
    return clip, notes


def given_frame(path: str | Path, at: int) -> GivenFrame:
    """The picture that a video must show at ``at``: the first of a file, or its last where ``at`` is -1."""
    from scenewright.media import decode

    return GivenFrame(at, decode(path, frames=[min(at, 0)], audio=False).frames[0])


def soundtrack(clip: Clip, prompt: Prompt) -> tuple[Clip, list[str]]:
    """Give a clip the sound of the scene that its prompt describes.

    The sound follows the scene that the world builds from the same sentence and seed, not the generated
    pictures: what the model shows at another moment is heard at the world's. Returns the clip and notes; a
    prompt in which the world's grammar finds no scene stays silent, and the note says so.
    """
    from scenewright.world.layout import complete
    from scenewright.world.parser import parse
    from scenewright.world.physics import simulate
    from scenewright.world.sound import synthesise

    try:
        scene = complete(parse(prompt.text).description, prompt.seed, seconds=clip.seconds)
    except ValueError as error:
        return clip, [f"no sound: {error}"]
    waveform = synthesise(scene, simulate(scene, num_frames=len(clip), fps=clip.fps))
    return clip.with_(audio=waveform), []


def default_path(prompt: Prompt, folder: Path, suffix: str) -> Path:
    """A new file named after the prompt and its seed; never one that exists."""
    words = re.findall(r"[a-z0-9]+", prompt.text.lower())
    stem = "-".join(words)[:60].strip("-") or "video"
    path = folder / f"{stem}-{prompt.seed}{suffix}"
    number = 2
    while path.exists():
        path = folder / f"{stem}-{prompt.seed}-{number}{suffix}"
        number += 1
    return path


def _at(progress: Progress, index: int, _: int, step: int, steps: int) -> None:
    """Report a step of the only prompt of a call as one of the prompt ``index`` of many."""
    progress(index, step, steps)


@lru_cache(maxsize=2)
def _loaded(model: str) -> Generator:
    return load_generator(model)
