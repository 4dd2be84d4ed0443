"""The physics against closed forms: rolling without slip, ballistics, contact, and one time axis for all."""

from __future__ import annotations

import numpy as np
import pytest
from solids import overlap, world_points

from scenewright.world.contact import contact_distance
from scenewright.world.motions import GRAVITY, LANDING_RESTITUTION, RESTITUTION, UNIT_VECTOR, hop_count
from scenewright.world.physics import simulate
from scenewright.world.scene import (
    MOTION_DIRECTIONS,
    SHAPES,
    SIZE_SCALE,
    SPEEDS,
    TARGETED_MOTIONS,
    Motion,
    Relation,
    Scene,
    SceneObject,
)
from scenewright.world.shapes import CUBE_HALF, CYLINDER_RADIUS, REST_HEIGHT, TORUS_MAJOR, TORUS_MINOR

SMALL, RADIUS, LARGE = (SIZE_SCALE[size] for size in ("small", "medium", "large"))
EVERY_MOTION = [(kind, d, s) for kind, ds in MOTION_DIRECTIONS.items() for d in ds for s in (None, *SPEEDS)]


def thing(shape="sphere", size="medium", x=0.0, z=0.0, y=None, yaw=0.0, color="red"):
    plain = SceneObject(shape=shape, color=color, size=size, material="matte", position=(x, 0, z), yaw=yaw)
    height = REST_HEIGHT[shape] * plain.scale if y is None else y
    return plain.model_copy(update={"position": (x, height, z)})


def run(objects, motions, frames=16, fps=8.0, relations=(), seconds=2.0):
    scene = Scene(objects=objects, motions=motions, relations=relations, seconds=seconds)
    return scene, simulate(scene, frames, fps)


def angle_about(rotation, axis):
    """Total angle of a sequence of rotations that all turn about ``axis``, from small steps."""
    steps = rotation[1:].astype(float) @ np.swapaxes(rotation[:-1].astype(float), 1, 2)
    sines = 0.5 * np.stack(
        [steps[:, 2, 1] - steps[:, 1, 2], steps[:, 0, 2] - steps[:, 2, 0], steps[:, 1, 0] - steps[:, 0, 1]],
        -1,
    )
    np.testing.assert_allclose(np.cross(sines, axis), 0.0, atol=1e-5)
    cosines = 0.5 * (np.trace(steps, axis1=1, axis2=2) - 1.0)
    return np.arctan2(sines @ axis, cosines).sum()


@pytest.mark.parametrize("direction", ["left", "right", "toward", "away"])
@pytest.mark.parametrize(
    ("shape", "radius"),
    [("sphere", 1.0), ("cylinder", CYLINDER_RADIUS), ("torus", TORUS_MAJOR + TORUS_MINOR)],
)
def test_rolling_does_not_slip(shape, radius, direction):
    yaw = 0.0 if direction in ("left", "right") else np.pi / 2
    scale = thing().scale
    roller = thing(shape, y=radius * scale, yaw=yaw)
    _, states = run((roller,), (Motion(kind="roll", subject=0, direction=direction, amount=3.0),), 201, 100.0)
    forward = np.array(UNIT_VECTOR[direction])
    moved = states.position[-1, 0] - states.position[0, 0]
    np.testing.assert_allclose(moved, 3.0 * forward, atol=1e-5)
    angle = angle_about(states.rotation[:, 0], np.cross([0.0, 1.0, 0.0], forward))
    assert angle == pytest.approx(3.0 / (radius * scale), rel=1e-4)


def test_the_material_point_on_the_ground_stands_still():
    _, states = run((thing(),), (Motion(kind="roll", subject=0, direction="left", amount=3.0),), 2001, 1000.0)
    centre, rotation = states.position[:, 0].astype(float), states.rotation[:, 0].astype(float)
    t = 1000
    touching = rotation[t].T @ np.array([0.0, -thing().scale, 0.0])
    before, after = (centre[k] + rotation[k] @ touching for k in (t - 1, t + 1))
    assert np.linalg.norm(after - before) < 0.01 * np.linalg.norm(centre[t + 1] - centre[t - 1])


