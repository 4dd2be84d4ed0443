"""The facts that travel inside a file, as JSON: caption, metadata, frame rate, frame count, picture size.

MP4, MOV, WebM and MKV hold it in the ``comment`` tag, GIF in its comment, PNG in a text chunk, WebP in EXIF.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

_MARK = "scenewright"


@dataclass(frozen=True)
class Record:
    """``fps``, ``num_frames`` and ``size`` (width, height) are those of the clip that was encoded."""

    caption: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fps: float | None = None
    num_frames: int | None = None
    size: tuple[int, int] | None = None

    def dumps(self) -> str:
        """ASCII JSON on one line.

        Raises:
            ValueError: the metadata holds something JSON has no word for.
        """
        fields = {
            "caption": self.caption,
            "metadata": dict(self.metadata),
            "fps": self.fps,
            "num_frames": self.num_frames,
            "size": list(self.size) if self.size else None,
        }
        try:
            return json.dumps({_MARK: {k: v for k, v in fields.items() if v is not None}}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"metadata must be plain JSON (text, numbers, lists, dicts): {error}") from error


def parse_record(text: str | bytes | None) -> Record | None:
    """The record in a tag, or ``None`` when the tag holds anything else. Never raises."""
    if not text:
        return None
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        fields = json.loads(text)[_MARK]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    caption, metadata = fields.get("caption"), fields.get("metadata")
    fps, count, size = fields.get("fps"), fields.get("num_frames"), fields.get("size")
    return Record(
        caption=caption if isinstance(caption, str) else None,
        metadata=metadata if isinstance(metadata, dict) else {},
        fps=float(fps) if _is_number(fps) and fps > 0 else None,
        num_frames=count if _is_count(count) else None,
        size=(size[0], size[1])
        if isinstance(size, list) and len(size) == 2 and all(map(_is_count, size))
        else None,
    )


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
