"""Endless, resumable streams of batches: batch ``k`` depends only on the stream's settings and ``k``.

With loss-weighted order it also depends on the losses of earlier batches, which the run keeps
(:class:`.order.LossOrder`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field, model_validator
from torch.utils.data import DataLoader, Dataset

from scenewright.config import Config
from scenewright.data.augmentation import AugmentConfig
from scenewright.data.order import (
    AHEAD,
    Bucketed,
    BucketsConfig,
    Chosen,
    Endless,
    Order,
    OrderConfig,
    ShuffledConfig,
    build_order,
)
from scenewright.data.readers import Item, Reader, ShardReader, WorldReader
from scenewright.data.sampling import Mixture
from scenewright.data.shards import Shards
from scenewright.data.world_source import WorldSource
from scenewright.layout import Layout
from scenewright.world.scene import ACTIONS

#: What the parts of a mixture have alike, and take over from the whole.
_ALIKE = ("width", "height", "num_frames", "fps", "split", "facts")


class StreamConfig(WorldSource):
    """A world source, or clips of ``shards``: folders made by ``world sample`` or, of footage, ``data pack``.

    From shards the clips repeat in a new order every epoch; captions of scenes are always written anew, and
    those of footage chosen among what there is.
    ``latents``, ``texts``: for each of them the folder of its latents, which are read instead of its frames
    (with ``frames_too``, beside them), and of its encoded captions, of which one is read instead of writing a
    new one; ``data encode`` makes them. ``layouts``: whether the clips come with their layouts, beside the
    frames or instead of them; then nothing is rendered. ``facts``: what else is told of each clip:
    ``things``, the pixels that show one; ``actions``, what happens; ``sound``, what is heard, and its events.

    ``order``: which clips come when, for shards. ``augment``: how clips and, with them, captions are changed.
    ``mixture``: several streams by ratio in place of this one, each with its own source and changes; sizes
    are those given here.
    """

    shards: tuple[Path, ...] = ()
    latents: tuple[Path, ...] = ()
    texts: tuple[Path, ...] = ()
    frames_too: bool = False
    layouts: Literal["none", "beside", "instead"] = "none"
    facts: tuple[Literal["things", "actions", "sound"], ...] = ()
    order: OrderConfig = ShuffledConfig()
    augment: AugmentConfig = AugmentConfig()
    mixture: tuple[MixturePart, ...] = ()

    @property
    def frames_out(self) -> int:
        """Frames of a clip that comes out."""
        first = self.mixture[0].data if self.mixture else self
        return first.augment.frames or self.num_frames

    @model_validator(mode="before")
    @classmethod
    def _sizes_of_parts(cls, data: Any) -> Any:
        """Parts of a mixture are of the whole's size where they do not say another."""
        if not isinstance(data, Mapping) or not data.get("mixture"):
            return data
        alike = {name: data[name] for name in _ALIKE if name in data}
        parts = []
        for part in data["mixture"]:
            if isinstance(part, Mapping) and isinstance(part.get("data", {}), Mapping):
                part = {**part, "data": {**alike, **part.get("data", {})}}
            parts.append(part)
        return {**data, "mixture": parts}

    @model_validator(mode="after")
    def _check_encoded(self) -> StreamConfig:
        for name, folders in (("latents", self.latents), ("texts", self.texts)):
            if folders and len(folders) != len(self.shards):
                raise ValueError(
                    f"{name} has {len(folders)} folders and shards {len(self.shards)}; name one for each"
                )
            if folders and self.augment != AugmentConfig():
                raise ValueError(f"augment cannot change {name} that were made beforehand; leave one out")
        if self.layouts != "none" and self.augment != AugmentConfig():
            raise ValueError("augment does not change layouts; leave data.augment or data.layouts out")
        if self.facts and self.augment != AugmentConfig():
            raise ValueError("augment does not change facts; leave data.augment or data.facts out")
        if self.layouts == "instead" and self.latents:
            raise ValueError("data.layouts = instead leaves the latents out, too; say beside")
        if self.frames_too and not self.latents:
            raise ValueError("frames_too is for frames beside their latents; name latents, or leave it out")
        return self

    @model_validator(mode="after")
    def _check_order(self) -> StreamConfig:
        if self.order.name != "shuffled" and not self.shards:
            raise ValueError(f"order.name = {self.order.name} needs shards: an endless source has no order")
        if self.order.name == "buckets" and self.augment.frames is not None:
            raise ValueError("augment.frames gives clips one length, and order.name = buckets is for several")
        return self

    @model_validator(mode="after")
    def _check_mixture(self) -> StreamConfig:
        if not self.mixture:
            return self
        for name in ("shards", "latents", "texts", "frames_too", "layouts", "order", "augment"):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} beside mixture does nothing; say it in the parts of the mixture")
        for part in self.mixture:
            data = part.data
            if data.mixture or data.order.name != "shuffled":
                raise ValueError("a part of a mixture has no mixture or order of its own")
            first = self.mixture[0].data
            kinds = [(bool(d.latents), d.frames_too, d.layouts, d.facts) for d in (data, first)]
            if kinds[0] != kinds[1] or data.texts:
                raise ValueError(
                    "latents, layouts and facts are of all parts of a mixture or of none, and texts of none"
                )
            sizes = [(d.frames_out, d.height, d.width) for d in (data, first)]
            if sizes[0] != sizes[1] or (data.height, data.width) != (self.height, self.width):
                raise ValueError(f"the parts of a mixture differ in (frames, height, width): {sizes}")
        return self


