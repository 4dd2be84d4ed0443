"""How much and how evenly a clip moves, by optical flow and tracked points."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from scenewright.evaluation.motion.flow import Flow, dis_flow, occluded, warp
from scenewright.evaluation.opencv import cv2


class Measured(NamedTuple):
    """``value``: of the clip; ``parts``: float64 (T - 1,), of each pair of neighbouring frames."""

    value: float
    parts: np.ndarray


def warping_error(frames: np.ndarray, flow: Flow = dis_flow) -> Measured:
    """Mean squared difference, in squares of the range, of frames and their successors warped onto them,
    where nothing is occluded (Lai et al. 2018, "Learning blind video temporal consistency"); 0 where the
    flow explains all. Lower is better, and lowest for a clip that stands still.

    ``frames``: uint8 (T, H, W, 3). Lai et al. take the flow of the input of a video filter; here there is
    none, and it is the clip's own.
    """
    parts = []
    for first, second in _pairs(frames):
        forward, backward = flow(first, second), flow(second, first)
        kept = ~occluded(forward, backward)
        difference = first.astype(np.float32) - warp(second, forward)
        error = np.square(difference / 255)[kept]
        parts.append(float(error.mean(dtype=np.float64)) if error.size else 0.0)
    return Measured(float(np.mean(parts)), np.array(parts))


def flow_agreement(frames: np.ndarray, flow: Flow = dis_flow) -> Measured:
    """Share of the pixels whose forward and backward flow undo each other within half a pixel. Higher is
    better: what melts or jumps has no such flow."""
    parts = []
    for first, second in _pairs(frames):
        forward, backward = flow(first, second), flow(second, first)
        left_over = np.linalg.norm(warp(backward, forward) + forward, axis=-1)
        parts.append(float((left_over <= 0.5).mean()))
    return Measured(float(np.mean(parts)), np.array(parts))


def motion_strength(frames: np.ndarray, fps: float, flow: Flow = dis_flow) -> Measured:
    """How fast the fastest twentieth of the pixels moves: in shorter sides of the frame a second."""
    side = min(frames.shape[1:3])
    parts = np.array([_fastest(flow(a, b)) / side * fps for a, b in _pairs(frames)])
    return Measured(float(parts.mean()), parts)


def is_dynamic(frames: np.ndarray, fps: float, flow: Flow = dis_flow) -> bool:
    """VBench's dynamic degree of a clip, with the flow that is given in place of RAFT: of the frames,
    thinned to about 8 a second, a quarter at least (one at least) moves by 6 pixels of 256 in its fastest
    twentieth."""
    thinned = frames[:: max(1, round(fps / 8))]
    if len(thinned) < 2:
        raise ValueError(f"{len(frames)} frames at {fps:g} a second are too few to tell whether they move")
    threshold = 6 * min(frames.shape[1:3]) / 256
    moving = sum(_fastest(flow(a, b)) > threshold for a, b in pairwise(thinned))
    return moving >= max(1, round(4 * len(thinned) / 16))


def interpolation_smoothness(frames: np.ndarray, flow: Flow = dis_flow) -> Measured:
    """1 - mean |difference| / 255 of every frame and what flow makes of its two neighbours, half way between
    (VBench's motion smoothness has a network, AMT, do that). Higher is better, 1 for a clip that stands
    still.
    """
    if len(frames) < 3:
        raise ValueError(f"smoothness needs three frames, not {len(frames)}")
    parts = []
    for before, frame, after in zip(frames, frames[1:], frames[2:], strict=False):
        # Seen from the middle, half of the way back and forth.
        there, back = flow(before, after), flow(after, before)
        middle = (warp(before, _to_middle(back)) + warp(after, _to_middle(there))) / 2
        parts.append(1 - float(np.abs(middle - frame).mean(dtype=np.float64)) / 255)
    return Measured(float(np.mean(parts)), np.array(parts))


def jerk(frames: np.ndarray, *, points: int = 200) -> float:
    """How unevenly things move: mean length of the third difference of tracked points' places, over the mean
    length of their first; 0 for constant acceleration. Points that stand still do not count; where nothing
    moves it is 0. Lower is better.

    Corners of the first frame (Shi & Tomasi 1994) are followed by Lucas-Kanade's method in pyramids.
    """
    if len(frames) < 4:
        raise ValueError(f"jerk needs four frames, not {len(frames)}")
    grays = [cv2().cvtColor(np.ascontiguousarray(f), cv2().COLOR_RGB2GRAY) for f in frames]
    start = cv2().goodFeaturesToTrack(grays[0], points, 0.01, 4)
    if start is None:
        return 0.0
    tracks, alive = [start], np.ones(len(start), bool)
    for first, second in pairwise(grays):
        found, there, _ = cv2().calcOpticalFlowPyrLK(first, second, tracks[-1], None, winSize=(11, 11))
        back, again, _ = cv2().calcOpticalFlowPyrLK(second, first, found, None, winSize=(11, 11))
        alive &= (there.ravel() == 1) & (again.ravel() == 1)
        alive &= np.linalg.norm(back - tracks[-1], axis=-1).ravel() < 0.5
        tracks.append(found)
    path = np.stack(tracks)[:, alive, 0].astype(np.float64)
    speed = np.linalg.norm(np.diff(path, axis=0), axis=-1).mean(0)
    moving = speed > 0.1
    if not moving.any():
        return 0.0
    third = np.linalg.norm(np.diff(path[:, moving], n=3, axis=0), axis=-1).mean(0)
    return float((third / speed[moving]).mean())


def _pairs(frames: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    if len(frames) < 2:
        raise ValueError(f"motion needs two frames, not {len(frames)}")
    return list(pairwise(frames))


def _fastest(flow: np.ndarray) -> float:
    """Mean length of the longest 5 % of the flow, in pixels."""
    length = np.linalg.norm(flow, axis=-1).ravel()
    count = max(1, int(0.05 * length.size))
    return float(np.partition(length, -count)[-count:].mean())


def _to_middle(flow: np.ndarray) -> np.ndarray:
    """Flow of half the length, seen from where it then is: the best of each place is not sought, as flow is
    even almost everywhere."""
    half = flow / 2
    return warp(half, -half)
