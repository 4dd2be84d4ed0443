"""Clips as an autoencoder sees them, computed once: a cache beside the dataset that it was made from.

A folder with ``latents.json`` and one file ``shard-00000.safetensors`` for each shard of the dataset, with a
tensor ``latents`` float16 (N, Z, t, h, w). It says by which encoder and from which dataset it was made, and
is refused with any other.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.numpy import save_file

from scenewright.config import Config, fingerprint
from scenewright.data.shards import Shards
from scenewright.media.atomic import atomic


class LatentsInfo(Config):
    """The contents of ``latents.json``. ``encoder``: hash of what made the latents; ``dataset``: fingerprint
    of the dataset's own description; ``shape``: (Z, t, h, w) of a clip's latents."""

    encoder: str
    dataset: str
    shape: tuple[int, int, int, int]


class LatentWriter:
    """Writes the cache of ``dataset`` shard by shard; a shard that exists is finished.

    Raises:
        ValueError: the folder holds another cache.
    """

    def __init__(self, folder: Path, dataset: Shards, encoder: str, shape: tuple[int, int, int, int]) -> None:
        self.folder, self.dataset = Path(folder), dataset
        self.info = LatentsInfo(encoder=encoder, dataset=fingerprint(dataset.info), shape=shape)
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = self.folder / _MANIFEST
        if not manifest.exists():
            with atomic(manifest) as part:
                part.write_text(json.dumps(self.info.model_dump(mode="json"), indent=2) + "\n", "utf-8")
        elif read_latents_info(self.folder) != self.info:
            raise ValueError(f"{folder} holds other latents; delete it or choose another folder")

    def missing(self) -> list[int]:
        return [i for i in range(self.dataset.info.shards) if not _path(self.folder, i).exists()]

    def write(self, shard: int, latents: np.ndarray) -> None:
        """``latents``: float16 (n, Z, t, h, w), n the shard's count."""
        expected = (self.dataset.info.count(shard), *self.info.shape)
        assert latents.shape == expected, (latents.shape, expected)
        with atomic(_path(self.folder, shard)) as part:
            save_file({_NAME: np.ascontiguousarray(latents, dtype=np.float16)}, part)


class Latents:
    """A finished cache, opened beside its dataset; latents are read from disk only where they are asked for.

    Raises:
        ValueError: it is of another dataset, or unfinished.
        FileNotFoundError: it is no such folder.
    """

    def __init__(self, folder: Path, dataset: Shards) -> None:
        self.folder, self.dataset = Path(folder), dataset
        self.info = read_latents_info(self.folder)
        if self.info.dataset != fingerprint(dataset.info):
            raise ValueError(
                f"{folder} holds latents of another dataset than {dataset.folder}; encode that one "
                "(scenewright data encode)"
            )
        missing = [i for i in range(dataset.info.shards) if not _path(self.folder, i).exists()]
        if missing:
            raise ValueError(
                f"{folder} is unfinished: {len(missing)} of {dataset.info.shards} shards are missing; run "
                "the command that makes it again"
            )

    def latents(self, index: int) -> np.ndarray:
        """float16 (Z, t, h, w) of clip ``index`` of the dataset."""
        shard, place = divmod(index, self.dataset.info.shard_size)
        return self._slices[shard][place]

    @cached_property
    def _slices(self) -> list[Any]:
        shards = range(self.dataset.info.shards)
        files: list[Any] = [safe_open(_path(self.folder, i), framework="np") for i in shards]
        return [file.get_slice(_NAME) for file in files]


def read_latents_info(folder: Path) -> LatentsInfo:
    """What a cache says about itself.

    Raises:
        FileNotFoundError: the folder is no cache.
        ValueError: its description cannot be read.
    """
    manifest = Path(folder) / _MANIFEST
    if not manifest.is_file():
        raise FileNotFoundError(f"{folder} holds no latents: it has no {_MANIFEST}")
    try:
        return LatentsInfo.model_validate_json(manifest.read_bytes())
    except ValidationError:
        raise ValueError(f"{manifest} is no description of latents; encode the dataset again") from None


_MANIFEST, _NAME = "latents.json", "latents"


def _path(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.safetensors"
