"""Pictures of clips: thumbnails, film strips and contact sheets."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scenewright.clip import Clip
from scenewright.media.atomic import atomic
from scenewright.media.decode import decode
from scenewright.media.source import MediaError, Source

_PAPER = (250, 250, 248)
_CARD = (255, 255, 255)
_EDGE = (222, 222, 218)
_INK = (38, 40, 44)
_MARGIN = 16
_PADDING = 8

Picture = Clip | np.ndarray | Image.Image


def save_image(picture: np.ndarray | Image.Image, path: str | os.PathLike[str]) -> Path:
    """Writes one picture (uint8 ``(H, W, 3)`` or a Pillow image) as PNG, JPEG or WebP by suffix, atomically.

    Raises:
        MediaError: another suffix, or the system refuses to write.
    """
    target = Path(path)
    formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    kind = formats.get(target.suffix.lower())
    if kind is None:
        raise MediaError(f"{target}: a picture is written as {', '.join(formats)}; use one of these suffixes")
    image = _image(picture)
    with atomic(target) as temporary:
        image.save(temporary, format=kind, quality=95) if kind != "PNG" else image.save(
            temporary, format=kind
        )
    return target


def thumbnail(source: Clip | Source, size: int = 256) -> Image.Image:
    """The middle frame, its longer side ``size`` pixels (never enlarged). A file is not decoded whole."""
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, not {size}")
    if isinstance(source, Clip):
        picture = source.frames[len(source) // 2]
    else:
        picture = decode(source, num_frames=1, audio=False).frames[0]
    image = Image.fromarray(picture)
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return image


def film_strip(clip: Picture, n: int = 8, *, height: int | None = None, gap: int = 2) -> Image.Image:
    """``n`` frames spread evenly over the clip, first and last included, side by side with white gaps.

    ``height`` in pixels scales the strip; a clip of fewer than ``n`` frames shows each once.
    """
    if n < 1:
        raise ValueError(f"a film strip needs at least 1 frame, not {n}")
    pictures = _pictures(clip)
    chosen = (
        np.unique(np.round(np.linspace(0, len(pictures) - 1, n)).astype(int))
        if n > 1
        else [len(pictures) // 2]
    )
    images = [_image(pictures[int(i)]) for i in chosen]
    if height is not None:
        images = [_scaled(image, height) for image in images]
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    strip = Image.new("RGB", (width, max(image.height for image in images)), (255, 255, 255))
    x = 0
    for image in images:
        strip.paste(image, (x, 0))
        x += image.width + gap
    return strip


def contact_sheet(
    clips: Sequence[Picture],
    captions: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    frames_per_clip: int = 1,
    height: int | None = None,
    title: str | None = None,
) -> Image.Image:
    """Many clips on one page: each a film strip of ``frames_per_clip`` frames with its caption below.

    Args:
        clips: clips, single frames (uint8 ``(H, W, 3)``), frame stacks ``(T, H, W, 3)`` or Pillow images.
        captions: one per clip; by default the clips' own. Long ones wrap.
        columns: by default about as many as make the page square.
        height: of the pictures, in pixels; by default as they are, but at least 96.
        title: a heading over the page.

    Returns:
        An RGB Pillow image.

    Raises:
        ValueError: no clip, captions that do not match, or a number below 1.
    """
    if len(clips) == 0:
        raise ValueError("a contact sheet needs at least one clip")
    if captions is not None and len(captions) != len(clips):
        raise ValueError(f"{len(captions)} captions for {len(clips)} clips; give one each")
    if frames_per_clip < 1 or (columns is not None and columns < 1):
        raise ValueError(f"columns ({columns}) and frames_per_clip ({frames_per_clip}) must be at least 1")
    texts = list(captions) if captions is not None else [_own_caption(clip) for clip in clips]
    strips = [film_strip(clip, frames_per_clip, height=height or max(96, _height(clip))) for clip in clips]
    cell_width = max(strip.width for strip in strips)
    strip_height = max(strip.height for strip in strips)
    font = _font(max(12, min(18, strip_height // 9)))
    columns = min(len(clips), columns or _square_columns(len(clips), cell_width, strip_height))
    wrapped = [_wrap(text, font, cell_width) for text in texts]
    line_height = round(font.size * 1.3)
    rows = [range(i, min(i + columns, len(clips))) for i in range(0, len(clips), columns)]
    text_heights = [max(len(wrapped[i]) for i in row) * line_height for row in rows]
    card_heights = [strip_height + 2 * _PADDING + (t + _PADDING if t else 0) for t in text_heights]
    card_width = cell_width + 2 * _PADDING
    heading = _font(font.size + 6)
    width = columns * card_width + (columns + 1) * _MARGIN
    title_lines = _wrap(title, heading, width - 2 * _MARGIN) if title else []
    top = _MARGIN + (len(title_lines) * round(heading.size * 1.3) + _PADDING if title_lines else 0)
    page = Image.new("RGB", (width, top + sum(card_heights) + len(rows) * _MARGIN), _PAPER)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(title_lines):
        draw.text((_MARGIN, _MARGIN - 4 + number * round(heading.size * 1.3)), line, fill=_INK, font=heading)
    y = top
    for row, card_height in zip(rows, card_heights, strict=True):
        for place, i in enumerate(row):
            x = _MARGIN + place * (card_width + _MARGIN)
            box = (x, y, x + card_width - 1, y + card_height - 1)
            draw.rounded_rectangle(box, radius=6, fill=_CARD, outline=_EDGE)
            page.paste(strips[i], (x + _PADDING + (cell_width - strips[i].width) // 2, y + _PADDING))
            for number, line in enumerate(wrapped[i]):
                at = (x + _PADDING, y + 2 * _PADDING + strip_height + number * line_height)
                draw.text(at, line, fill=_INK, font=font)
        y += card_height + _MARGIN
    return page


def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines no wider than ``width`` pixels; words longer than a line are broken."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            candidate = f"{line} {word}" if line else word
            if font.getlength(candidate) <= width:
                line = candidate
                continue
            if line:
                lines.append(line)
            while font.getlength(word) > width and len(word) > 1:
                fit = max(
                    1, next(k for k in range(len(word), 0, -1) if k == 1 or font.getlength(word[:k]) <= width)
                )
                lines.append(word[:fit])
                word = word[fit:]
            line = word
        if line:
            lines.append(line)
    return lines


def _square_columns(count: int, width: int, height: int) -> int:
    return max(1, round(math.sqrt(count * (height + 40) / width)))


def _pictures(clip: Picture) -> Sequence[np.ndarray | Image.Image]:
    if isinstance(clip, Clip):
        return list(clip.frames)
    if isinstance(clip, np.ndarray) and clip.ndim == 4:
        return list(clip)
    return [clip]


def _height(clip: Picture) -> int:
    return _image(_pictures(clip)[0]).height


def _own_caption(clip: Picture) -> str:
    return (clip.caption or "") if isinstance(clip, Clip) else ""


def _image(picture: np.ndarray | Image.Image) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture.convert("RGB")
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] != 3):
        raise ValueError(f"a picture is uint8 (H, W, 3), not {array.dtype} of shape {array.shape}")
    return Image.fromarray(array).convert("RGB")


def _scaled(image: Image.Image, height: int) -> Image.Image:
    """Enlarges by whole steps without blur when the pictures are small, else resamples."""
    if image.height == height:
        return image
    width = max(1, round(image.width * height / image.height))
    enlarge = height >= 2 * image.height
    return image.resize((width, height), Image.Resampling.NEAREST if enlarge else Image.Resampling.LANCZOS)
