"""Prompts that come with frames of the scene that they describe, and whether a clip has kept them.

The frames are those of the world's own render of the prompt, so that the text is true of them, and what a
clip adds is scored against the text as always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scenewright.clip import Clip, GivenFrame
from scenewright.evaluation.fidelity.pixels import decibels
from scenewright.evaluation.suites import SuitePrompt

#: Places of the given frames in a clip of n frames, by what a suite calls them.
PLACES: Mapping[str, Callable[[int], Sequence[int]]] = {
    "first": lambda n: [0],
    "last": lambda n: [n - 1],
    "ends": lambda n: [0, n - 1],
    "start": lambda n: range(n // 2),
}

#: A given frame counts as kept from this peak signal-to-noise ratio on, in dB.
KEPT = 35.0


def frames_of(prompt: SuitePrompt, truth: Clip) -> tuple[GivenFrame, ...]:
    """The frames of ``truth`` that come with a prompt."""
    if not prompt.given:
        return ()
    return tuple(GivenFrame(at, truth.frames[at]) for at in PLACES[prompt.given](len(truth)))


def kept(clip: Clip, given: Sequence[GivenFrame]) -> list[bool]:
    """Whether the clip shows each given frame in its place, at 35 dB or better."""
    found = []
    for frame in given:
        error = clip.frames[frame.at].astype(np.float64) - frame.frame
        found.append(bool(decibels(np.square(error).mean(), np.inf) >= KEPT))
    return found
