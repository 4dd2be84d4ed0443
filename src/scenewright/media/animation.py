"""Writing animations through Pillow: GIF with one good palette, animated WebP, folders of PNG."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from scenewright.clip import Clip
from scenewright.media.images import EXIF_DESCRIPTION
from scenewright.media.source import MediaError

#: Viewers slow a GIF down whose frames last less than 20 ms.
_MAX_GIF_FPS = 50.0


def write_gif(clip: Clip, path: Path, text: str) -> None:
    """One palette of 256 colours for the whole clip, ordered dither that does not flicker, endless loop.

    Times are in hundredths of a second: they are rounded so that no drift builds up.
    """
    if clip.fps > _MAX_GIF_FPS:
        raise MediaError(
            f"a GIF shows at most {_MAX_GIF_FPS:g} frames per second, not {clip.fps:g}; use mp4 or webp"
        )
    pictures = _to_palette(clip.frames)
    durations = _durations(len(clip), clip.fps, unit=0.01)
    pictures[0].save(
        path,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[10 * d for d in durations],
        loop=0,
        optimize=False,
        comment=text.encode("ascii"),
    )


def write_webp(clip: Clip, path: Path, text: str, quality: int) -> None:
    """Animated WebP, endless loop; ``quality`` 1 to 100, 100 is lossless."""
    if not 1 <= quality <= 100:
        raise ValueError(f"quality of webp goes from 1 to 100 (lossless), not {quality}")
    if max(clip.width, clip.height) > 16383:
        raise MediaError(f"webp holds at most 16383 pixels a side, not {clip.width}x{clip.height}; use mp4")
    pictures = [Image.fromarray(frame) for frame in clip.frames]
    exif = Image.Exif()
    exif[EXIF_DESCRIPTION] = text
    pictures[0].save(
        path,
        format="WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=_durations(len(clip), clip.fps, unit=0.001),
        loop=0,
        lossless=quality == 100,
        quality=quality,
        method=4,
        exif=exif,
    )


def write_folder(clip: Clip, path: Path, text: str) -> None:
    """``frame-00000.png`` and so on in a new folder; the first one carries the record."""
    path.mkdir()
    for number, frame in enumerate(clip.frames):
        info = PngInfo()
        if number == 0:
            info.add_text("scenewright", text, zip=len(text) > 1024)
        Image.fromarray(frame).save(
            path / f"frame-{number:05d}.png", format="PNG", pnginfo=info, compress_level=4
        )


def _durations(count: int, fps: float, unit: float) -> list[int]:
    """Whole units per frame whose running sum stays within half a unit of the true time."""
    edges = np.round(np.arange(count + 1) / fps / unit).astype(int)
    return [int(d) for d in np.maximum(1, np.diff(edges))]


def _to_palette(frames: np.ndarray) -> list[Image.Image]:
    """uint8 ``(T, H, W, 3)`` to images of one palette, by FFmpeg's palettegen and paletteuse."""
    height, width = frames.shape[1:3]
    graph = Graph()
    source = graph.add_buffer(
        width=width,
        height=height,
        format=av.VideoFormat("rgb24"),
        time_base=Fraction(1, 1000),
    )
    split = graph.add("split")
    generate = graph.add("palettegen", "reserve_transparent=0:stats_mode=full")
    use = graph.add("paletteuse", "dither=bayer:bayer_scale=3:diff_mode=none")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(generate, 1, 0)
    generate.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    for number, picture in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts = number
        frame.time_base = Fraction(1, 1000)
        graph.vpush(frame)
    graph.vpush(None)
    pictures = []
    for _ in frames:
        indices, palette = graph.vpull().to_ndarray()
        image = Image.fromarray(indices, mode="P")
        image.putpalette(palette.reshape(-1, 4)[:, 1:].tobytes())
        pictures.append(image)
    return pictures
