"""Optical flow between two frames, warping by it, and what it cannot follow.

Flow is float32 (H, W, 2): how far each pixel moves, columns then rows, from the first frame to the second.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scenewright.evaluation.opencv import cv2

#: Two frames uint8 (H, W, 3) to the flow from the first to the second. A network can stand in for
#: ``dis_flow``.
Flow = Callable[[np.ndarray, np.ndarray], np.ndarray]


def dis_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Dense inverse search (Kroeger et al. 2016), of gray values; frames from 16 pixels a side on."""
    grays = [cv2().cvtColor(np.ascontiguousarray(x), cv2().COLOR_RGB2GRAY) for x in (first, second)]
    if min(first.shape[:2]) < 16:
        raise ValueError(
            f"optical flow needs frames of 16 pixels a side, not {first.shape[1]}x{first.shape[0]}"
        )
    search = cv2().DISOpticalFlow_create(cv2().DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    return search.calc(*grays, None)


def remembered(frames: np.ndarray, flow: Flow = dis_flow) -> Flow:
    """The same flow, computed once for each pair of ``frames``, uint8 (T, H, W, 3), of which it is asked for
    views such as ``frames[3]``. Of anything else it is computed anew."""
    known: dict[tuple[int, int], np.ndarray] = {}
    place = {frame.__array_interface__["data"][0]: i for i, frame in enumerate(frames)}

    def compute(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        pair = tuple(place.get(x.__array_interface__["data"][0], -1) for x in (first, second))
        if -1 in pair or first.shape != frames.shape[1:] or second.shape != frames.shape[1:]:
            return flow(first, second)
        key = (pair[0], pair[1])
        if key not in known:
            known[key] = flow(first, second)
        return known[key]

    return compute


def warp(values: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """``values`` (H, W, C) of the second frame, fetched to where the first has them: values at x +
    flow(x)."""
    rows, columns = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    found = cv2().remap(
        values.astype(np.float32), x, y, cv2().INTER_LINEAR, borderMode=cv2().BORDER_REPLICATE
    )
    return found.reshape(values.shape)


def occluded(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """bool (H, W): where the first frame's flow is not to be trusted (Lai et al. 2018, after Sundaram et
    al. 2010): forward and backward flow do not undo each other, or the flow has an edge."""
    back = warp(backward, forward)
    squares = np.square(back).sum(-1) + np.square(forward).sum(-1)
    undone = np.square(back + forward).sum(-1) > 0.01 * squares + 0.5
    slopes = sum(np.square(np.gradient(forward[..., c], axis=a)) for c in (0, 1) for a in (0, 1))
    edge = slopes > 0.01 * np.square(forward).sum(-1) + 0.002
    return undone | edge
