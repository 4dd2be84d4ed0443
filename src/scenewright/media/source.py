"""Where media comes from: paths, bytes and file objects, opened safely, with errors that say what to do."""

from __future__ import annotations

import io
import os
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import av.error

#: A local path, an fsspec URL (``s3://…``, ``memory://…``), the bytes, or a seekable binary file object.
Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

#: Self-contained formats only: playlists (hls, concat, dash) can name other files, so they are not opened.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,ogg,asf,nut,mxf,ivf,h264,hevc,"
    "m4v,rm,wav,w64,mp3,flac,aac,aiff,au,caf,gif,apng,dv,y4m,yuv4mpegpipe,obu,av1,amr"
)


class MediaError(ValueError):
    """A file that cannot be read or written: one line that says what, which file, and what to do."""


@dataclass(frozen=True)
class Limits:
    """What is refused before it is decoded, so that a hostile file cannot exhaust the machine.

    ``max_pixels``: width x height of one frame. ``max_frames``: frames in a file. ``max_bytes``: decoded
    bytes held in memory at once (frames, or sound).
    """

    max_pixels: int = 8192 * 8192
    max_frames: int = 1_000_000
    max_bytes: int = 4 * 1024**3

    def check_picture(self, name: str, width: int, height: int) -> None:
        """Raises :class:`MediaError` when one frame is larger than ``max_pixels``."""
        if width < 1 or height < 1:
            raise MediaError(
                f"{name}: the header gives no picture size ({width}x{height}); the file is damaged"
            )
        if width * height > self.max_pixels:
            raise MediaError(
                f"{name}: frames of {width}x{height} are over the limit of {self.max_pixels} pixels; "
                "scale the file down, or pass limits=Limits(max_pixels=…) if you trust it"
            )

    def check_memory(self, name: str, width: int, height: int, frames: int) -> None:
        """Raises :class:`MediaError` when ``frames`` RGB frames do not fit in ``max_bytes``."""
        needed = width * height * 3 * frames
        if needed > self.max_bytes:
            raise MediaError(
                f"{name}: {frames} frames of {width}x{height} need {needed / 1e9:.1f} GB, over the limit of "
                f"{self.max_bytes / 1e9:.1f} GB; ask for fewer or smaller frames (start, end, num_frames, "
                "size), read it with iter_frames, or pass limits=Limits(max_bytes=…)"
            )


DEFAULT_LIMITS = Limits()


class Opened:
    """An open source: ``name`` for messages, ``file`` for Pillow, :meth:`container` for PyAV.

    ``folder`` is set instead when the source is a directory.
    """

    def __init__(
        self, name: str, *, path: Path | None = None, file: BinaryIO | None = None, owned: bool = False
    ) -> None:
        self.name = name
        self._owned = owned or path is not None
        self.path = path
        self._file = file
        self.folder = path if path is not None and path.is_dir() else None
        self.head = b"" if self.folder else self._read_head()

    def _read_head(self) -> bytes:
        file = self.file
        file.seek(0)
        head = file.read(4096)
        file.seek(0)
        if not head:
            raise MediaError(
                f"{self.name}: the file is empty (0 bytes); the copy or the recording failed, get it again"
            )
        return head

    @property
    def file(self) -> BinaryIO:
        if self._file is None:
            assert self.path is not None
            try:
                self._file = self.path.open("rb")
            except OSError as error:
                raise MediaError(f"{self.name}: cannot be opened ({error.strerror})") from error
        return self._file

    def container(self, limits: Limits = DEFAULT_LIMITS) -> av.container.InputContainer:
        """Opens the container from its beginning. The caller closes it."""
        options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
        if self.path is not None:
            target: Any = f"file:{self.path}"
        else:
            target = self.file
            target.seek(0)
        try:
            return av.open(
                target,
                "r",
                options=options,
                stream_options=cast(Any, [{"max_pixels": str(limits.max_pixels)}] * 16),
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, ValueError) as error:
            raise MediaError(f"{self.name}: {_why_unreadable(self.head, error)}") from error

    def close(self) -> None:
        if self._owned and self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def opened(source: Source) -> Iterator[Opened]:
    """Opens a source and closes what it opened; file objects stay open and are the caller's.

    Raises:
        MediaError: no such file, not a regular file, empty, not seekable, or an unknown URL.
    """
    result = _open(source)
    try:
        yield result
    finally:
        result.close()


def _open(source: Source) -> Opened:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Opened("<bytes>", file=io.BytesIO(bytes(source)))
    if isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        if "://" in text:
            return Opened(text, file=_open_url(text), owned=True)
        path = Path(text)
        if not path.exists():
            raise MediaError(f"{text}: there is no such file; check the path")
        if not (path.is_file() or path.is_dir()):
            raise MediaError(f"{text}: not a regular file; give a file or a folder of pictures")
        return Opened(str(path), path=path.absolute())
    if hasattr(source, "read") and hasattr(source, "seek"):
        name = str(getattr(source, "name", "<file object>"))
        if not source.seekable():
            raise MediaError(f"{name}: the file object cannot seek; read it into bytes first")
        return Opened(name, file=source)
    raise TypeError(
        f"media comes from a path, a URL, bytes or a binary file object, not {type(source).__name__}"
    )


def _open_url(url: str) -> BinaryIO:
    try:
        import fsspec
    except ImportError as error:
        raise MediaError(f"{url}: URLs need the fsspec package; pip install fsspec") from error
    try:
        file = fsspec.open(url, "rb").open()
    except (OSError, ValueError, ImportError) as error:
        raise MediaError(f"{url}: cannot be opened ({error or type(error).__name__})") from error
    return cast(BinaryIO, file)


def _why_unreadable(head: bytes, error: Exception) -> str:
    text = _looks_like_text(head)
    if text:
        return f"this is {text}, not a video, sound or picture; check the download or the path"
    if head[4:8] == b"ftyp":
        return (
            "an MP4 without its index (the moov atom): the recording or the download was cut off; "
            "get the file again"
        )
    if isinstance(error, av.error.FFmpegError) and isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    else:
        reason = str(error)
    return f"not a video, sound or picture that can be read ({reason}); convert it to MP4, or get it again"


def _looks_like_text(head: bytes) -> str | None:
    sample = head[:512]
    printable = set(string.printable.encode())
    if b"\0" in sample or sum(byte in printable or byte >= 0x80 for byte in sample) < len(sample):
        return None
    try:
        start = sample.decode("utf-8", errors="ignore").lstrip().lower()
    except ValueError:
        return None
    if start.startswith(("<!doctype html", "<html")):
        return "a web page"
    if start.startswith("#extm3u"):
        return "a playlist"
    return "a text file" if start else None
