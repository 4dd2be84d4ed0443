"""Datasets as frozen encoders see them, once and for all: see :mod:`scenewright.data.encoded`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scenewright.data.encoded import EncodedWriter, Precision
from scenewright.data.footage import caption_of
from scenewright.data.shards import Shards
from scenewright.generation.autoencoder import Autoencoder
from scenewright.generation.text_embedding import TextEmbedder
from scenewright.seeds import keyed_seed

OnDone = Callable[[int], None]


def encode_clips(
    autoencoder: Autoencoder,
    dataset: Shards,
    folder: Path | None = None,
    on_done: OnDone | None = None,
    precision: Precision = "float32",
) -> Path:
    """Write the latents of every clip of ``dataset``; goes on where it was stopped. Returns the folder.

    ``folder``: by default beside the dataset, with its name and the encoder's hash. ``on_done`` is told the
    number of clips of each finished shard. ``precision``: of the matrix products; ``bfloat16`` takes half
    the time where the processor has it, and differs by 0.1 % of the latents' spread.

    Raises:
        ValueError: clips of a size that does not divide, or a folder of something else.
    """
    info, config = dataset.info, autoencoder.config
    shape = (config.channels, *config.grid(info.num_frames, info.height, info.width))
    folder = folder or beside(dataset.folder, "latents", autoencoder.encoder_hash)
    writer = EncodedWriter(folder, dataset, "latents", autoencoder.encoder_hash, shape, precision)
    device = autoencoder.device.type

    def encode(clips: range) -> tuple[np.ndarray, list[Any]]:
        frames = np.stack([dataset.frames(i) for i in clips])
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            return autoencoder.encode(torch.from_numpy(frames)).numpy(), []

    _write(writer, encode, on_done)
    return folder


def encode_captions(
    embedder: TextEmbedder,
    dataset: Shards,
    captions: int,
    folder: Path | None = None,
    on_done: OnDone | None = None,
) -> Path:
    """Write ``captions`` captions of every clip of ``dataset`` and the vectors of their words; otherwise as
    :func:`encode_clips`."""
    config = embedder.config
    folder = folder or beside(dataset.folder, "texts", embedder.hash)
    shape = (captions, config.max_tokens, config.width)
    writer = EncodedWriter(folder, dataset, "texts", embedder.hash, shape)

    def encode(clips: range) -> tuple[np.ndarray, list[Any]]:
        values = np.zeros((len(clips), *shape), dtype=np.float16)
        notes = []
        for place, index in enumerate(clips):
            seeds = [keyed_seed("encoded caption", index, k) for k in range(captions)]
            texts = [caption_of(dataset, index, seed) for seed in seeds]
            words = [embedder.embed(text).numpy() for text in texts]
            for k, vectors in enumerate(words):
                values[place, k, : len(vectors)] = vectors
            notes.append([[text, len(vectors)] for text, vectors in zip(texts, words, strict=True)])
        return values, notes

    _write(writer, encode, on_done)
    return folder


def beside(dataset: Path, kind: str, encoder: str) -> Path:
    """Where what an encoder makes of a dataset is kept: beside it."""
    return dataset.with_name(f"{dataset.name}.{kind}-{encoder[:12]}")


def _write(
    writer: EncodedWriter,
    encode: Callable[[range], tuple[np.ndarray, list[Any]]],
    on_done: OnDone | None,
) -> None:
    info, missing = writer.dataset.info, writer.missing()
    if on_done:
        on_done(info.clips - sum(info.count(shard) for shard in missing))
    for shard in missing:
        first = shard * info.shard_size
        writer.write(shard, *encode(range(first, first + info.count(shard))))
        if on_done:
            on_done(info.count(shard))
