"""Exceptions in one line each: what, which value, what to do."""

from __future__ import annotations

import sys

import click


def describe(error: BaseException) -> tuple[str, int]:
    """The one line for ``error`` and the exit code that goes with it.

    2 is what the user can put right (a wrong option, value, file or missing package, a full disk); 1 is
    anything else, a fault of the program.
    """
    if isinstance(error, click.ClickException):
        return _one_line(error.format_message()), 2
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("scenewright"):
        return _missing_package(error), 2
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(error, pydantic.ValidationError):
        from scenewright.config import validation_summary

        return _one_line(validation_summary(error)), 2
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        return _one_line(f"{where}{error.strerror[:1].lower()}{error.strerror[1:]}"), 2
    if isinstance(error, (ValueError, OSError)):
        return _one_line(str(error)) or type(error).__name__, 2
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "out of memory: ask for a smaller size, fewer frames or a smaller batch", 2
    return _one_line(f"{type(error).__name__}: {error}"), 1


def _missing_package(error: ModuleNotFoundError) -> str:
    package = (error.name or str(error)).partition(".")[0]
    return f"this needs the package {package}, which is not installed; see: scenewright doctor"


def _one_line(text: str) -> str:
    return " ".join(text.split())
