"""Conservative bounds of objects and of their shadows, in the world and in the picture (NumPy, float64)."""

from __future__ import annotations

import numpy as np

from scenewright.world.scene import SHAPES, Shape
from scenewright.world.shapes import (
    BOUNDING_RADIUS,
    CAPSULE_HALF_SEGMENT,
    CAPSULE_RADIUS,
    CONE_HALF_HEIGHT,
    CONE_RADIUS,
    CUBE_HALF,
    CYLINDER_HALF_HEIGHT,
    CYLINDER_RADIUS,
    PYRAMID_BASE_HALF,
    PYRAMID_HALF_HEIGHT,
    SPHERE_RADIUS,
    TORUS_MAJOR,
    TORUS_MINOR,
)

_HALF_EXTENT: dict[Shape, tuple[float, float, float]] = {
    "sphere": (SPHERE_RADIUS,) * 3,
    "cube": (CUBE_HALF,) * 3,
    "cylinder": (CYLINDER_RADIUS, CYLINDER_HALF_HEIGHT, CYLINDER_RADIUS),
    "cone": (CONE_RADIUS, CONE_HALF_HEIGHT, CONE_RADIUS),
    "torus": (TORUS_MAJOR + TORUS_MINOR, TORUS_MINOR, TORUS_MAJOR + TORUS_MINOR),
    "pyramid": (PYRAMID_BASE_HALF, PYRAMID_HALF_HEIGHT, PYRAMID_BASE_HALF),
    "capsule": (CAPSULE_RADIUS, CAPSULE_RADIUS + CAPSULE_HALF_SEGMENT, CAPSULE_RADIUS),
}
_EXTENTS = np.array([_HALF_EXTENT[shape] for shape in SHAPES])
_RADII = np.array([BOUNDING_RADIUS[shape] for shape in SHAPES])
_SIGNS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
_NEAR = 0.05


def bounding_radius(shape: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """World radius ``(I,)`` of each object's bounding sphere; ``shape`` indexes ``SHAPES``."""
    return _RADII[shape] * scale


def corners(shape: np.ndarray, position: np.ndarray, rotation: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """World corners ``(I, 8, 3)`` of the boxes that hold the objects, aligned with their own axes."""
    local = _SIGNS[None] * (_EXTENTS[shape] * scale[:, None])[:, None]
    return position[:, None] + (rotation[:, None] * local[:, :, None, :]).sum(-1)


def _pixels(
    points: np.ndarray, eye: np.ndarray, rotation: np.ndarray, focal: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets from the picture's centre in pixels ``(I, P, 2)``, and depths ``(I, P)``."""
    relative = points - eye[:, None]
    camera = (relative[..., :, None] * rotation[:, None]).sum(-2)
    depth = -camera[..., 2]
    scale = focal[:, None] / np.where(depth > _NEAR, depth, 1.0)
    return np.stack([camera[..., 0] * scale, -camera[..., 1] * scale], axis=-1), depth


def boxes_of_points(
    points: np.ndarray, eye: np.ndarray, rotation: np.ndarray, focal: np.ndarray
) -> np.ndarray:
    """Picture boxes ``(I, 4)`` (left, top, right, bottom; pixels from the centre) of point sets (I, P, 3).

    A set that reaches behind the camera has an unbounded box.
    """
    offsets, depth = _pixels(points, eye, rotation, focal)
    boxes = np.concatenate([offsets.min(1), offsets.max(1)], axis=-1)
    behind = (depth <= _NEAR).any(1)
    boxes[behind] = (-np.inf, -np.inf, np.inf, np.inf)
    boxes[(depth <= 0.0).all(1)] = (np.inf, np.inf, -np.inf, -np.inf)
    return boxes


def boxes_of_spheres(
    centre: np.ndarray, radius: np.ndarray, eye: np.ndarray, rotation: np.ndarray, focal: np.ndarray
) -> np.ndarray:
    """Exact picture boxes ``(I, 4)`` of spheres, from the tangent planes through the eye."""
    relative = centre - eye
    camera = (relative[:, :, None] * rotation).sum(1)
    depth = -camera[:, 2]
    ahead = depth > radius + _NEAR
    room = np.where(ahead, depth**2 - radius**2, 1.0)
    boxes = []
    for axis, flip in ((0, 1.0), (1, -1.0)):
        offset = flip * camera[:, axis]
        spread = radius * np.sqrt(np.maximum(offset**2 + depth**2 - radius**2, 0.0))
        boxes.append((focal * (offset * depth - spread) / room, focal * (offset * depth + spread) / room))
    box = np.stack([boxes[0][0], boxes[1][0], boxes[0][1], boxes[1][1]], axis=-1)
    box[~ahead] = (-np.inf, -np.inf, np.inf, np.inf)
    box[depth < -radius] = (np.inf, np.inf, -np.inf, -np.inf)
    return box


def shadow_points(corner: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Ground points ``(I, 8 L, 3)`` that bound the shadows of corner sets ``(I, 8, 3)``.

    ``directions``: ``(I, L, 3)`` towards the light.
    """
    height = np.maximum(corner[:, :, None, 1:2], 0.0)
    points = corner[:, :, None] - directions[:, None] * (height / directions[:, None, :, 1:2])
    points[..., 1] = 0.0
    return points.reshape(len(corner), 8 * directions.shape[1], 3)


def sphere_shadow_points(
    centre: np.ndarray, radius: np.ndarray, sun: np.ndarray, light_radius: np.ndarray
) -> np.ndarray:
    """Corners ``(I, 4, 3)`` of ground rectangles that hold the soft shadows of spheres."""
    slope = sun[:, [0, 2]] / sun[:, 1:2]
    middle = centre[:, [0, 2]] - slope * np.maximum(centre[:, 1:2], 0.0)
    penumbra = np.tan(light_radius) * (np.maximum(centre[:, 1], 0.0) + radius) / sun[:, 1] ** 2
    half = radius[:, None] * np.sqrt(1.0 + slope**2) + 1.1 * penumbra[:, None]
    points = np.zeros((len(centre), 4, 3))
    for i, (x, z) in enumerate(((-1, -1), (-1, 1), (1, -1), (1, 1))):
        points[:, i, 0] = middle[:, 0] + x * half[:, 0]
        points[:, i, 2] = middle[:, 1] + z * half[:, 1]
    return points


def pixel_boxes(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """int64 ``(I, 4)``: the pixels (left, top, past right, past bottom) touched, clipped to the picture."""
    centre = np.array([width, height, width, height]) / 2.0
    limit = np.array([width, height, width, height], dtype=float)
    inside = np.clip(boxes + centre, 0.0, limit)
    inside[:, :2] = np.floor(inside[:, :2] - 1e-6).clip(0.0)
    inside[:, 2:] = np.minimum(np.ceil(inside[:, 2:] + 1e-6), limit[2:])
    return inside.astype(np.int64)


def intersect_boxes(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.concatenate([np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])], axis=-1)
