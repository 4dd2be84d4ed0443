"""The layout of a scene: its objects' boxes in the picture over time, without rendering it."""

from __future__ import annotations

import numpy as np

from scenewright.layout import Layout
from scenewright.world.bounds import (
    bounding_radius,
    boxes_of_points,
    boxes_of_spheres,
    corners,
    intersect_boxes,
)
from scenewright.world.camera import focal_length
from scenewright.world.naming import order_of_mention
from scenewright.world.physics import simulate
from scenewright.world.scene import COLORS, DIRECTIONS, MATERIALS, MOTION_KINDS, SHAPES, SIZES, Scene

#: The labels of layouts, by attribute.
LABELS: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "color": COLORS,
    "size": SIZES,
    "material": MATERIALS,
    "motion": ("none", *MOTION_KINDS),
    "direction": ("none", *DIRECTIONS),
}

#: How far outside of the picture a box may reach, in pictures.
_REACH = 0.5


def layout_of(
    scene: Scene, *, width: int, height: int, num_frames: int, fps: float, text: str | None = None
) -> Layout:
    """The boxes that hold the objects in pictures of ``width`` by ``height`` pixels.

    The labels are those of :data:`LABELS`; ``motion`` and ``direction`` are of the object's first motion. A
    box holds all of an object, hidden parts too, and is exact for spheres and for boxes that face the camera;
    a little large otherwise.

    Things come as ``text``, a caption of the scene, names them, alike ones from left to right; in the scene's
    order without it. ``ValueError``: the text is not of the world's grammar.
    """
    states = simulate(scene, num_frames, fps)
    objects = scene.objects
    count = len(objects)
    kinds = np.tile([SHAPES.index(item.shape) for item in objects], num_frames)
    position = states.position.reshape(-1, 3).astype(float)
    scale = states.scale.reshape(-1).astype(float)
    rotation = states.rotation.reshape(-1, 3, 3).astype(float)
    eye = np.repeat(states.camera.eye.astype(float), count, axis=0)
    turn = np.repeat(states.camera.rotation.astype(float), count, axis=0)
    focal = np.full(len(position), focal_length(states.camera, height))
    found = intersect_boxes(
        boxes_of_points(corners(kinds, position, rotation, scale), eye, turn, focal),
        boxes_of_spheres(position, bounding_radius(kinds, scale), eye, turn, focal),
    )
    depth = -((position - eye)[:, :, None] * turn).sum(1)[:, 2]
    size = np.array([width, height, width, height])
    boxes = np.clip(found / size + 0.5, -_REACH, 1 + _REACH)
    there = states.visible.reshape(-1) & (scale > 1e-3) & (boxes[:, 2:] > boxes[:, :2]).all(1) & (depth > 0)
    shape = (num_frames, count)
    boxes = np.where(there[:, None], boxes, 0).reshape(*shape, 4).transpose(1, 0, 2).astype(np.float32)
    depth = np.where(there, depth, 0).reshape(shape).T.astype(np.float32)
    order = list(range(count))
    if text is not None:
        first = np.argmax(depth > 0, axis=1)
        order = order_of_mention(scene, text, boxes[order, first, 0].tolist())
    return Layout(tuple(_labels(scene, n) for n in order), boxes[order], depth[order])


def _labels(scene: Scene, n: int) -> dict[str, str]:
    item = scene.objects[n]
    motions = sorted((m for m in scene.motions if m.subject == n), key=lambda m: (m.stage, m.start))
    return {
        "shape": item.shape,
        "color": item.color,
        "size": item.size,
        "material": item.material,
        "motion": motions[0].kind if motions else "none",
        "direction": (motions[0].direction or "none") if motions else "none",
    }
