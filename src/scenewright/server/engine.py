"""From a job's request to its file, in the steps that a worker steers; what a queue is plays no part here."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from scenewright.clip import Clip, Prompt
from scenewright.generation.extending import Extending, check_extension, extendable
from scenewright.generation.generator import Generator
from scenewright.generation.pipeline import TextToVideo
from scenewright.generation.side_by_side import begin_together
from scenewright.generation.streaming import StreamingTextToVideo
from scenewright.media import decode
from scenewright.production import export, given_frame
from scenewright.server.failures import InputMissingError, StorageError
from scenewright.server.pictures import spritesheet_of, thumbnail_of
from scenewright.server.store import FileStore
from scenewright.server.video_request import Kind, VideoRequest

MEDIA_TYPES = {"mp4": "video/mp4", "webm": "video/webm"}


class Work(Protocol):
    """Clips while they are made; see :class:`~scenewright.generation.sampling.Sampling`."""

    @property
    def step(self) -> int: ...

    @property
    def steps(self) -> int: ...

    @property
    def done(self) -> bool: ...

    def advance(self) -> None: ...

    def states(self) -> list[dict[str, torch.Tensor]]: ...

    def restore(self, states: Sequence[Mapping[str, torch.Tensor]]) -> None: ...

    def preview(self, index: int = 0) -> np.ndarray: ...

    def finish(self, *, tile: bool = False) -> list[Clip]: ...


@dataclass(frozen=True)
class Asked:
    """A request made ready for a model: ``before`` is the clip that is gone on with; ``identity`` that of the
    request and the model together."""

    request: VideoRequest
    kind: Kind
    prompt: Prompt
    settings: Any
    before: Clip | None
    identity: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """A finished video's files, by their hashes in the store, and facts of it; the names are a job's."""

    video_hash: str
    thumbnail_hash: str
    spritesheet_hash: str
    bytes: int
    width: int
    height: int
    num_frames: int
    fps: float
    notes: list[str]
    stored: int


def ask(store: FileStore, generator: Generator, request: VideoRequest, kind: Kind) -> Asked:
    """Make a request ready: its pictures and video are decoded, and all is checked.

    Raises:
        InputMissingError: a file is not in the store.
        ValueError: the model cannot make it; one line for the user.
    """
    given, before = [], None
    for name, at in (("input_reference", 0), ("last_frame", -1)):
        if (hash := getattr(request, name)) is not None:
            with _input(store, name, hash) as path:
                given.append(given_frame(path, at))
    if kind == "extend":
        if request.video is None:
            raise ValueError("an extension needs the video that it goes on with")
        with _input(store, "video", request.video) as path:
            before = decode(path, fps=generator.fps, audio=False)
    elif request.video is not None:
        raise ValueError("a video is given to be extended; ask for an extension, or leave it out")
    prompt = Prompt(
        text=request.prompt,
        negative=request.negative_prompt,
        seed=request.seed,
        width=request.width,
        height=request.height,
        num_frames=request.num_frames,
        fps=request.fps,
        given=tuple(given),
    )
    settings = generator.recommended(fast=request.fast, changes=request.sampling)
    if before is None:
        generator.check([prompt], settings)
    elif given:
        raise ValueError("an extension begins with its video; leave input_reference and last_frame out")
    else:
        check_extension(extendable(generator), before, [prompt], settings)
    identity = request.identity(kind, generator.identity)
    return Asked(request, kind, prompt, settings, before, identity, tuple(generator.notes(prompt)))


def begin(generator: Generator, asked: Sequence[Asked]) -> Work | None:
    """Clips that are made step by step, together; None where the generator makes whole ones alone."""
    if not works_in_steps(generator):
        return None
    assert isinstance(generator, TextToVideo)
    if asked[0].before is not None:
        (one,) = asked
        assert one.before is not None
        return Extending(generator, one.before, one.prompt, one.settings)
    return begin_together(generator, [one.prompt for one in asked], asked[0].settings)


def works_in_steps(generator: Generator) -> bool:
    """Whether its clips can be looked at, kept and made together while they are made."""
    return isinstance(generator, TextToVideo) and not isinstance(generator, StreamingTextToVideo)


def whole(generator: Generator, asked: Asked, on_step: Callable[[int, int], None]) -> Clip:
    """The clip of a generator that makes whole ones; what ``on_step`` raises stops it."""
    return generator.generate([asked.prompt], asked.settings, lambda _, step, steps: on_step(step, steps))[0]


def packed(state: Mapping[str, torch.Tensor], identity: str) -> bytes:
    """What is kept of a half-made clip, for :func:`unpacked`."""
    return save({name: value.contiguous() for name, value in state.items()}, {"of": identity})


def unpacked(content: bytes | None, identity: str) -> dict[str, torch.Tensor] | None:
    """None where there is nothing, it is broken, or it is of another request or model."""
    if content is None:
        return None
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        return load(content) if header["__metadata__"]["of"] == identity else None
    except (SafetensorError, ValueError, KeyError, TypeError):
        return None


def written(store: FileStore, generator: Generator, asked: Asked, clip: Clip) -> Made:
    """Write a clip and its pictures into the store, after the file has been decoded again.

    Raises:
        StorageError: something could not be written, or came back otherwise.
    """
    request = asked.request
    with _storing(), tempfile.TemporaryDirectory(prefix="scenewright-") as folder:
        path = Path(folder) / f"video.{request.format}"
        facts = _facts(store, asked, clip)
        clip, notes = export(
            generator,
            clip,
            asked.prompt,
            path,
            before=asked.before,
            file_format=request.format,
            audio=request.audio,
            facts=facts,
        )
        _verify(path, clip)
        size = path.stat().st_size
        video = store.put_file(path, MEDIA_TYPES[request.format])
        thumbnail, sheet = thumbnail_of(clip), spritesheet_of(clip)
        made = Made(
            video_hash=video,
            thumbnail_hash=store.put_bytes(thumbnail, "image/webp", durable=False),
            spritesheet_hash=store.put_bytes(sheet, "image/webp", durable=False),
            bytes=size,
            width=clip.width,
            height=clip.height,
            num_frames=len(clip),
            fps=clip.fps,
            notes=[*asked.notes, *notes],
            stored=size + len(thumbnail) + len(sheet),
        )
        if store.size(video) != size:
            raise StorageError("the store has another file than was written")
    return made


def measured(generator: Generator, asked: Asked, clip: Clip) -> dict[str, Any]:
    """What there is to say of a video's size, for estimates; see :class:`.Measurement`."""
    recommended = generator.recommended(fast=asked.request.fast)
    made = len(clip) - (0 if asked.before is None else len(asked.before))
    usual = getattr(generator, "usual_frames", None) or generator.most_frames or made
    width, height = generator.native_size
    return {
        "model": asked.request.model,
        "kind": asked.kind,
        "num_frames": made,
        "width": clip.width,
        "height": clip.height,
        "steps": getattr(asked.settings, "steps", 1),
        "defaults": {
            "num_frames": usual if asked.before is None else usual - usual // 2,
            "width": width,
            "height": height,
            "steps": getattr(recommended, "steps", 1),
            "fast": asked.request.fast,
        },
    }


