"""Datasets to latents, once and for all: see :mod:`scenewright.data.latents`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from scenewright.data.latents import LatentWriter
from scenewright.data.shards import Shards
from scenewright.generation.autoencoder import Autoencoder


def encode_shards(
    autoencoder: Autoencoder,
    dataset: Shards,
    folder: Path | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Path:
    """Write the latents of every clip of ``dataset``; goes on where it was stopped. Returns the folder.

    ``folder``: by default beside the dataset, with its name and the encoder's hash. ``on_done`` is told the
    number of clips of each finished shard.

    Raises:
        ValueError: clips of a size that does not divide, or a folder of other latents.
    """
    info = dataset.info
    config = autoencoder.config
    shape = (config.channels, *config.grid(info.num_frames, info.height, info.width))
    folder = folder or latents_folder(autoencoder, dataset.folder)
    writer = LatentWriter(folder, dataset, autoencoder.encoder_hash, shape)
    missing = writer.missing()
    if on_done:
        on_done(info.clips - sum(info.count(shard) for shard in missing))
    for shard in missing:
        first = shard * info.shard_size
        frames = np.stack([dataset.frames(first + i) for i in range(info.count(shard))])
        writer.write(shard, autoencoder.encode(torch.from_numpy(frames)).numpy())
        if on_done:
            on_done(info.count(shard))
    return folder


def latents_folder(autoencoder: Autoencoder, dataset: Path) -> Path:
    """Where the latents of a dataset are kept: beside it."""
    return dataset.with_name(f"{dataset.name}.latents-{autoencoder.encoder_hash[:12]}")
