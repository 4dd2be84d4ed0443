"""The camera's true motion, for comparison with what is estimated from the pictures, and its name."""

from __future__ import annotations

import numpy as np

from scenewright.evaluation.motion.camera import CameraMotion
from scenewright.world.scene import CameraKind
from scenewright.world.states import CameraPath

#: Mean motion at the picture's border, in shorter sides per frame, below which a camera stands still.
STILL = 0.0025
#: Share of the path's length that a jump to and fro adds, from which a camera shakes.
SHAKING = 0.6


def true_camera_motion(path: CameraPath, width: int, height: int, *, points: int = 24) -> CameraMotion:
    """How the ground of the world moves in the pictures of a camera: the similarity transform that fits
    ``points`` x ``points`` places of it best, frame by frame. Its ``support`` is 1 where there is ground
    to be seen, else 0.
    """
    side = min(width, height)
    rows = []
    for t in range(len(path.eye) - 1):
        pixels, ground = _ground(path, t, width, height, points)
        later = _project(path, t + 1, ground, width, height)
        seen = np.isfinite(later).all(1)
        if seen.sum() < 6:
            rows.append((0.0, 0.0, 0.0, 0.0, 0.0))
            continue
        rows.append((*_similarity(pixels[seen], later[seen], width, height, side), 1.0))
    found = np.array(rows)
    return CameraMotion(found[:, :2], found[:, 2], found[:, 3], found[:, 4])


def camera_error(estimated: CameraMotion, true: CameraMotion) -> float:
    """Mean distance of the two paths' steps over the mean length of the true ones, at the border of the
    picture: 0 for the same path, 1 for none at all; NaN for a camera that stands still."""
    steps = [
        np.concatenate((m.shift, m.zoom[:, None] / 2, m.roll[:, None] / 2), axis=1) for m in (estimated, true)
    ]
    length = np.linalg.norm(steps[1], axis=1).mean()
    if length < STILL / 10:
        return float("nan")
    return float(np.linalg.norm(steps[0] - steps[1], axis=1).mean() / length)


def camera_name(motion: CameraMotion) -> tuple[CameraKind, str | None]:
    """What a camera does: ``static``, ``shake``, ``dolly`` in or out, ``tilt`` up or down, ``pan`` left or
    right. In the plane of the picture an orbit looks like a pan the other way; it is not told apart."""
    if motion.strength < STILL:
        return "static", None
    if motion.unsteadiness > SHAKING:
        return "shake", None
    across, down = motion.shift.sum(0)
    zoom = motion.zoom.sum() / 2
    if abs(zoom) > max(abs(across), abs(down)):
        return "dolly", "in" if zoom > 0 else "out"
    if abs(down) > abs(across):
        return "tilt", "up" if down > 0 else "down"
    return "pan", "right" if across < 0 else "left"


def _ground(path: CameraPath, t: int, width: int, height: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in the picture, (N, 2), at which the ground can be seen, and where that is in the world, (N,
    3)."""
    x, y = np.meshgrid(np.linspace(0.5, width - 0.5, points), np.linspace(0.5, height - 0.5, points))
    pixels = np.stack([x.ravel(), y.ravel()], 1)
    focal = height / (2 * np.tan(np.radians(path.fov_degrees) / 2))
    rays = np.stack(
        [(pixels[:, 0] - width / 2) / focal, (height / 2 - pixels[:, 1]) / focal, -np.ones(len(pixels))], 1
    )
    rays = rays @ path.rotation[t].T
    with np.errstate(divide="ignore"):
        far = -path.eye[t, 1] / rays[:, 1]
    down = (rays[:, 1] < -1e-3) & (far < 40)
    return pixels[down], path.eye[t] + rays[down] * far[down, None]


def _project(path: CameraPath, t: int, places: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixels (N, 2), NaN behind the camera."""
    focal = height / (2 * np.tan(np.radians(path.fov_degrees) / 2))
    own = (places - path.eye[t]) @ path.rotation[t]
    depth = np.where(own[:, 2] < -1e-3, -own[:, 2], np.nan)
    return np.stack([width / 2 + focal * own[:, 0] / depth, height / 2 - focal * own[:, 1] / depth], 1)


def _similarity(
    first: np.ndarray, second: np.ndarray, width: int, height: int, side: int
) -> tuple[float, float, float, float]:
    """Shift at the centre (columns, rows), logarithm of the scale, and roll, of the best similarity transform
    (least squares, as complex numbers)."""
    centre = complex(width / 2, height / 2)
    z, w = (p[:, 0] + 1j * p[:, 1] - centre for p in (first, second))
    mean_z, mean_w = z.mean(), w.mean()
    scale = np.vdot(z - mean_z, w - mean_w) / np.vdot(z - mean_z, z - mean_z)
    shift = mean_w - scale * mean_z
    return (
        float(shift.real / side),
        float(shift.imag / side),
        float(np.log(abs(scale))),
        float(np.angle(scale)),
    )
