"""Footage as training data: videos with captions, cut into windows of one size and rate, in shards.

A folder of footage has ``index.jsonl`` with one object a line: ``file``, relative to the folder;
``caption``, or ``captions`` for several; ``action``, a name for what happens, where that is known; and
whatever else there is to choose by, such as who is seen. ``world sample`` writes such folders, too.

The lines of a dataset of footage are objects with ``file``, ``start`` (seconds), ``captions``, ``action``
where it is known, and ``about``, the rest of what the index says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from scenewright.config import Config, fingerprint
from scenewright.data.shards import Shards, ShardsInfo, ShardWriter
from scenewright.data.world_source import caption
from scenewright.media import MediaError, decode, probe
from scenewright.world.scene import Scene

INDEX = "index.jsonl"
#: Keys of the index that are not put under ``about``.
_KNOWN = ("file", "caption", "captions", "action")


class Windows(Config):
    """What is cut out of each video: ``num_frames`` frames at ``fps``, of ``width`` x ``height`` pixels, the
    frame first cropped centrally to that shape; and again ``stride`` frames later, as often as it lasts. By
    default windows do not overlap."""

    width: int = Field(default=128, ge=1)
    height: int = Field(default=128, ge=1)
    num_frames: int = Field(default=16, ge=1)
    fps: float = Field(default=8.0, gt=0)
    stride: int | None = Field(default=None, ge=1)

    def starts(self, frames: int) -> range:
        """The first frames of the windows of a video of ``frames`` frames at ``fps``."""
        return range(0, frames - self.num_frames + 1, self.stride or self.num_frames)


@dataclass(frozen=True)
class Footage:
    """One video: ``count`` frames at the rate of its windows, which ``frames`` reads, uint8 (N, H, W, 3) at
    their size. ``size``: of the file in bytes, by which a changed one is known. ``about``: what else is known
    of it."""

    name: str
    captions: tuple[str, ...]
    count: int
    frames: Callable[[], np.ndarray]
    action: str | None = None
    size: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Index:
    """The footage that was chosen; ``actions``: all names that the whole index has, sorted; ``left_out``:
    why, for each file that cannot be used."""

    footage: tuple[Footage, ...]
    actions: tuple[str, ...]
    left_out: Mapping[str, str]


def read_index(
    folder: Path,
    windows: Windows,
    only: Mapping[str, Sequence[str]] | None = None,
    without: Mapping[str, Sequence[str]] | None = None,
) -> Index:
    """The footage of a folder. ``only``, ``without``: values of keys of the index; a video is taken where
    each key of ``only`` has one of its values, and no key of ``without`` has.

    Raises:
        ValueError: no index, a line that is none, a key that no line has, or nothing that can be used.
    """
    rows = _rows(folder / INDEX)
    for key in (*(only or {}), *(without or {})):
        if all(key not in row for row in rows):
            raise ValueError(f"{folder / INDEX}: no line has {key}; there are {', '.join(rows[0])}")
    found, left_out = [], {}
    for row in rows:
        taken = all(_text(row.get(key)) in values for key, values in (only or {}).items())
        if not taken or any(_text(row.get(key)) in values for key, values in (without or {}).items()):
            continue
        file = folder / row["file"]
        try:
            info = probe(file, exact=True)
        except MediaError as error:
            left_out[row["file"]] = str(error)
            continue
        count = int((info.duration or 0) * windows.fps + 1e-6)
        if info.video is None or not windows.starts(count):
            left_out[row["file"]] = f"it has {count} frames at {windows.fps:g} fps, not {windows.num_frames}"
            continue
        found.append(
            Footage(
                row["file"],
                tuple(row.get("captions") or [row["caption"]]),
                count,
                partial(_read, file, (info.video.width, info.video.height), windows),
                row.get("action"),
                file.stat().st_size,
                {key: value for key, value in row.items() if key not in _KNOWN},
            )
        )
    if not found:
        why = next(iter(left_out.values()), "none was chosen")
        raise ValueError(f"{folder}: no video of it can be used ({why})")
    actions = {row["action"] for row in rows if row.get("action") is not None}
    return Index(tuple(found), tuple(sorted(actions)), left_out)


def pack(
    footage: Sequence[Footage],
    windows: Windows,
    folder: Path,
    *,
    actions: Sequence[str] = (),
    shard_size: int = 64,
    on_done: Callable[[int], None] | None = None,
) -> int:
    """Write the windows of all ``footage`` as shards, and say how many; goes on where it was stopped.
    ``actions``: names in the order of their numbers. ``on_done`` is told the clips of each finished shard.

    Raises:
        ValueError: the folder holds another dataset.
        MediaError: a video has fewer frames than its file says.
    """
    places = [(video, start) for video in footage for start in windows.starts(video.count)]
    told = [[v.name, v.size, v.count, v.captions, v.action, dict(v.about)] for v in footage]
    digest = hashlib.sha256((fingerprint(windows) + json.dumps(told, sort_keys=True)).encode())
    info = ShardsInfo(
        clips=len(places),
        shard_size=shard_size,
        num_frames=windows.num_frames,
        height=windows.height,
        width=windows.width,
        fps=windows.fps,
        fingerprint=digest.hexdigest(),
        holds="footage",
        actions=tuple(actions),
    )
    writer = ShardWriter(folder, info)
    missing = writer.missing()
    if on_done:
        on_done(len(places) - sum(info.count(shard) for shard in missing))
    for shard in missing:
        part = places[shard * shard_size :][: info.count(shard)]
        clips = []
        for video, own in groupby(part, key=lambda place: place[0]):
            frames = video.frames()
            if len(frames) < video.count:
                raise MediaError(f"{video.name}: {len(frames)} of its {video.count} frames can be read")
            clips += [frames[start : start + windows.num_frames] for _, start in own]
        writer.write(shard, np.stack(clips), [_row(video, start / windows.fps) for video, start in part])
        if on_done:
            on_done(len(part))
    return len(places)


def caption_of(shards: Shards, index: int, seed: int) -> str:
    """A caption of a clip: one of those that footage has, or one of the many of a scene."""
    row = shards.row(index)
    if shards.info.holds == "scenes":
        return caption(Scene.model_validate(row), seed)
    captions: list[str] = row["captions"]
    return captions[seed % len(captions)]


def captions_of(shards: Shards) -> Iterator[str]:
    """All captions of a dataset of footage, of each clip after the other."""
    for index in range(len(shards)):
        yield from shards.row(index)["captions"]


def _row(video: Footage, start: float) -> dict[str, Any]:
    row: dict[str, Any] = {"file": video.name, "start": round(start, 6), "captions": list(video.captions)}
    if video.action is not None:
        row["action"] = video.action
    return {**row, "about": dict(video.about)}


def _rows(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        raise ValueError(f"{file.parent} is no folder of footage: it has no {file.name}")
    rows = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{file}, line {number}: not JSON: {error.msg}") from None
        said = row.get("captions") or row.get("caption") if isinstance(row, dict) else None
        if not said or not isinstance(row.get("file"), str):
            raise ValueError(f"{file}, line {number}: a line needs file, and caption or captions")
        rows.append(row)
    if not rows:
        raise ValueError(f"{file} has no lines")
    return rows


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@lru_cache(maxsize=1)  # The windows of a video come one after the other.
def _read(file: Path, shown: tuple[int, int], windows: Windows) -> np.ndarray:
    """uint8 (N, H, W, 3): all frames of a video whose own size is ``shown``, (width, height)."""
    scale = max(windows.width / shown[0], windows.height / shown[1])
    width, height = max(windows.width, round(shown[0] * scale)), max(windows.height, round(shown[1] * scale))
    frames = decode(file, fps=windows.fps, size=(width, height), audio=False).frames
    left, top = (width - windows.width) // 2, (height - windows.height) // 2
    return frames[:, top : top + windows.height, left : left + windows.width]
