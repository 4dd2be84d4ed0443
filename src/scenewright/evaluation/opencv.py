"""OpenCV, loaded where it is used."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any


@cache
def cv2() -> Any:
    """The module.

    Raises:
        ImportError: it is not installed; the line says how to.
    """
    try:
        return importlib.import_module("cv2")
    except ImportError:
        raise ImportError("this metric needs OpenCV; pip install 'scenewright[evaluate]'") from None
