import itertools

import cv2
import numpy as np
import pytest
import torch

from scenewright.config import ConfigError, load_recipe
from scenewright.data.augmentation import (
    AugmentConfig,
    ColorJitter,
    Crop,
    Flip,
    Noise,
    Reversal,
    Rotate,
    Scale,
    TemporalJitter,
    Translate,
    augment,
    crop,
    relight,
    translate,
    turn_and_scale,
)
from scenewright.world.scene import COLOR_SRGB

FRAMES = np.random.default_rng(0).integers(0, 256, (6, 12, 20, 3), dtype=np.uint8)
NUMBERED = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None, None], (40, 4, 4, 3))
ALL = {
    "temporal_jitter": TemporalJitter(probability=1),
    "reversal": Reversal(probability=1),
    "flip": Flip(probability=1),
    "crop": Crop(probability=1),
    "translate": Translate(probability=1),
    "rotate": Rotate(probability=1),
    "scale": Scale(probability=1),
    "color_jitter": ColorJitter(probability=1, saturation=0.5, hue=0.2),
    "noise": Noise(probability=1),
}
LUMA = np.array([0.2126, 0.7152, 0.0722])


def smooth(height=24, width=40):
    """A picture of low frequencies, for resampling to agree on."""
    y, x = np.mgrid[:height, :width]
    waves = [127 + 60 * np.sin(0.3 * x + c) + 60 * np.cos(0.25 * y - c) for c in range(3)]
    return np.stack(waves).astype(np.float32)


# --------------------------------------------------------------------------------------------- the whole


def test_nothing_changes_unless_asked_for():
    done = augment(FRAMES, "A red ball rolls left.", AugmentConfig(), seed=1)
    np.testing.assert_array_equal(done.frames, FRAMES)
    assert (done.caption, done.applied, done.refused) == ("A red ball rolls left.", (), ())


def test_everything_together_is_told_in_order_and_the_same_for_a_seed():
    config = AugmentConfig(frames=4, **ALL)
    one, again = (augment(FRAMES, "A ball rolls left.", config, seed=3) for _ in range(2))
    assert one.frames.shape == (4, 12, 20, 3)
    assert one.frames.dtype == np.uint8
    # Backwards it rolls right, and in the mirror left again.
    assert one.caption == "A ball rolls left."
    names = (
        "temporal_jitter reversal flip crop translate rotate scale brightness contrast saturation hue noise"
    )
    assert one.applied == tuple(names.split())
    assert one.refused == ()
    np.testing.assert_array_equal(one.frames, again.frames)
    other = augment(FRAMES, "A ball rolls left.", config, seed=4)
    assert (other.frames != one.frames).any()


def test_a_change_is_made_as_often_as_its_probability_says():
    config = AugmentConfig(flip=Flip(probability=0.3), noise=Noise(probability=0.7))
    applied = [augment(FRAMES[:1], "x", config, seed).applied for seed in range(400)]
    assert abs(sum("flip" in names for names in applied) - 120) < 37
    assert abs(sum("noise" in names for names in applied) - 280) < 37


def test_switching_one_change_off_leaves_the_others_as_they_are():
    both = AugmentConfig(translate=ALL["translate"], reversal=ALL["reversal"])
    alone = AugmentConfig(translate=ALL["translate"])
    for seed in range(5):
        a = augment(FRAMES, "A ball spins", both, seed).frames
        np.testing.assert_array_equal(a[::-1], augment(FRAMES, "A ball spins", alone, seed).frames)


def test_frames_of_a_memory_map_are_never_written_to():
    frames = FRAMES.copy()
    frames.flags.writeable = False
    done = augment(frames, "A ball", AugmentConfig(frames=4, **ALL), seed=0)
    np.testing.assert_array_equal(frames, FRAMES)
    done.frames[:] = 0


