"""Evaluation in several processes: each has the system itself, and gets a few prompts at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self

from scenewright.evaluation.run import Part
from scenewright.evaluation.suites import SuitePrompt

#: What a process does with a part of the prompts.
JudgePart = Callable[[Sequence[SuitePrompt]], Part]

_judge: JudgePart | None = None


class Processes:
    """A pool of ``count`` processes, each of which calls ``build``, that can be pickled, once.

    Called with parts of the prompts it gives their outcomes in order.
    """

    def __init__(self, build: Callable[[], JudgePart], count: int) -> None:
        threads = max(1, (os.cpu_count() or 1) // count)
        self._pool = ProcessPoolExecutor(
            count, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(build, threads)
        )
        self._ahead = 2 * count

    def __call__(self, parts: Sequence[Sequence[SuitePrompt]]) -> Iterator[Part]:
        """Raises RuntimeError where a process dies; what was given before stands."""
        waiting: list[Future[Part]] = []
        try:
            for part in parts:
                waiting.append(self._pool.submit(_do, part))
                if len(waiting) > self._ahead:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        except BrokenProcessPool:
            raise RuntimeError(
                "a process of the evaluation died, perhaps for want of memory; give the same command again, "
                "with fewer --workers, to go on"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
        if kind is not None:
            for process in multiprocessing.active_children():
                process.terminate()  # what it was at is made anew the next time


def _begin(build: Callable[[], JudgePart], threads: int) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gives out the work
    torch.set_num_threads(threads)
    global _judge
    _judge = build()


def _do(prompts: Sequence[SuitePrompt]) -> Part:
    assert _judge is not None
    return _judge(prompts)
