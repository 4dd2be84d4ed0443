"""Reading video streams through PyAV: the frame index, frame-accurate seeking, and the picture as shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Discard, Disposition
from av.video.stream import VideoStream
from PIL import Image

from scenewright.media.color import HDR_TRANSFERS, ColorCoding, ToRGB, coding_of
from scenewright.media.record import Record, parse_record
from scenewright.media.source import Limits, MediaError, Opened
from scenewright.media.xmp import record_text

_MAX_ASPECT = 16.0


class FrameReader(Protocol):
    """What decoding needs from a file, whatever its kind. Times are seconds after the first frame's time."""

    name: str
    width: int
    height: int
    record: Record | None
    warnings: list[str]
    damage: str | None

    def timeline(self) -> Timeline: ...

    def reindex(self) -> None: ...

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Yields ``(index, picture)`` for strictly increasing ``indices``; pictures uint8 ``(H, W, 3)``."""
        ...

    def play(self, start: float) -> Iterator[tuple[float, np.ndarray]]:
        """Yields ``(time, picture)`` in order, from the frame on screen at ``start``; needs no index."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Timeline:
    """When each frame is shown: ``times`` float64 ``(N,)`` seconds from the first frame, increasing; ``end``
    of the last frame; ``fps`` nominal; ``tick``: the resolution of the times; ``variable`` frame rate."""

    times: np.ndarray
    end: float
    fps: float
    tick: float
    variable: bool

    @property
    def tolerance(self) -> float:
        """Times closer than this are the same: one tick, at most a quarter of a frame."""
        return min(self.tick, 0.25 / self.fps) * 1.01 + 1e-9


def make_timeline(times: np.ndarray, last_duration: float, tick: float, rates: Sequence[float]) -> Timeline:
    """Decides the nominal rate: the first of ``rates`` that explains every time to within a tick, else the
    measured average."""
    count = len(times)
    span = float(times[-1]) if count else 0.0
    measured = (count - 1) / span if count > 1 and span > 0 else None
    steady = np.arange(count)
    for rate in [*rates, *([measured] if measured else [])]:
        if rate and 0 < rate < 1e4 and np.all(np.abs(times - steady / rate) <= tick * 1.01 + 1e-6):
            return Timeline(times, span + 1 / rate, rate, tick, variable=False)
    if measured is None:
        rate = next((r for r in rates if r and 0 < r < 1e4), 25.0)
        return Timeline(times, span + 1 / rate, rate, tick, variable=False)
    end = span + (last_duration if last_duration > 0 else 1 / measured)
    return Timeline(times, end, count / end, tick, variable=True)


@dataclass(frozen=True)
class Geometry:
    """How stored pixels become the picture a player shows, in this order: ``crop`` to (width, height) from
    the top left, stretch to square pixels (``aspect``: a pixel's width over its height), transpose, flips."""

    stored: tuple[int, int]
    crop: tuple[int, int]
    aspect: float = 1.0
    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def rotation(self) -> int:
        """Degrees clockwise (0, 90, 180, 270) the stored picture is turned by to be shown upright."""
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_x and self.flip_y else 0

    @property
    def shown(self) -> tuple[int, int]:
        width, height = self._square()
        return (height, width) if self.transpose else (width, height)

    def _square(self) -> tuple[int, int]:
        width, height = self.crop
        return max(1, round(width * self.aspect)), height

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """uint8 ``(H, W, 3)`` as stored to uint8 as shown. A picture of another size is first scaled."""
        if (picture.shape[1], picture.shape[0]) != self.stored:
            picture = resize(picture, self.stored)
        picture = picture[: self.crop[1], : self.crop[0]]
        if self._square() != self.crop:
            picture = resize(picture, self._square())
        if self.transpose:
            picture = picture.transpose(1, 0, 2)
        if self.flip_x:
            picture = picture[:, ::-1]
        if self.flip_y:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


def resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 ``(H, W, 3)`` to ``size`` = (width, height): Pillow's antialiased bicubic."""
    if (picture.shape[1], picture.shape[0]) == tuple(size):
        return picture
    image = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image)


