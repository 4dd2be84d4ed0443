"""The camera's true motion, for comparison with what is estimated from the pictures, and its name."""

from __future__ import annotations

import numpy as np

from scenewright.evaluation.motion.camera import CameraMotion, motion_of
from scenewright.evaluation.opencv import cv2
from scenewright.world.scene import CameraKind
from scenewright.world.states import CameraPath

#: Mean motion at the picture's border, in shorter sides per frame, below which a camera stands still.
STILL = 0.0025
#: Share of the path's length that a jump to and fro adds, from which a camera shakes.
SHAKING = 0.6
#: How much of the largest other motion at the border shear must be where a camera circles something.
CIRCLING = 0.5


def true_camera_motion(path: CameraPath, width: int, height: int, *, points: int = 24) -> CameraMotion:
    """How the ground of the world moves in the pictures of a camera: the homography that takes ``points`` x
    ``points`` places of it from each frame to the next. Its ``support`` is 1 where there is ground to be
    seen, else 0.
    """
    centre, side = np.array([width / 2, height / 2]), min(width, height)
    rows: list[tuple[float, ...]] = []
    for t in range(len(path.eye) - 1):
        pixels, ground = _ground(path, t, width, height, points)
        later = _project(path, t + 1, ground, width, height)
        seen = np.isfinite(later).all(1)
        if seen.sum() < 6:
            rows.append((0.0,) * 6)
            continue
        homography, _ = cv2().findHomography(pixels[seen], later[seen])
        rows.append((*motion_of(homography, centre, side), 1.0))
    found = np.array(rows)
    return CameraMotion(found[:, :2], *found[:, 2:].T)


def camera_error(estimated: CameraMotion, true: CameraMotion) -> float:
    """Mean distance of the two paths' steps over the mean length of the true ones, at the border of the
    picture: 0 for the same path, 1 for none at all; NaN for a camera that stands still."""
    length = np.linalg.norm(true.steps, axis=1).mean()
    if length < STILL / 10:
        return float("nan")
    return float(np.linalg.norm(estimated.steps - true.steps, axis=1).mean() / length)


def camera_name(motion: CameraMotion) -> tuple[CameraKind, str | None]:
    """What a camera does: ``static``, ``shake``, ``dolly`` in or out, ``tilt`` up or down, ``pan`` left or
    right, ``orbit`` left or right. A camera that circles something keeps it in the middle, while what is
    before it and behind it moves in opposite directions, which a pan does not do."""
    if motion.strength < STILL:
        return "static", None
    if motion.unsteadiness > SHAKING:
        return "shake", None
    across, down, zoom, _, shear = motion.steps.sum(0)
    if abs(shear) > max(abs(across), abs(down), abs(zoom)) * CIRCLING:
        return "orbit", "right" if shear < 0 else "left"
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