def test_a_rolling_cylinder_lies_across_its_path():
    scale = thing().scale
    lying = thing("cylinder", y=CYLINDER_RADIUS * scale, yaw=np.pi / 2)
    scene, states = run((lying,), (Motion(kind="roll", subject=0, direction="toward", amount=2.0),))
    np.testing.assert_allclose(np.abs(states.rotation[:, 0, 0, 1]), 1.0, atol=1e-6)
    assert world_points(scene, states, 0)[..., 1].min() == pytest.approx(0.0, abs=0.05)


def test_a_cube_tumbles_over_its_edges_and_lands_flat():
    scene, states = run(
        (thing("cube"),), (Motion(kind="roll", subject=0, direction="right", amount=3.0),), 401, 200.0
    )
    half = CUBE_HALF * scene.objects[0].scale
    steps = round(3.0 / (2 * half))
    assert states.position[-1, 0, 0] == pytest.approx(2 * half * steps, abs=1e-5)
    assert angle_about(states.rotation[:, 0], np.array([0.0, 0.0, -1.0])) == pytest.approx(
        steps * np.pi / 2, rel=1e-4
    )
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * half
    lowest = (states.position[:, 0, None] + corners @ np.swapaxes(states.rotation[:, 0], 1, 2))[..., 1].min(
        axis=1
    )
    np.testing.assert_allclose(lowest, 0.0, atol=1e-5)


def test_sliding_does_not_turn():
    _, states = run(
        (thing("cube", yaw=0.3),), (Motion(kind="slide", subject=0, direction="away", amount=2.0),)
    )
    np.testing.assert_allclose(states.rotation, states.rotation[:1].repeat(16, axis=0), atol=1e-7)


def test_travel_is_nearly_uniform():
    _, states = run((thing(),), (Motion(kind="slide", subject=0, direction="right", amount=3.0),))
    steps = np.diff(states.position[:, 0, 0])
    assert (steps > 0).all()
    assert steps[1:-1].min() > 0.9 * steps[1:-1].max()


def test_a_bounce_is_ballistic_and_keeps_its_share_of_speed():
    motion = Motion(kind="bounce", subject=0, amount=0.9, direction="left", travel=2.0)
    _, states = run((thing(),), (motion,), 2001, 1000.0)
    height = states.position[:, 0, 1].astype(np.float64) - RADIUS
    period = np.sqrt(8 * 0.9 / GRAVITY)
    for k in range(hop_count(motion, 2.0)):
        start, lasts = period * sum(RESTITUTION**j for j in range(k)), period * RESTITUTION**k
        if start + lasts > 2.0:
            break
        t = np.arange(2001) / 1000.0 - start
        inside = (t >= 0) & (t <= lasts)
        speed = np.sqrt(2 * GRAVITY * 0.9) * RESTITUTION**k
        np.testing.assert_allclose(height[inside], (speed * t - GRAVITY * t**2 / 2)[inside], atol=1e-4)
    assert states.position[-1, 0, 0] == pytest.approx(-2.0, abs=1e-5)


def test_impacts_are_heard_when_the_ground_is_hit():
    _, states = run((thing(),), (Motion(kind="bounce", subject=0, amount=0.9),), 2001, 1000.0)
    impacts = [c for c in states.contacts if c.kind == "impact"]
    assert len(impacts) == 3
    for contact in impacts:
        frame = round(contact.start * 1000)
        if frame <= 2000:
            assert states.position[frame, 0, 1] == pytest.approx(RADIUS, abs=0.01)
    strengths = [c.strength for c in impacts]
    assert strengths == sorted(strengths, reverse=True)


def test_a_jump_reaches_its_height_each_time():
    _, states = run((thing(),), (Motion(kind="jump", subject=0, amount=0.7),), 2001, 1000.0)
    height = states.position[:, 0, 1] - RADIUS
    peaks = height[1:-1][(height[1:-1] >= height[:-2]) & (height[1:-1] > height[2:]) & (height[1:-1] > 0.1)]
    np.testing.assert_allclose(peaks, 0.7, atol=1e-3)
    assert len(peaks) == 2


def test_a_fall_obeys_gravity_and_comes_to_rest():
    _, states = run((thing(y=RADIUS + 2.0),), (Motion(kind="fall", subject=0, amount=2.0),), 2001, 1000.0)
    height = states.position[:, 0, 1].astype(float) - RADIUS
    falling = np.flatnonzero((height > 0.02) & (height < 1.98) & (np.arange(2001) < 700))
    acceleration = (height[falling + 5] - 2 * height[falling] + height[falling - 5]) * 1000.0**2 / 25
    np.testing.assert_allclose(acceleration[5:-8], -GRAVITY, rtol=0.05)
    landed = np.flatnonzero(height < 0.01)[0]
    assert height[landed:].max() == pytest.approx(LANDING_RESTITUTION**2 * 2.0, rel=0.01)
    assert np.abs(height[-200:]).max() < 0.02


