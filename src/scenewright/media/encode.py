"""Encoding: a :class:`~scenewright.clip.Clip` becomes a file that any player shows, written atomically."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from scenewright.clip import Clip, Waveform
from scenewright.media.animation import write_folder, write_gif, write_webp
from scenewright.media.atomic import atomic
from scenewright.media.audio import AudioWriter, decode_audio
from scenewright.media.color import FromRGB, tag_bt709
from scenewright.media.reader import display_matrix, pick_video
from scenewright.media.record import Record, parse_record
from scenewright.media.source import MediaError, opened
from scenewright.media.xmp import append_xmp, record_text

Format = Literal["mp4", "mov", "webm", "mkv", "gif", "webp", "png"]
Codec = Literal["h264", "vp9", "av1", "ffv1"]

FORMATS: tuple[Format, ...] = get_args(Format)
_CODECS: dict[str, tuple[Codec, ...]] = {
    "mp4": ("h264", "av1", "vp9"),
    "mov": ("h264",),
    "webm": ("vp9", "av1"),
    "mkv": ("h264", "vp9", "av1", "ffv1"),
}
_AUDIO_CODECS = {"mp4": "aac", "mov": "aac", "webm": "libopus", "mkv": "libopus"}
_MUXERS = {"mp4": "mp4", "mov": "mov", "webm": "webm", "mkv": "matroska"}
_SOUND_FILES = {
    ".wav": ("wav", "pcm_s16le"),
    ".flac": ("flac", "flac"),
    ".m4a": ("mp4", "aac"),
    ".opus": ("ogg", "libopus"),
    ".ogg": ("ogg", "libopus"),
}


class _Encoder(NamedTuple):
    """FFmpeg's name, the pixel format, the constant rate factor (default, largest), fixed options."""

    name: str
    pixel_format: str
    crf: int | None
    max_crf: int
    options: dict[str, str]


#: With its macroblock tree, x264 gives other files for the same frames from run to run where the width is no
#: multiple of 128.
_ENCODERS: dict[Codec, _Encoder] = {
    "h264": _Encoder("libx264", "yuv420p", 18, 51, {"preset": "medium", "x264-params": "mbtree=0"}),
    "vp9": _Encoder("libvpx-vp9", "yuv420p", 24, 63, {"b": "0", "row-mt": "1", "cpu-used": "2"}),
    "av1": _Encoder("libsvtav1", "yuv420p10le", 24, 63, {"preset": "6"}),
    "ffv1": _Encoder("ffv1", "bgr0", None, 0, {"level": "3"}),
}


def encode(
    clip: Clip,
    path: str | os.PathLike[str],
    *,
    format: Format | None = None,
    codec: Codec | None = None,
    crf: float | None = None,
    quality: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    audio: bool = True,
) -> Path:
    """Writes a clip to ``path``. The file appears whole or not at all.

    Video (``mp4``, ``mov``, ``webm``, ``mkv``) is 4:2:0 YUV of 8 bits (AV1: 10, which keeps flat colours
    within a level), BT.709 limited range, tagged so, and MP4 has its index in front. H.264 cannot hold odd
    sizes: the last column or row is repeated once, and the true size is recorded so that
    :func:`~scenewright.media.decode` gives it back. ``ffv1`` in ``mkv`` is lossless RGB. GIF and WebP loop.
    ``png`` is a folder of pictures with ``audio.wav`` beside them.

    The caption and the metadata are stored as JSON where players and ``probe`` find them; in MP4 and MOV once
    more as XMP, which survives where tags are stripped.

    Args:
        format: by default from the suffix of ``path``; a path without one is a ``png`` folder.
        codec: ``h264`` (mp4, mov, mkv), ``vp9`` and ``av1`` (webm, mkv, mp4), ``ffv1`` (mkv). By default
            ``vp9`` for webm, else ``h264``.
        crf: constant rate factor, smaller is better: h264 0 to 51 (18), vp9 and av1 0 to 63 (24).
        quality: of WebP, 1 to 100 (90); 100 is lossless.
        metadata: added to the clip's own, over it where both have a key.
        audio: also write the clip's sound (AAC in mp4 and mov, Opus in webm and mkv, WAV beside PNG).

    Returns:
        The path.

    Raises:
        MediaError: unknown format, a codec the format cannot hold, or the system refuses to write.
        ValueError: an option that this format does not have or that is out of range, or metadata that is
            not JSON.
    """
    target = Path(path)
    chosen = _format_of(target, format)
    record = Record(
        caption=clip.caption,
        metadata={**clip.metadata, **(metadata or {})},
        fps=clip.fps,
        num_frames=len(clip),
        size=(clip.width, clip.height),
    )
    text = record.dumps()
    sound = clip.audio if audio else None
    if chosen in _CODECS:
        encoder = _encoder(chosen, codec)
        if quality is not None:
            raise ValueError("quality is for webp; video takes crf")
        with atomic(target) as temporary:
            _write_video(clip, temporary, chosen, encoder, _crf(encoder, crf), text, sound)
            if chosen in ("mp4", "mov"):
                append_xmp(temporary, text, clip.caption)
        return target
    if codec is not None:
        raise ValueError(f"{chosen} has no choice of codec; leave codec out")
    if crf is not None:
        raise ValueError(f"crf is for video; {chosen} does not have it")
    if quality is not None and chosen != "webp":
        raise ValueError(f"quality is for webp; {chosen} does not have it")
    with atomic(target) as temporary:
        if chosen == "gif":
            write_gif(clip, temporary, text)
        elif chosen == "webp":
            write_webp(clip, temporary, text, 90 if quality is None else quality)
        else:
            if target.is_file():
                raise MediaError(f"{target}: is a file, and a png sequence is a folder; choose another name")
            if target.is_dir() and any(not _of_a_sequence(file) for file in target.iterdir()):
                raise MediaError(f"{target}: the folder holds other files; choose another name, or empty it")
            write_folder(clip, temporary, text)
            if sound is not None:
                _write_sound(sound, temporary / "audio.wav", *_SOUND_FILES[".wav"])
    return target


