"""The camera against closed forms and OpenCV's pinhole model."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenewright.world.camera import camera_path, look_at, project
from scenewright.world.scene import Camera, CameraMove


def path(kind="static", direction=None, amount=0.0, frames=9, **fields):
    camera = Camera(move=CameraMove(kind=kind, direction=direction), amount=amount, **fields)
    return camera, camera_path(camera, np.linspace(0.0, 2.0, frames), 2.0)


def test_target_is_projected_to_the_middle_at_its_distance():
    camera, poses = path()
    xy, depth = project(camera.target, poses, 64, 48, frame=0)
    assert xy == pytest.approx([32.0, 24.0], abs=1e-4)
    assert depth == pytest.approx(np.linalg.norm(np.subtract(camera.eye, camera.target)), rel=1e-6)


def test_projection_agrees_with_opencv():
    camera, poses = path("orbit", "left", 0.7)
    points = np.random.default_rng(0).uniform(-2.0, 2.0, size=(9, 5, 3))
    xy, depth = project(points, poses, 160, 90)
    focal = 45.0 / np.tan(np.radians(camera.fov_degrees) / 2.0)
    matrix = np.array([[focal, 0.0, 80.0], [0.0, focal, 45.0], [0.0, 0.0, 1.0]])
    for t in range(9):
        # OpenCV's camera looks along +z with y down.
        flipped = poses.rotation[t].astype(float) * [1.0, -1.0, -1.0]
        rotation = flipped.T
        expected, _ = cv2.projectPoints(
            points[t], cv2.Rodrigues(rotation)[0], -rotation @ poses.eye[t].astype(float), matrix, None
        )
        np.testing.assert_allclose(xy[t], expected[:, 0], atol=1e-4)
        np.testing.assert_allclose(depth[t], ((points[t] - poses.eye[t]) @ rotation.T)[:, 2], atol=1e-5)


def test_right_is_right_and_up_is_up():
    _, poses = path()
    xy, _ = project([[1.0, 0.8, 0.0], [0.0, 1.8, 0.0]], poses, 64, 64, frame=0)
    assert xy[0, 0] > 32.0
    assert xy[1, 1] < 32.0


def test_points_behind_the_camera_have_no_pixel():
    _, poses = path()
    xy, depth = project([0.0, 2.9, 20.0], poses, 64, 64, frame=0)
    assert np.isnan(xy).all()
    assert depth < 0


@pytest.mark.parametrize(
    ("kind", "direction", "axis", "sign"),
    [("pan", "left", 0, 1), ("pan", "right", 0, -1), ("tilt", "up", 1, 1), ("tilt", "down", 1, -1)],
)
def test_pictures_move_against_the_camera(kind, direction, axis, sign):
    camera, poses = path(kind, direction, 0.3)
    xy, _ = project(np.repeat([camera.target], 9, axis=0), poses, 64, 64)
    assert (sign * np.diff(xy[:, axis]) > 0).all()
    # The target starts on the optical axis and ends 0.3 radians away from it.
    view = -poses.rotation[-1, :, 2].astype(float)
    towards = np.subtract(camera.target, poses.eye[-1])
    angle = np.arccos(view @ towards / np.linalg.norm(towards))
    if kind == "tilt":
        assert angle == pytest.approx(0.3, abs=1e-5)
    else:
        assert 0.2 < angle < 0.3


@pytest.mark.parametrize(("direction", "sign"), [("in", -1), ("out", 1)])
def test_dolly_moves_along_the_view(direction, sign):
    camera, poses = path("dolly", direction, 1.5)
    before, after = (np.linalg.norm(poses.eye[t] - camera.target) for t in (0, -1))
    assert after - before == pytest.approx(sign * 1.5, abs=1e-5)
    np.testing.assert_allclose(poses.rotation, poses.rotation[:1].repeat(9, axis=0), atol=1e-6)


@pytest.mark.parametrize(("direction", "sign"), [("right", 1), ("left", -1)])
def test_orbit_keeps_its_distance_and_its_aim(direction, sign):
    camera, poses = path("orbit", direction, 0.8)
    offset = poses.eye - np.array(camera.target)
    np.testing.assert_allclose(np.linalg.norm(offset, axis=1), np.linalg.norm(offset[0]), rtol=1e-5)
    assert np.arctan2(offset[-1, 0], offset[-1, 2]) == pytest.approx(sign * 0.8, abs=1e-5)
    xy, _ = project(np.repeat([camera.target], 9, axis=0), poses, 64, 64)
    np.testing.assert_allclose(xy, 32.0, atol=1e-3)


def test_shake_trembles_within_its_amount_and_depends_on_the_seed():
    camera, poses = path("shake", None, 0.02, frames=65)
    angle = np.arccos(np.clip(-poses.rotation[:, :, 2] @ -look_at(camera.eye, camera.target)[:, 2], -1, 1))
    assert 0.005 < angle.max() <= 0.02 * np.sqrt(2) + 1e-3
    other = camera_path(camera, np.linspace(0.0, 2.0, 65), 2.0, seed=1)
    assert not np.allclose(other.rotation, poses.rotation)


def test_rotations_are_proper_for_every_move():
    for kind in ("static", "pan", "tilt", "dolly", "orbit", "shake"):
        rotation = path(kind, None, 0.3)[1].rotation.astype(float)
        np.testing.assert_allclose(
            rotation @ np.swapaxes(rotation, 1, 2), np.eye(3)[None].repeat(9, 0), atol=1e-6
        )
        np.testing.assert_allclose(np.linalg.det(rotation), 1.0, atol=1e-6)


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="straight up or down"):
        look_at([0.0, 5.0, 0.0], [0.0, 0.0, 0.0])
    _, poses = path()
    with pytest.raises(ValueError, match="9 frames"):
        project(np.zeros((4, 3)), poses, 64, 64)
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\)"):
        project(np.zeros((9, 2)), poses, 64, 64)
