"""Probing: what a file is, at the cost of its header and one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.stream import Disposition

from scenewright.media.images import AnimationReader, FolderReader, is_picture
from scenewright.media.reader import Timeline, VideoReader
from scenewright.media.record import Record
from scenewright.media.source import DEFAULT_LIMITS, Limits, MediaError, Opened, Source, opened

#: Packets looked at to tell a variable from a constant frame rate.
_SAMPLE_PACKETS = 240


@dataclass(frozen=True)
class VideoInfo:
    """A video stream. ``width`` and ``height`` are the picture as shown (rotated, cropped, square pixels);
    ``stored_width``, ``stored_height``: the coded one. ``rotation``: degrees clockwise that make it upright.
    ``fps``: average. ``frames``: exact when ``frames_exact``, else what the header says or implies; ``None``
    when it says nothing. ``color_range``: limited or full; ``color_matrix``: bt709, bt601, bt2020, rgb, …;
    ``color_matrix_guessed``: the file does not say."""

    codec: str
    width: int
    height: int
    stored_width: int
    stored_height: int
    rotation: int
    fps: float
    variable_frame_rate: bool
    frames: int | None
    frames_exact: bool
    pixel_format: str
    color_range: str
    color_matrix: str
    color_matrix_guessed: bool
    sample_aspect_ratio: Fraction


@dataclass(frozen=True)
class AudioInfo:
    """A sound stream: ``rate`` in Hz."""

    codec: str
    rate: int
    channels: int
    layout: str


@dataclass(frozen=True)
class MediaInfo:
    """A media file. ``container``: FFmpeg's or Pillow's name; ``duration`` in seconds (``None``: not known);
    ``video`` and ``audio``: the main stream of each, if any; ``streams``: kind and codec of every one;
    ``tags`` as stored; ``caption`` and ``metadata``: what :func:`encode` put in; ``warnings``: oddities."""

    name: str
    container: str
    duration: float | None
    video: VideoInfo | None
    audio: AudioInfo | None
    streams: tuple[tuple[str, str], ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    caption: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def probe(source: Source, *, exact: bool = False, limits: Limits = DEFAULT_LIMITS) -> MediaInfo:
    """Describes a media file.

    Reads the header, decodes one frame, and looks at the first packets. ``exact`` reads every packet, still
    without decoding: the frame count, the frame rate and the duration are then those of the data, whatever
    the header says.

    Raises:
        MediaError: not readable as media, without any picture or sound, or over the limits.
    """
    with opened(source) as file:
        if file.folder is not None or is_picture(file):
            return _probe_pictures(file, limits)
        with file.container(limits) as container:
            streams = tuple(
                (s.type, s.codec_context.name if s.codec_context else "?") for s in container.streams
            )
            tags = {key.lower(): value for key, value in container.metadata.items()}
            duration = container.duration / av.time_base if container.duration else None
            format_name = container.format.name
            audio = _audio_info(container)
            has_video = any(not s.disposition & Disposition.attached_pic for s in container.streams.video)
        if not has_video:
            if audio is None:
                raise MediaError(f"{file.name}: there is neither video nor sound in it; give a media file")
            return MediaInfo(file.name, format_name, duration, None, audio, streams, tags)
        reader = VideoReader(file, limits)
        try:
            video, seconds, warnings = _video_info(reader, exact, duration)
            record = reader.record or Record()
        finally:
            reader.close()
    return MediaInfo(
        name=file.name,
        container=format_name,
        duration=seconds,
        video=video,
        audio=audio,
        streams=streams,
        tags=tags,
        caption=record.caption,
        metadata=record.metadata,
        warnings=tuple(warnings),
    )


def _video_info(
    reader: VideoReader, exact: bool, duration: float | None
) -> tuple[VideoInfo, float | None, list[str]]:
    frames: int | None
    if exact:
        line, complete = reader.timeline(), True
    else:
        line, complete = reader.sample_timeline(_SAMPLE_PACKETS)
    stream = reader.stream
    if complete:
        frames = len(line.times)
    else:
        frames = stream.frames or None
        if frames is None and duration:
            frames = round(duration * line.fps)
    if reader.damage:
        reader.warnings.append(reader.damage)
    fps = line.fps
    if not complete and line.variable and stream.average_rate:
        fps = float(stream.average_rate)
    info = VideoInfo(
        codec=_codec_name(stream),
        width=reader.width,
        height=reader.height,
        stored_width=reader.geometry.stored[0],
        stored_height=reader.geometry.stored[1],
        rotation=reader.geometry.rotation,
        fps=fps,
        variable_frame_rate=line.variable,
        frames=frames,
        frames_exact=complete,
        pixel_format=reader.pixel_format,
        color_range=reader.coding.range,
        color_matrix=reader.coding.matrix,
        color_matrix_guessed=reader.coding.matrix_guessed,
        sample_aspect_ratio=stream.sample_aspect_ratio or Fraction(1),
    )
    return info, (line.end if complete else duration), reader.warnings


def _codec_name(stream: av.stream.Stream) -> str:
    """The coding's name (``av1``), not the decoder's (``libdav1d``)."""
    return stream.codec_context.codec.canonical_name if stream.codec_context else "?"


def _audio_info(container: av.container.InputContainer) -> AudioInfo | None:
    for stream in container.streams.audio:
        context = stream.codec_context
        if context is not None:
            return AudioInfo(_codec_name(stream), context.sample_rate, context.channels, context.layout.name)
    return None


def _probe_pictures(file: Opened, limits: Limits) -> MediaInfo:
    reader: FolderReader | AnimationReader = (
        FolderReader(file, limits) if file.folder is not None else AnimationReader(file, limits)
    )
    try:
        line: Timeline = reader.timeline()
        audio = None
        if isinstance(reader, FolderReader) and (reader.folder / "audio.wav").is_file():
            with opened(reader.folder / "audio.wav") as wav, wav.container(limits) as container:
                audio = _audio_info(container)
        record = reader.record or Record()
        codec = reader.format.lower()
        video = VideoInfo(
            codec=codec,
            width=reader.width,
            height=reader.height,
            stored_width=reader.width,
            stored_height=reader.height,
            rotation=0,
            fps=line.fps,
            variable_frame_rate=line.variable,
            frames=len(line.times),
            frames_exact=True,
            pixel_format="rgb24",
            color_range="full",
            color_matrix="rgb",
            color_matrix_guessed=False,
            sample_aspect_ratio=Fraction(1),
        )
    finally:
        reader.close()
    return MediaInfo(
        name=file.name,
        container="folder" if file.folder is not None else codec,
        duration=line.end,
        video=video,
        audio=audio,
        streams=(("video", codec), *((("audio", audio.codec),) if audio else ())),
        caption=record.caption,
        metadata=record.metadata,
        warnings=(*reader.warnings, *([reader.damage] if reader.damage else [])),
    )
