"""What gives features of clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from scenewright.clip import Clip


class Features(Protocol):
    """What gives features. ``convention``: all that its numbers depend on."""

    @property
    def convention(self) -> Mapping[str, Any]: ...

    def __call__(self, clip: Clip) -> np.ndarray:
        """float64 (D,)."""
        ...

    def logits(self, features: np.ndarray) -> np.ndarray | None:
        """Of features float64 (N, D) the classes' logits (N, K); None for a network that does not
        classify."""
        ...