def test_a_fall_after_a_roll_is_lifted_first():
    motions = (
        Motion(kind="roll", subject=0, direction="left", amount=1.0, end=0.5),
        Motion(kind="fall", subject=0, amount=1.5, start=0.5, stage=1),
    )
    _, states = run((thing(),), motions, 161, 80.0)
    assert states.position[:, 0, 1].max() == pytest.approx(RADIUS + 1.5, abs=0.02)
    assert states.position[:, 0, 1].min() >= RADIUS - 1e-5
    assert states.position[-1, 0, 1] == pytest.approx(RADIUS, abs=1e-4)


@pytest.mark.parametrize(("direction", "sign"), [("clockwise", -1), ("counterclockwise", 1)])
def test_spins_turn_as_seen_from_above(direction, sign):
    _, states = run(
        (thing("cube"),), (Motion(kind="spin", subject=0, direction=direction, amount=7.0),), 201, 100.0
    )
    assert angle_about(states.rotation[:, 0], np.array([0.0, 1.0, 0.0])) == pytest.approx(
        sign * 7.0, rel=1e-4
    )


@pytest.mark.parametrize(("direction", "sign"), [("clockwise", -1), ("counterclockwise", 1)])
def test_orbits_are_circles_around_a_moving_target(direction, sign):
    motions = (
        Motion(kind="orbit", subject=0, target=1, direction=direction, amount=4.0),
        Motion(kind="slide", subject=1, direction="right", amount=1.0),
    )
    _, states = run((thing(x=1.4), thing("cube")), motions, 201, 100.0)
    offset = (states.position[:, 0] - states.position[:, 1])[:, [0, 2]].astype(float)
    np.testing.assert_allclose(np.linalg.norm(offset, axis=1), 1.4, atol=1e-5)
    turned = np.unwrap(np.arctan2(-offset[:, 1], offset[:, 0]))
    assert turned[-1] == pytest.approx(sign * 4.0, abs=1e-4)


@pytest.mark.parametrize(("kind", "factor"), [("grow", 1.8), ("shrink", 0.5)])
@pytest.mark.parametrize("shape", SHAPES)
def test_changing_size_keeps_the_bottom_on_the_ground(kind, factor, shape):
    scene, states = run((thing(shape),), (Motion(kind=kind, subject=0, amount=factor),), 17)
    assert states.scale[-1, 0] == pytest.approx(factor * scene.objects[0].scale, rel=1e-5)
    bottom = states.position[:, 0, 1] - states.scale[:, 0] * REST_HEIGHT[shape]
    np.testing.assert_allclose(bottom, 0.0, atol=1e-5)


def test_appearing_and_vanishing_switch_in_the_middle():
    _, states = run(
        (thing(), thing(x=2.0)), (Motion(kind="appear", subject=0), Motion(kind="vanish", subject=1))
    )
    assert states.visible[:, 0].tolist() == [t >= 8 for t in range(16)]
    assert states.visible[:, 1].tolist() == [t < 8 for t in range(16)]
    assert states.scale[10:, 0] == pytest.approx(RADIUS)
    assert states.scale[:7, 1] == pytest.approx(RADIUS)


def test_vanishing_then_appearing_comes_back():
    motions = (
        Motion(kind="vanish", subject=0, end=0.5),
        Motion(kind="appear", subject=0, start=0.5, stage=1),
    )
    _, states = run((thing(),), motions)
    assert states.visible[:, 0].tolist() == [t < 4 or t >= 12 for t in range(16)]


def test_a_follower_repeats_the_path_later():
    motions = (
        Motion(kind="follow", subject=0, target=1, amount=0.25),
        Motion(kind="slide", subject=1, direction="left", amount=3.0),
    )
    _, states = run((thing(x=2.0), thing("cube", x=0.8)), motions)
    lead, trail = states.position[:, 1, 0], states.position[:, 0, 0]
    np.testing.assert_allclose(trail[2:] - trail[0], lead[:-2] - lead[0], atol=1e-5)