def encode_audio(waveform: Waveform, path: str | os.PathLike[str]) -> Path:
    """Writes sound by the suffix of ``path``: WAV (16-bit), FLAC (lossless 16-bit), M4A (AAC), OGG or OPUS.

    Raises:
        MediaError: unknown suffix, no sample, or the system refuses to write.
    """
    target = Path(path)
    kind = _SOUND_FILES.get(target.suffix.lower())
    if kind is None:
        raise MediaError(
            f"{target}: sound is written as {', '.join(_SOUND_FILES)}; use one of these suffixes"
        )
    with atomic(target) as temporary:
        _write_sound(waveform, temporary, *kind)
    return target


def mux(
    video: str | os.PathLike[str],
    audio: Waveform | str | os.PathLike[str],
    out: str | os.PathLike[str],
) -> Path:
    """Puts sound under a video without encoding its pictures again; a sound track it had is replaced.

    The sound starts with the first frame and is cut where the video ends. Tags of the video are kept.

    Args:
        audio: a waveform, or a file with sound. It is encoded for the container of ``out`` (MP4, MOV: AAC;
            WebM, MKV: Opus).

    Raises:
        MediaError: unreadable input, a container that cannot hold this video codec, or nothing to write to.
    """
    target = Path(out)
    chosen = _format_of(target, None)
    if chosen not in _MUXERS:
        raise MediaError(f"{target}: {chosen} holds no sound; use mp4, mov, webm or mkv")
    waveform = audio if isinstance(audio, Waveform) else decode_audio(audio)
    with opened(video) as file, file.container() as source:
        stream = pick_video(source, file.name)
        matrix = _display_matrix(source, stream)
        origin, seconds = _span(source, stream)
        record = parse_record(record_text(source, file))
        keep = waveform.samples[:, : math.ceil(seconds * waveform.rate)]
        with atomic(target) as temporary:
            with _output(temporary, chosen) as sink:
                sink.metadata.update({k: v for k, v in source.metadata.items() if k.lower() in _KEPT_TAGS})
                if record is not None:
                    sink.metadata["comment"] = record.dumps()
                try:
                    copy = sink.add_stream_from_template(stream)
                except ValueError as error:
                    codec = stream.codec_context.codec.canonical_name
                    raise MediaError(
                        f"{target}: {chosen} cannot hold {codec} video; choose another suffix"
                    ) from error
                if matrix is not None:
                    copy.set_display_matrix(matrix)
                writer = AudioWriter(sink, Waveform(keep, waveform.rate), _AUDIO_CODECS[chosen])
                base = stream.time_base or Fraction(1)
                for packet, dts in _with_dts(source.demux(stream)):
                    packet.pts = None if packet.pts is None else packet.pts - origin
                    packet.dts = dts - origin
                    packet.stream = copy
                    writer.write_until(float(packet.dts * base))
                    sink.mux(packet)
                writer.finish()
            if chosen in ("mp4", "mov") and record is not None:
                append_xmp(temporary, record.dumps(), record.caption)
    return target


_KEPT_TAGS = frozenset({"comment", "title", "artist", "date", "copyright", "description", "genre"})


