"""Spatial relations between read objects.

The definitions are those of :mod:`scenewright.world.relations`, applied to what a reader can know: places and
extents in the picture and the depth along the view, from which places on the ground follow for the world's
default camera and a square picture. A reading is noisy, so the margins are wider than the world's own and a
relation need hold only in most frames; the directions are strict.
"""

from __future__ import annotations

import math

import numpy as np

from scenewright.evaluation.reading import ReadObject
from scenewright.world.relations import STANDS_ON, Margins
from scenewright.world.scene import Camera, RelationKind

#: A relation holds if it holds in this share of the frames in which its objects are seen together.
SHARE = 0.75
#: What must hold in a reading, in sums of the objects' half widths; see world.relations.HOLDS for the truth.
MARGINS = Margins(beside=0.2, depth=0.15, near=2.1, between=0.05, aside=1.3)

_HALF_VIEW = math.tan(math.radians(Camera().fov_degrees / 2))


def holds(
    kind: RelationKind, subject: ReadObject, reference: ReadObject, second: ReadObject | None = None
) -> bool:
    """Whether ``subject`` stands in the relation to ``reference`` (and ``second``, for ``between`` only)."""
    group = [subject, reference]
    if kind == "between":
        if second is None:
            raise ValueError("'between' needs two reference objects")
        group.append(second)
    frames = np.all([item.seen > 0 for item in group], axis=0)
    if not frames.any():
        return False
    return bool(_per_frame(kind, *group)[frames].mean() >= SHARE)


def _per_frame(kind: RelationKind, a: ReadObject, b: ReadObject, c: ReadObject | None = None) -> np.ndarray:
    across = b.centres[:, 0] - a.centres[:, 0]
    image_reach = (_width(a) + _width(b)) / 2
    if kind == "left_of":
        return across > MARGINS.beside * image_reach
    if kind == "right_of":
        return -across > MARGINS.beside * image_reach
    reach = _radius(a) + _radius(b)
    if kind == "in_front_of":
        return b.depth - a.depth > MARGINS.depth * reach
    if kind == "behind":
        return a.depth - b.depth > MARGINS.depth * reach
    if kind == "on_top_of":
        return _stands_on(a, b, across, reach)
    offset = _ground(a) - _ground(b)
    if kind == "near":
        return np.linalg.norm(offset, axis=1) < MARGINS.near * reach
    if c is None:
        raise ValueError(f"{kind}: an unknown relation of two objects")
    line = _ground(c) - _ground(b)
    length = np.maximum(np.linalg.norm(line, axis=1), 1e-6)
    along = (offset * line).sum(1) / length**2
    aside = np.abs(offset[:, 0] * line[:, 1] - offset[:, 1] * line[:, 0]) / length
    inside = (along > MARGINS.between) & (along < 1 - MARGINS.between)
    return inside & (aside < MARGINS.aside * 0.5 * (reach + _radius(c)))


def _stands_on(a: ReadObject, b: ReadObject, across: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Feet near the other's top, centre above it, and no farther back than the other reaches."""
    gap = (b.boxes[:, 1] - a.boxes[:, 3]) / np.maximum(_height(a) + _height(b), 1e-6)
    over = np.abs(across) < STANDS_ON.aside * np.maximum(_width(a), _width(b))
    touching = (gap > STANDS_ON.least) & (gap < STANDS_ON.most)
    return over & touching & (np.abs(a.depth - b.depth) < STANDS_ON.depth * reach)


def _width(item: ReadObject) -> np.ndarray:
    return item.boxes[:, 2] - item.boxes[:, 0]


def _height(item: ReadObject) -> np.ndarray:
    return item.boxes[:, 3] - item.boxes[:, 1]


def _radius(item: ReadObject) -> np.ndarray:
    """Half width in world units."""
    return _width(item) * _HALF_VIEW * item.depth


def _ground(item: ReadObject) -> np.ndarray:
    """(T, 2): place across and along the view, in world units."""
    return np.stack([(2 * item.centres[:, 0] - 1) * _HALF_VIEW * item.depth, item.depth], 1)
