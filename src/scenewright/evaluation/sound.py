"""Sound: onsets and whether they fall together with what is seen, loudness, clipping."""

from __future__ import annotations

import importlib
import re
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scenewright.clip import Waveform
from scenewright.evaluation.reading import Reading

#: Two events this far apart, in seconds, are the same (as onsets in MIREX and mir_eval).
TOLERANCE = 0.05


def onsets(sound: Waveform, *, sensitivity: float = 1.5) -> np.ndarray:
    """When something begins to sound: float64 (N,), in seconds.

    Peaks of the spectral flux, the sum of what grows in the logarithmic spectrum from one frame of 10 ms to
    the next (Dixon 2006), above ``sensitivity`` times its usual deviation over the median, 60 ms apart at
    least.
    """
    rate = sound.rate
    hop, size = max(1, rate // 100), 2 ** int(np.ceil(np.log2(max(64, rate * 0.03))))
    mono = sound.samples.mean(0).astype(np.float64)
    if len(mono) < size:
        return np.zeros(0)
    padded = np.concatenate((np.zeros(size // 2), mono, np.zeros(size // 2)))
    count = 1 + (len(padded) - size) // hop
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:count] * np.hanning(size)
    spectrum = np.log1p(1000 * np.abs(np.fft.rfft(frames, axis=1)) / size)
    flux = np.concatenate(([0.0], np.maximum(np.diff(spectrum, axis=0), 0).sum(1)))
    usual = np.median(flux)
    deviation = np.median(np.abs(flux - usual)) * 1.4826
    threshold = max(usual + sensitivity * 4 * deviation, 0.1 * flux.max(), 1e-6)
    found: list[int] = []
    for i in np.flatnonzero(flux >= threshold):
        near = flux[max(0, i - 3) : i + 4]
        if flux[i] == near.max() and (not found or i - found[-1] >= 6):
            found.append(int(i))
    return np.array(found) * hop / rate


class EventScores(NamedTuple):
    """``offset``: median of found minus true times of the matched, in seconds; NaN without any."""

    precision: float
    recall: float
    f1: float
    offset: float


def event_scores(
    true: Sequence[float] | np.ndarray, found: Sequence[float] | np.ndarray, tolerance: float = TOLERANCE
) -> EventScores:
    """Times found against true ones, each matched with one other at most, so that as many as can be are.

    Without anything to find, or anything found, recall or precision is 1.
    """
    a, b = np.sort(np.asarray(true, float)), np.sort(np.asarray(found, float))
    pairs, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if abs(a[i] - b[j]) <= tolerance:
            pairs.append((a[i], b[j]))
            i, j = i + 1, j + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    precision = len(pairs) / len(b) if len(b) else 1.0
    recall = len(pairs) / len(a) if len(a) else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    offset = float(np.median([y - x for x, y in pairs])) if pairs else float("nan")
    return EventScores(precision, recall, f1, offset)


class Synchrony(NamedTuple):
    """``f1``: of seen impacts and onsets as they stand; ``lag``: seconds by which the sound is late where
    that makes the best of it; ``best``: the F1 then."""

    f1: float
    lag: float
    best: float


def synchrony(
    impacts: Sequence[float] | np.ndarray,
    sounds: Sequence[float] | np.ndarray,
    *,
    most: float = 0.5,
    tolerance: float = 0.1,
) -> Synchrony:
    """Whether impacts that are seen and onsets that are heard fall together; lags up to ``most`` seconds are
    tried. Where none does better than no lag, it is 0; else the one in the middle of the best."""
    own = event_scores(impacts, sounds, tolerance).f1
    lags = np.arange(-most, most + 1e-9, 0.01)
    scores = [event_scores(impacts, np.asarray(sounds, float) - lag, tolerance).f1 for lag in lags]
    best = max(scores)
    if best <= own:
        return Synchrony(own, 0.0, best)
    good = [lag for lag, score in zip(lags, scores, strict=True) if score >= best - 1e-9]
    return Synchrony(own, round(float(np.median(good)), 3), best)


def seen_impacts(reading: Reading, seconds: float) -> np.ndarray:
    """When read objects hit the ground: their lower edge stops falling from one frame to the next. float64
    (N,), in seconds, of a clip of ``seconds``."""
    times: list[float] = []
    for item in reading.objects:
        frames = len(item.boxes)
        bottom = item.boxes[:, 3].astype(np.float64)
        speed = np.diff(bottom) * (item.seen[1:] > 0) * (item.seen[:-1] > 0)
        height = float(np.median(item.boxes[:, 3] - item.boxes[:, 1]))
        for i in range(1, len(speed)):
            fell = speed[i - 1] > 0.1 * height
            stopped = speed[i] < 0.25 * speed[i - 1]
            if fell and stopped:
                times.append((i + 0.5) / frames * seconds)
    return np.sort(np.array(times))


def clipped_share(sound: Waveform, *, run: int = 3) -> float:
    """Share of the samples in runs of ``run`` or more at the limit of the range, +-0.999: what a converter
    has cut off. 0 is best."""
    at_limit = np.abs(sound.samples) >= 0.999
    if not at_limit.size:
        return 0.0
    total = 0
    for channel in at_limit:
        edges = np.flatnonzero(np.diff(np.concatenate(([0], channel.astype(np.int8), [0]))))
        lengths = edges[1::2] - edges[::2]
        total += int(lengths[lengths >= run].sum())
    return total / at_limit.size


class Loudness(NamedTuple):
    """``integrated``: LUFS of all, -70 for silence; ``range``: LU between quiet and loud passages; ``peak``:
    true peak in dBFS."""

    integrated: float
    range: float
    peak: float


def loudness(sound: Waveform) -> Loudness:
    """Loudness as people hear it, by EBU R 128 (ITU-R BS.1770), measured by ffmpeg's ``ebur128``.

    Raises:
        ValueError: shorter than 0.4 seconds, of which none is defined.
    """
    if sound.seconds < 0.4:
        raise ValueError(f"loudness is of sounds from 0.4 seconds on, not of {sound.seconds:.2f}")
    channels = sound.samples.shape[0]
    command = [importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe(), "-hide_banner", "-nostats"]
    command += ["-f", "f32le", "-ar", str(sound.rate), "-ac", str(channels), "-i", "pipe:0"]
    command += ["-af", "ebur128=peak=true", "-f", "null", "-"]
    raw = np.ascontiguousarray(sound.samples.T, np.float32).tobytes()
    done = subprocess.run(command, input=raw, capture_output=True, check=False)
    summary = done.stderr.decode(errors="replace").rpartition("Summary:")[2]
    found = [re.search(rf"{name}:\s+(-?[\d.]+|-?inf|nan)", summary) for name in ("I", "LRA", "Peak")]
    if any(match is None for match in found):
        raise ValueError("ffmpeg could not measure the loudness")
    values = [float(match[1]) for match in found if match is not None]
    return Loudness(max(-70.0, values[0]), values[1], values[2])