def _span(container: InputContainer, stream: VideoStream) -> tuple[int, float]:
    """The first picture's time in stream ticks, and the seconds from it to the end of the last one."""
    first, end = None, 0
    for packet in container.demux(stream):
        if packet.size and packet.pts is not None and not packet.is_discard:
            first = packet.pts if first is None else min(first, packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
    container.seek(0)
    if first is None:
        return 0, float(container.duration or 0) / av.time_base
    return first, float((end - first) * (stream.time_base or 1))


def _with_dts(packets: Iterator[Packet]) -> Iterator[tuple[Packet, int]]:
    """Packets with decoding times; where Matroska leaves them out at the start, they count back from the
    first one known."""
    waiting: list[Packet] = []
    for packet in packets:
        if packet.size == 0:
            continue
        if packet.dts is None:
            waiting.append(packet)
            continue
        for place, early in enumerate(waiting):
            yield early, packet.dts - (len(waiting) - place) * max(1, early.duration or 0)
        waiting.clear()
        yield packet, packet.dts
    for place, early in enumerate(waiting):
        yield early, early.pts if early.pts is not None else place


def _display_matrix(container: InputContainer, stream: VideoStream) -> list[int] | None:
    frame = next(container.decode(stream), None)
    container.seek(0)
    return None if frame is None else display_matrix(frame)


def _format_of(path: Path, format: str | None) -> str:
    known = f"{', '.join(FORMATS[:-1])}, or a folder of png"
    if format is not None:
        if format not in FORMATS:
            raise MediaError(f"there is no format {format!r}; use {known}")
        return format
    suffix = path.suffix.lower().lstrip(".")
    if not suffix:
        return "png"
    if suffix == "png":
        raise MediaError(f"{path}: a png sequence is a folder; give a name without .png, or use save_image")
    if suffix not in FORMATS:
        raise MediaError(f"{path}: no known video suffix .{suffix}; use {known}")
    return suffix


def _encoder(format: str, codec: Codec | None) -> _Encoder:
    able = _CODECS[format]
    if codec is None:
        return _ENCODERS[able[0]]
    if codec not in able:
        raise MediaError(f"{format} does not hold {codec!r} here; use {', '.join(able)}")
    return _ENCODERS[codec]


def _crf(encoder: _Encoder, crf: float | None) -> dict[str, str]:
    if encoder.crf is None:
        if crf is not None:
            raise ValueError(f"{encoder.name} is lossless; leave crf out")
        return {}
    value = encoder.crf if crf is None else crf
    if not 0 <= value <= encoder.max_crf:
        raise ValueError(f"crf of {encoder.name} goes from 0 (best) to {encoder.max_crf}, not {value}")
    return {"crf": f"{value:g}"}


@contextmanager
def priority_kept() -> Iterator[None]:
    """SVT-AV1, run as root, makes the thread that opens it a real-time one, before which all else on its
    core has to wait, and leaves it so."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)


def _output(path: Path, format: str) -> OutputContainer:
    # Matroska and WebM files else have random identifiers.
    options = {"movflags": "+faststart"} if format in ("mp4", "mov") else {"fflags": "+bitexact"}
    return av.open(f"file:{path}", "w", format=_MUXERS[format], options=options)


def _write_video(
    clip: Clip,
    path: Path,
    format: str,
    encoder: _Encoder,
    crf: dict[str, str],
    text: str,
    sound: Waveform | None,
) -> None:
    if encoder.name == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")
    rate = Fraction(clip.fps).limit_denominator(1001)
    if rate <= 0:
        raise MediaError(f"{clip.fps} frames per second is too slow for {format}; use at least 1/1000")
    frames = clip.frames
    if encoder.name == "libx264":
        frames = np.pad(frames, ((0, 0), (0, clip.height % 2), (0, clip.width % 2), (0, 0)), mode="edge")
    with priority_kept(), _output(path, format) as container:
        container.metadata["comment"] = text
        if clip.caption:
            container.metadata["title"] = clip.caption.encode("utf-8", "replace").decode()
        stream = container.add_stream(encoder.name, rate=rate, options={**encoder.options, **crf})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = encoder.pixel_format
        stream.codec_context.time_base = 1 / rate
        if encoder.pixel_format.startswith("yuv"):
            tag_bt709(stream.codec_context)
        writer = AudioWriter(container, sound, _AUDIO_CODECS[format]) if sound is not None else None
        convert = FromRGB(encoder.pixel_format)
        for number, picture in enumerate(frames):
            frame = convert(picture)
            frame.pts = number
            frame.time_base = 1 / rate
            container.mux(stream.encode(frame))
            if writer is not None:
                writer.write_until((number + 1) / clip.fps)
        container.mux(stream.encode(None))
        if writer is not None:
            writer.finish()


def _of_a_sequence(file: Path) -> bool:
    return re.fullmatch(r"frame-\d+\.png|audio\.wav", file.name) is not None


def _write_sound(waveform: Waveform, path: Path, muxer: str, codec: str) -> None:
    if waveform.samples.shape[1] == 0:
        raise MediaError(f"{path.name}: the sound has no sample in it; there is nothing to write")
    with av.open(f"file:{path}", "w", format=muxer) as container:
        AudioWriter(container, waveform, codec).finish()
