"""Files without what they say of how they were made: the same pictures, in any range."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from scenewright.clip import Clip
from scenewright.media import decode, encode, probe
from scenewright.server.blinding import covered, covers_of


def reader(content: bytes, piece: int = 1000):
    def read(start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, piece):
            yield content[at : min(at + piece, end)]

    return read


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mov", "mkv"])
def test_the_record_is_gone_and_nothing_else(suffix: str, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (8, 64, 64, 3), dtype=np.uint8)
    metadata = {"model": "secret-model", "settings": {"steps": 17}, "prompt": "a secret ball"}
    whole = encode(
        Clip(frames, fps=8.0, caption="a secret ball"), tmp_path / f"a.{suffix}", metadata=metadata
    )
    content = whole.read_bytes()
    assert b"secret" in content
    read = reader(content)
    blind = covered(read, covers_of(read, len(content)))
    found = b"".join(blind(0, len(content)))
    assert len(found) == len(content)
    assert b"secret" not in found
    path = tmp_path / f"b.{suffix}"
    path.write_bytes(found)
    assert probe(path).metadata == {}
    assert probe(path).caption is None
    assert np.array_equal(decode(path).frames, decode(whole).frames)
    rng = np.random.default_rng(1)
    for start, end in (sorted(map(int, rng.integers(0, len(content) + 1, 2))) for _ in range(40)):
        assert b"".join(blind(start, end)) == found[start:end]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0123456789" * 20,
        b"\0\0\0\x08ftyp" + b"\xff" * 50,
        b"\0\0\0\x08ftyp\0\0\0\x01moov",
        b"\x1a\x45\xdf\xa3" + b"\0" * 50,
        b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff\x12\x54\xc3\x67\x90",
    ],
)
def test_what_is_no_such_file_stays_as_it_is(content: bytes) -> None:
    read = reader(content)
    assert covers_of(read, len(content)) == []
    assert b"".join(covered(read, [])(0, len(content))) == content


def test_a_box_of_64_bits_and_one_to_the_end_are_covered() -> None:
    wide = b"\0\0\0\x01udta" + (16 + 6).to_bytes(8, "big") + b"secret"
    last = b"\0\0\0\0uuid" + b"secret" * 9
    content = b"\0\0\0\x08ftyp" + wide + last
    read = reader(content, 5)
    found = b"".join(covered(read, covers_of(read, len(content)))(0, len(content)))
    assert b"secret" not in found
    assert [box in found for box in (b"udta", b"uuid", b"free")] == [False, False, True]
    assert io.BytesIO(found).read(8) == content[:8]
