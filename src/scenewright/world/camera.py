"""The pinhole camera: its path over time, and where world points land in its pictures.

Pixel coordinates are continuous: x to the right, y down, and the centre of the top left pixel is (0.5, 0.5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from scenewright.world.easing import ease
from scenewright.world.scene import Camera
from scenewright.world.states import CameraPath

_UP = np.array([0.0, 1.0, 0.0])


def look_at(eye: ArrayLike, target: ArrayLike) -> np.ndarray:
    """Camera-to-world rotations ``(..., 3, 3)`` (columns right, up, back) of an upright camera.

    ``eye`` and ``target``: ``(..., 3)``, broadcast against each other. A camera that looks straight up or
    down has no upright pose: ``ValueError``.
    """
    back = np.asarray(eye, dtype=float) - np.asarray(target, dtype=float)
    length = np.linalg.norm(back, axis=-1, keepdims=True)
    right = np.cross(np.broadcast_to(_UP, back.shape), back)
    across = np.linalg.norm(right, axis=-1, keepdims=True)
    if np.any(across <= 1e-9 * np.maximum(length, 1.0)):
        raise ValueError("the camera must not stand at its target, nor look straight up or down")
    back, right = back / length, right / across
    return np.stack([right, np.cross(back, right), back], axis=-1)


def yaw_matrix(angle: ArrayLike) -> np.ndarray:
    """Rotations ``(..., 3, 3)`` by ``angle`` radians about +y (counterclockwise seen from above)."""
    angle = np.asarray(angle, dtype=float)
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([c, zero, s, zero, one, zero, -s, zero, c], axis=-1).reshape(*angle.shape, 3, 3)


def pitch_matrix(angle: ArrayLike) -> np.ndarray:
    """Rotations ``(..., 3, 3)`` by ``angle`` radians about +x (a camera tilts up)."""
    angle = np.asarray(angle, dtype=float)
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([one, zero, zero, zero, c, -s, zero, s, c], axis=-1).reshape(*angle.shape, 3, 3)


def camera_path(camera: Camera, times: ArrayLike, seconds: float, seed: int = 0) -> CameraPath:
    """The camera's pose at ``times`` (seconds, ``(T,)``); its move fills the time from 0 to ``seconds``.

    pan turns about the vertical, tilt about the camera's right axis, dolly goes along the view, orbit circles
    the target at a constant height, shake trembles with phases drawn from ``seed``. A move whose direction is
    not given takes left, up or in.
    """
    times = np.asarray(times, dtype=float)
    steps = times.shape[0]
    eye0 = np.asarray(camera.eye, dtype=float)
    target = np.asarray(camera.target, dtype=float)
    start = look_at(eye0, target)
    eye = np.repeat(eye0[None], steps, axis=0)
    rotation = np.repeat(start[None], steps, axis=0)
    kind, direction, amount = camera.move.kind, camera.move.direction, camera.amount
    progress = amount * ease(np.clip(times / seconds, 0.0, 1.0))
    if kind == "pan":
        rotation = yaw_matrix(-progress if direction == "right" else progress) @ start
    elif kind == "tilt":
        rotation = start @ pitch_matrix(-progress if direction == "down" else progress)
    elif kind == "dolly":
        eye = eye0 + np.outer(progress if direction == "out" else -progress, start[:, 2])
    elif kind == "orbit":
        turn = yaw_matrix(progress if direction == "right" else -progress)
        eye = target + turn @ (eye0 - target)
        rotation = turn @ start
    elif kind == "shake":
        phase = np.random.default_rng([seed, 0x5A4E]).uniform(0.0, 2.0 * np.pi, size=(2, 2))
        clock = 2.0 * np.pi * np.minimum(times, seconds)
        sway = 0.6 * np.sin(1.7 * clock + phase[0, 0]) + 0.4 * np.sin(3.1 * clock + phase[0, 1])
        nod = 0.6 * np.sin(2.3 * clock + phase[1, 0]) + 0.4 * np.sin(3.4 * clock + phase[1, 1])
        rotation = yaw_matrix(amount * sway) @ start @ pitch_matrix(amount * nod)
    return CameraPath(
        eye=np.ascontiguousarray(eye, dtype=np.float32),
        rotation=np.ascontiguousarray(rotation, dtype=np.float32),
        fov_degrees=camera.fov_degrees,
    )


def focal_length(camera: CameraPath, height: int) -> float:
    """Focal length in pixels for pictures of ``height`` pixels; pixels are square."""
    return 0.5 * height / float(np.tan(np.radians(camera.fov_degrees) / 2.0))


def project(
    points: ArrayLike, camera: CameraPath, width: int, height: int, frame: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Where world points appear: pixel positions ``(..., 2)`` and depths ``(...)`` along the view axis.

    With ``frame``, ``points`` of shape ``(..., 3)`` are seen by that frame's camera. Without, ``points`` has
    shape ``(T, ..., 3)`` and every frame's points are seen by its own camera. Points at or behind the camera
    (depth <= 0) have the pixel position NaN.
    """
    points = np.asarray(points, dtype=float)
    if points.shape[-1:] != (3,):
        raise ValueError(f"points must be of shape (..., 3), not {points.shape}")
    eye, rotation = camera.eye.astype(float), camera.rotation.astype(float)
    if frame is not None:
        local = (points - eye[frame]) @ rotation[frame]
    else:
        if points.shape[0] != len(eye) or points.ndim < 2:
            raise ValueError(f"points of shape {points.shape} do not fit a camera path of {len(eye)} frames")
        local = points.reshape(len(eye), -1, 3) - eye[:, None]
        local = (local @ rotation).reshape(points.shape)
    depth = -local[..., 2]
    ahead = np.where(depth > 0.0, depth, np.nan)
    focal = focal_length(camera, height)
    x = 0.5 * width + focal * local[..., 0] / ahead
    y = 0.5 * height - focal * local[..., 1] / ahead
    return np.stack([x, y], axis=-1), depth
