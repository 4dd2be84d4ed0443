"""Layouts as pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from scenewright.layout import Layout

_PAPER, _INK = (238, 238, 234), (60, 60, 60)


def draw_layout(layout: Layout, width: int, height: int, background: np.ndarray | None = None) -> np.ndarray:
    """uint8 (T, H, W, 3): the boxes of each frame, in the colour that their label ``color`` names, the
    farther first. ``background``: frames to draw them on, of that shape."""
    frames = []
    for at in range(layout.boxes.shape[1]):
        under = None if background is None else Image.fromarray(background[at])
        image = under or Image.new("RGB", (width, height), _PAPER)
        draw = ImageDraw.Draw(image)
        for thing in np.argsort(-layout.depth[:, at], kind="stable"):
            if layout.depth[thing, at] <= 0:
                continue
            box = layout.boxes[thing, at] * (width, height, width, height)
            corners = [float(v) for v in (*np.minimum(box[:2], box[2:]), *np.maximum(box[:2], box[2:]))]
            labels = layout.labels[thing]
            fill = None if background is not None else _color(labels.get("color"))
            draw.rectangle(corners, outline=_color(labels.get("color")) if fill is None else _INK, fill=fill)
            if background is None and "shape" in labels:
                draw.text((corners[0] + 2, corners[1] + 1), labels["shape"][:4], fill=_INK)
        frames.append(np.asarray(image))
    return np.stack(frames)


def _color(name: str | None) -> tuple[int, ...]:
    try:
        return ImageColor.getrgb(name or "")[:3]
    except ValueError:
        return _INK
