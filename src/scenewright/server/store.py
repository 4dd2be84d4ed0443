"""Files by what is in them, on the disk or any fsspec URL; and half-made videos by their job.

Nothing appears half-written: files on the disk are renamed into place, object stores show a file once it is
whole, and on everything else a file is moved to its name when it is whole. A half-made video carries its own
hash, so that what a broken disk made of it is noticed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from scenewright.media.atomic import atomic

#: Stores in which a file that is being written is not there yet.
_WHOLE_AT_ONCE = {"s3", "s3a", "gs", "gcs", "abfs", "az", "oss", "memory"}
_CHUNK = 256 * 1024


class FileStore:
    """A folder by path or fsspec URL: ``blobs/ab/abcd…`` and ``states/JOB``. ``options``: of the file system,
    such as ``endpoint_url`` for S3.

    Raises:
        ValueError: a URL of an unknown kind, or one whose package is not installed.
    """

    def __init__(self, url: str | Path, **options: Any) -> None:
        self.url = str(url)
        try:
            self.files, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False, **options)
        except ImportError as error:
            raise ValueError(f"{self.url}: this kind of store needs a package: {error}") from None
        self.root = root.rstrip("/")
        self.local = isinstance(self.files, LocalFileSystem)
        protocol = self.files.protocol
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        self._direct = bool(names & _WHOLE_AT_ONCE)

    # ---------------------------------------------------------------------------------------- files

    def put_file(self, path: str | Path, media_type: str) -> str:
        """Keep a copy of a local file; its SHA-256. OSError or MediaError: it cannot be written."""
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        self._write(self._blob(found), Path(path), media_type)
        return found

    def put_bytes(self, content: bytes, media_type: str, *, durable: bool = True) -> str:
        """The same for what is in memory. Not ``durable``: a power cut may take it, which is faster."""
        found = hashlib.sha256(content).hexdigest()
        self._write(self._blob(found), content, media_type, durable)
        return found

    def size(self, hash: str) -> int | None:
        """In bytes; None where it is not there."""
        try:
            return int(self.files.info(self._blob(hash))["size"])
        except FileNotFoundError:
            return None

    def read(self, hash: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` to ``end`` (exclusive) in pieces.

        Raises:
            FileNotFoundError: it is not there; at once, not with the first piece.
        """
        size = self.size(hash)
        if size is None:
            raise FileNotFoundError(f"there is no file {hash} in {self.url}")
        return self._pieces(self._blob(hash), start, size if end is None else min(end, size))

    def local_path(self, hash: str) -> Path | None:
        """Where the file is, if that is on this machine's disk."""
        path = Path(self._blob(hash))
        return path if self.local and path.is_file() else None

    @contextmanager
    def as_file(self, hash: str) -> Iterator[Path]:
        """A local path of the file while the block runs. FileNotFoundError: it is not there."""
        if (path := self.local_path(hash)) is not None:
            yield path
            return
        pieces = self.read(hash)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / hash
            with copy.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
            yield copy

    def delete(self, hash: str) -> None:
        """Nothing happens where it is not there."""
        self._remove(self._blob(hash))

    def free(self) -> int | None:
        """Bytes that are left; None where that is not known."""
        return shutil.disk_usage(self._folder(self.root)).free if self.local else None

    # ------------------------------------------------------------------------------ half-made videos

    def keep_state(self, id: str, content: bytes) -> None:
        """Keep what there is of a job's video, instead of what was kept before. Errors as
        :meth:`put_file`."""
        marked = hashlib.sha256(content).digest() + content
        self._write(self._state(id), marked, "application/octet-stream", durable=False)

    def state(self, id: str) -> bytes | None:
        """What was kept last; None where there is nothing, or it is damaged."""
        try:
            found: bytes = self.files.cat_file(self._state(id))
        except FileNotFoundError:
            return None
        content = found[32:]
        return content if hashlib.sha256(content).digest() == found[:32] else None

    def drop_state(self, id: str) -> None:
        """Nothing happens where there is none."""
        self._remove(self._state(id))

    def states(self) -> list[str]:
        """The jobs of which something is kept."""
        try:
            paths = self.files.ls(f"{self.root}/states", detail=False)
        except FileNotFoundError:
            return []
        names = [path.rstrip("/").rpartition("/")[2] for path in paths]
        return sorted(name for name in names if name and not name.startswith("."))

    # ---------------------------------------------------------------------------------------- how

    def _blob(self, hash: str) -> str:
        if len(hash) != 64 or not set(hash) <= set("0123456789abcdef"):
            raise ValueError(f"{hash!r} is no SHA-256 in hexadecimal digits")
        return f"{self.root}/blobs/{hash[:2]}/{hash}"

    def _state(self, id: str) -> str:
        if not id.replace("_", "").isalnum():
            raise ValueError(f"{id!r} is no id of a job")
        return f"{self.root}/states/{id}"

    def _write(self, target: str, content: bytes | Path, media_type: str, durable: bool = True) -> None:
        if self.local:
            self._folder(target.rpartition("/")[0])
            with atomic(Path(target)) as temporary, temporary.open("wb") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, file, _CHUNK)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            return
        place = target if self._direct else f"{self.root}/.writing/{secrets.token_hex(8)}"
        options = {"ContentType": media_type} if "s3" in self.files.protocol else {}
        self.files.makedirs(place.rpartition("/")[0], exist_ok=True)
        if isinstance(content, bytes):
            self.files.pipe_file(place, content, **options)
        else:
            self.files.put_file(str(content), place, **options)
        if place != target:
            self.files.makedirs(target.rpartition("/")[0], exist_ok=True)
            self.files.mv(place, target)

    def _pieces(self, path: str, start: int, end: int) -> Iterator[bytes]:
        with self.files.open(path, "rb", block_size=_CHUNK * 16) as file:
            file.seek(start)
            left = end - start
            while left > 0 and (piece := file.read(min(_CHUNK, left))):
                left -= len(piece)
                yield piece

    def _remove(self, path: str) -> None:
        try:
            self.files.rm_file(path)
        except FileNotFoundError:
            return

    def _folder(self, path: str) -> str:
        os.makedirs(path, exist_ok=True)
        return path