class MixturePart(Config):
    """One stream of a mixture. ``weight``: its part of the sum of all weights."""

    weight: float = Field(default=1.0, gt=0)
    data: StreamConfig


StreamConfig.model_rebuild()


@dataclass(frozen=True)
class Batch:
    """``frames``: uint8 tensor (B, T, H, W, 3). ``captions``: B texts. ``rows``: which samples of the whole
    batch these are, where several processes share it. ``latents``: float32 (B, Z, t, h, w), which a network
    of latents sees; where they come from a cache, there are frames only with ``frames_too`` (else T = 0).
    ``words``: the vectors of each caption's words, float16 (S, E), where they come from a cache.
    ``weights``: float32 (B,) of the samples' losses, None where all are 1. ``notes``: numbers for the log.
    ``whole``: how many samples the batch has in all processes. ``layouts``: where the things of each clip
    are; ``things``: bool (B, T, H, W), the pixels that show them; ``actions``: int64 (B,), indices in
    :func:`actions_of` the stream; ``sound``: float32 (B, T, F), see
    :func:`scenewright.media.mel.mel_frames`; ``events``: float32 (B, T, K, 7), see
    :mod:`scenewright.world.hearing`; where the stream tells."""

    frames: torch.Tensor
    captions: list[str]
    rows: range
    latents: torch.Tensor | None = None
    words: tuple[torch.Tensor, ...] | None = None
    weights: torch.Tensor | None = None
    notes: Mapping[str, float] = field(default_factory=dict)
    whole: int = 0
    layouts: tuple[Layout, ...] | None = None
    things: torch.Tensor | None = None
    actions: torch.Tensor | None = None
    sound: torch.Tensor | None = None
    events: torch.Tensor | None = None


class Pick(NamedTuple):
    """A batch that was chosen outside of the stream."""

    step: int
    chosen: Chosen


class Batches(Dataset[Batch]):
    """What the process ``rank`` of ``ranks`` gets of the batches of a stream: consecutive rows."""

    def __init__(self, config: StreamConfig, batch: int, rank: int = 0, ranks: int = 1) -> None:
        self.config, self.batch, self.rank, self.ranks = config, batch, rank, ranks
        self.parts = _parts(config)
        self.readers: list[Reader] = [ShardReader(p) if p.shards else WorldReader(p) for p in self.parts]
        if "actions" in self.parts[0].facts and len({reader.actions for reader in self.readers}) > 1:
            raise ValueError(
                "the parts of a mixture tell other actions apart; leave actions out of data.facts"
            )
        self.order, self.most = self._order()

    def __getitem__(self, key: int | Pick) -> Batch:
        step, chosen = key if isinstance(key, Pick) else (key, self.order.batch(key))
        share = len(chosen.clips) // self.ranks
        rows = range(self.rank * share, (self.rank + 1) * share)
        items: dict[int, Item] = {}
        for source, reader in enumerate(self.readers):
            own = [row for row in rows if chosen.sources[row] == source]
            if own:
                samples = [step * self.most + row for row in own]
                found = reader.read(samples, [int(chosen.clips[row]) for row in own])
                items |= dict(zip(own, found, strict=True))
        return self._collated([items[row] for row in rows], rows, chosen)

    def _order(self) -> tuple[Order, int]:
        """The order, and the most samples of a batch."""
        config, batch = self.config, self.batch
        counts = [reader.count for reader in self.readers]
        if config.mixture:
            return _Mixed(config, counts, batch), batch
        if isinstance(config.order, BucketsConfig):
            shapes = [(part.num_frames, part.height, part.width) for part in self.parts]
            budget = batch // self.ranks * config.num_frames * config.height * config.width
            found = [count for count in counts if count is not None]
            order = Bucketed(shapes, found, budget, config.seed, self.ranks, config.order.rest)
            return order, order.size
        (reader,) = self.readers
        if reader.count is None:
            return Endless(batch), batch
        return build_order(config.order, reader.count, batch, config.seed, lambda: reader.columns), batch

    def _collated(self, items: Sequence[Item], rows: range, chosen: Chosen) -> Batch:
        captions = [item.caption for item in items]
        frames = torch.from_numpy(np.stack([item.frames for item in items]))
        vectors = tuple(item.words for item in items if item.words is not None) or None
        weights = None
        if chosen.weights is not None:
            weights = torch.from_numpy(chosen.weights[rows.start : rows.stop]).float()
        notes = dict(chosen.notes)
        if any(part.augment != AugmentConfig() for part in self.parts):
            notes["augmented"] = float(np.mean([item.changed for item in items]))
            notes["augmentation_refused"] = float(np.mean([item.refused for item in items]))
        latents = None
        if self.parts[0].latents:
            latents = torch.from_numpy(np.stack([item.latents for item in items if item.latents is not None]))
            latents = latents.float()
        layouts = tuple(item.layout for item in items if item.layout is not None) or None
        things = [item.things for item in items if item.things is not None]
        actions = [item.action for item in items if item.action is not None]
        sounds = [item.sound for item in items if item.sound is not None]
        events = [item.events for item in items if item.events is not None]
        return Batch(
            frames,
            captions,
            rows,
            latents,
            vectors,
            weights,
            notes,
            len(chosen.clips),
            layouts,
            torch.from_numpy(np.stack(things)) if things else None,
            torch.tensor(actions) if actions else None,
            torch.from_numpy(np.stack(sounds)) if sounds else None,
            torch.from_numpy(np.stack(events)) if events else None,
        )


