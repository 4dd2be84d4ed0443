"""Pictures beside a video: a preview of a half-made one, the thumbnail, the sheet of frames for scrubbing."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from scenewright.clip import Clip
from scenewright.media import thumbnail

#: Most bytes of a preview, before it is written as text.
MOST_BYTES = 11_000
_SIDE = 160


def data_url(frames: np.ndarray, fps: float) -> str:
    """uint8 ``(T, H, W, 3)`` as the data URL of an animated WebP of at most about 15 kB, of fewer and smaller
    frames where it must be; it lasts as long as the video."""
    seconds = len(frames) / fps
    for count, side, quality in ((16, _SIDE, 60), (12, _SIDE, 40), (8, 128, 30), (6, 96, 20), (4, 64, 10)):
        content = _webp(frames, min(count, len(frames)), side, quality, seconds)
        if len(content) <= MOST_BYTES:
            break
    return "data:image/webp;base64," + base64.b64encode(content).decode()


def thumbnail_of(clip: Clip) -> bytes:
    """The middle frame as WebP, at most 320 pixels a side."""
    return _written(thumbnail(clip, 320), quality=85)


def spritesheet_of(clip: Clip) -> bytes:
    """Up to 16 frames spread evenly over the clip, four in a row, each at most 160 pixels a side, as WebP."""
    count = min(16, len(clip))
    pictures = [Image.fromarray(clip.frames[place]) for place in _spread(len(clip), count)]
    for picture in pictures:
        picture.thumbnail((_SIDE, _SIDE))
    columns, (width, height) = min(4, count), pictures[0].size
    sheet = Image.new("RGB", (columns * width, -(-count // columns) * height))
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place % columns * width, place // columns * height))
    return _written(sheet, quality=80)


def _spread(total: int, count: int) -> list[int]:
    return [int(place) for place in np.linspace(0, total - 1, count).round()]


def _written(picture: Image.Image, quality: int) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, format="WEBP", quality=quality)
    return sink.getvalue()


def _webp(frames: np.ndarray, count: int, side: int, quality: int, seconds: float) -> bytes:
    pictures = [Image.fromarray(frames[place]) for place in _spread(len(frames), count)]
    for picture in pictures:
        picture.thumbnail((side, side))
    sink = io.BytesIO()
    pictures[0].save(
        sink,
        format="WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=max(20, round(1000 * seconds / count)),
        loop=0,
        quality=quality,
        method=2,
    )
    return sink.getvalue()
