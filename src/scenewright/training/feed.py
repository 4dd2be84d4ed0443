"""Batches for a run: through the stages of its recipe, from any step on, and past the death of a worker."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenewright.data.order import LossOrder, LossWeightedConfig
from scenewright.data.shards import Shards
from scenewright.data.streams import Batch, batches
from scenewright.training.config import Stage, TrainingRecipe

#: Batches in a row whose worker may die before the run gives up.
PATIENCE = 3


@dataclass(frozen=True)
class Fed:
    """A batch, the stage it belongs to, and how long it was waited for."""

    batch: Batch
    stage: int
    waited: float


class Feed:
    """The batch of any step. ``rank`` of ``ranks`` processes gets its share of every batch.

    ``report`` is told, in one line, of a data worker that died; its batch is prepared again.
    """

    def __init__(
        self, recipe: TrainingRecipe, report: Callable[[str], None], rank: int = 0, ranks: int = 1
    ) -> None:
        self.recipe, self.report, self.rank, self.ranks = recipe, report, rank, ranks
        self._stream: Iterator[Batch] | None = None
        self._next: tuple[int, int] | None = None
        self._order: tuple[int, LossOrder] | None = None

    def get(self, step: int, offset: int = 0) -> Fed:
        """The batch of ``step``; with an ``offset``, the one that would come so many steps later in its
        stage. Consecutive steps are read ahead."""
        index, first = self.recipe.stage_at(step)
        began = time.monotonic()
        for failures in range(PATIENCE + 1):
            if self._stream is None or self._next != (step, offset):
                self._open(step, offset)
            assert self._stream is not None
            try:
                batch = next(self._stream)
                break
            except (RuntimeError, ConnectionError) as error:
                # PyTorch's data loader raises RuntimeError when a worker process is gone, and its queue
                # ConnectionError when that goes in the middle of handing a batch over.
                self._stream = None
                lost = isinstance(error, ConnectionError) or "worker" in str(error).lower()
                if failures == PATIENCE or not lost:
                    raise
                self.report(f"step {step}: a data worker died and was replaced ({_first_line(error)})")
        last = step + 1 == first + self.recipe.stages[index].steps
        self._next = None if last else (step + 1, offset)
        return Fed(batch, index, time.monotonic() - began)

    def by_loss(self, step: int) -> bool:
        """Whether the order of the data goes by losses, which :meth:`learn` must then be told."""
        return self.recipe.stages[self.recipe.stage_at(step)[0]].data.order.name == "loss_weighted"

    def learn(self, step: int, offset: int, losses: Sequence[float] | None) -> None:
        """The losses of the whole batch that :meth:`get` gave for ``step``; None where it was skipped."""
        index, first = self.recipe.stage_at(step)
        order = self._loss_order(index)
        assert order is not None
        order.learn(step - first + offset, None if losses is None else np.asarray(losses))

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        index, order = self._order or (-1, None)
        return {"stage": index, "losses": "" if order is None else order.state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._stream, self._next, self._order = None, None, None
        if state["losses"]:
            order = self._loss_order(int(state["stage"]))
            assert order is not None
            order.load(str(state["losses"]))

    def _loss_order(self, index: int) -> LossOrder | None:
        stage = self.recipe.stages[index]
        config = stage.data.order
        if not isinstance(config, LossWeightedConfig):
            return None
        if self._order is None or self._order[0] != index:
            count = sum(len(Shards(folder)) for folder in stage.data.shards)
            self._order = (index, LossOrder(config, count, stage.batch, stage.data.seed))
        return self._order[1]

    def _open(self, step: int, offset: int) -> None:
        index, first = self.recipe.stage_at(step)
        stage: Stage = self.recipe.stages[index]
        start, stop = step - first + offset, stage.steps + offset
        self._stream = batches(
            stage.data,
            stage.batch,
            start,
            stop,
            self.recipe.workers,
            rank=self.rank,
            ranks=self.ranks,
            choose=self._loss_order(index),
        )
        if self.recipe.workers and threading.current_thread() is threading.main_thread():
            # PyTorch's handler raises wherever the main thread is when a worker dies, in the middle of an
            # update too. Without it the loader itself notices, when its next batch is asked for.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
