"""Objects found against objects that are there: precision, recall, F1, and how well boxes fit."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np


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
    hits = len(overlaps)
    precision = hits / len(found) if found else 1.0
    recall = hits / len(truth) if truth else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    mean = float(np.mean(overlaps)) if overlaps else float("nan")
    return DetectionScores(precision, recall, f1, mean, hits, len(truth) - hits, len(found) - hits)


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
