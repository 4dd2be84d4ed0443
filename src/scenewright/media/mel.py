"""What networks hear of a sound: mel spectra, a few for every frame of the video that it goes with.

Training and generation both get them from :func:`mel_frames`, of sound at any sample rate.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from scenewright.clip import Waveform

#: Bands of a spectrum, between these frequencies in Hz.
BANDS, LOWEST, HIGHEST = 24, 60.0, 7600.0
#: Spectra of a frame, and the seconds of sound that each is of.
STEPS, WINDOW = 4, 0.05
#: Numbers of a frame: of both channels, all steps, all bands.
FEATURES = 2 * STEPS * BANDS
#: Level in dB, of a full sine, under which everything is silence.
FLOOR = -80.0


def mel_frames(sound: Waveform, num_frames: int, fps: float) -> np.ndarray:
    """Levels of the left and the right channel in mel bands: float32 (num_frames, :data:`FEATURES`).

    Each frame has :data:`STEPS` spectra, evenly spaced. A spectrum is of the :data:`WINDOW` seconds up to its
    time, under a Hann window, so that a frame knows nothing of what is heard after it has ended; before the
    sound begins, and behind its end, is silence. Bands are triangles on the mel scale (O'Shaughnessy 1987),
    each 1 at its centre. Levels are linear in dB: 1 for a full sine, -1 for :data:`FLOOR` and less. Windows
    are as long at any sample rate, so the same sound has the same levels; bands above half the rate are
    silent. One channel is taken for both; of more than two, their mean is.
    """
    size = round(WINDOW * sound.rate)
    channels = sound.samples if len(sound.samples) == 2 else sound.samples.mean(0, keepdims=True)
    ends = np.round((np.arange(num_frames * STEPS) + 1) / (STEPS * fps) * sound.rate).astype(int)
    padded = np.zeros((len(channels), size + max(int(ends[-1]), channels.shape[1])))
    padded[:, size : size + channels.shape[1]] = channels
    window = np.hanning(size + 1)[:-1]
    pieces = np.stack([padded[:, end : end + size] for end in ends], 1) * window
    power = np.abs(np.fft.rfft(pieces) * 2 / window.sum()) ** 2
    levels = 10 * np.log10(np.maximum(power @ mel_bands(size, sound.rate).T, 10 ** (FLOOR / 10)))
    levels = np.broadcast_to(1 - 2 * levels / FLOOR, (2, *levels.shape[1:]))
    return np.moveaxis(levels, 0, 1).reshape(num_frames, FEATURES).astype(np.float32)


def silence(num_frames: int) -> np.ndarray:
    """What :func:`mel_frames` gives for no sound at all."""
    return np.full((num_frames, FEATURES), -1.0, np.float32)


@cache
def mel_bands(size: int, rate: int) -> np.ndarray:
    """float64 (:data:`BANDS`, size // 2 + 1): the weight of each frequency of a window in each band."""
    mels = np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    frequency = np.arange(size // 2 + 1) * rate / size
    rising = (frequency - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequency) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rising, falling))


def _mel(frequency: float) -> float:
    return float(2595 * np.log10(1 + frequency / 700))
