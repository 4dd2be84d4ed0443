"""Sound: reading it from any file, writing it into a stream, and WAV."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Discard

from scenewright.clip import Waveform
from scenewright.media.source import DEFAULT_LIMITS, Limits, MediaError, Opened, Source, opened

#: Seconds decoded before the wanted start, so that codecs with memory (AAC, Opus) have settled.
_PREROLL = 0.25
#: A time stamp this far (seconds) from where the samples so far end is a real gap; less is rounding.
_JUMP = 0.02
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 8: "7.1"}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


def decode_audio(
    source: Source, *, start: float = 0.0, end: float | None = None, limits: Limits = DEFAULT_LIMITS
) -> Waveform:
    """The sound of a file at its own rate and channels, from ``start`` to ``end`` seconds of the sound.

    Raises:
        MediaError: not readable, without sound, or without sound in that range.
    """
    if not 0 <= start < math.inf or (end is not None and end <= start):
        raise ValueError(f"the range must satisfy 0 <= start < end, not start={start}, end={end}")
    with opened(source) as file:
        waveform = read_audio(
            file,
            start=None if start == 0 else start,
            seconds=None if end is None else end - start,
            limits=limits,
        )
        if waveform is None:
            raise MediaError(f"{file.name}: there is no sound in it there; give a file with sound")
    return waveform


def read_audio(
    file: Opened, *, start: float | None, seconds: float | None, limits: Limits
) -> Waveform | None:
    """The first audio stream's samples from ``start`` (seconds on the container's clock; ``None``: where the
    sound begins) for at most ``seconds``; ``None`` when there is no sound. Gaps are silent; the sound is not
    padded at its end."""
    if file.folder is not None:
        return None
    with file.container(limits) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise MediaError(f"{file.name}: no decoder for its sound; convert it to AAC or WAV")
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        if start is not None and start > _PREROLL and stream.time_base:
            container.seek(int((start - _PREROLL) / stream.time_base), stream=stream)
        rate = 0
        pieces: list[tuple[int, np.ndarray]] = []
        longest = 0
        for time, samples, frame_rate in _audio_frames(container, stream):
            rate = rate or frame_rate
            if start is None:
                start = time
            at = round((time - start) * rate)
            if seconds is not None and at >= round(seconds * rate):
                break
            pieces.append((at, samples))
            longest = max(longest, at + samples.shape[1])
            if longest * samples.shape[0] * samples.itemsize > limits.max_bytes:
                raise MediaError(
                    f"{file.name}: its sound is over the limit of {limits.max_bytes / 1e9:.1f} GB; "
                    "read a part of it with start and end"
                )
    return _assemble(pieces, rate, seconds)


def _audio_frames(container: InputContainer, stream: AudioStream) -> Iterator[tuple[float, np.ndarray, int]]:
    """``(time, float32 (channels, samples), rate)`` of every frame that decodes; damaged packets are skipped.
    The first frame's rate and layout rule."""
    wanted: tuple[str, int] | None = None
    setup: tuple[str, str, int] | None = None
    resampler = av.AudioResampler("flt")
    clock: float | None = None
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                now = (frame.format.name, frame.layout.name, frame.sample_rate)
                if now != setup:
                    wanted = wanted or (now[1], now[2])
                    # Packed, because PyAV's planes of 8 or more channels run past their end.
                    resampler, setup = av.AudioResampler("flt", *wanted), now
                time = clock or 0.0
                stamp = frame.time if frame.pts is not None else None
                if stamp is not None and (clock is None or abs(stamp - clock) > _JUMP):
                    time = stamp
                for converted in resampler.resample(frame):
                    packed = np.frombuffer(cast(Any, converted.planes[0]), np.float32)
                    channels = converted.layout.nb_channels
                    samples = packed[: converted.samples * channels].reshape(-1, channels).T.copy()
                    yield time, samples, converted.sample_rate
                    time += samples.shape[1] / converted.sample_rate
                clock = time
    except av.error.FFmpegError:
        return


def _assemble(pieces: list[tuple[int, np.ndarray]], rate: int, seconds: float | None) -> Waveform | None:
    if not pieces:
        return None
    end = max(at + samples.shape[1] for at, samples in pieces)
    if seconds is not None:
        end = min(end, round(seconds * rate))
    if end <= 0:
        return None
    out = np.zeros((pieces[0][1].shape[0], end), dtype=np.float32)
    for at, samples in pieces:
        first, last = max(0, at), min(end, at + samples.shape[1])
        if last > first:
            out[:, first:last] = samples[:, first - at : last - at]
    return Waveform(out, rate)


class AudioWriter:
    """Adds an audio stream to an output container and fills it. ``codec``: an encoder of FFmpeg."""

    def __init__(self, container: OutputContainer, waveform: Waveform, codec: str) -> None:
        channels = waveform.samples.shape[0]
        if channels not in _LAYOUTS:
            raise MediaError(f"sound of {channels} channels has no standard layout; mix it down to 1 or 2")
        self._waveform = waveform
        self._container = container
        self._layout = _LAYOUTS[channels]
        self._written = 0
        self._resampler: av.AudioResampler | None = None
        stream = container.add_stream(codec, rate=_encoder_rate(codec, waveform.rate))
        assert isinstance(stream, AudioStream)
        self._stream = stream
        stream.codec_context.layout = self._layout
        if codec in ("aac", "libopus"):
            stream.codec_context.bit_rate = 96_000 * channels
        if codec == "aac":
            # The default coder clicks at onsets; "fast" is 36 times nearer to the input at this rate.
            stream.options["aac_coder"] = "fast"

    def write_until(self, seconds: float) -> None:
        """Encodes what is missing of the first ``seconds``; call it between pictures to interleave."""
        context = self._stream.codec_context
        if self._resampler is None:
            self._container.start_encoding()
            self._resampler = av.AudioResampler(
                context.format.name, self._layout, context.sample_rate, context.frame_size or 4096
            )
        rate = self._waveform.rate
        end = min(self._waveform.samples.shape[1], math.ceil(seconds * rate))
        while self._written < end:
            piece = self._waveform.samples[:, self._written : min(end, self._written + rate)]
            packed = np.ascontiguousarray(np.clip(piece, -1.0, 1.0).T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=self._layout)
            frame.sample_rate = rate
            frame.pts = self._written
            frame.time_base = Fraction(1, rate)
            self._encode(self._resampler.resample(frame))
            self._written += piece.shape[1]

    def finish(self) -> None:
        """Encodes the rest and flushes the stream."""
        self.write_until(self._waveform.seconds)
        if self._resampler is not None:
            self._encode(self._resampler.resample(None))
        self._container.mux(self._stream.encode(None))

    def _encode(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self._container.mux(self._stream.encode(frame))


def _encoder_rate(codec: str, rate: int) -> int:
    if codec == "libopus":
        return 48_000
    if codec == "aac" and rate not in _AAC_RATES:
        return 48_000
    return rate
