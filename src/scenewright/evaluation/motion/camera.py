"""How the camera moves, from the pictures alone: a similarity transform between neighbouring frames."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from scenewright.evaluation.opencv import cv2


class CameraMotion(NamedTuple):
    """Between neighbouring frames, float64 (T - 1,): ``shift`` (T - 1, 2), how far the background moves at
    the centre, columns and rows, in shorter sides of the frame; ``zoom``: the logarithm of how much it grows;
    ``roll``: radians clockwise; ``support``: share of the tracked points that move so."""

    shift: np.ndarray
    zoom: np.ndarray
    roll: np.ndarray
    support: np.ndarray

    @property
    def strength(self) -> float:
        """Mean length of all motion at the border of the picture, in shorter sides, per frame."""
        return float((np.linalg.norm(self.shift, axis=1) + (abs(self.zoom) + abs(self.roll)) / 2).mean())

    @property
    def unsteadiness(self) -> float:
        """Mean length of the second difference of the path over that of the first: 0 for a steady move, about
        1 to 2 for one that jumps to and fro; 0 where the camera stands still. Lower is better."""
        path = np.concatenate((self.shift, self.zoom[:, None] / 2, self.roll[:, None] / 2), axis=1)
        speed = np.linalg.norm(path, axis=1).mean()
        if len(path) < 2 or speed < 1e-3:
            return 0.0
        return float(np.linalg.norm(np.diff(path, axis=0), axis=1).mean() / speed)

    @property
    def plausible(self) -> bool:
        """Whether one move of a camera explains each pair of frames: half of the points, at least, follow it,
        and no step turns, grows or shifts by a third of the picture."""
        small = (
            np.linalg.norm(self.shift, axis=1).max() < 1 / 3
            and abs(self.zoom).max() < 0.3
            and abs(self.roll).max() < 0.3
        )
        return bool(small and self.support.min() >= 0.5)


def camera_motion(frames: np.ndarray, *, points: int = 400) -> CameraMotion:
    """The motion that most corners of the picture share, by RANSAC, so that what moves before the background
    does not count while it is smaller than that.

    ``frames``: uint8 (T, H, W, 3), two at least. Where a frame has fewer than 6 corners that can be followed,
    nothing is known: no motion, with a support of 0.
    """
    if len(frames) < 2:
        raise ValueError(f"a camera's motion needs two frames, not {len(frames)}")
    side = min(frames.shape[1:3])
    centre = np.array([(frames.shape[2] - 1) / 2, (frames.shape[1] - 1) / 2])
    grays = [cv2().cvtColor(np.ascontiguousarray(f), cv2().COLOR_RGB2GRAY) for f in frames]
    rows = [_between(a, b, centre, side, points) for a, b in pairwise(grays)]
    found = np.array(rows)
    return CameraMotion(found[:, :2], found[:, 2], found[:, 3], found[:, 4])


def _between(
    first: np.ndarray, second: np.ndarray, centre: np.ndarray, side: int, points: int
) -> tuple[float, float, float, float, float]:
    nothing = (0.0, 0.0, 0.0, 0.0, 0.0)
    start = cv2().goodFeaturesToTrack(first, points, 0.005, 4)
    if start is None:
        return nothing
    end, there, _ = cv2().calcOpticalFlowPyrLK(first, second, start, None, winSize=(15, 15))
    back, again, _ = cv2().calcOpticalFlowPyrLK(second, first, end, None, winSize=(15, 15))
    kept = (there.ravel() == 1) & (again.ravel() == 1)
    kept &= np.linalg.norm(back - start, axis=-1).ravel() < 0.5
    if kept.sum() < 6:
        return nothing
    cv2().setRNGSeed(0)
    matrix, inliers = cv2().estimateAffinePartial2D(
        start[kept], end[kept], method=cv2().RANSAC, ransacReprojThreshold=max(1.0, side / 200)
    )
    if matrix is None:
        return nothing
    shift = (matrix[:, :2] @ centre + matrix[:, 2] - centre) / side
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    roll = float(np.arctan2(matrix[1, 0], matrix[0, 0]))
    return float(shift[0]), float(shift[1]), float(np.log(scale)), roll, float(inliers.mean())
