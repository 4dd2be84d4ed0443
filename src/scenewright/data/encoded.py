"""What frozen encoders make of a dataset, computed once: a cache beside the dataset.

A folder with ``encoded.json`` and a file ``shard-00000.safetensors`` for each shard of the dataset, with a
tensor ``values`` float16 (N, ...) and, in its header, notes for each clip. ``latents``: (Z, t, h, w), an
autoencoder's view of a clip. ``texts``: (K, S, E), the vectors of the words of K captions of the clip, zeros
behind their ends; the notes are the captions and their lengths. The folder says by which encoder and from
which dataset it was made, and is refused with any other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.numpy import save_file

from scenewright.config import Config, fingerprint
from scenewright.data.shards import Shards
from scenewright.media.atomic import atomic

Kind = Literal["latents", "texts"]
Precision = Literal["float32", "bfloat16"]


class EncodedInfo(Config):
    """The contents of ``encoded.json``. ``encoder``: hash of what made it; ``dataset``: fingerprint of the
    dataset's own description; ``shape``: of what there is for a clip; ``precision``: of the encoder's matrix
    products."""

    kind: Kind
    encoder: str
    dataset: str
    shape: tuple[int, ...]
    precision: Precision = "float32"


class EncodedWriter:
    """Writes the cache of ``dataset`` shard by shard; a shard that exists is finished.

    Raises:
        ValueError: the folder holds another cache.
    """

    def __init__(
        self,
        folder: Path,
        dataset: Shards,
        kind: Kind,
        encoder: str,
        shape: tuple[int, ...],
        precision: Precision = "float32",
    ) -> None:
        self.folder, self.dataset = Path(folder), dataset
        self.info = EncodedInfo(
            kind=kind,
            encoder=encoder,
            dataset=fingerprint(dataset.info),
            shape=shape,
            precision=precision,
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = self.folder / _MANIFEST
        if not manifest.exists():
            with atomic(manifest) as part:
                part.write_text(json.dumps(self.info.model_dump(mode="json"), indent=2) + "\n", "utf-8")
        elif read_encoded_info(self.folder) != self.info:
            raise ValueError(f"{folder} holds something else; delete it or choose another folder")

    def missing(self) -> list[int]:
        return [i for i in range(self.dataset.info.shards) if not _path(self.folder, i).exists()]

    def write(self, shard: int, values: np.ndarray, notes: Sequence[Any] = ()) -> None:
        """``values``: float16 (n, *shape), n the shard's count; ``notes``: one JSON value a clip, or none."""
        expected = (self.dataset.info.count(shard), *self.info.shape)
        assert values.shape == expected, (values.shape, expected)
        assert len(notes) in (0, len(values))
        with atomic(_path(self.folder, shard)) as part:
            tensors = {_VALUES: np.ascontiguousarray(values, dtype=np.float16)}
            save_file(tensors, part, {_NOTES: json.dumps(list(notes))})


class Encoded:
    """A finished cache, opened beside its dataset; values are read from disk only where they are asked for.

    Raises:
        ValueError: it is of another dataset or of another kind, or unfinished.
        FileNotFoundError: it is no such folder.
    """

    def __init__(self, folder: Path, dataset: Shards, kind: Kind) -> None:
        self.folder, self.dataset = Path(folder), dataset
        self.info = read_encoded_info(self.folder)
        if self.info.kind != kind:
            raise ValueError(f"{folder} holds {self.info.kind}, not {kind}")
        if self.info.dataset != fingerprint(dataset.info):
            raise ValueError(
                f"{folder} holds {kind} of another dataset than {dataset.folder}; encode that one "
                "(scenewright data encode)"
            )
        missing = [i for i in range(dataset.info.shards) if not _path(self.folder, i).exists()]
        if missing:
            raise ValueError(
                f"{folder} is unfinished: {len(missing)} of {dataset.info.shards} shards are missing; run "
                "the command that makes it again"
            )

    def values(self, index: int) -> np.ndarray:
        """float16, of the cache's shape: of clip ``index`` of the dataset."""
        shard, place = divmod(index, self.dataset.info.shard_size)
        return self._files[shard].get_slice(_VALUES)[place]

    def notes(self, index: int) -> Any:
        """The notes on clip ``index``."""
        shard, place = divmod(index, self.dataset.info.shard_size)
        return self._notes[shard][place]

    @cached_property
    def _files(self) -> list[Any]:
        shards = range(self.dataset.info.shards)
        return [safe_open(_path(self.folder, i), framework="np") for i in shards]

    @cached_property
    def _notes(self) -> list[list[Any]]:
        return [json.loads(file.metadata()[_NOTES]) for file in self._files]


def read_encoded_info(folder: Path) -> EncodedInfo:
    """What a cache says about itself.

    Raises:
        FileNotFoundError: the folder is no cache.
        ValueError: its description cannot be read.
    """
    manifest = Path(folder) / _MANIFEST
    if not manifest.is_file():
        raise FileNotFoundError(f"{folder} holds nothing encoded: it has no {_MANIFEST}")
    try:
        return EncodedInfo.model_validate_json(manifest.read_bytes())
    except ValidationError:
        raise ValueError(f"{manifest} cannot be read; encode the dataset again") from None


_MANIFEST, _VALUES, _NOTES = "encoded.json", "values", "notes"


def _path(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.safetensors"
