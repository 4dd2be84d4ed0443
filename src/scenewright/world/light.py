"""Sun, sky and ambient light of each time of day and sky, in linear RGB.

Irradiances are scaled so that a surface of albedo a that faces a noon sun has radiance close to a.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenewright.world.scene import Sky, TimeOfDay


@dataclass(frozen=True, eq=False)
class Light:
    """``sun``: unit vector towards the sun (the moon at night), world space. ``radius``: angular radius of
    the light in radians. ``direct``, ``ambient``: RGB irradiance of a surface that faces the sun, and of
    one that faces the open sky. ``zenith``, ``horizon``, ``glow``: RGB radiance of the sky. ``cloud``: 0 to
    1. ``fog``: distance in world units at which the ground is half lost in the horizon.
    """

    sun: np.ndarray
    radius: float
    direct: np.ndarray
    ambient: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    glow: np.ndarray
    cloud: float
    fog: float


_SUN = {
    "morning": (-0.80, 0.50, 0.36),
    "noon": (-0.30, 0.86, 0.42),
    "evening": (0.82, 0.44, 0.36),
    "night": (0.34, 0.78, 0.52),
}
_DIRECT = {
    "morning": (1.02, 0.84, 0.62),
    "noon": (1.00, 0.96, 0.88),
    "evening": (1.04, 0.74, 0.48),
    "night": (0.20, 0.26, 0.40),
}
_AMBIENT = {
    "morning": (0.33, 0.36, 0.44),
    "noon": (0.33, 0.38, 0.45),
    "evening": (0.32, 0.32, 0.42),
    "night": (0.090, 0.115, 0.190),
}
_ZENITH = {
    "morning": (0.22, 0.40, 0.72),
    "noon": (0.13, 0.33, 0.78),
    "evening": (0.20, 0.24, 0.50),
    "night": (0.010, 0.018, 0.055),
}
_HORIZON = {
    "morning": (0.95, 0.80, 0.66),
    "noon": (0.62, 0.78, 0.96),
    "evening": (1.00, 0.58, 0.36),
    "night": (0.055, 0.080, 0.160),
}
_GLOW = {
    "morning": (0.90, 0.62, 0.32),
    "noon": (0.60, 0.55, 0.45),
    "evening": (1.00, 0.48, 0.18),
    "night": (0.10, 0.13, 0.20),
}
_BACKDROP = {
    "morning": (0.72, 0.66, 0.60),
    "noon": (0.70, 0.71, 0.73),
    "evening": (0.66, 0.54, 0.46),
    "night": (0.050, 0.058, 0.090),
}


@lru_cache(maxsize=64)
def light_of(time: TimeOfDay, sky: Sky) -> Light:
    """The light of a time of day under a sky."""
    sun = np.array(_SUN[time])
    direct, ambient = np.array(_DIRECT[time]), np.array(_AMBIENT[time])
    zenith, horizon, glow = np.array(_ZENITH[time]), np.array(_HORIZON[time]), np.array(_GLOW[time])
    radius, cloud, fog = 0.035, 0.0, 30.0
    if sky == "cloudy":
        grey = ambient.mean()
        direct, radius, cloud = 0.55 * direct, 0.11, 1.0
        ambient = 1.35 * (0.45 * ambient + 0.55 * grey)
        zenith = 0.5 * zenith + 0.5 * zenith.mean()
        horizon = 0.75 * (0.8 * horizon + 0.2 * horizon.mean())
        glow = 0.3 * glow
    elif sky == "studio":
        backdrop = np.array(_BACKDROP[time])
        direct = 0.80 * (0.5 * direct + 0.5 * direct.mean())
        ambient = 1.15 * (0.6 * ambient + 0.4 * ambient.mean())
        zenith, horizon, glow = 1.25 * backdrop, backdrop, 0.8 * backdrop
        radius, fog = 0.14, 13.0
    return Light(
        sun=sun / np.linalg.norm(sun),
        radius=radius,
        direct=direct,
        ambient=ambient,
        zenith=zenith,
        horizon=horizon,
        glow=glow,
        cloud=cloud,
        fog=fog,
    )


def _disc_axes(sun: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    right = np.cross((0.0, 1.0, 0.0), sun)
    right /= np.linalg.norm(right)
    return right, np.cross(sun, right)


@lru_cache(maxsize=64)
def light_directions(light: Light, count: int) -> np.ndarray:
    """Unit vectors ``(count, 3)`` towards evenly spread points of the light's disc (a sunflower spiral)."""
    right, up = _disc_axes(light.sun)
    index = np.arange(count)
    distance = light.radius * np.sqrt((index + 0.5) / count)
    angle = index * np.pi * (3.0 - 5.0**0.5)
    directions = (
        light.sun + (distance * np.cos(angle))[:, None] * right + (distance * np.sin(angle))[:, None] * up
    )
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


@lru_cache(maxsize=64)
def light_outline(light: Light) -> np.ndarray:
    """Directions ``(4, 3)`` whose hull holds the whole disc of the light."""
    right, up = _disc_axes(light.sun)
    reach = 1.5 * light.radius
    return np.stack([light.sun + reach * side for side in (right, -right, up, -up)])