@pytest.mark.parametrize(
    ("caption", "refused"),
    [
        ("A man left the room.", {"flip", "reversal"}),
        ("A red ball spins.", {"saturation", "hue"}),
        ("Three things spin.", {"crop", "translate", "rotate", "scale"}),
        ("A level line spins.", {"rotate"}),
        ("A ball spins slowly.", {"temporal_jitter"}),
        ("A ball falls.", {"reversal", "temporal_jitter"}),
    ],
)
def test_what_would_falsify_the_caption_is_refused_with_the_reason(caption, refused):
    done = augment(FRAMES, caption, AugmentConfig(frames=4, **ALL), seed=0)
    assert {r.name for r in done.refused} == refused
    assert all(r.reason for r in done.refused)
    assert not {r.name for r in done.refused} & set(done.applied)


def test_a_refused_change_leaves_the_clip_alone():
    for name, caption in (("flip", "He left the room"), ("reversal", "It falls"), ("crop", "Two cats")):
        done = augment(FRAMES, caption, AugmentConfig(**{name: ALL[name]}), seed=0)
        np.testing.assert_array_equal(done.frames, FRAMES)
        assert done.caption == caption


# ------------------------------------------------------------------------------------------- the settings


def test_strength_without_probability_is_an_error_and_recipes_read_back():
    with pytest.raises(ConfigError, match=r"min_area = 0.5 does nothing at probability 0"):
        load_recipe(AugmentConfig, None, ["crop.min_area=0.5"])
    with pytest.raises(ConfigError, match="strength 0 does nothing"):
        load_recipe(AugmentConfig, None, ["color_jitter={probability: 1, brightness: 0, contrast: 0}"])
    with pytest.raises(ConfigError, match="set frames, how many come out"):
        load_recipe(AugmentConfig, None, ["temporal_jitter.probability=0.5"])
    for config in (AugmentConfig(), AugmentConfig(frames=4, **ALL)):
        assert AugmentConfig.model_validate(config.model_dump()) == config


def test_wrong_frames_are_refused():
    with pytest.raises(ValueError, match="must be uint8"):
        augment(FRAMES.astype(np.float32), "x", AugmentConfig(), 0)
    with pytest.raises(ValueError, match="holds 6 frames and 7 are to come out"):
        augment(FRAMES, "x", AugmentConfig(frames=7), 0)


# -------------------------------------------------------------------------------------------------- time


def test_the_middle_frames_come_out_without_jitter():
    done = augment(NUMBERED, "x", AugmentConfig(frames=10), 0)
    assert done.frames[:, 0, 0, 0].tolist() == list(range(15, 25))


def test_temporal_jitter_takes_every_stride_and_every_offset():
    config = AugmentConfig(frames=5, temporal_jitter=TemporalJitter(probability=1, max_stride=20))
    seen = set()
    for seed in range(800):
        numbers = augment(NUMBERED, "A man walks", config, seed).frames[:, 0, 0, 0].astype(int)
        (stride,) = set(np.diff(numbers).tolist())
        seen.add((stride, int(numbers[0])))
    # The longest stride that fits is 39 // 4; the first and the last offset of each occurs.
    assert {s for s, _ in seen} == set(range(1, 10))
    assert {(9, 0), (9, 3)} <= seen
    assert max(first + 4 * stride for stride, first in seen) == 39
    done = augment(NUMBERED[:5], "A man walks", config, 0)
    assert [r.name for r in done.refused] == ["temporal_jitter"]


def test_reversal_turns_frames_and_words():
    done = augment(FRAMES, "A small dot vanishes.", AugmentConfig(reversal=ALL["reversal"]), 0)
    np.testing.assert_array_equal(done.frames, FRAMES[::-1])
    assert done.caption == "A small dot appears."


# ------------------------------------------------------------------------------------------------- places


def test_flip_turns_frames_and_words():
    done = augment(FRAMES, "A ball rolls LEFT.", AugmentConfig(flip=ALL["flip"]), 0)
    np.testing.assert_array_equal(done.frames, FRAMES[:, :, ::-1])
    assert done.caption == "A ball rolls RIGHT."


@pytest.mark.parametrize(("right", "down"), [(0, 0), (3, 0), (-4, 2), (19, -11), (1, 5)])
def test_translation_is_numpys_reflected_padding(right, down):
    x = np.moveaxis(FRAMES, -1, 1)
    padded = np.pad(x, ((0, 0), (0, 0), (11, 11), (19, 19)), mode="reflect")
    expected = padded[:, :, 11 - down : 23 - down, 19 - right : 39 - right]
    np.testing.assert_array_equal(translate(torch.tensor(x), right, down).numpy(), expected)


