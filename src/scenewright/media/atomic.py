"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av.error

from scenewright.media.source import MediaError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``path``; renames it to ``path`` when the block ends well, and removes it
    when the block ends in any other way, Ctrl-C included. The block may create a file or a folder.

    A folder replaces an existing folder of the same name; a file never replaces a folder.

    Raises:
        MediaError: the folder is missing, or the system refuses to write (full disk, no permission).
    """
    if not path.parent.is_dir():
        raise MediaError(f"{path}: the folder {path.parent} does not exist; create it first")
    temporary = path.parent / f".{path.stem}-{secrets.token_hex(4)}.part{path.suffix}"
    try:
        try:
            yield temporary
            if temporary.is_dir() and path.is_dir():
                _swap_folder(temporary, path)
            else:
                os.replace(temporary, path)
        except OSError as error:
            if isinstance(error, (MediaError, av.error.InvalidDataError)) or error.errno is None:
                raise
            raise MediaError(
                f"{path}: cannot be written ({error.strerror}); free some space or choose another place"
            ) from error
    finally:
        _remove(temporary)


def _swap_folder(new: Path, old: Path) -> None:
    aside = old.with_name(f".{old.name}-{secrets.token_hex(4)}.old")
    os.replace(old, aside)
    try:
        os.replace(new, old)
    except OSError:
        os.replace(aside, old)
        raise
    shutil.rmtree(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
