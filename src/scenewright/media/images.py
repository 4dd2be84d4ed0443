"""Reading pictures as clips through Pillow: GIF, WebP, PNG and JPEG files, and folders of pictures."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from scenewright.media.reader import Timeline, make_timeline, resize
from scenewright.media.record import Record, parse_record
from scenewright.media.source import Limits, MediaError, Opened

#: EXIF ImageDescription, where WebP and JPEG files carry the record.
EXIF_DESCRIPTION = 0x010E
#: The frame rate of a folder of pictures that does not say.
FOLDER_FPS = 25.0
#: What Pillow's decoders raise on damaged files.
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    zlib.error,
)
_FORMATS = ("GIF", "WEBP", "PNG", "JPEG")
_FOLDER_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def is_picture(source: Opened) -> bool:
    """Whether Pillow reads this source: a folder, or a file that starts like a GIF, WebP, PNG or JPEG."""
    head = source.head
    return (
        source.folder is not None
        or head.startswith((b"GIF87a", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
    )


def open_image(source: Opened | Path, limits: Limits) -> Image.Image:
    """A lazily loaded Pillow image whose size is within the limits.

    Raises:
        MediaError: not a readable picture, or over the limits.
    """
    name = str(source) if isinstance(source, Path) else source.name
    try:
        if isinstance(source, Path):
            image = Image.open(source, formats=_FORMATS)
        else:
            source.file.seek(0)
            image = Image.open(source.file, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise MediaError(f"{name}: its pictures are too large to be safe; scale the file down") from error
    except _BROKEN as error:
        raise MediaError(
            f"{name}: not a picture that can be read; the file is damaged, get it again"
        ) from error
    limits.check_picture(name, *image.size)
    return image


def to_rgb(image: Image.Image) -> np.ndarray:
    """uint8 ``(H, W, 3)``, turned upright by EXIF orientation; transparent parts are laid over white."""
    image = ImageOps.exif_transpose(image) or image
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, rgba)
    return np.array(image.convert("RGB"))


class AnimationReader:
    """A GIF, WebP, PNG or JPEG file, still or animated, as a ``FrameReader``."""

    def __init__(self, source: Opened, limits: Limits) -> None:
        self.name = source.name
        self.warnings: list[str] = []
        self.damage: str | None = None
        self._limits = limits
        self.image = open_image(source, limits)
        self.format = self.image.format or "?"
        self.record = _record_of(self.image)
        exif_turned = self.image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        self.width, self.height = self.image.size[::-1] if exif_turned else self.image.size
        self.stored_frames = self._count()
        if self.stored_frames > limits.max_frames:
            raise MediaError(
                f"{self.name}: {self.stored_frames} frames are over the limit of {limits.max_frames}; cut it "
                "into parts, or pass limits=Limits(max_frames=…) if you trust it"
            )
        self._timeline: Timeline | None = None
        self._stored: np.ndarray | None = None

    def _count(self) -> int:
        try:
            return int(getattr(self.image, "n_frames", 1))
        except _BROKEN:
            pass
        count = 1
        while count <= self._limits.max_frames:
            try:
                self.image.seek(count)
            except _BROKEN:
                break
            count += 1
        self.damage = f"damaged behind its picture {count}"
        return count

    def close(self) -> None:
        """Nothing to do: the file belongs to the source, and Pillow's close would close a caller's file."""

    def reindex(self) -> None:
        """Nothing to do: every stored picture is a frame."""

    def timeline(self) -> Timeline:
        if self._timeline is None:
            durations = np.array([duration for _, duration in self._pictures(convert=False)])
            self._timeline, self._stored = _animation_timeline(durations, self.record)
        return self._timeline

    def _pictures(self, *, convert: bool = True) -> Iterator[tuple[np.ndarray, float]]:
        """Every stored picture in order with its duration in seconds; black 1x1 pictures if not converted."""
        for number in range(self.stored_frames):
            try:
                self.image.seek(number)
                self.image.load()
            except _BROKEN:
                self.damage = f"picture {number + 1} of {self.stored_frames} is damaged"
                if number == 0:
                    raise MediaError(f"{self.name}: {self.damage}; get the file again") from None
                return
            milliseconds = float(self.image.info.get("duration", 0) or 0)
            picture = to_rgb(self.image) if convert else np.zeros((1, 1, 3), np.uint8)
            yield picture, (milliseconds or 100.0) / 1000

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        self.timeline()
        assert self._stored is not None
        wanted = iter(indices)
        index = next(wanted, None)
        for number, (picture, _) in enumerate(self._pictures()):
            while index is not None and self._stored[index] == number:
                yield index, picture
                index = next(wanted, None)
            if index is None:
                return

    def play(self, start: float) -> Iterator[tuple[float, np.ndarray]]:
        timeline = self.timeline()
        first = max(0, int(np.searchsorted(timeline.times, start + timeline.tolerance, side="right")) - 1)
        for index, picture in self.read(range(first, len(timeline.times))):
            yield float(timeline.times[index]), picture


def _animation_timeline(durations: np.ndarray, record: Record | None) -> tuple[Timeline, np.ndarray]:
    """The frames' times and which stored picture each shows.

    Writers merge equal neighbours into one long picture; a record of the clip's frame count and rate that
    agrees with the total duration undoes that.
    """
    ends = np.cumsum(durations)
    times = ends - durations
    tick = 0.01
    if record and record.fps and record.num_frames and record.num_frames >= len(durations):
        seconds = record.num_frames / record.fps
        if len(durations) == 1 or abs(seconds - ends[-1]) <= tick + 1e-6:
            steady = np.arange(record.num_frames) / record.fps
            stored = np.searchsorted(times, steady + tick / 2 + 1e-6, side="right") - 1
            return Timeline(steady, seconds, record.fps, tick, variable=False), stored
    total = [len(durations) / float(ends[-1])]
    return make_timeline(times, float(durations[-1]), tick, total), np.arange(len(durations))


def _record_of(image: Image.Image) -> Record | None:
    for tag in (image.info.get("scenewright"), image.info.get("comment")):
        if isinstance(tag, (str, bytes)) and (record := parse_record(tag)):
            return record
    description = image.getexif().get(EXIF_DESCRIPTION)
    return parse_record(description) if isinstance(description, (str, bytes)) else None


class FolderReader:
    """A folder of numbered pictures, in natural order of their names. The first one's size rules.

    The frame rate is the one recorded in the first picture, else :data:`FOLDER_FPS`.
    """

    def __init__(self, source: Opened, limits: Limits) -> None:
        assert source.folder is not None
        self.name = source.name
        self.warnings: list[str] = []
        self.damage: str | None = None
        self._limits = limits
        self.folder = source.folder
        self.files = picture_files(source.folder)
        if not self.files:
            raise MediaError(
                f"{self.name}: the folder holds no pictures (PNG, JPEG or WebP); give a video file"
            )
        if len(self.files) > limits.max_frames:
            raise MediaError(
                f"{self.name}: {len(self.files)} pictures are over the limit of {limits.max_frames}"
            )
        with open_image(self.files[0], limits) as image:
            self.record = _record_of(image)
            self.format = image.format or "?"
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            self.width, self.height = image.size[::-1] if turned else image.size

    def close(self) -> None:
        """Nothing is held open."""

    def reindex(self) -> None:
        """Nothing to do: every file is a frame."""

    def timeline(self) -> Timeline:
        fps = self.record.fps if self.record and self.record.fps else FOLDER_FPS
        count = len(self.files)
        return Timeline(np.arange(count) / fps, count / fps, fps, 1e-6, variable=False)

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        for index in indices:
            file = self.files[index]
            try:
                with open_image(file, self._limits) as image:
                    picture = to_rgb(image)
            except _BROKEN as error:
                raise MediaError(f"{file}: the picture is damaged; get it again or remove it") from error
            if picture.shape[:2] != (self.height, self.width):
                note = "its pictures differ in size; every one is scaled to the first one's"
                if note not in self.warnings:
                    self.warnings.append(note)
                picture = resize(picture, (self.width, self.height))
            yield index, picture

    def play(self, start: float) -> Iterator[tuple[float, np.ndarray]]:
        timeline = self.timeline()
        first = max(0, int(np.searchsorted(timeline.times, start + timeline.tolerance, side="right")) - 1)
        for index, picture in self.read(range(first, len(timeline.times))):
            yield float(timeline.times[index]), picture


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder: ``frame-2.png`` comes before ``frame-10.png``."""

    def natural(path: Path) -> list[tuple[int, int | str]]:
        parts = re.split(r"(\d+)", path.name)
        return [(0, int(part)) if part.isdigit() else (1, part) for part in parts]

    found = [
        p for p in folder.iterdir() if p.suffix.lower() in _FOLDER_SUFFIXES and not p.name.startswith(".")
    ]
    return sorted(found, key=natural)