def _facts(store: FileStore, asked: Asked, clip: Clip) -> dict[str, Any]:
    """What :func:`.request_of` needs, beside what every file says, to make the file again."""
    request = asked.request
    added = len(clip) - (0 if asked.before is None else len(asked.before))
    return {
        "kind": asked.kind,
        "model_source": request.model,
        "width": clip.width,
        "height": clip.height,
        "num_frames": added,
        "fps": clip.fps,
        "fast": request.fast,
        "files": {name: {"sha256": hash, "bytes": store.size(hash)} for name, hash in request.inputs.items()},
    }


def _verify(path: Path, clip: Clip) -> None:
    """Decode a written file again. StorageError: it is not what was written."""
    again = decode(path)
    if again.frames.shape != clip.frames.shape or (again.audio is None) != (clip.audio is None):
        raise StorageError("the written file does not hold what was made")


@contextmanager
def _storing() -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except (OSError, ValueError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        raise StorageError(
            f"the video could not be stored ({cause.strerror or type(cause).__name__})"
        ) from error


@contextmanager
def _input(store: FileStore, name: str, hash: str) -> Iterator[Path]:
    try:
        with store.as_file(hash) as path:
            yield path
    except FileNotFoundError:
        raise InputMissingError(f"the file of {name} is not there any more; upload it again") from None
