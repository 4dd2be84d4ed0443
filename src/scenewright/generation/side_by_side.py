"""Several clips on a CPU: each of its cores makes its share of them, and none waits for the others.

Where all cores work on every clip together, they meet after each operation, hundreds of times a step; where
each has clips of its own, once a step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from typing import TypeVar

import numpy as np
import torch

from scenewright.clip import Clip, Prompt
from scenewright.generation.pipeline import TextToVideo
from scenewright.generation.sampling import Sampling
from scenewright.generation.settings import SamplingSettings

T = TypeVar("T")


def parts_for(clips: int, threads: int) -> int:
    """Into how many equal parts so many clips are divided: what leaves the fewest threads idle, of several
    such numbers the largest."""
    divisors = [count for count in range(1, min(clips, threads) + 1) if clips % count == 0]
    return max(divisors, key=lambda count: (count * (threads // count), count))


def at_once(actions: Sequence[Callable[[], T]], threads: int) -> list[T]:
    """What actions give that compute on a CPU and need nothing of each other, as many at once as there are
    ``threads``, each with its share of them. The first error is raised when all have ended."""
    workers = min(len(actions), threads)
    if workers < 2:
        return [action() for action in actions]

    def alone(action: Callable[[], T]) -> T:
        torch.set_num_threads(threads // workers)
        return action()

    try:
        with ThreadPoolExecutor(workers) as pool:
            running = [pool.submit(alone, action) for action in actions]
        return [one.result() for one in running]
    finally:
        # Some of what is set holds for the whole process.
        torch.set_num_threads(threads)


def begin_together(
    generator: TextToVideo, prompts: Sequence[Prompt], settings: SamplingSettings
) -> Sampling | SideBySide:
    """Clips of one shape, made together in the way that suits the device. Errors as
    :meth:`.TextToVideo.begin`."""
    threads = torch.get_num_threads()
    count = parts_for(len(prompts), threads) if generator.device.type == "cpu" else 1
    if count == 1:
        return generator.begin(prompts, settings)
    size = len(prompts) // count
    shares = [prompts[at : at + size] for at in range(0, len(prompts), size)]
    return SideBySide([generator.begin(share, settings) for share in shares], threads)


class SideBySide:
    """What :class:`.Sampling` is for clips made together, of several such: each takes its steps in a thread
    of its own, with its share of ``threads``."""

    def __init__(self, parts: Sequence[Sampling], threads: int) -> None:
        self.parts, self.threads = list(parts), threads
        if len({part.z.shape[1:] for part in self.parts}) != 1:
            raise ValueError("clips that are made together have one length")
        self._ends = list(accumulate(len(part.z) for part in self.parts))

    @property
    def step(self) -> int:
        return self.parts[0].step

    @property
    def steps(self) -> int:
        return self.parts[0].steps

    @property
    def done(self) -> bool:
        return self.parts[0].done

    def advance(self) -> None:
        """Take the next step of all."""
        self._each(Sampling.advance)

    def states(self) -> list[dict[str, torch.Tensor]]:
        """As :meth:`.Sampling.states`."""
        return [state for part in self.parts for state in part.states()]

    def restore(self, states: Sequence[Mapping[str, torch.Tensor]]) -> None:
        """As :meth:`.Sampling.restore`. After an error some may have gone on: begin anew."""
        if len(states) != self._ends[-1] or len({int(state["step"]) for state in states}) != 1:
            raise ValueError(f"what was kept is not of {self._ends[-1]} clips at one step")
        for part, end in zip(self.parts, self._ends, strict=True):
            part.restore(states[end - len(part.z) : end])

    def preview(self, index: int = 0) -> np.ndarray:
        """As :meth:`.Sampling.preview`."""
        place = next(place for place, end in enumerate(self._ends) if index < end)
        part = self.parts[place]
        return part.preview(index - (self._ends[place] - len(part.z)))

    def finish(self, *, tile: bool = False) -> list[Clip]:
        """As :meth:`.Sampling.finish`."""
        return [clip for clips in self._each(partial(Sampling.finish, tile=tile)) for clip in clips]

    def _each(self, action: Callable[[Sampling], T]) -> list[T]:
        """``action`` of every part at once."""
        return at_once([partial(action, part) for part in self.parts], self.threads)