def parts_of(config: StreamConfig) -> list[StreamConfig]:
    """The streams that a stream draws from: those of its mixture, or itself."""
    return [part.data for part in config.mixture] or [config]


def footage_of(config: StreamConfig) -> list[Shards]:
    """The datasets of footage that a stream, no mixture, reads; empty for one of the world."""
    return [shards for shards in map(Shards, config.shards) if shards.info.holds == "footage"]


def actions_of(config: StreamConfig) -> tuple[str, ...]:
    """The names of the actions that a stream tells apart, by their numbers."""
    footage = footage_of(parts_of(config)[0])
    return footage[0].info.actions if footage else ACTIONS


def _parts(config: StreamConfig) -> list[StreamConfig]:
    """The streams that a batch may draw from, each of clips of one shape."""
    if not isinstance(config.order, BucketsConfig):
        return parts_of(config)
    parts = []
    for i, folder in enumerate(config.shards):
        info = Shards(folder).info
        sizes = {"num_frames": info.num_frames, "height": info.height, "width": info.width}
        for name, size in sizes.items():
            if size > getattr(config, name):
                raise ValueError(f"{folder}: {name} = {size} is more than data.{name} of the recipe")
        own = {"shards": (folder,), "latents": config.latents[i : i + 1], "texts": config.texts[i : i + 1]}
        parts.append(config.model_copy(update={**sizes, **own, "order": ShuffledConfig()}))
    return parts


class _Mixed:
    """Batches from several sources, each with its share."""

    def __init__(self, config: StreamConfig, counts: Sequence[int | None], batch: int) -> None:
        self._mixture = Mixture(counts, [part.weight for part in config.mixture], batch, config.seed)

    def batch(self, step: int) -> Chosen:
        sources, samples = self._mixture.batch(step)
        shares = np.bincount(sources, minlength=int(sources.max()) + 1) / len(sources)
        notes = {f"share_of_part_{i}": float(share) for i, share in enumerate(shares)}
        return Chosen(samples, sources, notes=notes)


def batches(
    config: StreamConfig,
    batch: int,
    start: int,
    stop: int,
    workers: int = 1,
    *,
    rank: int = 0,
    ranks: int = 1,
    choose: Order | None = None,
) -> Iterator[Batch]:
    """Batches ``start`` to ``stop`` - 1 in order, prepared ahead by ``workers`` processes (0: in this).

    With several ``ranks``, each gets its consecutive share of every batch of ``batch`` samples. ``choose``:
    what chooses the batches, in this process, as loss-weighted order needs; by default the stream does.

    Raises:
        ValueError: the batch has fewer samples than there are processes, or cannot be shared evenly; or the
            order is by loss and nothing keeps losses.
    """
    if batch % ranks:
        raise ValueError(f"a batch of {batch} cannot be shared evenly by {ranks} processes; change batch")
    if config.order.name == "loss_weighted" and choose is None:
        raise ValueError("order.name = loss_weighted is for the data that a run learns from")
    ahead = 3 if choose is None else min(3, (AHEAD - 1) // max(workers, 1))
    if ahead < 1:
        raise ValueError(f"loss-weighted order takes at most {AHEAD - 1} workers, not {workers}")
    steps: Iterable[int | Pick] = range(start, stop)
    if choose is not None:
        steps = _Picks(choose, range(start, stop))
    return iter(
        DataLoader(
            Batches(config, batch, rank, ranks),
            batch_size=None,
            sampler=steps,
            num_workers=workers,
            prefetch_factor=ahead if workers else None,
            worker_init_fn=_quiet_worker,
            # Else opening a stream would draw from the global generator, and a resumed run opens more.
            generator=torch.Generator().manual_seed(config.seed),
        )
    )


class _Picks:
    def __init__(self, order: Order, steps: range) -> None:
        self.order, self.steps = order, steps

    def __iter__(self) -> Iterator[Pick]:
        return (Pick(step, self.order.batch(step)) for step in self.steps)


def _quiet_worker(_: int) -> None:
    torch.set_num_threads(1)
