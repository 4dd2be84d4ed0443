"""What networks hear: levels in mel bands, against other libraries and closed forms."""

import numpy as np
import pytest

from scenewright.clip import Waveform
from scenewright.media.mel import (
    BANDS,
    FEATURES,
    HIGHEST,
    LOWEST,
    STEPS,
    WINDOW,
    mel_bands,
    mel_frames,
    silence,
)

RATE = 16_000


def levels(samples, rate=RATE, frames=8, fps=4.0):
    """In dB, (steps of all frames, channels, bands)."""
    found = mel_frames(Waveform(samples, rate), frames, fps)
    assert found.shape == (frames, FEATURES)
    assert found.dtype == np.float32
    return (found.reshape(frames * STEPS, 2, BANDS) - 1) * 40


def noise(rate=RATE):
    return np.random.default_rng(3).normal(0, 0.1, (2, 2 * rate)).astype(np.float32)


def test_bands_and_levels_are_those_of_another_library():
    """Of transformers' audio functions, which have those of librosa for their model."""
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    size, hop = round(WINDOW * RATE), RATE // (4 * STEPS)
    filters = mel_filter_bank(
        size // 2 + 1, BANDS, LOWEST, HIGHEST, sampling_rate=RATE, norm=None, mel_scale="htk"
    )
    np.testing.assert_allclose(mel_bands(size, RATE).T, filters, atol=1e-9)
    samples = noise()
    found = levels(samples)
    window = window_function(size, "hann")
    for channel in (0, 1):
        # Windows that end with each step: what precedes the sound is silence.
        padded = np.concatenate([np.zeros(size), samples[channel]])[hop:]
        power = spectrogram(
            padded, window, frame_length=size, hop_length=hop, fft_length=size, power=2.0, center=False
        )
        expected = 10 * np.log10((filters.T @ power) * (2 / window.sum()) ** 2)
        np.testing.assert_allclose(found[:, channel], expected.T[: 8 * STEPS], atol=2e-3)


def test_levels_are_those_of_librosa():
    """Of the second and the sixth step; other bands of these are silent."""
    expected = np.full((2, BANDS), -80.0)
    expected[0, :7] = [-67.613, -73.046, -47.549, -12.259, -7.518, -24.608, -68.834]
    expected[1, :3] = [-15.515, -24.742, -69.119]
    expected[1, 7:11] = [-69.257, -14.132, -6.999, -27.402]
    np.testing.assert_allclose(levels(golden(), frames=2)[[1, 5], 0], expected, atol=2e-3)


def golden():
    """A rising tone and a blow, of which librosa 0.11.0 gave the numbers above:
    ``S = librosa.stft(np.pad(y, (800, 0))[1000:], n_fft=800, hop_length=1000, window="hann", center=False)``,
    ``librosa.power_to_db(librosa.filters.mel(sr=16000, n_fft=800, n_mels=24, fmin=60, fmax=7600, htk=True,
    norm=None) @ (np.abs(S) / 200) ** 2, amin=1e-8, top_db=None)``.
    """
    t = np.arange(2 * RATE) / RATE
    y = 0.4 * np.sin(2 * np.pi * (200 * t + 1500 * t**2)) + np.exp(-40 * np.abs(t - 0.3)) * np.sin(900 * t)
    return np.stack([y, y]).astype(np.float32)


def test_a_full_sine_is_at_zero_at_any_rate():
    frequency = 20.0 * mel_bands(round(WINDOW * RATE), RATE)[10].argmax()
    for rate in (16_000, 44_100, 48_000):
        t = np.arange(2 * rate) / rate
        tone = np.sin(2 * np.pi * frequency * t)
        found = levels(np.stack([tone, 0.1 * tone]), rate)[3]
        assert found[0].argmax() == 10
        assert -1.0 < found[0, 10] < 2.0
        assert found[0, 10] - found[1, 10] == pytest.approx(20, abs=1e-3)


def test_a_frame_knows_nothing_of_what_is_heard_after_it():
    samples = noise()
    changed = samples.copy()
    changed[:, RATE:] = 0.3  # from the fifth frame of four a second on
    before, after = (mel_frames(Waveform(x, RATE), 8, 4.0) for x in (samples, changed))
    assert (before[:4] == after[:4]).all()
    assert (before[4:] != after[4:]).any(1).all()


def test_one_channel_is_both_and_no_sound_is_silence():
    one = mel_frames(Waveform(noise()[:1], RATE), 8, 4.0).reshape(8, STEPS, 2, BANDS)
    assert (one[:, :, 0] == one[:, :, 1]).all()
    assert (mel_frames(Waveform(np.zeros((1, 0)), RATE), 8, 4.0) == silence(8)).all()
    # A sound that is too short is silent behind its end.
    short = mel_frames(Waveform(noise()[:, :RATE], RATE), 8, 4.0)
    assert (short[5:] == silence(3)).all()
    assert (short[:4] != -1).any(1).all()
