"""How the camera moves, from the pictures alone: a homography between neighbouring frames.

The corners of the picture that most others move with lie on one plane, the ground or a wall, or far away;
how a plane moves between two pictures is a homography (Hartley & Zisserman, "Multiple view geometry",
chapter 13). Its value and its first derivatives at the centre are told: shift, zoom, roll and shear.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from scenewright.evaluation.opencv import cv2


class CameraMotion(NamedTuple):
    """Between neighbouring frames, float64 (T - 1,): ``shift`` (T - 1, 2), how far the background moves at
    the centre, columns and rows, in shorter sides of the frame; ``zoom``: the logarithm of how much it grows;
    ``roll``: radians clockwise; ``shear``: how much more what is lower moves to the right, and what is to the
    right moves down, beyond a roll, as around something that is circled; ``support``: share of the tracked
    points that move so."""

    shift: np.ndarray
    zoom: np.ndarray
    roll: np.ndarray
    shear: np.ndarray
    support: np.ndarray

    @property
    def steps(self) -> np.ndarray:
        """(T - 1, 5): the motion at the picture's border, in shorter sides, by kind."""
        turns = np.stack((self.zoom, self.roll, self.shear), axis=1) / 2
        return np.concatenate((self.shift, turns), axis=1)

    @property
    def strength(self) -> float:
        """Mean length of all motion at the border of the picture, in shorter sides, per frame."""
        return float((np.linalg.norm(self.shift, axis=1) + abs(self.steps[:, 2:]).sum(1)).mean())

    @property
    def unsteadiness(self) -> float:
        """Mean length of the second difference of the path over that of the first: 0 for a steady move, about
        1 to 2 for one that jumps to and fro; 0 where the camera stands still. Lower is better."""
        path = self.steps
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
            and abs(self.shear).max() < 0.3
        )
        return bool(small and self.support.min() >= 0.5)


def camera_motion(frames: np.ndarray, *, points: int = 400) -> CameraMotion:
    """The motion that most corners of the picture share, by RANSAC, so that what moves before the background
    does not count while it is smaller than that.

    ``frames``: uint8 (T, H, W, 3), two at least. Where a frame has fewer than 6 corners that can be followed,
    nothing is known: no motion, with a support of 0. Fewer than 12 decide no homography; there the motion is
    a similarity transform, without shear.
    """
    if len(frames) < 2:
        raise ValueError(f"a camera's motion needs two frames, not {len(frames)}")
    side = min(frames.shape[1:3])
    centre = np.array([(frames.shape[2] - 1) / 2, (frames.shape[1] - 1) / 2])
    grays = [cv2().cvtColor(np.ascontiguousarray(f), cv2().COLOR_RGB2GRAY) for f in frames]
    rows = [_between(a, b, centre, side, points) for a, b in pairwise(grays)]
    found = np.array(rows)
    return CameraMotion(found[:, :2], *found[:, 2:].T)


def motion_of(homography: np.ndarray, centre: np.ndarray, side: float) -> tuple[float, ...]:
    """Shift (columns, rows), zoom, roll and shear at ``centre`` of a homography (3, 3) of pixels.

    The derivative there is a rotation times a symmetric matrix times a scale (polar decomposition).
    """
    across = homography @ np.array([*centre, 1.0])
    there = across[:2] / across[2]
    derivative = (homography[:2, :2] - np.outer(there, homography[2, :2])) / across[2]
    u, values, v = np.linalg.svd(derivative)
    turn = u @ np.diag([1.0, np.linalg.det(u @ v)]) @ v
    stretch = turn.T @ derivative / np.sqrt(values.prod())
    shift = (there - centre) / side
    return (
        float(shift[0]),
        float(shift[1]),
        float(np.log(values.prod()) / 2),
        float(np.arctan2(turn[1, 0], turn[0, 0])),
        float(stretch[0, 1] + stretch[1, 0]),
    )


def _between(
    first: np.ndarray, second: np.ndarray, centre: np.ndarray, side: int, points: int
) -> tuple[float, ...]:
    nothing = (0.0,) * 6
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
    threshold = max(1.0, side / 200)
    similar, inliers = cv2().estimateAffinePartial2D(
        start[kept], end[kept], method=cv2().RANSAC, ransacReprojThreshold=threshold
    )
    if similar is None:
        return nothing
    matrix = np.vstack((similar, (0.0, 0.0, 1.0)))
    if kept.sum() >= _ENOUGH:
        planar, also = cv2().findHomography(start[kept], end[kept], cv2().RANSAC, threshold / 2)
        if planar is not None and also.sum() >= max(_ENOUGH, inliers.sum() / 2):
            matrix, inliers = planar, also
    return (*motion_of(matrix, centre, side), float(inliers.mean()))


#: Points that decide a homography well.
_ENOUGH = 12
