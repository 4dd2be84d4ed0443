"""Where the things of a clip are: one box a thing and frame, and what the thing is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Layout:
    """N things over T frames.

    ``labels``: for each thing its attributes by name, such as ``{"shape": "cube", "color": "red"}``.
    ``boxes``: float32 (N, T, 4): left, top, right and bottom as fractions of the picture, which they may
    leave; a thing that is not there in a frame has a box of zeros. ``depth``: float32 (N, T), the distance
    from the camera in units of the scene, 0 where a thing is not there.
    """

    labels: tuple[Mapping[str, str], ...]
    boxes: np.ndarray
    depth: np.ndarray

    def __post_init__(self) -> None:
        things = len(self.labels)
        if self.boxes.shape[:1] != (things,) or self.boxes.shape[2:] != (4,):
            raise ValueError(f"boxes of {things} things must be (N, T, 4), not {self.boxes.shape}")
        if self.depth.shape != self.boxes.shape[:2]:
            raise ValueError(f"depth must be (N, T) = {self.boxes.shape[:2]}, not {self.depth.shape}")

    def __len__(self) -> int:
        return len(self.labels)