def test_a_chain_of_followers():
    motions = (
        Motion(kind="follow", subject=0, target=1, amount=0.25),
        Motion(kind="follow", subject=1, target=2, amount=0.25),
        Motion(kind="slide", subject=2, direction="left", amount=3.0),
    )
    _, states = run((thing(x=3.0), thing(x=1.6), thing("cube")), motions)
    lead, last = states.position[:, 2, 0], states.position[:, 0, 0]
    np.testing.assert_allclose(last[4:] - last[0], lead[:-4] - lead[0], atol=1e-5)


@pytest.mark.parametrize("speed", [None, *SPEEDS])
@pytest.mark.parametrize(("a", "b"), [("sphere", "cube"), ("cylinder", "cone"), ("cube", "pyramid")])
def test_collisions_stop_at_contact(a, b, speed):
    motion = Motion(kind="collide", subject=0, target=1, amount=0.3, speed=speed)
    scene, states = run((thing(a, x=-2.0), thing(b, x=1.0)), (motion,), 201, 100.0)
    gap = states.position[:, 1, 0] - states.position[:, 0, 0]
    scale = scene.objects[0].scale
    assert gap.min() == pytest.approx(contact_distance(a, scale, False, b, scale, False), abs=0.02)
    assert overlap(scene, states, 0, 1) == 0.0
    assert states.position[-1, 1, 0] == pytest.approx(1.3, abs=1e-4)
    assert [c.other for c in states.contacts if c.kind == "impact"] == [1]


def test_contact_distance_of_spheres_is_the_closed_form():
    assert contact_distance("sphere", 0.8, False, "sphere", 0.36, False) == pytest.approx(
        2 * np.sqrt(0.8 * 0.36), rel=1e-3
    )


def test_objects_that_run_into_each_other_meet_halfway():
    motions = (
        Motion(kind="collide", subject=0, target=1, amount=0.0),
        Motion(kind="collide", subject=1, target=0, amount=0.0),
    )
    _, states = run((thing(x=-2.0), thing(x=2.0)), motions)
    np.testing.assert_allclose(states.position[-1, :, 0], [-RADIUS, RADIUS], atol=0.01)


def test_swapping_objects_trade_places_without_touching():
    motions = (Motion(kind="swap", subject=0, target=1, amount=1.3), Motion(kind="swap", subject=1, target=0))
    scene, states = run((thing(x=-1.5), thing("cube", x=1.5)), motions, 201, 100.0)
    np.testing.assert_allclose(states.position[-1, :, 0], [1.5, -1.5], atol=1e-4)
    np.testing.assert_allclose(states.position[-1, :, 2], 0.0, atol=1e-4)
    assert overlap(scene, states, 0, 1) == 0.0


def test_shaking_returns():
    _, states = run((thing(),), (Motion(kind="shake", subject=0, amount=0.2),), 201, 100.0)
    x = states.position[:, 0, 0]
    assert x[-1] == pytest.approx(0.0, abs=1e-5)
    assert 0.15 < np.abs(x).max() <= 0.2
    assert (np.diff(np.sign(x[np.abs(x) > 1e-3])) != 0).sum() >= 6


def test_riders_are_carried():
    base, rider = (
        thing("cube", "large"),
        thing("cone", "small", x=0.2, y=2 * CUBE_HALF * LARGE + 0.92 * SMALL),
    )
    motions = (
        Motion(kind="slide", subject=0, direction="left", amount=2.0),
        Motion(kind="spin", subject=0, direction="counterclockwise", amount=np.pi / 2),
        Motion(kind="grow", subject=0, amount=1.5),
    )
    _, states = run(
        (base, rider), motions, 17, relations=(Relation(kind="on_top_of", subject=1, reference=0),)
    )
    offset = states.position[-1, 1] - states.position[-1, 0]
    np.testing.assert_allclose(offset[[0, 2]], [0.0, -0.2], atol=1e-5)
    np.testing.assert_allclose(offset[1], CUBE_HALF * LARGE * 1.5 + 0.92 * SMALL, atol=1e-5)
    np.testing.assert_allclose(states.rotation[-1, 1], states.rotation[-1, 0], atol=1e-5)


