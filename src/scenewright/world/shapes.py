"""The unit shapes: their dimensions in object space, before scale, rotation and position.

Every shape is centred at the origin, has y as its axis, and fits the sphere of radius ``bounding_radius``.
The renderer's intersections, the physics' resting heights and the sound's sizes all read these numbers.
"""

from __future__ import annotations

from scenewright.world.scene import Material, Shape

SPHERE_RADIUS = 1.0
CUBE_HALF = 0.82
CYLINDER_RADIUS = 0.72
CYLINDER_HALF_HEIGHT = 0.82
CONE_RADIUS = 0.88
CONE_HALF_HEIGHT = 0.92
TORUS_MAJOR = 0.68
TORUS_MINOR = 0.3
PYRAMID_BASE_HALF = 0.86
PYRAMID_HALF_HEIGHT = 0.8
CAPSULE_RADIUS = 0.48
CAPSULE_HALF_SEGMENT = 0.56

#: Radius of the smallest origin-centred sphere that holds the unit shape.
BOUNDING_RADIUS: dict[Shape, float] = {
    "sphere": SPHERE_RADIUS,
    "cube": CUBE_HALF * 3**0.5,
    "cylinder": (CYLINDER_RADIUS**2 + CYLINDER_HALF_HEIGHT**2) ** 0.5,
    "cone": (CONE_RADIUS**2 + CONE_HALF_HEIGHT**2) ** 0.5,
    "torus": TORUS_MAJOR + TORUS_MINOR,
    "pyramid": (2 * PYRAMID_BASE_HALF**2 + PYRAMID_HALF_HEIGHT**2) ** 0.5,
    "capsule": CAPSULE_RADIUS + CAPSULE_HALF_SEGMENT,
}

#: Height of the centre over the ground when the unit shape rests in its standing pose. The torus stands on
#: its rim like a wheel, its axis horizontal and pointing at the viewer (+z) at yaw 0; all others stand
#: with their axis up.
REST_HEIGHT: dict[Shape, float] = {
    "sphere": SPHERE_RADIUS,
    "cube": CUBE_HALF,
    "cylinder": CYLINDER_HALF_HEIGHT,
    "cone": CONE_HALF_HEIGHT,
    "torus": TORUS_MAJOR + TORUS_MINOR,
    "pyramid": PYRAMID_HALF_HEIGHT,
    "capsule": CAPSULE_RADIUS + CAPSULE_HALF_SEGMENT,
}

#: Height of the top of the standing unit shape over its centre.
TOP_HEIGHT: dict[Shape, float] = dict(REST_HEIGHT)

#: Radius of the vertical cylinder that holds the standing unit shape at any yaw.
FOOTPRINT_RADIUS: dict[Shape, float] = {
    "sphere": SPHERE_RADIUS,
    "cube": CUBE_HALF * 2**0.5,
    "cylinder": CYLINDER_RADIUS,
    "cone": CONE_RADIUS,
    "torus": TORUS_MAJOR + TORUS_MINOR,
    "pyramid": PYRAMID_BASE_HALF * 2**0.5,
    "capsule": CAPSULE_RADIUS,
}

#: Shapes with a flat top on which another object can stand.
FLAT_TOPPED: frozenset[Shape] = frozenset({"cube", "cylinder"})

#: Shapes that look the same however they turn about their axis, unless a pattern shows it.
ROUND: frozenset[Shape] = frozenset({"sphere", "cylinder", "cone", "capsule"})
#: Materials that show how a round shape turns.
PATTERNED: tuple[Material, ...] = ("striped", "chequered")
