"""The web studio: TypeScript sources in ``app``, and in ``static`` the built files that a server sends."""

from __future__ import annotations

from pathlib import Path

_STATIC = Path(__file__).parent / "static"


def static_folder() -> Path | None:
    """The folder of the built files, ``index.html`` and all that it asks for; None where they are missing."""
    return _STATIC if (_STATIC / "index.html").is_file() else None
