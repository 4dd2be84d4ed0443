"""Objects found against objects that are there: precision, recall, F1, and how well boxes fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scenewright.evaluation.reading import Reading


class Detection(NamedTuple):
    """An object in a frame. ``box``: left, top, right, bottom, in any unit; ``label``: what it is, None where
    that is not asked; ``score``: how sure the detector is."""

    frame: int
    box: tuple[float, float, float, float]
    label: Hashable = None
    score: float = 1.0


class DetectionScores(NamedTuple):
    """``iou``: mean intersection over union of the boxes that were matched, NaN without any. ``found``,
    ``missed``, ``wrong``: how many."""

    precision: float
    recall: float
    f1: float
    iou: float
    found: int
    missed: int
    wrong: int


def detection_scores(
    truth: Sequence[Detection], found: Sequence[Detection], *, threshold: float = 0.5
) -> DetectionScores:
    """Each object found, the surest first, takes the true one of its frame and label whose box it overlaps
    most, if that is by ``threshold`` and not taken (as in Everingham et al. 2010, "PASCAL VOC").

    Without anything to find, or anything found, precision or recall is 1: nothing wrong, or nothing missed.
    """
    taken: set[int] = set()
    overlaps = []
    for item in sorted(found, key=lambda d: -d.score):
        best, place = 0.0, None
        for i, other in enumerate(truth):
            if i in taken or other.frame != item.frame or other.label != item.label:
                continue
            overlap = iou(item.box, other.box)
            if overlap > best:
                best, place = overlap, i
        if place is not None and best >= threshold:
            taken.add(place)
            overlaps.append(best)
    mean = float(np.mean(overlaps)) if overlaps else float("nan")
    return _scores(len(overlaps), len(truth), len(found), mean)


def _scores(hits: int, there: int, found: int, overlap: float) -> DetectionScores:
    precision = hits / found if found else 1.0
    recall = hits / there if there else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return DetectionScores(precision, recall, f1, overlap, hits, there - hits, found - hits)


def detections(reading: Reading) -> list[Detection]:
    """What the world's reader sees, frame by frame; the label is colour and shape."""
    return [
        Detection(frame, tuple(map(float, item.boxes[frame])), (item.color, item.shape), item.presence)  # type: ignore[arg-type]
        for item in reading.objects
        for frame in np.flatnonzero(item.seen > 0).tolist()
    ]


def named_scores(wanted: Mapping[Hashable, int], found: Sequence[Detection], frames: int) -> DetectionScores:
    """What was found against the names of what should be there in each of ``frames``, and how often: places
    do not count, and there is no IoU."""
    hits = 0
    for frame in range(frames):
        seen = Counter(item.label for item in found if item.frame == frame)
        hits += sum(min(number, seen[label]) for label, number in wanted.items())
    return _scores(hits, frames * sum(wanted.values()), len(found), float("nan"))


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
