"""What physics hands to the renderer, to sound and to evaluation: the exact state at every frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

ContactKind = Literal["impact", "roll", "slide", "whoosh", "appear", "vanish", "spin"]


@dataclass(frozen=True)
class Contact:
    """Something that can be heard. ``start == end`` is an instant (an impact); otherwise a sustained sound.

    Times in seconds; ``strength`` 0 to 1; ``other`` is an object's index, or ``None`` for the ground or air.
    """

    kind: ContactKind
    object: int
    start: float
    end: float
    strength: float
    other: int | None = None


@dataclass(frozen=True)
class CameraPath:
    """Camera pose per frame.

    ``eye``: float32 (T, 3), world units. ``rotation``: float32 (T, 3, 3), camera-to-world, columns are the
    camera's right, up and back axes (it looks along -back). ``fov_degrees``: vertical field of view.
    """

    eye: np.ndarray
    rotation: np.ndarray
    fov_degrees: float


@dataclass(frozen=True)
class States:
    """Exact state of every object at every frame; T frames, N objects.

    ``times``: float32 (T,), seconds. ``position``: float32 (T, N, 3), centres. ``rotation``: float32
    (T, N, 3, 3), object-to-world. ``scale``: float32 (T, N), what multiplies the unit shape (the size is in
    it). ``visible``: bool (T, N). ``contacts``: everything audible, ordered by start.
    """

    times: np.ndarray
    position: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray
    visible: np.ndarray
    camera: CameraPath
    contacts: tuple[Contact, ...] = ()