def test_translation_stays_within_its_share_and_uses_it():
    frames = np.zeros((1, 50, 100, 3), dtype=np.uint8)
    frames[:, 25, 50] = 255
    config = AugmentConfig(translate=Translate(probability=1, max_shift=0.1))
    shifts = []
    for seed in range(200):
        where = np.argwhere(augment(frames, "x", config, seed).frames[0, :, :, 0] == 255)
        assert len(where) == 1
        shifts.append(where[0] - (25, 50))
    assert np.abs(shifts).max(axis=0).tolist() == [5, 10]
    assert np.abs(np.mean(shifts, axis=0)).max() < 1.5


def test_a_crop_is_opencvs_resize_of_a_part():
    picture = smooth()
    side, right, down = 0.75, 0.6, 0.4
    part = picture[:, 2 : 2 + 18, 6 : 6 + 30]
    expected = cv2.resize(np.moveaxis(part, 0, -1), (40, 24), interpolation=cv2.INTER_LINEAR)
    found = crop(torch.tensor(picture)[None], side, right, down)[0].numpy()
    np.testing.assert_allclose(np.moveaxis(found, 0, -1), expected, atol=0.02)
    np.testing.assert_array_equal(crop(torch.tensor(picture)[None], 1.0, 0.3, 0.9)[0].numpy(), picture)


def test_crops_keep_the_frames_shape_and_their_least_area():
    ramp = np.linspace(0, 255, 101)[None, None, :, None].repeat(100, 1).repeat(3, -1).round().astype(np.uint8)
    config = AugmentConfig(crop=Crop(probability=1, min_area=0.49))
    spans = []
    for seed in range(100):
        row = augment(ramp, "x", config, seed).frames[0, 50, :, 0].astype(float)
        spans.append((row[-1] - row[0]) / 255)
    assert 0.68 < min(spans) < 0.75
    assert max(spans) > 0.97


