"""Independent descriptions of the unit shapes for tests: implicit insides and points that fill them."""

from __future__ import annotations

from functools import cache

import numpy as np

from scenewright.world import shapes
from scenewright.world.scene import Scene, Shape
from scenewright.world.states import States


def inside(shape: Shape, points: np.ndarray, shrink: float = 1.0) -> np.ndarray:
    """Whether points (..., 3) of object space lie in the unit shape times ``shrink``."""
    x, y, z = np.moveaxis(points / shrink, -1, 0)
    around = np.hypot(x, z)
    if shape == "sphere":
        return x * x + y * y + z * z <= shapes.SPHERE_RADIUS**2
    if shape == "cube":
        return np.maximum(np.maximum(abs(x), abs(y)), abs(z)) <= shapes.CUBE_HALF
    if shape == "cylinder":
        return (around <= shapes.CYLINDER_RADIUS) & (abs(y) <= shapes.CYLINDER_HALF_HEIGHT)
    if shape == "cone":
        half = shapes.CONE_HALF_HEIGHT
        return (abs(y) <= half) & (around <= shapes.CONE_RADIUS * (half - y) / (2 * half))
    if shape == "torus":
        return (around - shapes.TORUS_MAJOR) ** 2 + y * y <= shapes.TORUS_MINOR**2
    if shape == "pyramid":
        half = shapes.PYRAMID_HALF_HEIGHT
        side = shapes.PYRAMID_BASE_HALF * (half - y) / (2 * half)
        return (abs(y) <= half) & (np.maximum(abs(x), abs(z)) <= side)
    beyond = np.maximum(abs(y) - shapes.CAPSULE_HALF_SEGMENT, 0.0)
    return around**2 + beyond**2 <= shapes.CAPSULE_RADIUS**2


@cache
def filling(shape: Shape, count: int = 500) -> np.ndarray:
    """(count, 3) Random points in the unit shape, uniform in its volume."""
    rng = np.random.default_rng(7)
    reach = shapes.BOUNDING_RADIUS[shape]
    points = rng.uniform(-reach, reach, size=(200 * count, 3))
    return points[inside(shape, points)][:count]


def world_points(scene: Scene, states: States, n: int, count: int = 500) -> np.ndarray:
    """(T, count, 3) Points that fill object ``n``, in the world."""
    points = filling(scene.objects[n].shape, count)
    turned = points @ np.swapaxes(states.rotation[:, n].astype(float), -1, -2)
    return states.position[:, n, None].astype(float) + states.scale[:, n, None, None].astype(float) * turned


def overlap(scene: Scene, states: States, a: int, b: int) -> float:
    """The largest share of object ``a``'s volume that is ever inside object ``b``, while both are visible."""
    points = world_points(scene, states, a)
    local = (points - states.position[:, b, None]) @ states.rotation[:, b].astype(float)
    local = local / states.scale[:, b, None, None]
    share = inside(scene.objects[b].shape, local, shrink=0.97).mean(axis=1)
    both = states.visible[:, a] & states.visible[:, b]
    return float(share[both].max(initial=0.0))
