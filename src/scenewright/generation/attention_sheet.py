"""A picture of which words a network looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from scenewright.clip import Clip
from scenewright.media import contact_sheet

#: How bright pixels are that look at other words.
_DARKEST = 0.12


def attention_sheet(clip: Clip, maps: Sequence[tuple[str, np.ndarray]], frames: int = 8) -> Image.Image:
    """The clip, and a film strip for each piece of the text, whose pixels are as bright as their weight, as a
    share of the largest of all. ``maps``: pieces and their weights, float (T, h, w); pieces without letters,
    such as the marks of begin and end, are left out."""
    shown = [(piece, weights) for piece, weights in maps if piece]
    largest = max(float(weights.max()) for _, weights in shown)
    height, width = clip.frames.shape[1:3]
    strips: list[Clip | np.ndarray] = [clip]
    captions = [clip.caption or ""]
    for piece, weights in shown:
        light = _DARKEST + (1 - _DARKEST) * weights / largest
        large = np.stack(
            [
                np.asarray(
                    Image.fromarray(frame.astype(np.float32)).resize(
                        (width, height), Image.Resampling.BILINEAR
                    )
                )
                for frame in light
            ]
        )
        strips.append((clip.frames * large[..., None]).round().clip(0, 255).astype(np.uint8))
        captions.append(f"{piece}: {weights.mean():.2f}")
    return contact_sheet(strips, captions, columns=2, frames_per_clip=frames)
