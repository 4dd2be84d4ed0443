"""Settings that a file carries: what was asked for when it was made, so that it can be made again."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from scenewright.clip import Clip, GivenFrame, Prompt
from scenewright.config import validation_summary
from scenewright.media import MediaError, probe
from scenewright.media.source import Source

_HEAD = "data:image/webp;base64"


@dataclass(frozen=True)
class Remake:
    """``settings``: of sampling, as the generator's own; empty where it has none. ``audio``: whether the
    sound is that of the prompt's scene. ``notes``: one sentence on each thing that the file does not tell
    enough of to make it again."""

    prompt: Prompt
    model: str
    model_sha256: str
    settings: Mapping[str, Any]
    audio: bool
    notes: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether the file tells all of it."""
        return not self.notes


def inputs_of(
    prompt: Prompt, native_size: tuple[int, int], before: Clip | None = None, audio: bool = False
) -> dict[str, Any]:
    """What a file must say, beside what its generator does, to be made again: the frames that were given, as
    lossless pictures of what the model saw of them, and which sound or video it goes on from."""
    from scenewright.generation.resizing import fitted

    found: dict[str, Any] = {}
    if prompt.given:
        seen = [fitted(given.frame[None], native_size)[0] for given in prompt.given]
        found["inputs"] = [
            {"at": given.at, "sha256": _digest(frame), "picture": _picture(frame)}
            for given, frame in zip(prompt.given, seen, strict=True)
        ]
    if prompt.layout is not None:
        found["layout"] = True
    if prompt.sound is not None:
        found["sound"] = {"sha256": _digest(prompt.sound.samples), "rate": prompt.sound.rate}
    if before is not None:
        found["extended"] = {"sha256": _digest(before.frames), "num_frames": len(before)}
    if audio:
        found["audio"] = "scene"
    return found


def tells(facts: Mapping[str, Any]) -> bool:
    """Whether the metadata of a file say how it was made."""
    return isinstance(facts.get("prompt"), str) and isinstance(facts.get("model"), str)


def picture_of(entry: Any) -> tuple[int, bytes]:
    """Where a given picture is in the video, and its WebP file, of an entry of a file's ``inputs``.
    ValueError: it is damaged."""
    try:
        head, _, data = entry["picture"].partition(",")
        if head != _HEAD:
            raise ValueError("a picture of another kind")
        return int(entry["at"]), base64.b64decode(data, validate=True)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a damaged entry ({error})") from None


def remake_of(source: Source) -> Remake:
    """What the file says of how it was made.

    Raises:
        MediaError: it cannot be read, or says nothing of it.
    """
    info = probe(source)
    facts = info.metadata
    if not tells(facts):
        raise MediaError(
            f"{info.name} does not say how it was made: it is not of scenewright, or what it said was removed"
        )
    assert info.video is not None
    notes = []
    for key, what in (
        ("extended", "the video that it goes on from is not in it"),
        ("sound", "the sound that it was made to is not in it"),
        ("layout", "the layout that was given is not in it"),
        ("feedback", "drafts of it were judged and made better; the settings are those of the last one"),
    ):
        if key in facts:
            notes.append(what)
    given = []
    for entry in facts.get("inputs") or []:
        try:
            at, content = picture_of(entry)
            given.append(GivenFrame(at, _pixels(content)))
        except (ValueError, OSError):
            notes.append("a picture that was given is damaged in it")
    if "given_frames" in facts and "inputs" not in facts and "extended" not in facts:
        notes.append("the pictures that were given are not in it")
    try:
        prompt = Prompt(
            text=facts["prompt"],
            negative=facts.get("negative_prompt", ""),
            seed=facts.get("seed", 0),
            width=info.video.width,
            height=info.video.height,
            num_frames=info.video.frames,
            fps=info.video.fps,
            given=tuple(given),
        )
    except ValidationError as error:
        raise MediaError(
            f"{info.name}: what it says of how it was made is damaged ({validation_summary(error)})"
        ) from None
    settings, digest = facts.get("settings"), facts.get("model_sha256")
    return Remake(
        prompt=prompt,
        model=facts["model"],
        model_sha256=digest if isinstance(digest, str) else "",
        settings=settings if isinstance(settings, dict) else {},
        audio=facts.get("audio") == "scene",
        notes=tuple(dict.fromkeys(notes)),
    )


def _digest(array: np.ndarray) -> str:
    """SHA-256 of shape and values."""
    return hashlib.sha256(f"{array.dtype} {array.shape} ".encode() + array.tobytes()).hexdigest()


def _picture(frame: np.ndarray) -> str:
    """A data URL of the frame, lossless."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(frame).save(data, "webp", lossless=True)
    return f"{_HEAD},{base64.b64encode(data.getvalue()).decode()}"


def _pixels(content: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=["WEBP"]) as image:
        return np.asarray(image.convert("RGB"))
