"""Batches for a run: through the stages of its recipe, from any step on, and past the death of a worker."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
            except RuntimeError as error:
                # PyTorch's data loader raises RuntimeError when a worker process is gone.
                self._stream = None
                if failures == PATIENCE or "worker" not in str(error).lower():
                    raise
                self.report(f"step {step}: a data worker died and was replaced ({_first_line(error)})")
        last = step + 1 == first + self.recipe.stages[index].steps
        self._next = None if last else (step + 1, offset)
        return Fed(batch, index, time.monotonic() - began)

    def _open(self, step: int, offset: int) -> None:
        index, first = self.recipe.stage_at(step)
        stage: Stage = self.recipe.stages[index]
        start, stop = step - first + offset, stage.steps + offset
        self._stream = batches(
            stage.data, stage.batch, start, stop, self.recipe.workers, rank=self.rank, ranks=self.ranks
        )
        if self.recipe.workers and threading.current_thread() is threading.main_thread():
            # PyTorch's handler raises wherever the main thread is when a worker dies, in the middle of an
            # update too. Without it the loader itself notices, when its next batch is asked for.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
