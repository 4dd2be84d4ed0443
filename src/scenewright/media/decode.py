"""Decoding: a file becomes a :class:`~scenewright.clip.Clip`, whole or in part, as a player shows it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from scenewright.clip import Clip, Waveform
from scenewright.media.audio import read_audio
from scenewright.media.images import AnimationReader, FolderReader, is_picture
from scenewright.media.reader import FrameReader, Timeline, VideoReader, resize
from scenewright.media.source import DEFAULT_LIMITS, Limits, MediaError, Opened, Source, opened

Damaged = Literal["error", "keep"]


class TimedFrame(NamedTuple):
    """``time`` in seconds after the first frame of the file; ``picture`` uint8 ``(H, W, 3)`` RGB."""

    time: float
    picture: np.ndarray


def decode(
    source: Source,
    *,
    start: float | None = None,
    end: float | None = None,
    num_frames: int | None = None,
    frames: Sequence[int] | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    audio: bool = True,
    damaged: Damaged = "error",
    limits: Limits = DEFAULT_LIMITS,
) -> Clip:
    """Reads a video, an animation or a folder of pictures.

    Pictures come as a player shows them: rotated, flipped and cropped as flagged, with square pixels, in
    full-range RGB by the stream's own colour matrix and range. Transparency is laid over white.

    Args:
        source: local path, fsspec URL, bytes, or seekable binary file object.
        start, end: seconds from the first frame; frames whose time is in [start, end) are taken, or the one
            on screen at ``start`` when none is. Exact for every kind of stream.
        num_frames: that many frames spread evenly over the range, its first and last frame included (1: the
            middle one); with ``fps``, the first that many of the resampled frames.
        frames: exactly these frames, by index in the file; negative ones count from the end. The result has
            the file's frame rate and no sound.
        fps: resample to this constant rate: each new frame is the one on screen at its time.
        size: scale to (width, height), antialiased bicubic.
        audio: also read the sound of the same time span, if there is one.
        damaged: ``keep`` returns what can be read of a damaged file, and says so in
            ``metadata["damage"]``; ``error`` raises.
        limits: what is refused before it is decoded.

    Returns:
        A clip with the caption and metadata that were stored in the file. A variable frame rate stream read
        without ``fps`` has the average rate as its fps and ``metadata["frame_times"]``, the exact seconds of
        every frame. ``metadata["warnings"]`` lists oddities of the file.

    Raises:
        MediaError: not readable, damaged, over the limits, or without such frames.
        ValueError: arguments that contradict each other.
    """
    _check_arguments(start, end, num_frames, frames, fps, size, damaged)
    with opened(source) as file:
        reader = open_reader(file, limits)
        try:
            plan = _plan(reader, start, end, num_frames, frames, fps)
            pictures, kept = _collect(reader, plan.indices, size, limits)
            if not kept.all() and reader.damage is None:
                reader.reindex()
                plan = _plan(reader, start, end, num_frames, frames, fps)
                pictures, kept = _collect(reader, plan.indices, size, limits)
        finally:
            reader.close()
        if reader.damage is not None and damaged == "error":
            raise MediaError(
                f"{reader.name}: {reader.damage}; get the file again, or pass damaged='keep' to use "
                "what is left"
            )
        if not kept.any():
            raise MediaError(f"{reader.name}: none of the wanted frames can be decoded; the file is damaged")
        sound = None
        if audio and plan.span is not None:
            sound = _sound(file, reader, plan.span, limits)
    return Clip(
        frames=pictures if kept.all() else pictures[kept],
        fps=plan.fps,
        audio=sound,
        caption=reader.record.caption if reader.record else None,
        metadata=_metadata(reader, plan, kept),
    )


def iter_frames(
    source: Source,
    *,
    start: float = 0.0,
    end: float | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[TimedFrame]:
    """Streams frames in order with memory for a few frames only, however long the file.

    Arguments as in :func:`decode`. Frames before damage in the file are yielded, then :class:`MediaError` is
    raised.
    """
    _check_arguments(start, end, None, None, fps, size, "error")
    with opened(source) as file:
        reader = open_reader(file, limits)
        try:
            for time, picture in _resampled(reader.play(start), start, end, fps):
                yield TimedFrame(time, resize(picture, size) if size else picture)
            if reader.damage is not None:
                raise MediaError(f"{reader.name}: {reader.damage}; get the file again")
        finally:
            reader.close()


def open_reader(file: Opened, limits: Limits) -> FrameReader:
    """The reader for this kind of file."""
    if file.folder is not None:
        return FolderReader(file, limits)
    if is_picture(file):
        return AnimationReader(file, limits)
    return VideoReader(file, limits)


class _Plan(NamedTuple):
    """``indices`` of the frames to show, in order; the result's ``fps``; ``span`` (start, end) seconds of the
    sound that belongs to it, ``None`` for none; ``times`` of the frames where the rate varies."""

    indices: list[int]
    fps: float
    span: tuple[float, float] | None
    times: list[float] | None


def _plan(
    reader: FrameReader,
    start: float | None,
    end: float | None,
    num_frames: int | None,
    frames: Sequence[int] | None,
    fps: float | None,
) -> _Plan:
    line = reader.timeline()
    total = len(line.times)
    if frames is not None:
        for index in frames:
            if not -total <= index < total:
                raise MediaError(
                    f"{reader.name}: there is no frame {index}; it has {total}, 0 to {total - 1}"
                )
        return _Plan([int(i) % total for i in frames], line.fps, None, None)
    begin, stop = start or 0.0, line.end if end is None else min(end, line.end)
    if begin >= line.end - 1e-9:
        raise MediaError(
            f"{reader.name}: it ends at {line.end:.3f} s, before start={begin:g}; choose an earlier start"
        )
    if fps is not None:
        return _resample_plan(reader.name, line, begin, stop, num_frames, fps)
    inside = (line.times >= begin - line.tolerance) & (line.times < stop - line.tolerance)
    chosen = np.flatnonzero(inside)
    if len(chosen) == 0:
        chosen = np.array([_on_screen(line, begin)])
    first, last = int(chosen[0]), int(chosen[-1])
    rate = line.fps
    if num_frames is not None and num_frames != len(chosen):
        if num_frames > len(chosen):
            raise MediaError(
                f"{reader.name}: only {len(chosen)} frames there, fewer than num_frames={num_frames}; "
                "ask for fewer, or pass fps to repeat frames"
            )
        if num_frames == 1:
            chosen = chosen[len(chosen) // 2 :][:1]
            first = last = int(chosen[0])
        else:
            chosen = chosen[np.round(np.linspace(0, len(chosen) - 1, num_frames)).astype(int)]
            rate = (num_frames - 1) / float(line.times[last] - line.times[first])
    times = [float(t - line.times[first]) for t in line.times[chosen]] if line.variable else None
    if line.variable and num_frames is None:
        finish = float(line.times[last + 1]) if last + 1 < total else line.end
        rate = len(chosen) / (finish - float(line.times[first]))
    span = (float(line.times[first]), float(line.times[first]) + len(chosen) / rate)
    return _Plan([int(i) for i in chosen], rate, span, times)


def _resample_plan(
    name: str, line: Timeline, begin: float, stop: float, num_frames: int | None, fps: float
) -> _Plan:
    available = max(1, math.floor((stop - begin) * fps + 1e-6))
    count = available if num_frames is None else num_frames
    if count > available:
        raise MediaError(
            f"{name}: {count} frames at {fps:g} fps last {count / fps:.2f} s, and there are "
            f"{stop - begin:.2f} s; ask for fewer frames or a higher fps"
        )
    moments = begin + np.arange(count) / fps
    indices = [_on_screen(line, moment) for moment in moments]
    return _Plan(indices, fps, (begin, begin + count / fps), None)


def _on_screen(line: Timeline, moment: float) -> int:
    return max(0, int(np.searchsorted(line.times, moment + line.tolerance, side="right")) - 1)


def _collect(
    reader: FrameReader, indices: list[int], size: tuple[int, int] | None, limits: Limits
) -> tuple[np.ndarray, np.ndarray]:
    """uint8 ``(T, H, W, 3)`` pictures of ``indices`` and bool ``(T,)``, which of them could be decoded."""
    width, height = size or (reader.width, reader.height)
    limits.check_memory(reader.name, width, height, len(indices))
    pictures = np.zeros((len(indices), height, width, 3), dtype=np.uint8)
    kept = np.zeros(len(indices), dtype=bool)
    places: dict[int, list[int]] = {}
    for place, index in enumerate(indices):
        places.setdefault(index, []).append(place)
    for index, picture in reader.read(sorted(places)):
        pictures[places[index]] = resize(picture, (width, height))
        kept[places[index]] = True
    return pictures, kept


def _resampled(
    shown: Iterator[tuple[float, np.ndarray]], start: float, end: float | None, fps: float | None
) -> Iterator[tuple[float, np.ndarray]]:
    stop = math.inf if end is None else end
    if fps is None:
        for time, picture in shown:
            if time >= stop - 1e-6:
                return
            yield time, picture
        return
    held: np.ndarray | None = None
    count, last, gap = 0, start, 1 / fps
    for time, picture in shown:
        while held is not None and (moment := start + count / fps) < min(time - 1e-3, stop - 1e-6):
            yield moment, held
            count += 1
        if time >= stop:
            return
        if held is not None:
            gap = time - last
        held, last = picture, time
    while held is not None and (moment := start + count / fps) < min(last + gap - 1e-3, stop - 1e-6):
        yield moment, held
        count += 1


def _sound(file: Opened, reader: FrameReader, span: tuple[float, float], limits: Limits) -> Waveform | None:
    if isinstance(reader, VideoReader):
        return read_audio(
            file, start=reader.origin_seconds + span[0], seconds=span[1] - span[0], limits=limits
        )
    if isinstance(reader, FolderReader) and (reader.folder / "audio.wav").is_file():
        with opened(reader.folder / "audio.wav") as wav:
            return read_audio(wav, start=span[0], seconds=span[1] - span[0], limits=limits)
    return None


def _metadata(reader: FrameReader, plan: _Plan, kept: np.ndarray) -> dict[str, Any]:
    metadata: dict[str, Any] = dict(reader.record.metadata) if reader.record else {}
    if plan.times is not None:
        metadata["frame_times"] = [time for time, is_kept in zip(plan.times, kept, strict=True) if is_kept]
    if reader.warnings:
        metadata["warnings"] = list(reader.warnings)
    if reader.damage is not None:
        metadata["damage"] = reader.damage
    return metadata


def _check_arguments(
    start: float | None,
    end: float | None,
    num_frames: int | None,
    frames: Sequence[int] | None,
    fps: float | None,
    size: tuple[int, int] | None,
    damaged: str,
) -> None:
    if frames is not None and not (start is end is num_frames is fps is None):
        raise ValueError("frames=… chooses the frames by itself; leave out start, end, num_frames and fps")
    if frames is not None and len(frames) == 0:
        raise ValueError("frames=() asks for no frame at all; give at least one index")
    if start is not None and not 0 <= start < math.inf:
        raise ValueError(f"start must be seconds from 0, not {start}")
    if end is not None and not (start or 0) < end:
        raise ValueError(f"end ({end}) must come after start ({start or 0})")
    if num_frames is not None and num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, not {num_frames}")
    if fps is not None and not 0 < fps < math.inf:
        raise ValueError(f"fps must be a positive number, not {fps}")
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ValueError(f"size must be (width, height) in pixels, not {size}")
    if damaged not in ("error", "keep"):
        raise ValueError(f"damaged must be 'error' or 'keep', not {damaged!r}")
