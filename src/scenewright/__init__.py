"""Scenewright: the text-to-video workbench.

>>> from scenewright import generate
>>> clip = generate("a large red metal sphere rolls left")
>>> clip.save("sphere.mp4")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenewright.client import AsyncClient, Client
    from scenewright.clip import Clip, Prompt, Waveform
    from scenewright.generation.loading import load_pipeline
    from scenewright.production import generate

__all__ = ["AsyncClient", "Client", "Clip", "Prompt", "Waveform", "generate", "load_pipeline"]

_HOMES = {
    "AsyncClient": "scenewright.client",
    "Client": "scenewright.client",
    "Clip": "scenewright.clip",
    "Prompt": "scenewright.clip",
    "Waveform": "scenewright.clip",
    "generate": "scenewright.production",
    "load_pipeline": "scenewright.generation.loading",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: ``import scenewright`` loads no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'scenewright' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
