"""What a reader sees in a clip: objects with attributes, tracks and motions. Numbers only, no networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from scenewright.world.scene import Color, Direction, Material, MotionKind, Shape, Size


@dataclass(frozen=True)
class ReadMotion:
    """One stretch of one motion. ``start`` and ``end`` are fractions of the clip, ``score`` 0 to 1."""

    kind: MotionKind
    direction: Direction | None = None
    start: float = 0.0
    end: float = 1.0
    score: float = 1.0


@dataclass(frozen=True, eq=False)
class ReadObject:
    """One object that was seen.

    ``presence``: how sure the reader is that it is one, 0 to 1. ``motions``: what it does in order of time;
    empty means that it stays still. ``boxes``: float32 (T, 4), left, top, right, bottom as fractions of the
    picture; ``seen``: float32 (T,), 0 where it was not found in the frame (its box is then carried over);
    ``depth``: float32 (T,), distance along the view axis in world units. ``probabilities``: per attribute,
    the distribution over the world's values in their order.
    """

    shape: Shape
    color: Color
    size: Size
    material: Material
    boxes: np.ndarray
    motions: tuple[ReadMotion, ...] = ()
    seen: np.ndarray = field(default_factory=lambda: np.ones(0, np.float32))
    depth: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    presence: float = 1.0
    probabilities: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, np.float32)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"boxes are (T, 4), not an array of shape {boxes.shape}")
        seen = np.asarray(self.seen, np.float32) if len(self.seen) else np.ones(len(boxes), np.float32)
        depth = np.asarray(self.depth, np.float32) if len(self.depth) else np.zeros(len(boxes), np.float32)
        if seen.shape != (len(boxes),) or depth.shape != (len(boxes),):
            raise ValueError(f"seen and depth need one value for each of {len(boxes)} frames")
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "seen", seen)
        object.__setattr__(self, "depth", depth)
        object.__setattr__(self, "probabilities", MappingProxyType(dict(self.probabilities)))

    @property
    def centres(self) -> np.ndarray:
        """float32 (T, 2): centre x, y as fractions of the picture."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2

    @property
    def main_motion(self) -> ReadMotion | None:
        """The motion that takes the most time, ``None`` for an object that stays still."""
        return max(self.motions, key=lambda m: m.end - m.start, default=None)

    def with_(self, **changes: Any) -> ReadObject:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def record(self) -> dict[str, Any]:
        """JSON-like facts, rounded."""
        return {
            "shape": self.shape,
            "color": self.color,
            "size": self.size,
            "material": self.material,
            "presence": round(float(self.presence), 3),
            "motions": [
                {
                    "kind": m.kind,
                    "direction": m.direction,
                    "start": round(m.start, 3),
                    "end": round(m.end, 3),
                    "score": round(m.score, 3),
                }
                for m in self.motions
            ],
            "centres": np.round(self.centres, 3).tolist(),
        }


@dataclass(frozen=True, eq=False)
class Reading:
    """Everything that was seen in one clip. ``objects`` may be empty."""

    objects: tuple[ReadObject, ...]
    num_frames: int

    def record(self) -> list[dict[str, Any]]:
        """JSON-like facts of every object."""
        return [item.record() for item in self.objects]
