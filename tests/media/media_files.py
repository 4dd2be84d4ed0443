"""Files for the media tests, made on the spot by PyAV's encoder or by the ffmpeg program."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from scenewright.media.encode import priority_kept

BITS = 8


def numbered(count: int, width: int = 64, height: int = 48) -> np.ndarray:
    """uint8 ``(T, H, W, 3)``: each frame shows its number as ``BITS`` vertical black or white bars."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    bar = width // BITS
    for number in range(count):
        for bit in range(BITS):
            if number >> bit & 1:
                frames[number, :, bit * bar : (bit + 1) * bar] = 255
    return frames


def numbers_of(frames: np.ndarray) -> list[int]:
    """Reads the numbers back off frames of :func:`numbered`, however lossy the coding."""
    bar = frames.shape[2] // BITS
    lit = [
        frames[:, :, b * bar + bar // 4 : (b + 1) * bar - bar // 4].mean((1, 2, 3)) > 128 for b in range(BITS)
    ]
    return [int(sum(int(lit[b][t]) << b for b in range(BITS))) for t in range(len(frames))]


def ffmpeg(*arguments: str | Path) -> bytes:
    """Runs the ffmpeg program and returns what it writes to standard output."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-hide_banner",
        "-loglevel",
        "error",
        "-y",
        *map(str, arguments),
    ]
    return subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout


def write_stamped(
    path: Path,
    frames: np.ndarray,
    stamps: list[int],
    time_base: Fraction,
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
    rotation: int | None = None,
    tags: dict[str, int] | None = None,
) -> None:
    """Encodes frames with these presentation times. ``tags``: colour attributes of the encoder."""
    with priority_kept(), av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = time_base
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for picture, stamp in zip(frames, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_flat_yuv(path: Path, yuv: list[tuple[int, int, int]], matrix: int, color_range: int) -> None:
    """Lossless H.264 whose frame ``t`` is the flat colour ``yuv[t]``, tagged with H.273 matrix and range."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"qp": "0"})
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = color_range
        for number, values in enumerate(yuv):
            frame = av.VideoFrame(32, 32, "yuv420p")
            for plane, value in zip(frame.planes, values, strict=True):
                plane.update(np.full((plane.height, plane.line_size), value, np.uint8).tobytes())
            frame.colorspace, frame.color_range = matrix, color_range
            frame.pts, frame.time_base = number, Fraction(1, 8)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
