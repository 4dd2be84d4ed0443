"""Faults of growing strength, and which measures must react to them: a measure that does not is not one.

Every fault takes a clip, a strength from 0 (nothing) to 1, and a generator of random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from scenewright.clip import Clip
from scenewright.evaluation.opencv import cv2

Fault = Callable[[Clip, float, np.random.Generator], Clip]


def _blur(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """Gaussian, of up to a fortieth of the shorter side."""
    sigma = strength * min(clip.frames.shape[1:3]) / 40
    return replace(clip, frames=np.stack([cv2().GaussianBlur(f, (0, 0), sigma) for f in clip.frames]))


def _noise(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """Gaussian, with a deviation of up to 40 of 255, new in every frame."""
    return _as_frames(clip, clip.frames + rng.normal(0, 40 * strength, clip.frames.shape))


def _flicker(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """Every second frame is up to 30 % darker."""
    gain = 1 - 0.3 * strength * (np.arange(len(clip)) % 2)
    return _as_frames(clip, clip.frames * gain[:, None, None, None])


def _freeze(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """From some frame on nothing moves: up to the first."""
    last = round((1 - strength) * (len(clip) - 1))
    return replace(clip, frames=clip.frames[np.minimum(np.arange(len(clip)), last)])


def _drop(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """Up to half of the frames are the one before once more."""
    lost = rng.random(len(clip)) < strength / 2
    lost[0] = False
    places = np.where(lost, 0, np.arange(len(clip)))
    return replace(clip, frames=clip.frames[np.maximum.accumulate(places)])


def _disorder(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """Neighbours change places, up to all of them."""
    order = np.arange(len(clip))
    for i in range(0, int(strength * (len(clip) - 1)), 2):
        order[[i, i + 1]] = order[[i + 1, i]]
    return replace(clip, frames=clip.frames[order])


def _paste(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """Up to half of the blocks of every frame are of somewhere else in it."""
    found = clip.frames.copy()
    side = max(4, min(found.shape[1:3]) // 8)
    rows, columns = found.shape[1] - side, found.shape[2] - side
    for frame in found:
        for y in range(0, rows + 1, side):
            for x in range(0, columns + 1, side):
                if rng.random() < strength / 2:
                    v, u = rng.integers(0, rows + 1), rng.integers(0, columns + 1)
                    frame[y : y + side, x : x + side] = frame[v : v + side, u : u + side].copy()
    return replace(clip, frames=found)


def _shake(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """Every frame is moved by up to a tenth of the shorter side, its border repeated."""
    most = strength * min(clip.frames.shape[1:3]) / 10
    found = []
    for frame in clip.frames:
        x, y = rng.uniform(-most, most, 2)
        move = np.array([[1, 0, x], [0, 1, y]])
        size = (frame.shape[1], frame.shape[0])
        found.append(cv2().warpAffine(frame, move, size, borderMode=cv2().BORDER_REPLICATE))
    return replace(clip, frames=np.stack(found))


def _mirror(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """Left is right, from half of the strength on."""
    return replace(clip, frames=clip.frames[:, :, ::-1].copy()) if strength >= 0.5 else clip


def _reverse(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """Time runs backwards, from half of the strength on."""
    return replace(clip, frames=clip.frames[::-1].copy()) if strength >= 0.5 else clip


def _recolor(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """All hues are turned, by up to half of the circle."""
    flat = clip.frames.reshape(-1, clip.frames.shape[2], 3)
    hsv = cv2().cvtColor(np.ascontiguousarray(flat), cv2().COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + round(90 * strength)) % 180
    return replace(clip, frames=cv2().cvtColor(hsv, cv2().COLOR_HSV2RGB).reshape(clip.frames.shape))


def _cut(clip: Clip, strength: float, rng: np.random.Generator) -> Clip:
    """From the middle on every row is as its left end: what was there is gone."""
    if strength < 0.5:
        return clip
    found = clip.frames.copy()
    empty = np.repeat(clip.frames[:, :, :1], clip.frames.shape[2], axis=2)
    half = len(clip) // 2
    found[half:] = empty[half:]
    return replace(clip, frames=found)


def _as_frames(clip: Clip, values: np.ndarray) -> Clip:
    return replace(clip, frames=np.clip(np.rint(values), 0, 255).astype(np.uint8))


FAULTS: Mapping[str, Fault] = {
    "blur": _blur,
    "noise": _noise,
    "flicker": _flicker,
    "freeze": _freeze,
    "drop": _drop,
    "disorder": _disorder,
    "paste": _paste,
    "shake": _shake,
    "mirror": _mirror,
    "reverse": _reverse,
    "recolor": _recolor,
    "cut": _cut,
}

#: For each measure the faults that it must see, with the sign by which it then changes.
SEES: Mapping[str, Mapping[str, int]] = {
    "psnr": dict.fromkeys(("blur", "noise", "flicker", "paste", "shake", "recolor"), -1),
    "ssim": dict.fromkeys(("blur", "noise", "flicker", "paste", "shake"), -1),
    "ms-ssim": dict.fromkeys(("blur", "noise", "flicker", "paste", "shake"), -1),
    "vmaf": dict.fromkeys(("blur", "noise", "paste"), -1),
    "warping-error": dict.fromkeys(("noise", "flicker", "paste"), 1),
    "flow-agreement": dict.fromkeys(("noise", "paste"), -1),
    "smoothness": dict.fromkeys(("noise", "flicker", "paste", "shake"), -1),
    "jerk": dict.fromkeys(("disorder",), 1),
    "flicker": dict.fromkeys(("noise", "flicker", "paste", "shake"), -1),
    "luminance-flicker": dict.fromkeys(("flicker",), 1),
    "frozen": dict.fromkeys(("freeze", "drop"), 1),
    "frame-similarity": dict.fromkeys(("noise", "paste", "shake"), -1),
    "motion-strength": {"freeze": -1, "shake": 1},
    "dynamic": {"freeze": -1},
    "camera-unsteadiness": {"shake": 1},
    "entailed": dict.fromkeys(("recolor", "cut"), -1),
    "contradicted": {"recolor": 1},
    "graph-distance": dict.fromkeys(("recolor", "cut"), 1),
    "graph-change": {"cut": 1},
    "unexplained-objects": {"cut": 1},
    "object-precision": {"recolor": -1},
    "object-recall": dict.fromkeys(("recolor", "cut"), -1),
    "object-f1": dict.fromkeys(("recolor", "cut"), -1),
    "box-iou": dict.fromkeys(("mirror", "cut"), -1),
    "action": dict.fromkeys(("freeze", "mirror"), -1),
    "action-segments": dict.fromkeys(("freeze", "mirror"), -1),
    "agreement": {"recolor": -1},
    "camera": {"shake": -1},
    "camera-path": dict.fromkeys(("shake", "freeze", "mirror"), 1),
}

_STRONG = ("noise", "flicker", "paste", "shake")
_SEEN = ("blur", "freeze", "disorder", *_STRONG)

#: For each measure of sets the faults that it must see with the package's network: it gets worse.
SETS_SEE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("frechet", "frechet-infinite", "kernel", "mmd-gaussian", "inception-score"), _SEEN),
    **dict.fromkeys(("precision", "recall", "coverage"), _STRONG),
    "density": ("noise", "flicker", "paste"),
}

#: For each measure the faults that it must not care about.
IGNORES: Mapping[str, tuple[str, ...]] = {
    "warping-error": ("mirror",),
    "flow-agreement": ("mirror",),
    "smoothness": ("mirror", "reverse"),
    "flicker": ("mirror", "reverse"),
    "luminance-flicker": ("mirror", "reverse"),
    "frozen": ("mirror", "reverse", "recolor"),
    "frame-similarity": ("mirror", "reverse"),
    "motion-strength": ("mirror",),
    "dynamic": ("mirror", "reverse"),
}
