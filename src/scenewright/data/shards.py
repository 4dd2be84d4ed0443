"""Shards: raw frames that are memory-mapped, beside one JSON line a clip.

A dataset is a folder with ``dataset.json`` (what it holds and the fingerprint of what made it) and pairs
``shard-00000.npy`` (uint8 (N, T, H, W, 3)) and ``shard-00000.jsonl``. Raw frames cost disk and no decoding. A
dataset of scenes alone has only the latter. Its lines are scenes of the world, or what is known of footage:
see :mod:`.footage`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import model_serializer

from scenewright.config import Config
from scenewright.media.atomic import atomic


class ShardsInfo(Config):
    """The contents of ``dataset.json``. ``holds``: what its lines are; ``actions``: the names of what footage
    shows, in the order of their numbers, which is that of all datasets from one index."""

    clips: int
    shard_size: int
    num_frames: int
    height: int
    width: int
    fps: float
    fingerprint: str
    holds: Literal["scenes", "footage"] = "scenes"
    actions: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _without_the_usual(self, dump: Any) -> dict[str, Any]:
        # Caches of scenes that were made before there was footage know a dataset by a hash of this.
        data: dict[str, Any] = dump(self)
        if self.holds == "scenes":
            data.pop("holds", None)
            data.pop("actions", None)
        return data

    @property
    def shards(self) -> int:
        return -(-self.clips // self.shard_size)

    def count(self, shard: int) -> int:
        return min(self.shard_size, self.clips - shard * self.shard_size)


class ShardWriter:
    """Writes a dataset shard by shard; a shard that exists is finished, so an interrupted run goes on."""

    def __init__(self, folder: Path, info: ShardsInfo) -> None:
        self.folder, self.info = folder, info
        folder.mkdir(parents=True, exist_ok=True)
        manifest = folder / "dataset.json"
        if manifest.exists():
            there = ShardsInfo.model_validate_json(manifest.read_bytes())
            if there != info:
                raise ValueError(f"{folder} holds another dataset; delete it or choose another folder")
        else:
            with atomic(manifest) as part:
                part.write_text(json.dumps(info.model_dump(), indent=2) + "\n", "utf-8")

    def missing(self, frames: bool = True) -> list[int]:
        """The shards that are not there; ``frames``: those whose frames are not, too."""
        suffixes = ("jsonl", "npy") if frames else ("jsonl",)
        return [i for i in range(self.info.shards) if not all(self._path(i, s).exists() for s in suffixes)]

    def write(self, shard: int, frames: np.ndarray | None, rows: Sequence[dict[str, Any]]) -> None:
        """``frames``: uint8 (n, T, H, W, 3), n the shard's count, or none; the rows are written last."""
        info = self.info
        if frames is not None:
            expected = (info.count(shard), info.num_frames, info.height, info.width, 3)
            assert frames.shape == expected, (frames.shape, expected)
            with atomic(self._path(shard, "npy")) as part, part.open("wb") as file:
                np.save(file, frames)
        with atomic(self._path(shard, "jsonl")) as part:
            lines = (json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
            part.write_text("".join(lines), "utf-8")

    def _path(self, shard: int, suffix: str) -> Path:
        return self.folder / f"shard-{shard:05d}.{suffix}"


class Shards:
    """A finished dataset, opened for reading; frames are read from disk only where they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        manifest = self.folder / "dataset.json"
        if not manifest.is_file():
            raise FileNotFoundError(f"{self.folder} is no dataset: it has no dataset.json")
        self.info = ShardsInfo.model_validate_json(manifest.read_bytes())
        missing = [i for i in range(self.info.shards) if not (self.folder / f"shard-{i:05d}.jsonl").exists()]
        if missing:
            raise ValueError(
                f"{self.folder} is unfinished: {len(missing)} of {self.info.shards} shards are missing; "
                "run the command that makes it again"
            )

    def __len__(self) -> int:
        return self.info.clips

    @property
    def has_frames(self) -> bool:
        """Whether there are frames beside the scenes."""
        return all((self.folder / f"shard-{i:05d}.npy").exists() for i in range(self.info.shards))

    @cached_property
    def _frames(self) -> list[np.ndarray]:
        return [np.load(self.folder / f"shard-{i:05d}.npy", mmap_mode="r") for i in range(self.info.shards)]

    @cached_property
    def _rows(self) -> list[str]:
        return [
            line
            for i in range(self.info.shards)
            for line in (self.folder / f"shard-{i:05d}.jsonl").read_text("utf-8").splitlines()
        ]

    def frames(self, index: int) -> np.ndarray:
        """uint8 (T, H, W, 3), a view of the memory map."""
        return self._frames[index // self.info.shard_size][index % self.info.shard_size]

    def row(self, index: int) -> dict[str, Any]:
        return json.loads(self._rows[index])
