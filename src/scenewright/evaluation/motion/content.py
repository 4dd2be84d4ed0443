"""Whether a thing keeps its colour: the average content distance of Tulyakov et al. 2018 ("MoCoGAN")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: What a pixel's largest channel must reach to count as the shape's, of 255.
THRESHOLD = 32


class ContentDistance(NamedTuple):
    """``value``: mean distance of the frames' colours, on the scale of 0 to 255 a channel. ``empty``: the
    share of frames in which no pixel is the shape's; they count as black."""

    value: float
    empty: float


def shape_colours(frames: np.ndarray, threshold: int = THRESHOLD) -> np.ndarray:
    """float64 (T, 3): the mean colour of the pixels of each frame, uint8 (T, H, W, 3), that belong to a shape
    before black; black where there are none."""
    shown = frames.max(-1) >= threshold
    sums = np.where(shown[..., None], frames, 0).sum((1, 2), dtype=np.float64)
    return sums / np.maximum(shown.sum((1, 2)), 1)[:, None]


def content_distance(frames: np.ndarray, threshold: int = THRESHOLD) -> ContentDistance:
    """The paper's average content distance of one shape before black: each frame has the mean colour of the
    shape, and the mean is over the Euclidean distances of all pairs of frames. 0 for a shape that keeps its
    colour. The paper does not say how it finds the shape's pixels: here by ``threshold``.

    Raises:
        ValueError: fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError(f"a distance of frames needs two of them, not {len(frames)}")
    colours = shape_colours(frames, threshold)
    first, second = np.triu_indices(len(frames), 1)
    distances = np.linalg.norm(colours[first] - colours[second], axis=-1)
    empty = (frames.max((1, 2, 3)) < threshold).mean()
    return ContentDistance(float(distances.mean()), float(empty))


def shape_path(frames: np.ndarray, threshold: int = THRESHOLD) -> np.ndarray:
    """float64 (T, 2): where the shape's centre is, (x, y) in pixels; where a frame has none, where it was
    before, or the middle of the frame."""
    place = np.array([frames.shape[2] - 1, frames.shape[1] - 1]) / 2
    path = []
    for frame in frames:
        rows, columns = np.nonzero(frame.max(-1) >= threshold)
        if len(rows):
            place = np.array([columns.mean(), rows.mean()])
        path.append(place)
    return np.stack(path)
