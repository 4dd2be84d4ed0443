"""Measures of motion and coherence: on textures that move in a known way, on the world's exact flow, on
faults."""

import cv2
import numpy as np
import pytest

from scenewright.clip import Clip
from scenewright.evaluation.corruptions import FAULTS
from scenewright.evaluation.fidelity import mse
from scenewright.evaluation.motion import (
    camera_motion,
    consistency,
    dis_flow,
    flicker,
    flow_agreement,
    frame_similarity,
    frozen_share,
    interpolation_smoothness,
    is_dynamic,
    jerk,
    luminance_flicker,
    motion_strength,
    occluded,
    remembered,
    warp,
    warping_error,
)
from scenewright.world.layout import complete
from scenewright.world.parser import parse
from scenewright.world.render import render

TEXTURE = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (200, 240, 3)).astype(np.uint8), (0, 0), 2
)
TEXTURE = cv2.normalize(TEXTURE, None, 0, 255, cv2.NORM_MINMAX)


def moved(matrix: np.ndarray, side: int = 96) -> np.ndarray:
    """The texture's middle under a 2x3 transform of places of the picture."""
    offset = np.array([[1, 0, -70.0], [0, 1, -50.0]])
    whole = matrix @ np.vstack([offset, [0, 0, 1]])
    return cv2.warpAffine(TEXTURE, whole, (side, side), flags=cv2.INTER_LINEAR)


def drifting(steps: list[tuple[float, float]]) -> np.ndarray:
    """Frames whose content has moved by the sum of the steps so far, in pixels (columns, rows)."""
    places = np.concatenate(([[0, 0]], np.cumsum(steps, axis=0)))
    return np.stack([moved(np.array([[1, 0, x], [0, 1, y]])) for x, y in places])


STEADY = drifting([(2.0, -1.0)] * 7)


@pytest.fixture(scope="module")
def scene():
    """A cube that slides before a plain scene, with the exact flow."""
    found = complete(parse("a large red cube slides right on grass").description, 3, seconds=1)
    (rendered,) = render([found], width=128, height=128, num_frames=8, fps=8, outputs=("rgb", "flow"))
    return rendered


def test_flow_finds_a_known_shift_and_warping_undoes_it():
    flow = dis_flow(STEADY[0], STEADY[1])
    inner = flow[10:-10, 10:-10]
    assert np.abs(inner - [2.0, -1.0]).mean() < 0.15
    error = np.abs(warp(STEADY[1], flow)[10:-10, 10:-10] - STEADY[0][10:-10, 10:-10]).mean()
    assert error < 0.1 * np.abs(STEADY[1].astype(float) - STEADY[0]).mean()
    assert occluded(flow, dis_flow(STEADY[1], STEADY[0]))[10:-10, 10:-10].mean() < 0.05


def test_with_the_exact_flow_little_is_left_of_the_warping_error(scene):
    """Only what light and shadow change, which the flow of surfaces does not tell."""
    frames = scene.rgb

    def exact(first, second):
        at = next(i for i, f in enumerate(frames) if f is first or np.array_equal(f, first))
        if np.array_equal(second, frames[min(at + 1, len(frames) - 1)]):
            return scene.flow[at]
        before = scene.flow[at - 1]  # backward: the forward flow, seen from where it leads
        return -warp(before, -before)

    still = np.mean(mse(frames[:-1], frames[1:])) / 255**2
    assert warping_error(frames, exact).value < 0.25 * still
    assert warping_error(frames).value < 0.5 * still


def values(measure, fault: str) -> list[float]:
    clip = Clip(frames=STEADY, fps=8)
    made = [FAULTS[fault](clip, s, np.random.default_rng(5)) if s else clip for s in (0.0, 0.4, 1.0)]
    found = [measure(other.frames) for other in made]
    return [float(getattr(one, "value", one)) for one in found]


