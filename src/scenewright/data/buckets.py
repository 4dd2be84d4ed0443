"""Buckets: clips of many lengths and resolutions in batches of one shape each, of about the same cost.

Every batch holds clips of one (frames, height, width), as many as a budget of tokens allows, so that no
picture is padded and every step costs about the same (as in NovelAI's aspect-ratio bucketing, 2022, and
Open-Sora's buckets, 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from scenewright.seeds import keyed_seed

Rest = Literal["pad", "drop"]

#: Frames, height and width.
Shape = tuple[int, int, int]


def tokens_of(shape: Shape, patch: Shape = (1, 1, 1)) -> int:
    """How many patches cover a clip of ``shape``, both in frames and pixels."""
    frames, height, width = (-(-size // part) for size, part in zip(shape, patch, strict=True))
    return frames * height * width


def assign(shapes: ArrayLike, buckets: Sequence[Shape]) -> np.ndarray:
    """int64 (samples,): the bucket that fits each clip best, or -1 where none does.

    A bucket fits if it asks for no more frames, height or width than there are: nothing is made up. Of those,
    the one nearest in aspect ratio (by its logarithm), then with most frames, then with most pixels.

    Args:
        shapes: (samples, 3): frames, height and width of each clip.
    """
    sizes, places = np.unique(_checked(shapes), axis=0, return_inverse=True)
    wanted = _checked(buckets)
    wanted_aspect, pixels = np.log(wanted[:, 2] / wanted[:, 1]), wanted[:, 1] * wanted[:, 2]
    chosen = np.full(len(sizes), -1, dtype=np.int64)
    for i, size in enumerate(sizes):
        fits = np.flatnonzero((wanted <= size).all(axis=1))
        if len(fits):
            away = np.abs(np.log(size[2] / size[1]) - wanted_aspect[fits]).round(9)
            chosen[i] = fits[np.lexsort((-pixels[fits], -wanted[fits, 0], away))[0]]
    return chosen[places.reshape(-1)]


@dataclass(frozen=True, eq=False)
class BucketBatch:
    """``samples``: int64 (rows,), which ones, all of ``shape``. ``real``: bool (rows,), False where a sample
    only fills up the batch and is to be left out of the loss."""

    shape: Shape
    samples: np.ndarray
    real: np.ndarray


class Buckets:
    """Batches of one shape each, for one or several processes at once.

    In every epoch each bucket is shuffled and cut into batches, and the batches of all buckets are shuffled.
    At every step all ranks have batches of the same shape and size, so that none waits for another. The
    number of steps is the same in every epoch, and the batch of a step depends only on the settings and the
    step.

    The samples that are left over when a bucket has been cut make one smaller batch (``rest="pad"``: each
    sample comes exactly once an epoch; up to ranks - 1 repeats, marked as not real, give every rank the same
    number) or are left out of this epoch (``rest="drop"``: each comes at most once; which ones are left out
    changes). A bucket that does not fill one batch then never comes: that is an error.

    Args:
        shapes: (samples, 3): frames, height and width of each clip.
        budget: The most tokens of one rank's batch.
        patch: The size of a token in frames, height and width.
    """

    def __init__(
        self,
        shapes: ArrayLike,
        budget: int,
        *,
        patch: Shape = (1, 1, 1),
        seed: int = 0,
        ranks: int = 1,
        rest: Rest = "pad",
    ) -> None:
        if ranks < 1 or min(patch) < 1:
            raise ValueError(f"ranks = {ranks} and patch = {patch} must be positive")
        if rest not in ("pad", "drop"):
            raise ValueError(f'rest is "pad" or "drop", not {rest!r}')
        self.seed, self.ranks, self.rest = seed, ranks, rest
        unique, places = np.unique(_checked(shapes), axis=0, return_inverse=True)
        #: The buckets, ordered by frames, height and width.
        self.shapes: tuple[Shape, ...] = tuple((int(t), int(h), int(w)) for t, h, w in unique)
        self._members = [np.flatnonzero(places.reshape(-1) == i) for i in range(len(unique))]
        #: Samples of one rank's batch, by bucket.
        self.batch_sizes: tuple[int, ...] = tuple(budget // tokens_of(shape, patch) for shape in self.shapes)
        for shape, size, members in zip(self.shapes, self.batch_sizes, self._members, strict=True):
            if size < 1:
                raise ValueError(
                    f"a clip of (frames, height, width) {shape} is {tokens_of(shape, patch)} tokens, more "
                    f"than the budget of {budget}; raise it or leave out clips of that shape"
                )
            if rest == "drop" and len(members) < size * ranks:
                raise ValueError(
                    f"the {len(members)} clips of {shape} do not fill a batch of {size * ranks}, so that "
                    'rest="drop" would never show them; use "pad" or leave them out'
                )
        self._planned: tuple[int, list[tuple[int, np.ndarray]]] = (-1, [])

    def __len__(self) -> int:
        """Steps of an epoch."""
        return sum(
            _steps(len(members), size * self.ranks, self.rest)
            for members, size in zip(self._members, self.batch_sizes, strict=True)
        )

    def batch(self, step: int, rank: int = 0) -> BucketBatch:
        """What ``rank`` gets at ``step``, counted from the first of the first epoch."""
        if not 0 <= rank < self.ranks:
            raise ValueError(f"rank {rank} is not one of {self.ranks}")
        epoch, position = divmod(step, len(self))
        if epoch != self._planned[0]:
            self._planned = (epoch, self._plan(epoch))
        bucket, samples = self._planned[1][position]
        share = -(-len(samples) // self.ranks)
        places = np.arange(rank * share, (rank + 1) * share)
        return BucketBatch(self.shapes[bucket], samples[places % len(samples)], places < len(samples))

    def _plan(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        """(Bucket, samples of all ranks) of every step of an epoch."""
        batches = []
        for bucket, (members, size) in enumerate(zip(self._members, self.batch_sizes, strict=True)):
            rng = np.random.default_rng(keyed_seed(self.seed, "bucket", bucket, epoch))
            order, whole = rng.permutation(members), size * self.ranks
            for number in range(_steps(len(members), whole, self.rest)):
                batches.append((bucket, order[number * whole : (number + 1) * whole]))
        places = np.random.default_rng(keyed_seed(self.seed, "steps", epoch)).permutation(len(batches))
        return [batches[i] for i in places]


def _steps(members: int, whole: int, rest: str) -> int:
    return members // whole if rest == "drop" else -(-members // whole)


def _checked(shapes: ArrayLike) -> np.ndarray:
    sizes = np.asarray(shapes, dtype=np.int64)
    if sizes.ndim != 2 or sizes.shape[1] != 3 or not len(sizes) or sizes.min() < 1:
        raise ValueError(
            f"shapes must be (frames, height, width) of at least one clip, all positive, not {shapes!r}"
        )
    return sizes
