"""Videos that go on: each piece is made from the last frames of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scenewright.clip import Clip, GivenFrame, Prompt
from scenewright.generation.generator import Generator, Progress
from scenewright.generation.pipeline import TextToVideo
from scenewright.generation.resizing import fitted, wanted_size
from scenewright.generation.settings import SamplingSettings
from scenewright.seeds import keyed_seed


def pieces(pipeline: TextToVideo, frames: int, new: int | None) -> list[tuple[int, int]]:
    """How ``new`` frames are added to a clip of ``frames``: (frames to go on from, frames to make) in turn.

    Each piece goes on from half of a whole clip of the model, or from what there is. None: one whole piece.
    """
    most = pipeline.usual_frames
    seen = max(1, min(frames, most // 2))
    left = most - seen if new is None else new
    plan = []
    while left > 0:
        plan.append((seen, min(left, most - seen)))
        frames, left = frames + plan[-1][1], left - plan[-1][1]
        seen = max(1, min(frames, most // 2))
    return plan


def extendable(generator: Generator) -> TextToVideo:
    """The same. ValueError: it cannot go on from a video."""
    if not isinstance(generator, TextToVideo):
        raise ValueError(f"{generator.name} goes on from no video; it makes videos from text alone")
    return generator


def check_extension(
    pipeline: TextToVideo, clip: Clip, prompts: Sequence[Prompt], settings: Any = None
) -> None:
    """ValueError, in one line, for the first prompt that ``clip`` cannot be extended by."""
    changes = {"num_frames": None, "given": (GivenFrame(0, clip.frames[-1]),)}
    pipeline.check([prompt.model_copy(update=changes) for prompt in prompts], settings)


def extend(
    pipeline: TextToVideo,
    clip: Clip,
    prompt: Prompt,
    settings: SamplingSettings | None = None,
    progress: Progress | None = None,
) -> Clip:
    """``clip`` and what comes after it, as ``prompt`` tells; without sound.

    ``clip`` should have the frame rate of the model's clips. ``prompt.num_frames``: how many frames are
    added; by default one whole piece. The result has the size that the prompt asks for, or the model's.

    Raises:
        ValueError: the model takes no given frames, or the prompt cannot be made.
    """
    width, height = pipeline.native_size
    parts = [fitted(clip.frames, (width, height))]
    for part, (seen, new) in enumerate(pieces(pipeline, len(clip), prompt.num_frames)):
        last = np.concatenate(parts)[-seen:]
        changes = {
            "seed": keyed_seed(prompt.seed, "piece", part) % 2**63 if part else prompt.seed,
            "num_frames": seen + new,
            "given": tuple(GivenFrame(at, frame) for at, frame in enumerate(last)),
            "width": None,
            "height": None,
        }
        report = None if progress is None else _at(progress, part)
        made = pipeline.generate([prompt.model_copy(update=changes)], settings, report)[0]
        parts.append(made.frames[seen:])
    frames = fitted(np.concatenate(parts), wanted_size(prompt, (width, height)))
    facts = pipeline.describe(prompt, settings or pipeline.settings)
    return Clip(frames, prompt.fps or pipeline.fps, caption=prompt.text, metadata=facts)


def _at(progress: Progress, part: int) -> Progress:
    return lambda _, step, steps: progress(part, step, steps)
