"""The camera's path: the truth against closed forms, what is estimated from renders against the truth."""

import numpy as np
import pytest

from scenewright.evaluation.motion import (
    CameraMotion,
    camera_error,
    camera_motion,
    camera_name,
    true_camera_motion,
)
from scenewright.evaluation.motion.camera import motion_of
from scenewright.world.camera import camera_path
from scenewright.world.layout import SamplerConfig, sample_scene
from scenewright.world.physics import simulate
from scenewright.world.render import render
from scenewright.world.states import CameraPath


def steady(shift=(0.0, 0.0), zoom=0.0, roll=0.0, shear=0.0, steps=8) -> CameraMotion:
    one = np.ones(steps)
    return CameraMotion(np.outer(one, shift), zoom * one, roll * one, shear * one, one)


def test_what_a_homography_does_at_the_centre():
    """One that is put together of known parts, and a perspective part that has no share at the centre."""
    centre, turn, grown, shear = np.array([40.0, 30.0]), 0.1, 1.2, 0.05
    stretch = np.array([[1.0, shear / 2], [shear / 2, 1.0]])
    linear = grown * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ stretch
    to_centre, back = np.eye(3), np.eye(3)
    to_centre[:2, 2], back[:2, 2] = -centre, centre + np.array([6, -3])
    middle = np.eye(3)
    middle[:2, :2], middle[2, :2] = linear, (0.001, -0.002)
    found = motion_of(back @ middle @ to_centre, centre, 60.0)
    # The perspective part adds the shift's product with it to the derivative; without a shift it is exact.
    assert found[:2] == pytest.approx((0.1, -0.05))
    unshifted = back.copy()
    unshifted[:2, 2] = centre
    moved_away = motion_of(unshifted @ middle @ to_centre, np.array([40.0, 30.0]), 60.0)
    area = np.log(np.linalg.det(linear)) / 2
    assert moved_away[2:4] == pytest.approx((area, turn), abs=1e-6)
    assert moved_away[4] == pytest.approx(shear, rel=2e-3)


def test_a_turn_shifts_the_picture_by_the_focal_length():
    """About the vertical by a small angle a: f tan(a) pixels at the centre, f = H / (2 tan(fov / 2))."""
    scene = sample_scene(0, config=SamplerConfig(num_objects=(1, 1), moving_camera=0))
    still = camera_path(scene.camera, np.zeros(2), 2.0)
    angle = 0.01
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    rotation = np.stack([still.rotation[0], turn @ still.rotation[0]])
    found = true_camera_motion(CameraPath(still.eye, rotation, still.fov_degrees), 120, 80)
    focal = 80 / (2 * np.tan(np.radians(still.fov_degrees) / 2))
    assert found.shift[0, 0] * 80 == pytest.approx(focal * np.tan(angle), rel=0.08)
    assert abs(found.shift[0, 1]) < 0.2 * abs(found.shift[0, 0])
    assert (
        true_camera_motion(CameraPath(still.eye, still.rotation, still.fov_degrees), 120, 80).strength < 1e-7
    )


def test_the_error_of_a_path():
    true = steady((0.01, 0.0))
    assert camera_error(true, true) == 0
    assert camera_error(steady(), true) == pytest.approx(1)
    assert camera_error(steady((-0.01, 0.0)), true) == pytest.approx(2)
    assert np.isnan(camera_error(true, steady()))


@pytest.mark.parametrize(
    ("motion", "name"),
    [
        (steady(), ("static", None)),
        (steady((-0.01, 0)), ("pan", "right")),
        (steady((0.01, 0.002)), ("pan", "left")),
        (steady((0, 0.01)), ("tilt", "up")),
        (steady((0, -0.01)), ("tilt", "down")),
        (steady(zoom=0.04), ("dolly", "in")),
        (steady(zoom=-0.04), ("dolly", "out")),
        (steady((0.01, 0), roll=0.03, shear=-0.05), ("orbit", "right")),
        (steady((-0.01, 0), roll=-0.03, shear=0.05), ("orbit", "left")),
        (
            CameraMotion(0.01 * np.array([[1, 0], [-1, 0]] * 4), *np.zeros((3, 8)), np.ones(8)),
            ("shake", None),
        ),
    ],
)
def test_names_of_moves(motion, name):
    assert camera_name(motion) == name


@pytest.mark.parametrize("kind", ["pan", "tilt", "shake", "dolly", "orbit"])
def test_what_is_estimated_from_renders_is_the_true_path(kind):
    errors, right = [], []
    for seed in range(6):
        config = SamplerConfig(
            num_objects=(1, 1), moving_camera=1.0, cameras={kind: 1.0}, settings=1.0, sizes=("small",)
        )
        scene = sample_scene(seed, config=config)
        states = simulate(scene, 12, 6.0)
        frames = render([scene], [states], width=160, height=160, num_frames=12)[0].rgb
        estimated = camera_motion(frames)
        if np.median(estimated.support) < 0.5:
            continue  # a night, or a ground without anything to follow
        errors.append(camera_error(estimated, true_camera_motion(states.camera, 160, 160)))
        move = scene.camera.move
        right.append(camera_name(estimated) == (move.kind, move.direction))
    assert len(errors) >= 3
    assert np.median(errors) < (0.15 if kind == "dolly" else 0.08)
    assert np.mean(right) >= 0.8
