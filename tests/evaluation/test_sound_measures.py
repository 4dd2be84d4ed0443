"""Sound: against sounds whose onsets and loudness are known, and the world's own impacts."""

import numpy as np
import pytest

from scenewright.clip import Waveform
from scenewright.evaluation.reading import Reading, ReadObject
from scenewright.evaluation.sound import (
    clipped_share,
    event_scores,
    loudness,
    onsets,
    seen_impacts,
    synchrony,
)
from scenewright.world.layout import complete
from scenewright.world.parser import parse
from scenewright.world.physics import simulate
from scenewright.world.sound import sound_events, synthesise

RATE = 16_000


def clicks(times: list[float], seconds: float = 2.0, noise: float = 0.0) -> Waveform:
    rng = np.random.default_rng(0)
    found = noise * rng.normal(size=int(seconds * RATE))
    for time in times:
        start = int(time * RATE)
        ring = np.exp(-np.arange(RATE // 4) / 400) * np.sin(np.arange(RATE // 4) * 0.4)
        found[start : start + len(ring)] += 0.5 * ring[: len(found) - start]
    return Waveform(found[None].astype(np.float32), RATE)


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_onsets_are_found_where_they_are(noise):
    times = [0.2, 0.55, 1.1, 1.62]
    found = onsets(clicks(times, noise=noise))
    assert event_scores(times, found, 0.03).f1 == 1.0
    assert len(onsets(Waveform(np.zeros((1, RATE), np.float32), RATE))) == 0
    assert len(onsets(Waveform(np.zeros((1, 20), np.float32), RATE))) == 0


def test_the_worlds_impacts_are_heard():
    scene = complete(parse("a large red ball bounces").description, 4, seconds=2)
    states = simulate(scene, 32, 16)
    true = [e.start for e in sound_events(states) if e.kind == "impact" and e.start > 0.02]
    found = onsets(synthesise(scene, states))
    assert len(true) >= 2
    assert event_scores(true, found).recall >= 0.8
    assert event_scores(np.array(true) + 0.4, found).f1 < 0.6


def test_events_are_matched_once():
    scores = event_scores([1.0, 2.0, 3.0], [1.02, 1.04, 2.98, 5.0])
    assert scores.precision == 0.5
    assert scores.recall == pytest.approx(2 / 3)
    assert scores.offset == pytest.approx(0.0, abs=0.021)
    assert event_scores([], []).f1 == 1.0
    assert event_scores([1.0], [])[:3] == (1.0, 0.0, 0.0)


def test_late_sound_lowers_synchrony_and_the_lag_is_found():
    impacts = np.array([0.3, 0.9, 1.3])
    assert synchrony(impacts, impacts) == (1.0, 0.0, 1.0)
    late = synchrony(impacts, impacts + 0.25)
    assert late.f1 < 0.5
    assert late.best == 1.0
    assert late.lag == pytest.approx(0.25, abs=0.02)
    values = [synchrony(impacts, impacts + lag).f1 for lag in (0.0, 0.12, 0.3)]
    assert values[0] > values[1] >= values[2]


def test_impacts_are_seen_where_a_fall_ends():
    frames = 16
    time = np.arange(frames)
    y = np.where(time < 8, 0.2 + 0.05 * time, 0.6)
    boxes = np.stack([np.full(frames, 0.4), y, np.full(frames, 0.6), y + 0.2], axis=1)
    ball = ReadObject("sphere", "red", "large", "matte", boxes)
    found = seen_impacts(Reading((ball,), frames), 2.0)
    assert len(found) == 1
    assert found[0] == pytest.approx(8.5 / 16 * 2, abs=0.1)
    still = ReadObject("sphere", "red", "large", "matte", np.repeat(boxes[:1], frames, axis=0))
    assert len(seen_impacts(Reading((still,), frames), 2.0)) == 0


def test_loudness_is_that_of_the_standard():
    """A stereo sine of 997 Hz at 0 dBFS in one channel is -3.01 LUFS (BS.1770-4, annex 1)."""
    t = np.arange(48_000 * 3) / 48_000
    sine = np.sin(2 * np.pi * 997 * t).astype(np.float32)
    left = Waveform(np.stack([sine, np.zeros_like(sine)]), 48_000)
    assert loudness(left).integrated == pytest.approx(-3.01, abs=0.1)
    quiet = Waveform(left.samples * 0.1, 48_000)
    assert loudness(quiet).integrated == pytest.approx(-23.01, abs=0.1)
    assert loudness(left).peak == pytest.approx(0.0, abs=0.1)
    assert loudness(Waveform(np.zeros((1, 48_000), np.float32), 48_000)).integrated == -70.0
    with pytest.raises(ValueError, match=r"from 0\.4 seconds on"):
        loudness(Waveform(np.zeros((1, 100), np.float32), 48_000))


def test_clipping_is_counted_in_runs():
    t = np.arange(RATE) / RATE
    sine = np.sin(2 * np.pi * 100 * t)
    assert clipped_share(Waveform((0.9 * sine)[None].astype(np.float32), RATE)) == 0.0
    shares = [
        clipped_share(Waveform(np.clip(g * sine, -1, 1)[None].astype(np.float32), RATE)) for g in (1.2, 2, 5)
    ]
    assert 0.2 < shares[0] < shares[1] < shares[2] < 1
    expected = 1 - 2 * np.arcsin(0.5) / np.pi
    assert shares[1] == pytest.approx(expected, abs=0.02)
    lone = np.zeros((1, 100), np.float32)
    lone[0, 50] = 1.0
    assert clipped_share(Waveform(lone, RATE)) == 0.0
