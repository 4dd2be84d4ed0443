"""Whether a clip stays itself: flicker, repeated frames, and how alike its frames are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from scenewright.evaluation.fidelity.similarity import ssim
from scenewright.evaluation.motion.movement import Measured

#: Frames uint8 (T, H, W, 3), or as many pictures of any sizes, to features float (T, D): of a network such as
#: DINO or CLIP.
Features = Callable[[Any], np.ndarray]


def flicker(frames: np.ndarray) -> Measured:
    """1 - mean |difference| of neighbouring frames / 255, VBench's temporal flickering: it means something
    for clips that should stand still. Higher is better.

    ``frames``: uint8 (T, H, W, 3), two at least.
    """
    _check(frames)
    parts = [1 - float(np.abs(a.astype(np.int16) - b).mean()) / 255 for a, b in pairwise(frames)]
    return Measured(float(np.mean(parts)), np.array(parts))


def luminance_flicker(frames: np.ndarray) -> float:
    """Mean |second difference| of the frames' mean brightness, in parts of the range: light that comes and
    goes counts, a fade does not, and hardly what moves. Lower is better; frames from three on."""
    if len(frames) < 3:
        raise ValueError(f"flicker of brightness needs three frames, not {len(frames)}")
    brightness = frames.mean(axis=(1, 2, 3)) / 255
    return float(np.abs(np.diff(brightness, n=2)).mean())


def frozen_share(frames: np.ndarray, *, threshold: float = 0.5) -> float:
    """Share of the frames that repeat the one before: |difference| of 0.5 of 255 at most, a mean over the
    hundredth of the pixels that change most. 0 is best for what should move."""
    _check(frames)
    repeated = []
    for a, b in pairwise(frames):
        change = np.abs(a.astype(np.int16) - b).max(-1).ravel()
        most = max(1, change.size // 100)
        repeated.append(np.partition(change, -most)[-most:].mean() <= threshold)
    return float(np.mean(repeated))


def frame_similarity(frames: np.ndarray) -> Measured:
    """SSIM (``default`` convention) of neighbouring frames."""
    _check(frames)
    value, parts = ssim(frames[:-1], frames[1:])
    return Measured(value, parts)


def consistency(frames: Sequence[np.ndarray] | np.ndarray, features: Features) -> Measured:
    """How alike frames look to a network: mean cosine of each frame's features, 0 if negative, with those
    of the one before and of the first. VBench's subject consistency has DINO do that, its background
    consistency CLIP.
    """
    _check(frames)
    x = np.asarray(features(frames), np.float64)
    if x.ndim != 2 or len(x) != len(frames):
        raise ValueError(f"features of {len(frames)} frames are (T, D), not {x.shape}")
    length = np.linalg.norm(x, axis=1, keepdims=True)
    x = x / np.where(length, length, 1)
    before, first = (x[1:] * x[:-1]).sum(1), x[1:] @ x[0]
    parts = (before.clip(min=0) + first.clip(min=0)) / 2
    return Measured(float(parts.mean()), parts)


def _check(frames: Sequence[np.ndarray] | np.ndarray) -> None:
    if len(frames) < 2:
        raise ValueError(f"coherence needs two frames, not {len(frames)}")
