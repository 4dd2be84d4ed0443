"""What all measures with a reference share: two clips of one shape, and their colours."""

from __future__ import annotations

from typing import Literal

import numpy as np

from scenewright.evaluation.opencv import cv2

#: ``rgb``: three channels; ``luma``: Y of BT.601 in 16 to 235; ``gray``: 0.2989 R + 0.587 G + 0.114 B, as
#: MATLAB's rgb2gray; ``rounded_gray``: the same as whole numbers.
Colors = Literal["rgb", "luma", "gray", "rounded_gray"]

_WEIGHTS = {"luma": (65.481 / 255, 128.553 / 255, 24.966 / 255), "gray": (0.298936, 0.587043, 0.114021)}


def check_pair(reference: np.ndarray, test: np.ndarray) -> None:
    """ValueError, in one line, unless both are uint8 (T, H, W, 3) of one shape with at least one frame."""
    for name, frames in (("reference", reference), ("test", test)):
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise ValueError(f"the {name} must be uint8 (T, H, W, 3), not {frames.dtype} {frames.shape}")
        if not frames.size:
            raise ValueError(f"the {name} has no frames")
    if reference.shape[1:3] != test.shape[1:3]:
        sizes = [f"{s[2]}x{s[1]}" for s in (reference.shape, test.shape)]
        raise ValueError(f"the reference is {sizes[0]} and the test {sizes[1]}; scale one to the other first")
    if len(reference) != len(test):
        raise ValueError(
            f"the reference has {len(reference)} frames and the test {len(test)}; compare frames of the same "
            "times"
        )


def channels(frame: np.ndarray, colors: Colors) -> list[np.ndarray]:
    """The channels of a uint8 frame (H, W, 3) that are compared, float32 (H, W) in 0 to 255."""
    if colors == "rgb":
        return [np.ascontiguousarray(part, np.float32) for part in cv2().split(frame)]
    name = "gray" if colors == "rounded_gray" else colors
    weights = np.array([_WEIGHTS[name]], np.float32)
    found = cv2().transform(frame.astype(np.float32), weights)
    found = found + np.float32(16) if colors == "luma" else found
    return [np.rint(found) if colors == "rounded_gray" else found]