@pytest.mark.parametrize(
    ("measure", "fault", "sign"),
    [
        (warping_error, "noise", 1), (warping_error, "flicker", 1), (warping_error, "paste", 1),
        (flow_agreement, "paste", -1), (flow_agreement, "noise", -1),
        (interpolation_smoothness, "noise", -1), (interpolation_smoothness, "disorder", -1),
        (interpolation_smoothness, "flicker", -1), (interpolation_smoothness, "paste", -1),
        (flicker, "flicker", -1), (flicker, "noise", -1), (luminance_flicker, "flicker", 1),
        (frame_similarity, "noise", -1), (frame_similarity, "paste", -1),
        (jerk, "disorder", 1),
    ],
)  # fmt: skip
def test_a_measure_reacts_to_the_fault_it_is_for(measure, fault, sign):
    found = values(measure, fault)
    assert sign * found[0] < sign * found[1] < sign * found[2], found


@pytest.mark.parametrize(
    ("measure", "tolerance"),
    [
        (warping_error, 2e-4), (flow_agreement, 0.02), (interpolation_smoothness, 2e-3), (flicker, 1e-9),
        (frame_similarity, 1e-9), (jerk, 0.02), (lambda x: motion_strength(x, 8), 0.01),
    ],
)  # fmt: skip
def test_backwards_is_as_good_as_forwards(measure, tolerance):
    """Nothing here knows the arrow of time."""
    one, other = (float(getattr(f, "value", f)) for f in (measure(STEADY), measure(STEADY[::-1])))
    assert one == pytest.approx(other, abs=tolerance)


def test_strength_is_the_speed_and_decides_what_is_dynamic():
    speed = np.hypot(2, 1) * 8 / 96
    assert motion_strength(STEADY, 8).value == pytest.approx(speed, rel=0.1)
    still = np.repeat(STEADY[:1], 8, axis=0)
    assert motion_strength(still, 8).value < 0.01
    assert not is_dynamic(still, 8)
    assert not is_dynamic(drifting([(1.0, 0)] * 7), 8)
    assert is_dynamic(drifting([(4.0, 0)] * 7), 8)
    mostly = drifting([(4.0, 0)] * 2 + [(0, 0)] * 5)
    assert is_dynamic(mostly, 8)
    assert not is_dynamic(drifting([(4.0, 0)] + [(0, 0)] * 6), 8)
    assert is_dynamic(drifting([(4 / 3, 0)] * 20), 24)


def test_jerk_is_that_of_the_path():
    """Steps that alternate have a third difference of four times their change."""
    uneven = drifting([(1.0, 0), (3.0, 0)] * 4)
    assert jerk(uneven) == pytest.approx(4.0 / 2.0, rel=0.1)
    assert jerk(STEADY) < 0.1
    assert jerk(np.repeat(STEADY[:1], 8, axis=0)) == 0.0
    faster = drifting([(0.5 * i, 0) for i in range(8)])
    assert jerk(faster) < 0.25


def test_repeated_frames_are_counted_and_noise_is_no_motion():
    assert frozen_share(STEADY) == 0.0
    assert frozen_share(STEADY.repeat(2, axis=0)) == pytest.approx(8 / 15)
    assert frozen_share(np.repeat(STEADY[:1], 5, axis=0)) == 1.0
    small = STEADY.repeat(1, axis=0).copy()
    small[:] = small[0]
    for i in range(8):
        small[i, 40:56, 10 + 4 * i : 26 + 4 * i] = 255
    assert frozen_share(small) == 0.0


def test_brightness_that_fades_is_no_flicker():
    fade = np.stack([np.full((32, 32, 3), 40 + 20 * i, np.uint8) for i in range(8)])
    assert luminance_flicker(fade) == pytest.approx(0, abs=1e-12)
    blink = fade.copy()
    blink[1::2] += 10
    assert luminance_flicker(blink) == pytest.approx(40 / 255 / 2 * 1.0, rel=0.01)


def test_consistency_is_the_mean_of_cosines():
    vectors = np.array([[1.0, 0], [0, 1.0], [-1.0, 0], [1.0, 1.0]])
    found = consistency(STEADY[:4], lambda frames: vectors)
    root = np.sqrt(0.5)
    assert found.parts == pytest.approx([0, 0, (0 + root) / 2])
    same = consistency(STEADY[:4], lambda frames: np.ones((4, 3)))
    assert same.value == pytest.approx(1)
    with pytest.raises(ValueError, match="features of 4 frames"):
        consistency(STEADY[:4], lambda frames: np.ones((3, 2)))


