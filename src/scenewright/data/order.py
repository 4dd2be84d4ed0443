"""Which clips the batches of a stream hold, as a recipe says it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import Field, Tag

from scenewright.config import Config, kind
from scenewright.data.buckets import Buckets, Rest, Shape
from scenewright.data.curriculum import Curriculum, PacingConfig, difficulty
from scenewright.data.sampling import LossWeighted, Shuffled, Stratified, Weighted, quantiles

#: Batches that loss-weighted sampling chooses ahead: data workers prepare fewer than that.
AHEAD = 16

#: Columns of the clips by name, one value each: numbers or words.
Columns = Mapping[str, np.ndarray]


class ShuffledConfig(Config):
    """Every clip once an epoch, in a new order each time; of an endless source simply the next ones."""

    name: Literal["shuffled"] = "shuffled"


class CurriculumConfig(Config):
    """The easiest clips first: see :class:`.curriculum.Curriculum`. ``difficulty``: weights of columns; None
    takes all columns of numbers alike."""

    name: Literal["curriculum"]
    pacing: PacingConfig = PacingConfig()
    difficulty: dict[str, float] | None = None


class StratifiedConfig(Config):
    """Every batch has its share of each value of ``column``: see :class:`.sampling.Stratified`. ``bins``: cut
    a column of numbers into that many of equal size. ``shares``: null as in the data, or ``equal``."""

    name: Literal["stratified"]
    column: str
    bins: int | None = Field(default=None, ge=2)
    shares: Literal["equal"] | None = None


class LossWeightedConfig(Config):
    """Clips with a high loss more often: see :class:`.sampling.LossWeighted`. ``unbiased``: weigh them down
    again in the loss, so that it is in expectation that of uniform draws."""

    name: Literal["loss_weighted"]
    alpha: float = Field(default=1.0, ge=0)
    floor: float = Field(default=0.1, gt=0)
    decay: float = Field(default=0.9, ge=0, lt=1)
    unbiased: bool = True


class BucketsConfig(Config):
    """Batches of one shape each, from shards of several: see :class:`.buckets.Buckets`. A batch holds as many
    clips as cost what ``batch`` clips of the stream's own size do, which is the largest. ``rest``: ``pad`` or
    ``drop`` what does not fill a batch."""

    name: Literal["buckets"]
    rest: Literal["pad", "drop"] = "pad"


OrderConfig = Annotated[
    Annotated[ShuffledConfig, Tag("shuffled")]
    | Annotated[CurriculumConfig, Tag("curriculum")]
    | Annotated[StratifiedConfig, Tag("stratified")]
    | Annotated[LossWeightedConfig, Tag("loss_weighted")]
    | Annotated[BucketsConfig, Tag("buckets")],
    kind("name", "shuffled"),
]


@dataclass(frozen=True)
class Chosen:
    """A whole batch: ``clips`` int64 (batch,), which ones of which of the ``sources`` int64 (batch,);
    ``weights`` float64 (batch,) of their losses. ``notes``: numbers for the log."""

    clips: np.ndarray
    sources: np.ndarray
    weights: np.ndarray | None = None
    notes: Mapping[str, float] = field(default_factory=dict)


class Order(Protocol):
    """The batch of any step, which depends on the settings and the step alone."""

    def batch(self, step: int) -> Chosen:
        """What the batch of ``step`` holds."""


class Endless:
    """The next ones of a source that never ends."""

    def __init__(self, batch: int) -> None:
        self.size = batch

    def batch(self, step: int) -> Chosen:
        return _of_one(np.arange(step * self.size, (step + 1) * self.size))


class Epochs:
    """A new permutation every epoch."""

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self.size, self._order = batch, Shuffled(count, seed)

    def batch(self, step: int) -> Chosen:
        return _of_one(self._order.take(step * self.size, self.size))


class Paced:
    """A curriculum, which tells how far it is."""

    def __init__(self, curriculum: Curriculum) -> None:
        self._curriculum = curriculum

    def batch(self, step: int) -> Chosen:
        let_in = self._curriculum.let_in(step) / len(self._curriculum.order)
        return _of_one(self._curriculum.batch(step), notes={"curriculum": let_in})


class Strata:
    """Stratified batches."""

    def __init__(self, stratified: Stratified) -> None:
        self._stratified = stratified

    def batch(self, step: int) -> Chosen:
        return _of_one(self._stratified.batch(step))


def build_order(
    config: OrderConfig, count: int, batch: int, seed: int, columns: Callable[[], Columns]
) -> Order:
    """The order of the ``count`` clips of one finite source. ``columns`` is called where it is needed.

    Raises:
        ValueError: a column that is not there, or that is not of numbers where numbers are needed.
    """
    if isinstance(config, CurriculumConfig):
        numbers = {name: c for name, c in columns().items() if c.dtype.kind == "f"}
        return Paced(Curriculum(difficulty(numbers, config.difficulty), config.pacing, batch, seed))
    if isinstance(config, StratifiedConfig):
        known = columns()
        if config.column not in known:
            raise ValueError(f"order.column = {config.column}: the clips have {', '.join(known)}")
        values = known[config.column]
        if config.bins is not None:
            if values.dtype.kind != "f":
                raise ValueError(f"order.bins cuts numbers, and {config.column} is words; leave it out")
            values = quantiles(values, config.bins)
        return Strata(Stratified(values.tolist(), batch, seed, config.shares))
    return Epochs(count, batch, seed)


class Bucketed:
    """Batches of one shape each from sources of ``counts`` clips of ``shapes``; the ``ranks`` that share a
    batch have as many clips each. What only fills up has no weight in the loss."""

    def __init__(
        self, shapes: Sequence[Shape], counts: Sequence[int], budget: int, seed: int, ranks: int, rest: Rest
    ) -> None:
        self._ends = np.cumsum(counts)
        every = np.repeat(np.asarray(shapes), counts, axis=0)
        self._buckets = Buckets(every, budget, seed=seed, ranks=ranks, rest=rest)
        #: The most samples that a batch has.
        self.size = max(self._buckets.batch_sizes) * ranks

    def batch(self, step: int) -> Chosen:
        parts = [self._buckets.batch(step, rank) for rank in range(self._buckets.ranks)]
        samples = np.concatenate([part.samples for part in parts])
        real = np.concatenate([part.real for part in parts])
        sources = np.searchsorted(self._ends, samples, side="right")
        clips = samples - np.concatenate(([0], self._ends))[sources]
        frames, height, width = parts[0].shape
        notes = {"batch": int(real.sum()), "frames": frames, "height": height, "width": width}
        weights = None if real.all() else real * (len(real) / real.sum())
        return Chosen(clips, sources, weights, notes)


class LossOrder:
    """Loss-weighted batches of a run, chosen :data:`AHEAD` batches before they are learned from.

    So a batch depends on the losses of steps that are over when it is prepared, however far ahead data
    workers are. Every process keeps one and must be told the losses of all.
    """

    def __init__(self, config: LossWeightedConfig, count: int, batch: int, seed: int) -> None:
        self.config = config
        self._weighted = LossWeighted(
            count, batch, seed, alpha=config.alpha, floor=config.floor, decay=config.decay
        )
        self._ahead: dict[int, Weighted] = {}

    def batch(self, step: int) -> Chosen:
        """The batch of ``step``; one that was not chosen ahead is chosen now, and those after it."""
        if step not in self._ahead:
            self._choose(step)
        samples, weights = self._ahead[step]
        return _of_one(samples, weights if self.config.unbiased else None)

    def learn(self, step: int, losses: np.ndarray | None) -> None:
        """float64 (batch,): the losses of the batch of ``step``, or None where the step was skipped."""
        if losses is not None:
            self._weighted.update(self._ahead[step].samples, losses)
        self._ahead = {place: chosen for place, chosen in self._ahead.items() if place > step}
        self._choose(step + 1)

    def _choose(self, first: int) -> None:
        for step in range(first, first + AHEAD):
            if step not in self._ahead:
                self._ahead[step] = self._weighted.batch(step)

    def state(self) -> str:
        """Losses and what is chosen, as text."""
        arrays = {name: tensor.numpy() for name, tensor in self._weighted.state_dict().items()}
        ahead = {str(step): [_pack(w.samples), _pack(w.weights)] for step, w in self._ahead.items()}
        return json.dumps({"ahead": ahead, **{name: _pack(array) for name, array in arrays.items()}})

    def load(self, state: str) -> None:
        """Undo :meth:`state`. ValueError: it is of other data."""
        import torch

        values: dict[str, Any] = json.loads(state)
        loss, seen = (torch.from_numpy(_unpack(values[name], kind)) for name, kind in _KINDS.items())
        self._weighted.load_state_dict({"loss": loss, "seen": seen})
        self._ahead = {
            int(step): Weighted(_unpack(samples, "i8"), _unpack(weights, "f8"))
            for step, (samples, weights) in values["ahead"].items()
        }


_KINDS = {"loss": "f8", "seen": "?"}


def _pack(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _unpack(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind).copy()


def _of_one(
    clips: np.ndarray, weights: np.ndarray | None = None, notes: Mapping[str, float] | None = None
) -> Chosen:
    return Chosen(clips, np.zeros(len(clips), dtype=np.int64), weights, notes or {})