class VideoReader:
    """A video stream of a container, as a :class:`FrameReader`.

    ``container`` and ``stream`` are replaced when the reader rewinds and dead once it is closed (PyAV's
    streams point into their container): fetch them anew, never keep them.

    Raises:
        MediaError: unreadable, no video in it, no frame that decodes, or over the limits.
    """

    def __init__(self, source: Opened, limits: Limits) -> None:
        self.name = source.name
        self.warnings: list[str] = []
        self.damage: str | None = None
        self._source = source
        self._limits = limits
        self._to_rgb = ToRGB()
        self._index: _Index | None = None
        self._open()
        try:
            self.record = parse_record(record_text(self.container, source))
            first_time, first = self._first_frame()
            self._origin = first_time
            self.coding: ColorCoding = coding_of(first)
            self.pixel_format = first.format.name
            self.geometry = self._geometry(first)
            self.width, self.height = self.geometry.shown
            limits.check_picture(self.name, self.width, self.height)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.container.close()

    def _open(self) -> None:
        self.container = self._source.container(self._limits)
        self.stream = pick_video(self.container, self.name)
        context = self.stream.codec_context
        if context is None:
            raise MediaError(f"{self.name}: no decoder for its video; convert it to H.264 MP4")
        self._time_base = float(self.stream.time_base or 1)
        self._limits.check_picture(self.name, context.width, context.height)
        context.options = {"max_pixels": str(self._limits.max_pixels)}
        context.thread_type = "AUTO"
        for other in self.container.streams:
            if other is not self.stream:
                other.discard = Discard.all

    def _first_frame(self) -> tuple[int | None, av.VideoFrame]:
        for frame in self._decoded():
            return frame.pts, frame
        why = self.damage or "the file has no frame in it"
        raise MediaError(f"{self.name}: no picture can be decoded ({why}); the file is damaged, get it again")

    def _geometry(self, frame: av.VideoFrame) -> Geometry:
        stored = (frame.width, frame.height)
        crop = stored
        if self.record and self.record.size:
            padding = [have - want for have, want in zip(stored, self.record.size, strict=True)]
            if all(0 <= extra <= 1 for extra in padding):
                crop = self.record.size
        sar = self.stream.sample_aspect_ratio
        aspect = float(sar) if sar and sar > 0 else 1.0
        if not 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
            self.warnings.append(f"a pixel aspect ratio of {sar} is not believable and was ignored")
            aspect = 1.0
        transpose, flip_x, flip_y = self._orientation(frame)
        if (hdr := HDR_TRANSFERS.get(frame.color_trc)) is not None:
            self.warnings.append(f"high dynamic range ({hdr}) is shown without tone mapping")
        if self.coding.matrix in ("ycgco", "ictcp"):
            self.warnings.append(f"the {self.coding.matrix} colour matrix is read as BT.709")
        return Geometry(stored, crop, aspect, transpose, flip_x, flip_y)

    def _orientation(self, frame: av.VideoFrame) -> tuple[bool, bool, bool]:
        """(transpose, flip_x, flip_y) of the display matrix: x' = a x + c y, y' = b x + d y."""
        matrix = display_matrix(frame)
        if matrix is None:
            return False, False, False
        a, b, _, c, d = map(float, matrix[:5])
        transpose = abs(b) + abs(c) > abs(a) + abs(d)
        straight, skew = ((b, c), (a, d)) if transpose else ((a, d), (b, c))
        if max(map(abs, skew)) > 0.02 * max(map(abs, straight)):
            self.warnings.append("its rotation is not a multiple of 90 degrees; the nearest one is used")
        return (True, c < 0, b < 0) if transpose else (False, a < 0, d < 0)

    # ---------------------------------------------------------------------------------------------- frames

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Frames from where the container stands, noting damage instead of stopping at it."""
        try:
            for packet in self.container.demux(self.stream):
                if packet.is_corrupt:
                    self._note_damage(packet.pts)
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    self._note_damage(packet.pts)
                    continue
                for frame in frames:
                    if frame.is_corrupt:
                        self._note_damage(frame.pts)
                    yield frame
        except av.error.FFmpegError as error:
            self._note_damage(None, str(error.strerror if isinstance(error, OSError) else error))

    def _note_damage(self, pts: int | None, reason: str = "damaged data") -> None:
        if self.damage is None:
            where = "" if pts is None else f" at {max(0.0, float(pts * self._time_base)):.2f} s"
            self.damage = f"{reason}{where}"

    @property
    def origin_seconds(self) -> float:
        """The first frame's time on the container's clock, which the sound shares."""
        return 0.0 if self._origin is None else self._origin * self._time_base

    def _rewind(self) -> None:
        self.container.close()
        self._open()

    def _shown(self, frame: av.VideoFrame) -> np.ndarray:
        self._limits.check_picture(self.name, frame.width, frame.height)
        if (frame.width, frame.height) != self.geometry.stored:
            note = "its picture size changes on the way; every frame is scaled to the first one's"
            if note not in self.warnings:
                self.warnings.append(note)
        return self.geometry(self._to_rgb(frame))

    def index(self) -> _Index:
        """Scans the packets, without decoding. Cached."""
        if self._index is None:
            self._rewind()
            self._set_index(_scan_packets(self, None)[0])
        assert self._index is not None
        return self._index

    def _set_index(self, index: _Index) -> None:
        self._index = index
        said = (self.container.duration or 0) / av.time_base
        lasts = index.timeline.end
        if self.stream.duration is None and said and abs(said - lasts) > max(1.0, 0.1 * lasts):
            self.warnings.append(f"its header says {said:.2f} s, its video lasts {lasts:.2f} s")

    def sample_timeline(self, packets: int) -> tuple[Timeline, bool]:
        """The timeline of the first ``packets`` packets, and whether these are all."""
        if self._index is not None:
            return self._index.timeline, True
        self._rewind()
        index, complete = _scan_packets(self, packets)
        if complete:
            self._set_index(index)
        return index.timeline, complete

    def reindex(self) -> None:
        """Replaces the index by one of what really decodes: in some files not every packet is a frame."""
        self._rewind()
        pts = [frame.pts for frame in self._decoded()]
        old = self.index().timeline
        known = np.unique(np.array([p for p in pts if p is not None], dtype=np.int64))
        if self._origin is None or len(known) < len(pts):
            self._index = _counted_index(len(pts), old.fps, old.tick)
            return
        times = (known - self._origin) * self._time_base
        timeline = make_timeline(times, 1 / old.fps, old.tick, [old.fps])
        self._index = _Index(known, np.array([0]), timeline)

    def timeline(self) -> Timeline:
        return self.index().timeline

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        index = self.index()
        wanted = list(indices)
        done = 0
        for position, frame in self._walk(index, wanted):
            while done < len(wanted) and wanted[done] < position:
                done += 1
            if done < len(wanted) and wanted[done] == position:
                yield position, self._shown(frame)
                done += 1
                if done == len(wanted):
                    return

    def _walk(self, index: _Index, wanted: Sequence[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decodes what is needed for ``wanted`` and yields ``(index, frame)``, seeking over long gaps."""
        self._rewind()
        frames = self._decoded()
        if index.pts is None:
            yield from enumerate(frames)
            return
        position = -1
        for target in wanted:
            key = index.key_before(target)
            if key > position + 1:
                frames = self._seek(index, key)
            while position < target:
                frame = next(frames, None)
                if frame is None:
                    return
                if frame.pts is None:
                    continue
                at = int(np.searchsorted(index.pts, frame.pts))
                if at < len(index.pts) and index.pts[at] == frame.pts:
                    position = at
                    yield at, frame

    def _seek(self, index: _Index, key: int) -> Iterator[av.VideoFrame]:
        """Frames from the key frame ``key`` or before it; tries an earlier one, then rewinds."""
        assert index.pts is not None
        pts = int(index.pts[key])
        for attempt in (pts, int(index.pts[index.key_before(max(0, key - 1))])):
            try:
                self.container.seek(attempt, stream=self.stream)
            except av.error.FFmpegError:
                break
            frames = self._decoded()
            first = next(frames, None)
            if first is not None and first.pts is not None and first.pts <= pts:
                return _chain(first, frames)
        self._rewind()
        return self._decoded()

    def play(self, start: float) -> Iterator[tuple[float, np.ndarray]]:
        self._rewind()
        frames = self._decoded()
        origin, base = self._origin, self._time_base
        rate = float(self.stream.guessed_rate or self.stream.average_rate or 25)
        if origin is None:
            for number, frame in enumerate(frames):
                if (number + 1) / rate > start:
                    yield number / rate, self._shown(frame)
            return
        if start > 0:
            target = origin + int(start / base)
            try:
                self.container.seek(target, stream=self.stream)
                first = next(frames := self._decoded(), None)
            except av.error.FFmpegError:
                first = None
            if first is None or first.pts is None or first.pts > target:
                self._rewind()
                frames = self._decoded()
            else:
                frames = _chain(first, frames)
        held: tuple[float, av.VideoFrame] | None = None
        tolerance = min(base, 0.25 / rate) * 1.01 + 1e-9
        for frame in frames:
            if frame.pts is None or frame.pts < origin:
                continue
            time = (frame.pts - origin) * base
            if time <= start + tolerance:
                held = (time, frame)
                continue
            if held is not None:
                yield held[0], self._shown(held[1])
                held = None
            yield time, self._shown(frame)
        if held is not None:
            yield held[0], self._shown(held[1])


