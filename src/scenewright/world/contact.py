"""Which room the shapes take up: footprints, resting heights, and how close two of them can come."""

from __future__ import annotations

from functools import cache

import numpy as np

from scenewright.world import shapes
from scenewright.world.scene import Shape

#: Radius on which a shape rolls. Cylinders and capsules lie on their side to roll, a torus is a wheel.
ROLLING_RADIUS: dict[Shape, float] = {
    "sphere": shapes.SPHERE_RADIUS,
    "cylinder": shapes.CYLINDER_RADIUS,
    "torus": shapes.TORUS_MAJOR + shapes.TORUS_MINOR,
    "capsule": shapes.CAPSULE_RADIUS,
}

#: Shapes that stand on end and must lie down to roll.
LYING_SHAPES: frozenset[Shape] = frozenset({"cylinder", "capsule"})


def rest_height(shape: Shape, lying: bool) -> float:
    """Height of the centre of the resting unit shape over what it rests on."""
    return ROLLING_RADIUS[shape] if lying else shapes.REST_HEIGHT[shape]


def footprint(shape: Shape, lying: bool) -> float:
    """Radius of the vertical cylinder that holds the resting unit shape at any yaw."""
    return shapes.BOUNDING_RADIUS[shape] if lying else shapes.FOOTPRINT_RADIUS[shape]


def profile(shape: Shape, lying: bool, height: np.ndarray) -> np.ndarray:
    """Half extent of the resting unit shape at ``height`` over its base, towards another object.

    Cubes and pyramids face the other object, the torus turns its rim to it; zero above the top.
    """
    inside = (height >= 0.0) & (height <= 2.0 * rest_height(shape, lying))

    def circle(radius: float) -> np.ndarray:
        return np.sqrt(np.maximum(radius**2 - (height - radius) ** 2, 0.0))

    if lying:
        section = circle(ROLLING_RADIUS[shape])
        longest = shapes.CYLINDER_HALF_HEIGHT if shape == "cylinder" else shapes.REST_HEIGHT["capsule"]
        extent = np.maximum(section, longest)
    elif shape in ("sphere", "torus"):
        extent = circle(ROLLING_RADIUS[shape])
    elif shape == "cube":
        extent = np.full_like(height, shapes.CUBE_HALF)
    elif shape == "cylinder":
        extent = np.full_like(height, shapes.CYLINDER_RADIUS)
    elif shape == "cone":
        extent = shapes.CONE_RADIUS * (1.0 - height / (2.0 * shapes.CONE_HALF_HEIGHT))
    elif shape == "pyramid":
        extent = shapes.PYRAMID_BASE_HALF * (1.0 - height / (2.0 * shapes.PYRAMID_HALF_HEIGHT))
    else:
        radius, segment = shapes.CAPSULE_RADIUS, shapes.CAPSULE_HALF_SEGMENT
        beyond = np.maximum(np.abs(height - radius - segment) - segment, 0.0)
        extent = np.sqrt(np.maximum(radius**2 - beyond**2, 0.0))
    return np.where(inside, extent, 0.0)


@cache
def contact_distance(
    shape: Shape, scale: float, lying: bool, other: Shape, other_scale: float, other_lying: bool
) -> float:
    """Horizontal distance of the centres of two touching objects that rest on the same ground.

    Two solids of revolution with vertical axes touch where the sum of their radii at one height is largest.
    """
    top = 2.0 * max(scale * rest_height(shape, lying), other_scale * rest_height(other, other_lying))
    height = np.linspace(0.0, top, 513)
    extent = scale * profile(shape, lying, height / scale)
    other_extent = other_scale * profile(other, other_lying, height / other_scale)
    both = (extent > 0.0) & (other_extent > 0.0)
    return float(np.max(np.where(both, extent + other_extent, 0.0)))
