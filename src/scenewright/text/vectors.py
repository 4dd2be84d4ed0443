"""Files of word vectors: GloVe's text, word2vec's text and binary; each also compressed with gzip.

GloVe (Pennington et al. 2014) writes a word and its numbers a line. word2vec (Mikolov et al. 2013) begins
with a line of two numbers, how many words and of what dimension; then, as text, the same lines, or, as
binary, each word, a space and its numbers as little-endian float32, with or without a line's end behind them.
fastText's ``.vec`` is word2vec's text.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from scenewright.text.word_tokenizer import WordTokenizer

#: No word is as long, in bytes.
_LONGEST = 2000


class WordVectors(NamedTuple):
    """``words``: lower case, all different; ``table``: float32 (words, dimension)."""

    words: tuple[str, ...]
    table: np.ndarray


def read_vectors(path: Path, most: int) -> WordVectors:
    """The first ``most`` words of a file that a :class:`.WordTokenizer` can read, which in files of this kind
    are the most frequent, with their vectors. Where a file tells upper and lower case apart, a word has the
    vector of its lower case, or of the first way in which it is written.

    Raises:
        ValueError: there is no such file, it is in none of the formats, or it is broken; in one line.
    """
    try:
        return _read(path, path.stat().st_mtime_ns, most)
    except OSError as error:
        raise ValueError(f"{path} cannot be read as word vectors: {error.strerror or error}") from None
    except (EOFError, zlib.error) as error:
        raise ValueError(f"{path} is broken: {error}") from None


@lru_cache(maxsize=1)
def _read(path: Path, changed: int, most: int) -> WordVectors:
    rows: dict[str, np.ndarray] = {}
    exact: set[str] = set()
    with path.open("rb") as plain:
        magic = plain.read(2)
        plain.seek(0)
        if magic == b"PK":
            raise ValueError(f"{path} is a zip archive; give the file of vectors in it")
        stream: BinaryIO = gzip.GzipFile(fileobj=plain) if magic == b"\x1f\x8b" else plain  # type: ignore[assignment]
        for word, vector in _entries(path, stream):
            lower = word.lower()
            if not WordTokenizer.reads(lower) or (lower in rows and (lower != word or lower in exact)):
                continue
            if lower not in rows and len(rows) == most:
                break
            if not np.isfinite(vector).all():
                raise ValueError(f"{path}: the vector of {word!r} has numbers that are not finite")
            rows[lower] = vector
            if lower == word:
                exact.add(word)
    if not rows:
        raise ValueError(f"{path} has no vectors of words")
    return WordVectors(tuple(rows), np.stack(list(rows.values())))


def _entries(path: Path, stream: BinaryIO) -> Iterator[tuple[str, np.ndarray]]:
    """Words and vectors, in the file's order. Bytes of words that are not UTF-8 are replaced."""
    first = stream.readline(_LONGEST * 20)
    header = first.split()
    if len(header) == 2 and all(part.isdigit() for part in header):
        count, dimension = int(header[0]), int(header[1])
        if not dimension:
            raise ValueError(f"{path}: its vectors have no numbers")
        line = stream.readline()
        if _numbers(line, dimension) is None:
            stream.seek(len(first))
            yield from _binary(path, stream, count, dimension)
            return
        seen = 0
        for entry in _from_text(path, stream, line, 2, dimension):
            seen += 1
            yield entry
        if seen < count:
            raise ValueError(f"{path} ends after {seen} of {count} vectors")
    elif len(header) < 3 or _numbers(first, len(header) - 1) is None:
        raise ValueError(f"{path} is not a file of word vectors: text of GloVe or word2vec, or its binary")
    else:
        yield from _from_text(path, stream, first, 1, len(header) - 1)


def _from_text(
    path: Path, stream: BinaryIO, line: bytes, number: int, dimension: int
) -> Iterator[tuple[str, np.ndarray]]:
    while line:
        if line.strip():
            vector = _numbers(line, dimension)
            if vector is None:
                raise ValueError(f"{path} line {number}: this is not a word and {dimension} numbers")
            # Words of GloVe's may have spaces in them: the numbers are the last of the line.
            yield b" ".join(line.split()[:-dimension]).decode("utf-8", "replace"), vector
        line, number = stream.readline(), number + 1


def _numbers(line: bytes, dimension: int) -> np.ndarray | None:
    fields = line.split()
    if len(fields) <= dimension:
        return None
    try:
        return np.array([float(field) for field in fields[-dimension:]], np.float32)
    except ValueError:
        return None


def _binary(path: Path, stream: BinaryIO, count: int, dimension: int) -> Iterator[tuple[str, np.ndarray]]:
    for index in range(count):
        word = bytearray()
        while (byte := stream.read(1)) != b" ":
            if not byte:
                raise ValueError(f"{path} ends after {index} of {count} vectors")
            if len(word) == _LONGEST:
                raise ValueError(f"{path} is not a file of word vectors, or is broken behind word {index}")
            word += byte
        numbers = stream.read(4 * dimension)
        if len(numbers) < 4 * dimension:
            raise ValueError(f"{path} ends after {index} of {count} vectors")
        yield word.lstrip(b"\n").decode("utf-8", "replace"), np.frombuffer(numbers, "<f4").copy()
