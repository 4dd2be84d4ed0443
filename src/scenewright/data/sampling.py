"""Which samples a batch holds: shuffled, mixed by ratio, stratified, or by loss.

Batch ``k`` of :class:`Mixture` and :class:`Stratified` depends only on their settings and ``k``, so that a
run is resumed by its step. :class:`LossWeighted` also remembers losses, in its ``state_dict``. Batches are
whole; with several processes each takes its rows of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from scenewright.seeds import keyed_seed

#: The longest cycle in which a mixture repeats its order of sources.
LONGEST_CYCLE = 10_000


class Shuffled:
    """An endless order of ``count`` samples, a new permutation every epoch.

    ``key`` and the seed make the order; the same numbers give the same order anywhere.
    """

    def __init__(self, count: int, seed: int, key: str = "epoch") -> None:
        if count < 1:
            raise ValueError(f"there is nothing to draw from: {count} samples")
        self.count, self.seed, self.key = count, seed, key
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def epoch(self, number: int) -> np.ndarray:
        """int64 (count,): the permutation of epoch ``number``."""
        if number != self._epoch:
            self._order = _rng(self.seed, self.key, number).permutation(self.count)
            self._epoch = number
        return self._order

    def take(self, start: int, length: int) -> np.ndarray:
        """int64 (length,): the samples at the positions ``start`` to ``start + length`` - 1 of the order."""
        parts = [np.empty(0, dtype=np.int64)]
        while length > 0:
            number, place = divmod(start, self.count)
            parts.append(self.epoch(number)[place : place + length])
            start, length = start + len(parts[-1]), length - len(parts[-1])
        return np.concatenate(parts)


# --------------------------------------------------------------------------------------------- by ratio


class Mixed(NamedTuple):
    """A batch from several sources. ``sources``: int64 (batch,), which one. ``samples``: int64 (batch,),
    which of its samples, or for an endless source how many it has given before."""

    sources: np.ndarray
    samples: np.ndarray


class Mixture:
    """Several sources, synthetic and real for example, mixed by ratio.

    After ``k`` draws a source has given its share of them to within 1 - 1 / (2 sources - 2); so of two
    sources any window holds the share to within one draw, of more to within twice that bound (R. Tijdeman,
    The chairman assignment problem, 1980). Finite sources are shuffled anew whenever they have been gone
    through.

    Args:
        sizes: Samples of each source; ``None`` for one that never ends.
        weights: Their ratio, positive, of any sum. Shares without a common denominator of at most
            :data:`LONGEST_CYCLE` are rounded to multiples of its inverse.
        batch: Samples of a batch.
    """

    def __init__(
        self, sizes: Sequence[int | None], weights: Sequence[float], batch: int, seed: int = 0
    ) -> None:
        if len(sizes) != len(weights) or not sizes:
            raise ValueError(f"{len(sizes)} sources and {len(weights)} weights; give each source one weight")
        shares = np.asarray(weights, dtype=float)
        if not (np.isfinite(shares).all() and (shares > 0).all()):
            raise ValueError(
                f"weights must be positive numbers, not {list(weights)}; leave a source out instead"
            )
        _check_batch(batch)
        self.batch_size = batch
        counts = _cycle_counts(shares / shares.sum())
        self._cycle = _chairmen(counts)
        given = np.zeros((len(self._cycle) + 1, len(counts)), dtype=np.int64)
        given[1:] = np.cumsum(np.eye(len(counts), dtype=np.int64)[self._cycle], axis=0)
        #: (cycle + 1, sources): how many each source has given before every place of the cycle.
        self._given = given
        self._orders = [
            None if size is None else Shuffled(size, seed, f"source {i}") for i, size in enumerate(sizes)
        ]

    def batch(self, step: int) -> Mixed:
        first = step * self.batch_size
        cycles, places = np.divmod(np.arange(first, first + self.batch_size), len(self._cycle))
        sources = self._cycle[places]
        samples = cycles * self._given[-1, sources] + self._given[places, sources]
        for i, order in enumerate(self._orders):
            rows = np.flatnonzero(sources == i)
            if order is not None and len(rows):
                samples[rows] = order.take(int(samples[rows[0]]), len(rows))
        return Mixed(sources, samples)


def _cycle_counts(shares: np.ndarray) -> np.ndarray:
    """How often each source comes in the shortest cycle that has the shares exactly, or in the longest."""
    if shares.min() < 1 / LONGEST_CYCLE:
        raise ValueError(
            f"a share of {shares.min():.2g} is too small to mix in; raise its weight, to at least "
            f"1 / {LONGEST_CYCLE} of all"
        )
    lengths = np.arange(1, LONGEST_CYCLE + 1)[:, None]
    exact = (np.abs(lengths * shares - np.round(lengths * shares)) < 1e-9 * lengths).all(axis=1)
    return largest_remainder(shares, int(exact.argmax()) + 1 if exact.any() else LONGEST_CYCLE)


def largest_remainder(shares: np.ndarray, total: int) -> np.ndarray:
    """int64: whole numbers that add up to ``total``, each the share of it (shares add up to 1) rounded down,
    or up where most would be cut off (Hamilton's method)."""
    counts = np.floor(shares * total + 1e-6).astype(np.int64)
    most_cut = np.argsort(counts - shares * total, kind="stable")
    counts[most_cut[: total - counts.sum()]] += 1
    return counts


def _chairmen(counts: np.ndarray) -> np.ndarray:
    """One cycle of sources in which every beginning has all shares as nearly as can be (Tijdeman, 1980)."""
    length, sources = int(counts.sum()), len(counts)
    if sources == 1:
        return np.zeros(length, dtype=np.int64)
    # Whole numbers, in units of 1 / (length * (2 sources - 2)), so that ties fall the same way everywhere.
    scale = 2 * sources - 2
    given = np.zeros(sources, dtype=np.int64)
    cycle = np.empty(length, dtype=np.int64)
    for k in range(length):
        due = counts * (k + 1) - given * length
        until_late = (scale - 1) * length - scale * due
        urgency = np.where(scale * due >= length, until_late / counts, np.inf)
        cycle[k] = urgency.argmin()
        given[cycle[k]] += 1
    return cycle


# ------------------------------------------------------------------------------------------------- by column


class Stratified:
    """Batches in which every stratum has its share, rounded up or down.

    Where shares are no whole numbers of a batch, systematic sampling (W. G. Madow, On the theory of
    systematic sampling, 1949) decides which strata are rounded up. It starts at multiples of the golden
    ratio, whose spread is even, so that over many batches the shares are met too. Samples of a stratum come
    in shuffled order, each once before any again.

    Args:
        column: The stratum of every sample: any values, numbers after :func:`quantiles` for example.
        shares: The share of each value; ``None``: as in the column, or ``"equal"``.
    """

    def __init__(
        self,
        column: Sequence[Hashable],
        batch: int,
        seed: int = 0,
        shares: Mapping[Hashable, float] | str | None = None,
    ) -> None:
        _check_batch(batch)
        rows: dict[Hashable, list[int]] = {}
        for index, value in enumerate(column):
            rows.setdefault(value, []).append(index)
        if not rows:
            raise ValueError("there is nothing to draw from: the column is empty")
        self.strata = tuple(rows)
        self._rows = [np.array(indices, dtype=np.int64) for indices in rows.values()]
        self._orders = [Shuffled(len(r), seed, f"stratum {i}") for i, r in enumerate(self._rows)]
        self._wanted = batch * self._shares(shares)
        self._seed = seed
        self.batch_size = batch
        #: Steps after which the rounding repeats: an epoch, or enough for even shares.
        self._period = max(len(column) // batch, 256)
        counts = self._rounded(self._period)
        #: (period + 1, strata): samples given before each step of a period.
        self._given = np.concatenate([np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)])

    def _shares(self, shares: Mapping[Hashable, float] | str | None) -> np.ndarray:
        if isinstance(shares, Mapping):
            if set(shares) != set(self.strata):
                raise ValueError(f"shares are for {list(shares)}; the column has {list(self.strata)}")
            wanted = np.array([shares[value] for value in self.strata], dtype=float)
            if not (np.isfinite(wanted).all() and (wanted > 0).all()):
                raise ValueError(f"shares must be positive numbers, not {list(wanted)}")
        elif shares == "equal":
            wanted = np.ones(len(self.strata))
        elif shares is None:
            wanted = np.array([len(r) for r in self._rows], dtype=float)
        else:
            raise ValueError(f'shares are a mapping, "equal" or None, not {shares!r}')
        return wanted / wanted.sum()

    def _rounded(self, steps: int) -> np.ndarray:
        """(steps, strata) Samples of each stratum in the first batches."""
        golden = (5**0.5 - 1) / 2
        starts = (keyed_seed(self._seed, "strata") / 2**63 + np.arange(steps) * golden) % 1.0
        ends = np.concatenate([[0.0], np.cumsum(self._wanted)])
        ends[-1] = self.batch_size
        return np.diff(np.ceil(ends - starts[:, None] - 1e-9).astype(np.int64))

    def batch(self, step: int) -> np.ndarray:
        """int64 (batch,): indices into the column, in random order."""
        period, place = divmod(step, self._period)
        before = period * self._given[-1] + self._given[place]
        counts = self._given[place + 1] - self._given[place]
        chosen = [
            rows[order.take(int(start), int(count))]
            for rows, order, start, count in zip(self._rows, self._orders, before, counts, strict=True)
        ]
        return _rng(self._seed, "places", step).permutation(np.concatenate(chosen))


def quantiles(column: Sequence[float] | np.ndarray, bins: int) -> np.ndarray:
    """int64 (samples,): numbers in ``bins`` strata of equal size, 0 the smallest; equal numbers stay
    together.

    Raises:
        ValueError: a number is not finite, or there are fewer than one bin.
    """
    values = np.asarray(column, dtype=float)
    if bins < 1 or not np.isfinite(values).all():
        raise ValueError(f"quantiles need at least one bin and finite numbers, not {bins} bins of {values}")
    edges = np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")
    return np.searchsorted(edges, values, side="left").astype(np.int64)


# --------------------------------------------------------------------------------------------------- by loss


class Weighted(NamedTuple):
    """``samples``: int64 (batch,). ``weights``: float64 (batch,), by which to multiply each sample's loss so
    that the mean is, in expectation, that of uniform draws."""

    samples: np.ndarray
    weights: np.ndarray


class LossWeighted:
    """Samples with a high loss come more often, none ever stops coming.

    Sample i is drawn with probability proportional to max(loss_i ** alpha, floor * mean(loss ** alpha)),
    which is never below floor / (1 + floor) of the uniform one. Losses are moving averages; a sample not yet
    seen counts as the highest of those seen (T. Schaul et al., Prioritized experience replay, 2016). The
    weights 1 / (samples * probability) make up for it (importance sampling; A. Katharopoulos and F. Fleuret,
    Not all samples are created equal, 2018).

    Args:
        alpha: 0 draws uniformly.
        floor: Positive; relative to the mean, so that it means the same for every loss.
        decay: What a moving average keeps of its past at each new loss.
    """

    def __init__(
        self,
        count: int,
        batch: int,
        seed: int = 0,
        *,
        alpha: float = 1.0,
        floor: float = 0.1,
        decay: float = 0.9,
    ) -> None:
        _check_batch(batch)
        if count < 1:
            raise ValueError(f"there is nothing to draw from: {count} samples")
        if not (0 <= alpha < float("inf") and 0 < floor < float("inf") and 0 <= decay < 1):
            raise ValueError(
                f"alpha = {alpha} must not be negative, floor = {floor} must be positive, "
                f"decay = {decay} in [0, 1)"
            )
        self.batch_size, self.seed = batch, seed
        self.alpha, self.floor, self.decay = alpha, floor, decay
        self._loss = np.zeros(count)
        self._seen = np.zeros(count, dtype=bool)

    def probabilities(self) -> np.ndarray:
        """float64 (count,), of sum 1."""
        if not self._seen.any():
            return np.full(len(self._loss), 1 / len(self._loss))
        loss = np.where(self._seen, self._loss, self._loss[self._seen].max())
        weight = loss**self.alpha
        if not weight.any():
            return np.full(len(weight), 1 / len(weight))
        weight = np.maximum(weight, self.floor * weight.mean())
        return weight / weight.sum()

    def batch(self, step: int) -> Weighted:
        """The samples of a step, by the losses known now: the same for the same state.

        Stratified draws with replacement: each sample's expected number is batch * probability, its actual
        one varies less than that of independent draws.
        """
        probability = self.probabilities()
        rng = _rng(self.seed, "loss", step)
        points = (np.arange(self.batch_size) + rng.random(self.batch_size)) / self.batch_size
        ends = np.cumsum(probability)
        samples = np.searchsorted(ends / ends[-1], points, side="right")
        samples = rng.permutation(np.minimum(samples, len(probability) - 1))
        return Weighted(samples, 1 / (len(probability) * probability[samples]))

    def update(self, samples: np.ndarray, losses: np.ndarray | torch.Tensor) -> None:
        """Learn the (unweighted) losses of samples; a sample that occurs twice counts once, with its mean.

        With several processes all of them must be told the losses of all.

        Raises:
            ValueError: a loss is negative or not finite, or the numbers of both differ.
        """
        values = torch.as_tensor(losses).detach().double().cpu().numpy()
        if values.shape != np.shape(samples) or not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(f"losses must be {np.shape(samples)} finite numbers of at least 0, not {values}")
        unique, places, times = np.unique(samples, return_inverse=True, return_counts=True)
        mean = np.bincount(places, weights=values) / times
        kept = np.where(self._seen[unique], self.decay, 0.0)
        self._loss[unique] = kept * self._loss[unique] + (1 - kept) * mean
        self._seen[unique] = True

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"loss": torch.tensor(self._loss), "seen": torch.tensor(self._seen)}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        if len(state["loss"]) != len(self._loss):
            raise ValueError(
                f"the saved losses are of {len(state['loss'])} samples, the data has {len(self._loss)}; "
                "go on with the data of the saved run"
            )
        self._loss = state["loss"].numpy().astype(float)
        self._seen = state["seen"].numpy().astype(bool)


def _rng(*key: int | str) -> np.random.Generator:
    return np.random.default_rng(keyed_seed(*key))


def _check_batch(batch: int) -> None:
    if batch < 1:
        raise ValueError(f"a batch holds at least one sample, not {batch}")
