"""Videos without what their files say of how they were made, so that who looks into one learns no more than
who looks at it.

The record in a file is written over where it stands: nothing moves, and any range of bytes is as quick to
give as before.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

#: Gives the bytes of a file from one to before another.
Read = Callable[[int, int], Iterator[bytes]]

#: Boxes of MP4 that hold others, and those that hold tags.
_HOLD, _TAGS = (b"moov", b"trak"), (b"udta", b"meta", b"uuid")
#: Elements of Matroska that hold others (the segment, its description), those that tell (tags, the title, and
#: the description's checksum, which would be wrong), and the one that means nothing.
_PARTS, _TELL, _VOID = (0x18538067, 0x1549A966), (0x1254C367, 0x7BA9), 0xEC
_INFO, _CHECKSUM = 0x1549A966, 0xBF


class Cover(NamedTuple):
    """``end``: before it. ``head``: what is written at the beginning; zeros follow."""

    start: int
    end: int
    head: bytes


def covers_of(read: Read, size: int) -> list[Cover]:
    """What has to be written over in an MP4 or WebM file; nothing in any other."""
    head = b"".join(read(0, min(size, 12)))
    if head[4:8] == b"ftyp":
        return list(_boxes(read, 0, size))
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return list(_elements(read, 0, size))
    return []


def covered(read: Read, covers: list[Cover]) -> Read:
    """The same file with some of it written over."""

    def covering(start: int, end: int) -> Iterator[bytes]:
        at = start
        for piece in read(start, end):
            yield _covered(piece, at, covers)
            at += len(piece)

    return covering


def _covered(piece: bytes, at: int, covers: list[Cover]) -> bytes:
    changed: bytearray | None = None
    for cover in covers:
        first, last = max(at, cover.start), min(at + len(piece), cover.end)
        if first < last:
            changed = bytearray(piece) if changed is None else changed
            over = cover.head[first - cover.start : last - cover.start]
            changed[first - at : last - at] = over.ljust(last - first, b"\0")
    return piece if changed is None else bytes(changed)


def _boxes(read: Read, at: int, end: int) -> Iterator[Cover]:
    while at + 8 <= end:
        head = b"".join(read(at, min(end, at + 16)))
        length, kind = struct.unpack(">I4s", head[:8])
        skip = 8
        if length == 1 and len(head) == 16:
            length, skip = struct.unpack(">Q", head[8:])[0], 16
        length = end - at if length == 0 else length
        if length < skip or at + length > end:
            return
        if kind in _HOLD:
            yield from _boxes(read, at + skip, at + length)
        elif kind in _TAGS:
            yield Cover(at, at + length, head[:4] + b"free" + (head[8:16] if skip == 16 else b""))
        at += length


def _elements(read: Read, at: int, end: int, tell: tuple[int, ...] = _TELL) -> Iterator[Cover]:
    while at < end:
        head = b"".join(read(at, min(end, at + 12)))
        wide = _width(head, 0)
        long = _width(head, wide)
        if not wide or not long or wide > 4 or len(head) < wide + long:
            return
        kind = int.from_bytes(head[:wide], "big")
        length = int.from_bytes(head[wide : wide + long], "big") & ((1 << 7 * long) - 1)
        inside = at + wide + long
        # All ones: as long as there is something.
        after = end if length == (1 << 7 * long) - 1 else inside + length
        if after > end:
            return
        if kind in _PARTS:
            told = (*_TELL, _CHECKSUM) if kind == _INFO else _TELL
            yield from _elements(read, inside, after, told)
        elif kind in tell:
            yield Cover(at, after, _void(after - at))
        at = after


def _void(size: int) -> bytes:
    """How an element of so many bytes begins that means nothing."""
    if size < 9:
        return bytes([_VOID, 0x80 | (size - 2)])
    return bytes([_VOID, 0x01]) + (size - 9).to_bytes(7, "big")


def _width(head: bytes, at: int) -> int:
    """Bytes of the number that begins at a place; 0 where none does."""
    return 9 - head[at].bit_length() if at < len(head) and head[at] else 0