def test_sequences_continue_where_the_last_motion_ended():
    motions = (
        Motion(kind="roll", subject=0, direction="left", amount=1.5, end=0.5),
        Motion(kind="roll", subject=0, direction="toward", amount=1.0, start=0.5, stage=1),
    )
    wheel = thing("torus")
    _, states = run((wheel,), motions, 401, 200.0)
    np.testing.assert_allclose(states.position[-1, 0, [0, 2]], [-1.5, 1.0], atol=1e-4)
    assert np.abs(np.diff(states.position[:, 0], axis=0)).max() < 0.02
    steps = states.rotation[1:, 0] @ np.swapaxes(states.rotation[:-1, 0], 1, 2)
    assert np.degrees(np.arccos(np.clip((np.trace(steps, axis1=1, axis2=2) - 1) / 2, -1, 1))).max() < 8.0
    # After the turn the wheel's axle lies across the new path.
    assert abs(states.rotation[-1, 0, 0, 1]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("kind", "direction", "speed"), EVERY_MOTION)
def test_every_motion_of_every_shape_is_finite_starts_in_place_and_resamples(kind, direction, speed):
    target = 1 if kind in TARGETED_MOTIONS else None
    motion = Motion(
        kind=kind, subject=0, direction=direction, speed=speed, target=target, amount=1.4, travel=1.0
    )
    for shape in SHAPES:
        objects = (thing(shape, x=-1.5), thing("cube", x=1.5))
        lead = Motion(kind="slide", subject=1, direction="toward", amount=1.0)
        scene, coarse = run(objects, (motion, lead) if kind == "follow" else (motion,), 16, 8.0)
        fine = simulate(scene, 32, 16.0)
        for name in ("position", "rotation", "scale", "visible"):
            np.testing.assert_array_equal(getattr(coarse, name), getattr(fine, name)[::2])
        assert coarse.contacts == fine.contacts
        assert coarse.contacts
        assert np.isfinite(coarse.position).all()
        rotation = coarse.rotation.astype(float)
        np.testing.assert_allclose(rotation @ np.swapaxes(rotation, 2, 3) - np.eye(3), 0.0, atol=1e-5)
        if kind not in ("appear", "fall"):
            np.testing.assert_allclose(coarse.position[0, 0], scene.objects[0].position, atol=1e-6)
        changes = [coarse.position, coarse.rotation, coarse.scale, coarse.visible]
        assert any((change[1:, 0] != change[:-1, 0]).any() for change in changes)


@pytest.mark.parametrize("kind", ["roll", "slide"])
def test_directions_point_where_they_say(kind):
    for direction, vector in UNIT_VECTOR.items():
        _, states = run((thing(),), (Motion(kind=kind, subject=0, direction=direction, amount=2.0),), 17)
        np.testing.assert_allclose(
            states.position[-1, 0] - states.position[0, 0], 2 * np.array(vector), atol=1e-5
        )


def test_everything_holds_still_after_the_end():
    _, states = run((thing(),), (Motion(kind="roll", subject=0, direction="left", amount=2.0),), 40, 10.0)
    np.testing.assert_array_equal(states.position[20:], states.position[20:21].repeat(20, axis=0))
    np.testing.assert_array_equal(states.rotation[20:], states.rotation[20:21].repeat(20, axis=0))


def test_types_and_shapes():
    _, states = run((thing(), thing(x=2.0)), (), 5)
    assert states.times.tolist() == pytest.approx([0, 0.125, 0.25, 0.375, 0.5])
    assert states.position.shape == (5, 2, 3)
    assert states.rotation.shape == (5, 2, 3, 3)
    assert (states.scale.shape, states.visible.shape) == ((5, 2), (5, 2))
    assert {states.position.dtype, states.rotation.dtype, states.scale.dtype} == {np.dtype("float32")}
    assert states.camera.eye.shape == (5, 3)


def test_errors_say_what_is_wrong():
    scene = Scene(objects=(thing(), thing(x=2.0)))
    with pytest.raises(ValueError, match="at least one frame"):
        simulate(scene, 0, 8.0)
    with pytest.raises(ValueError, match="fps must be a positive number"):
        simulate(scene, 16, 0.0)
    circle = (Motion(kind="follow", subject=0, target=1), Motion(kind="follow", subject=1, target=0))
    with pytest.raises(ValueError, match="circle"):
        run((thing(), thing(x=2.0)), circle)
    both = (
        Relation(kind="on_top_of", subject=0, reference=1),
        Relation(kind="on_top_of", subject=1, reference=0),
    )
    with pytest.raises(ValueError, match="on top of each other"):
        run((thing(), thing(x=2.0)), (), relations=both)