def _chain(first: av.VideoFrame, rest: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    yield first
    yield from rest


def display_matrix(frame: av.VideoFrame) -> list[int] | None:
    """The nine fixed-point numbers of a frame's display matrix, row by row, if it has one."""
    side_data = cast(Mapping[SideDataType, bytes], frame.side_data)
    data = side_data.get(SideDataType.DISPLAYMATRIX)
    return None if data is None else [int(n) for n in np.frombuffer(bytes(data), dtype=np.int32)]


def pick_video(container: InputContainer, name: str) -> VideoStream:
    """The main video stream: the largest picture that is not cover art."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        if container.streams.audio:
            raise MediaError(f"{name}: it has sound but no video; read it with decode_audio")
        raise MediaError(f"{name}: there is no video in it; give a video file")
    return max(
        streams, key=lambda s: (s.codec_context.width * s.codec_context.height) if s.codec_context else 0
    )


@dataclass(frozen=True)
class _Index:
    """``pts``: int64 ``(N,)`` increasing presentation times in stream ticks, or ``None`` where the file has
    none (frames are then counted); ``keys``: indices of key frames, increasing."""

    pts: np.ndarray | None
    keys: np.ndarray
    timeline: Timeline

    def key_before(self, index: int) -> int:
        at = int(np.searchsorted(self.keys, index, side="right")) - 1
        return int(self.keys[at]) if at >= 0 else 0


def _scan_packets(reader: VideoReader, most: int | None) -> tuple[_Index, bool]:
    """Indexes the first ``most`` packets (``None``: all); the flag says that these were all."""
    stream, base = reader.stream, reader._time_base
    pts: list[int | None] = []
    keys: list[int | None] = []
    duration, discarded, complete = 0, 0, True
    try:
        for packet in reader.container.demux(stream):
            if packet.size == 0:
                continue
            if packet.is_discard:
                discarded += 1
                continue
            if packet.is_corrupt:
                reader._note_damage(packet.pts)
            pts.append(packet.pts)
            duration = packet.duration or duration
            if packet.is_keyframe:
                keys.append(packet.pts)
            if most is not None and len(pts) > most:
                complete = False
                break
            if len(pts) > reader._limits.max_frames:
                raise MediaError(
                    f"{reader.name}: more than {reader._limits.max_frames} frames; cut it into parts, or "
                    "pass limits=Limits(max_frames=…) if you trust it"
                )
    except av.error.FFmpegError as error:
        reader._note_damage(None, str(error.strerror if isinstance(error, OSError) else error))
    declared, found = stream.frames, len(pts) + discarded
    if complete and declared > found:
        if "mp4" in reader.container.format.name:
            reader.damage = f"cut off: {found} of its {declared} frames are there"
        else:
            reader.warnings.append(f"its header says {declared} frames, the file holds {found}")
    rates = [float(r) for r in (stream.average_rate, stream.guessed_rate) if r]
    if reader.record and reader.record.fps:
        rates.insert(0, reader.record.fps)
    known = [p for p in pts if p is not None]
    origin = reader._origin
    if origin is None or len(known) < len(pts) or len(set(known)) < len(known):
        rate = rates[0] if rates else 25.0
        return _counted_index(len(pts), rate, base), complete
    ordered = np.unique(np.array(known, dtype=np.int64))
    ordered = ordered[ordered >= origin]
    if len(ordered) == 0:
        ordered = np.array([origin], dtype=np.int64)
    key_at = np.searchsorted(
        ordered, np.array(sorted(k for k in keys if k is not None and k >= origin), dtype=np.int64)
    )
    times = (ordered - origin) * base
    return _Index(ordered, key_at, make_timeline(times, duration * base, base, rates)), complete


def _counted_index(frames: int, rate: float, tick: float) -> _Index:
    """For streams without usable time stamps: frames are counted, and nothing is sought."""
    times = np.arange(max(1, frames)) / rate
    return _Index(None, np.array([0]), make_timeline(times, 1 / rate, tick, [rate]))
