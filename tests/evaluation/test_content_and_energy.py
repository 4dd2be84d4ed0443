"""The average content distance of a coloured shape, and actions told by where a picture changes."""

from itertools import combinations

import numpy as np
import pytest

from scenewright.evaluation.motion import (
    ActionClassifier,
    content_distance,
    energy_features,
    shape_colours,
    shape_path,
)


def square(colours: np.ndarray, at: np.ndarray, side: int = 5) -> np.ndarray:
    """uint8 (T, 32, 32, 3): a square of these colours (T, 3), with its corner at these places (T, 2)."""
    frames = np.zeros((len(colours), 32, 32, 3), np.uint8)
    for frame, colour, (x, y) in zip(frames, colours, at, strict=True):
        frame[y : y + side, x : x + side] = colour
    return frames


def path(frames: int) -> np.ndarray:
    return np.stack([np.arange(frames) + 3, np.arange(frames)[::-1] + 2], -1)


def test_a_shape_that_keeps_its_colour_has_no_content_distance_however_it_moves():
    found = content_distance(square(np.tile([200, 30, 90], (8, 1)), path(8)))
    assert found == (0.0, 0.0)


def test_a_known_change_of_colour():
    """Two colours 50 apart, in halves of four frames: 4 of the 6 pairs differ."""
    colours = np.array([[100, 100, 100]] * 2 + [[130, 140, 100]] * 2)
    assert content_distance(square(colours, path(4))).value == pytest.approx(50 * 4 / 6)


def test_content_distance_is_the_mean_over_all_pairs():
    rng = np.random.default_rng(0)
    frames = np.where(
        rng.random((6, 16, 16, 1)) < 0.3, rng.integers(40, 256, (6, 16, 16, 3)), rng.integers(0, 30)
    ).astype(np.uint8)
    means = []
    for frame in frames:
        pixels = [pixel.astype(float) for row in frame for pixel in row if max(pixel) >= 32]
        means.append(sum(pixels) / len(pixels))
    np.testing.assert_allclose(shape_colours(frames), means)
    distances = [((a - b) ** 2).sum() ** 0.5 for a, b in combinations(means, 2)]
    assert content_distance(frames).value == pytest.approx(sum(distances) / len(distances))


def test_a_shape_that_vanishes_counts_as_black_and_is_told():
    colours = np.array([[0, 255, 0]] * 3 + [[0, 0, 0]])
    found = content_distance(square(colours, path(4)))
    assert found.value == pytest.approx(255 * 3 / 6)
    assert found.empty == 0.25
    with pytest.raises(ValueError, match="needs two"):
        content_distance(square(colours[:1], path(1)))


def test_where_a_shape_is():
    frames = square(np.full((4, 3), 200), path(4))
    np.testing.assert_allclose(shape_path(frames), path(4) + 2)
    frames[2] = 0
    np.testing.assert_allclose(shape_path(frames)[2], path(4)[1] + 2)
    np.testing.assert_allclose(shape_path(np.zeros_like(frames))[0], (15.5, 15.5))


def motion(kind: str, rng: np.random.Generator) -> np.ndarray:
    """A square goes to and fro near the top ("high") or the bottom ("low"), or falls, before a picture of
    noise that stands still."""
    colour, wall = rng.integers(150, 256, 3), rng.integers(0, 80, (32, 32, 3))
    phase, left = rng.uniform(0, 6), rng.integers(4, 20)
    frames = np.repeat(wall[None], 8, 0).astype(np.uint8)
    for t, frame in enumerate(frames):
        x = left + round(4 * np.sin(t + phase))
        y = {"high": 3, "low": 25, "falls": 2 + 3 * t}[kind]
        if kind == "falls":
            x = left
        frame[y : y + 5, x : x + 5] = colour
    return frames


def test_actions_are_told_on_clips_that_were_not_learned_from():
    rng = np.random.default_rng(0)
    kinds = ("high", "low", "falls")
    labels = [kinds[i % 3] for i in range(36)]
    classifier = ActionClassifier.fit([motion(kind, rng) for kind in labels], labels)
    assert classifier.actions == ("falls", "high", "low")
    wanted = [kinds[i % 3] for i in range(60)]
    seen = classifier([motion(kind, rng) for kind in wanted])
    assert np.mean([a == b for a, b in zip(seen, wanted, strict=True)]) > 0.9
    with pytest.raises(ValueError, match="clips of two actions, not of 1"):
        ActionClassifier.fit([motion("low", rng)], ["low"])


def test_energy_is_where_the_picture_changes_and_nothing_where_it_does_not():
    still = np.repeat(np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8), 5, 0)
    assert not energy_features(still).any()
    frames = np.zeros((3, 32, 32, 3), np.uint8)
    frames[1, 4:8, 8:12] = 255
    energy = energy_features(frames)[:64].reshape(8, 8)
    assert energy[1, 2] == pytest.approx(np.sqrt(0.96))
    assert np.count_nonzero(energy) == 1
    with pytest.raises(ValueError, match="motion needs two frames"):
        energy_features(frames[:1])
