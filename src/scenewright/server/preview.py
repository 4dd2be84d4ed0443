"""What a half-made video looks like by now, small enough to be sent twice a second."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

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


def _webp(frames: np.ndarray, count: int, side: int, quality: int, seconds: float) -> bytes:
    places = np.linspace(0, len(frames) - 1, count).round().astype(int)
    pictures = [Image.fromarray(frames[place]) for place in places]
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