def zooming(factor: float) -> np.ndarray:
    centre = 47.5
    scales = factor ** np.arange(6)
    return np.stack([moved(np.array([[s, 0, centre * (1 - s)], [0, s, centre * (1 - s)]])) for s in scales])


def test_camera_motion_finds_shift_zoom_and_roll():
    found = camera_motion(STEADY)
    assert found.shift == pytest.approx(np.tile([2 / 96, -1 / 96], (7, 1)), abs=1e-3)
    assert np.abs(found.zoom).max() < 3e-3
    assert found.unsteadiness < 0.1
    assert found.plausible
    grown = camera_motion(zooming(1.05))
    assert grown.zoom == pytest.approx(np.full(5, np.log(1.05)), abs=5e-3)
    angle = 0.05
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 47.5 * (1 - c + s)], [s, c, 47.5 * (1 - c - s)]])
    assert camera_motion(np.stack([moved(np.eye(3)[:2]), moved(turn)])).roll == pytest.approx(
        [angle], abs=5e-3
    )


def test_a_shaken_camera_is_unsteady_and_noise_is_no_camera():
    rng = np.random.default_rng(2)
    shaken = camera_motion(drifting([tuple(rng.normal(0, 3, 2)) for _ in range(9)]))
    assert shaken.unsteadiness > 0.8
    assert shaken.strength > 0.02
    noise = rng.integers(0, 256, (5, 96, 96, 3)).astype(np.uint8)
    assert not camera_motion(noise).plausible
    assert camera_motion(np.full((3, 32, 32, 3), 90, np.uint8)).support.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("text", "axis", "sign"),
    [("the camera pans right", 0, -1), ("the camera pans left", 0, 1), ("the camera tilts up", 1, 1)],
)
def test_the_worlds_camera_is_found_from_its_pictures(text, axis, sign):
    """A pan to the right moves the picture to the left, by the angle over the field of view."""
    scene = complete(parse(f"a red ball on a checkered floor. {text}").description, 1, seconds=1)
    (rendered,) = render([scene], width=160, height=160, num_frames=8, fps=8)
    found = camera_motion(rendered.rgb)
    assert sign * found.shift[:, axis].sum() > 0.05
    other = abs(found.shift[:, 1 - axis].sum())
    assert other < 0.5 * abs(found.shift[:, axis].sum())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: warping_error(STEADY[:1]), "two frames, not 1"),
        (lambda: flicker(STEADY[:1]), "two frames, not 1"),
        (lambda: luminance_flicker(STEADY[:2]), "three frames, not 2"),
        (lambda: interpolation_smoothness(STEADY[:2]), "three frames, not 2"),
        (lambda: jerk(STEADY[:3]), "four frames, not 3"),
        (lambda: is_dynamic(STEADY[:1], 8), "too few to tell"),
        (lambda: camera_motion(STEADY[:1]), "two frames, not 1"),
        (lambda: motion_strength(STEADY[:, :8, :8], 8), "16 pixels a side, not 8x8"),
    ],
)
def test_clips_that_are_too_short_or_small_get_one_line(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_remembered_flow_is_the_same_and_computed_once():
    frames = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    calls = []

    def counted(first, second):
        calls.append(1)
        return dis_flow(first, second)

    flow = remembered(frames, counted)
    plain = warping_error(frames)
    assert np.array_equal(warping_error(frames, flow).parts, plain.parts)
    assert np.array_equal(flow_agreement(frames, flow).parts, flow_agreement(frames).parts)
    assert motion_strength(frames, 8.0, flow).value == motion_strength(frames, 8.0).value
    assert is_dynamic(frames, 16.0, flow) == is_dynamic(frames, 16.0)
    assert len(calls) == 8 + 2  # both ways of four pairs, and two of every second frame
    other = frames.copy()
    other[1] = 0
    assert np.array_equal(flow(other[0], other[1]), dis_flow(other[0], other[1]))