@pytest.mark.parametrize(
    ("degrees", "factor"), [(10, 1.0), (-7, 1.0), (0, 1.3), (0, 0.8), (12, 0.9), (-5, 1.2)]
)
def test_turning_and_scaling_is_opencvs_affine_warp(degrees, factor):
    picture = smooth()
    centre = (19.5, 11.5)
    # OpenCV counts angles counterclockwise.
    matrix = cv2.getRotationMatrix2D(centre, -degrees, factor)
    expected = cv2.warpAffine(
        np.moveaxis(picture, 0, -1), matrix, (40, 24), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    found = turn_and_scale(torch.tensor(picture)[None], degrees, factor)[0].numpy()
    # OpenCV rounds places to 1/32 of a pixel.
    np.testing.assert_allclose(np.moveaxis(found, 0, -1), expected, atol=1.5)


def test_clips_are_turned_and_scaled_within_their_limits_both_ways():
    # Two dots, 60 pixels apart on a level line through the centre: where they end tells angle and factor.
    frames = np.zeros((1, 101, 101, 3), dtype=np.uint8)
    for column in (20, 80):
        frames[0, 48:53, column - 2 : column + 3] = 255
    config = AugmentConfig(
        rotate=Rotate(probability=1, max_degrees=10), scale=Scale(probability=1, max_factor=1.2)
    )
    angles, factors = [], []
    for seed in range(150):
        light = augment(frames, "x", config, seed).frames[0, :, :, 0].astype(float)
        y, x = np.mgrid[:101, :101]
        ends = [
            np.array([(light * c * half).sum() for c in (x, y)]) / (light * half).sum()
            for half in (x < 50, x > 50)
        ]
        across = ends[1] - ends[0]
        angles.append(np.degrees(np.arctan2(across[1], across[0])))
        factors.append(np.hypot(*across) / 60)
    assert -10.2 < min(angles) < -9
    assert 9 < max(angles) < 10.2
    assert 1 / 1.21 < min(factors) < 0.86
    assert 1.17 < max(factors) < 1.21


# ------------------------------------------------------------------------------------------ light and noise


def pixels(colors):
    return torch.tensor(np.asarray(colors, dtype=np.float32).T[None, :, :, None])


def test_brightness_and_contrast_are_their_closed_forms():
    x = torch.tensor(np.moveaxis(FRAMES, -1, 1))
    np.testing.assert_allclose(relight(x, brightness=0.1), 1.1 * x.numpy(), atol=1e-3)
    mean = (FRAMES.astype(float).mean(axis=(0, 1, 2)) * LUMA).sum()
    expected = mean + 0.9 * (x.numpy() - mean)
    np.testing.assert_allclose(relight(x, contrast=-0.1), expected, atol=1e-3)
    np.testing.assert_allclose(
        relight(x, brightness=0.1, contrast=-0.1),
        1.1 * mean + 0.9 * (1.1 * x.numpy() - 1.1 * mean),
        atol=1e-3,
    )


def test_saturation_moves_along_the_line_from_gray():
    colors = np.random.default_rng(0).uniform(0, 255, (10, 3))
    gray = (colors @ LUMA)[:, None]
    for strength in (-1.0, -0.4, 0.5):
        found = relight(pixels(colors), saturation=strength)[0, :, :, 0].T
        np.testing.assert_allclose(found, gray + (1 + strength) * (colors - gray), atol=1e-3)


def test_hue_is_a_rotation_that_keeps_luma_and_grays():
    colors = np.random.default_rng(0).uniform(0, 255, (10, 3))

    def turned(values, turn):
        return relight(pixels(values), hue=turn)[0, :, :, 0].T.numpy()

    for turn in (0.1, -0.3, 0.5):
        np.testing.assert_allclose(turned(colors, turn) @ LUMA, colors @ LUMA, rtol=1e-5)
        np.testing.assert_allclose(turned([[90.0] * 3], turn), [[90.0] * 3], atol=1e-3)
    np.testing.assert_allclose(turned(turned(colors, 0.2), 0.15), turned(colors, 0.35), atol=1e-3)
    np.testing.assert_allclose(turned(colors, 1.0), colors, atol=1e-3)
    # A third of the circle takes red to green to blue, but for luma.
    red, green = turned([[255.0, 0, 0]], 1 / 3)[0], np.array([0, 255.0, 0])
    np.testing.assert_allclose(red - red @ LUMA, green - green @ LUMA, atol=1e-3)


def test_no_brightness_or_contrast_makes_one_colour_of_the_world_another():
    limit = 0.1
    with pytest.raises(ConfigError, match="brightness"):
        load_recipe(ColorJitter, None, ["probability=1", f"brightness={limit + 0.01}"])
    palette = np.array(list(COLOR_SRGB.values()), dtype=float)
    for brightness, contrast, around in itertools.product((-limit, limit), (-limit, limit), (30, 120, 220)):
        background = np.full((2000, 3), float(around))
        found = relight(pixels(np.concatenate([palette, background])), brightness, contrast)
        seen = found[0, :, : len(palette), 0].T.clamp(0, 255).numpy()
        nearest = ((seen[:, None] - palette[None]) ** 2).sum(axis=-1).argmin(axis=1)
        assert nearest.tolist() == list(range(len(palette)))


def test_light_changes_all_frames_alike():
    still = np.repeat(FRAMES[:1], 5, axis=0)
    config = AugmentConfig(color_jitter=ALL["color_jitter"])
    done = augment(still, "A thing", config, 2).frames
    assert (done != still).any()
    assert (done == done[:1]).all()


def test_noise_has_the_spread_it_may_have():
    gray = np.full((4, 64, 64, 3), 128, dtype=np.uint8)
    config = AugmentConfig(noise=Noise(probability=1, max_std=0.05))
    spreads = []
    for seed in range(60):
        noisy = augment(gray, "x", config, seed).frames.astype(float)
        assert abs(noisy.mean() - 128) < 0.5
        spreads.append(noisy.std())
    assert max(spreads) < 0.051 * 255
    assert max(spreads) > 0.045 * 255
    assert min(spreads) < 0.005 * 255
