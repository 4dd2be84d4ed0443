"""Endless, resumable streams of batches: batch ``k`` depends only on the stream's settings and ``k``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import model_validator
from torch.utils.data import DataLoader, Dataset

from scenewright.data.encoded import Encoded
from scenewright.data.shards import Shards
from scenewright.data.world_source import WorldSource, caption
from scenewright.seeds import keyed_seed
from scenewright.world.scene import Scene


class StreamConfig(WorldSource):
    """A world source, read from ``shards`` (a folder made by ``world sample``) where that is given.

    From shards the clips repeat in a new order every epoch; their captions are always written anew.
    ``latents``, ``texts``: for each of them the folder of its latents, which are read instead of its frames,
    and of its encoded captions, of which one is read instead of writing a new one; ``data encode`` makes
    them.
    """

    shards: tuple[Path, ...] = ()
    latents: tuple[Path, ...] = ()
    texts: tuple[Path, ...] = ()

    @model_validator(mode="after")
    def _check_encoded(self) -> StreamConfig:
        for name, folders in (("latents", self.latents), ("texts", self.texts)):
            if folders and len(folders) != len(self.shards):
                raise ValueError(
                    f"{name} has {len(folders)} folders and shards {len(self.shards)}; name one for each"
                )
        return self


@dataclass(frozen=True)
class Batch:
    """``frames``: uint8 tensor (B, T, H, W, 3). ``captions``: B texts. ``rows``: which samples of the whole
    batch these are, where several processes share it. ``latents``: float32 (B, Z, t, h, w), which a network
    of latents sees; where they come from a cache, there are no frames (T = 0). ``words``: the vectors of
    each caption's words, float16 (S, E), where they come from a cache."""

    frames: torch.Tensor
    captions: list[str]
    rows: range
    latents: torch.Tensor | None = None
    words: tuple[torch.Tensor, ...] | None = None


class WorldBatches(Dataset[Batch]):
    """Renders as it goes: every clip is new."""

    def __init__(self, config: StreamConfig, batch: int, rows: range) -> None:
        self.config, self.batch, self.rows = config, batch, rows

    def __getitem__(self, step: int) -> Batch:
        indices = [step * self.batch + row for row in self.rows]
        scenes = [self.config.scene(i) for i in indices]
        captions = [
            caption(scene, keyed_seed(self.config.seed, "caption", i))
            for scene, i in zip(scenes, indices, strict=True)
        ]
        return Batch(torch.from_numpy(self.config.render(scenes)), captions, self.rows)


class ShardBatches(Dataset[Batch]):
    """Reads finished shards of one or more folders, shuffled anew each epoch."""

    def __init__(self, config: StreamConfig, batch: int, rows: range) -> None:
        self.config, self.batch, self.rows = config, batch, rows
        self.datasets = [Shards(folder) for folder in config.shards]
        for dataset in self.datasets:
            info = dataset.info
            found = (info.num_frames, info.height, info.width)
            if found != (config.num_frames, config.height, config.width):
                raise ValueError(
                    f"{dataset.folder} holds clips of (frames, height, width) {found}; the recipe asks for "
                    f"{(config.num_frames, config.height, config.width)}"
                )
        pairs = zip(config.latents, self.datasets, strict=False)
        self.latents = [Encoded(folder, dataset, "latents") for folder, dataset in pairs]
        pairs = zip(config.texts, self.datasets, strict=False)
        self.texts = [Encoded(folder, dataset, "texts") for folder, dataset in pairs]
        self.ends = np.cumsum([len(dataset) for dataset in self.datasets])
        self._epoch: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))

    def __getitem__(self, step: int) -> Batch:
        seen, captions, words = [], [], []
        for sample in (step * self.batch + row for row in self.rows):
            epoch, position = divmod(sample, int(self.ends[-1]))
            which, index = self._locate(self._order(epoch)[position])
            dataset = self.datasets[which]
            seen.append(self.latents[which].values(index) if self.latents else dataset.frames(index))
            key = keyed_seed(self.config.seed, "caption", sample)
            if self.texts:
                texts = self.texts[which]
                chosen = key % texts.info.shape[0]
                text, length = texts.notes(index)[chosen]
                captions.append(text)
                words.append(torch.from_numpy(texts.values(index)[chosen, :length].copy()))
            else:
                captions.append(caption(Scene.model_validate(dataset.row(index)), key))
        stacked = torch.from_numpy(np.stack(seen))
        vectors = tuple(words) if self.texts else None
        if self.latents:
            nothing = torch.empty(len(seen), 0, self.config.height, self.config.width, 3, dtype=torch.uint8)
            return Batch(nothing, captions, self.rows, stacked.float(), vectors)
        return Batch(stacked, captions, self.rows, words=vectors)

    def _order(self, epoch: int) -> np.ndarray:
        if self._epoch[0] != epoch:
            rng = np.random.default_rng(keyed_seed(self.config.seed, "epoch", epoch))
            self._epoch = (epoch, rng.permutation(int(self.ends[-1])))
        return self._epoch[1]

    def _locate(self, index: int) -> tuple[int, int]:
        """(which dataset, which of its clips)."""
        which = int(np.searchsorted(self.ends, index, side="right"))
        return which, int(index - (self.ends[which - 1] if which else 0))


def batches(
    config: StreamConfig,
    batch: int,
    start: int,
    stop: int,
    workers: int = 1,
    *,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[Batch]:
    """Batches ``start`` to ``stop`` - 1 in order, prepared ahead by ``workers`` processes (0: in this).

    With several ``ranks``, each gets its consecutive share of every batch of ``batch`` samples.

    Raises:
        ValueError: the batch has fewer samples than there are processes, or cannot be shared evenly.
    """
    if batch % ranks:
        raise ValueError(f"a batch of {batch} cannot be shared evenly by {ranks} processes; change batch")
    share = batch // ranks
    rows = range(rank * share, (rank + 1) * share)
    kind = ShardBatches if config.shards else WorldBatches
    dataset: Dataset[Batch] = kind(config, batch, rows)
    return iter(
        DataLoader(
            dataset,
            batch_size=None,
            sampler=range(start, stop),
            num_workers=workers,
            prefetch_factor=3 if workers else None,
            worker_init_fn=_quiet_worker,
            # Else opening a stream would draw from the global generator, and a resumed run opens more.
            generator=torch.Generator().manual_seed(config.seed),
        )
    )


def _quiet_worker(_: int) -> None:
    torch.set_num_threads(1)
