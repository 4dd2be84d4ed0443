"""Files of word vectors, written here by the definitions of their formats."""

import gzip
import re
import struct

import numpy as np
import pytest

from scenewright.text.vectors import read_vectors
from scenewright.text.word_tokenizer import WordTokenizer

WORDS = ["the", "red", "ball", "crimson", "'s"]
TABLE = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)


def text(words=WORDS, table=TABLE, header=False, end="\n"):
    lines = [
        f"{word} {' '.join(repr(float(x)) for x in row)}{end}" for word, row in zip(words, table, strict=True)
    ]
    return (f"{len(table)} {table.shape[1]}\n" * header + "".join(lines)).encode()


def binary(words=WORDS, table=TABLE, end=b"\n"):
    parts = [f"{len(table)} {table.shape[1]}\n".encode()]
    for word, row in zip(words, table, strict=True):
        parts += [word.encode(), b" ", struct.pack(f"<{len(row)}f", *row), end]
    return b"".join(parts)


@pytest.mark.parametrize(
    "content",
    [
        text(),
        text(header=True),
        text(header=True, end=" \n"),
        binary(),
        binary(end=b""),
        gzip.compress(binary()),
    ],
    ids=["glove", "word2vec", "word2vec-c", "binary", "binary-gensim", "gzip"],
)
def test_every_format_gives_its_words_and_numbers(content, tmp_path):
    (tmp_path / "vectors").write_bytes(content)
    words, table = read_vectors(tmp_path / "vectors", 100)
    assert list(words) == WORDS
    assert table.dtype == np.float32
    np.testing.assert_array_equal(table, TABLE)
    assert read_vectors(tmp_path / "vectors", 2).words == ("the", "red")


def test_numbers_that_look_like_line_ends_are_numbers(tmp_path):
    odd = np.frombuffer(b"\n\n\n\n    \n \n 0 0 ", "<f4").reshape(2, 2).copy()
    (tmp_path / "v.bin").write_bytes(binary(["one", "two"], odd))
    np.testing.assert_array_equal(read_vectors(tmp_path / "v.bin", 9).table, odd)


def test_words_that_no_text_has_are_left_out_and_lower_case_comes_first(tmp_path):
    words = ["New_York", "Ball", "ball", "Red", ". . .", "caf\u00e9", "</s>"]
    table = np.arange(14, dtype=np.float32).reshape(7, 2)
    (tmp_path / "v.txt").write_bytes(text(words, table))
    found = read_vectors(tmp_path / "v.txt", 9)
    rows = dict(zip(found.words, found.table.tolist(), strict=True))
    assert rows == {"ball": [4.0, 5.0], "red": [6.0, 7.0], "caf\u00e9": [10.0, 11.0]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read as word vectors: No such file"),
        (b"", "is not a file of word vectors"),
        (b"once upon a time\n", "is not a file of word vectors"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not a file of word vectors"),
        (b"PK\x03\x04", "is a zip archive"),
        (text() + b"green 1 2 3\n", "line 6: this is not a word and 7 numbers"),
        (text() + b"green 1 2 3 4 5 6 x\n", "line 6: this is not a word and 7 numbers"),
        (text(header=True).replace(b"5 7", b"6 7"), "ends after 5 of 6 vectors"),
        (
            text().replace(b"red", b"red nan", 1).replace(b"nan", b"nan nan nan nan nan nan nan\nx", 1),
            "not finite",
        ),
        (binary()[:-9], "ends after 4 of 5 vectors"),
        (binary()[:40], "ends after 1 of 5 vectors"),
        (b"5 0\n", "its vectors have no numbers"),
        (b"9 7\n" + b"x" * 4000, "is not a file of word vectors, or is broken behind word 0"),
        (gzip.compress(binary())[:-20], "is broken"),
        (text(["a_b"], TABLE[:1]), "has no vectors of words"),
    ],
)
def test_files_that_are_none_are_refused_in_a_line(content, message, tmp_path):
    if content is not None:
        (tmp_path / "v").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        read_vectors(tmp_path / "v", 100)
    assert "\n" not in str(error.value)


def test_words_are_tokens(tmp_path):
    tokenizer = WordTokenizer(["red", "ball", "see", "through", "light-blue", "'s", ","])
    assert tokenizer.size == 11
    assert tokenizer.encode("A red,\tRed BALL") == [2, 1, 4, 10, 4, 5, 3]
    assert tokenizer.pieces("see-through, light-blue ball\u2019s") == [
        *("", "see", "through", ",", "light-blue", "ball", "'s", "")
    ]
    assert tokenizer.encode("see-through light-blue ball's dark-red") == [2, 6, 7, 8, 5, 9, 1, 4, 3]
    tokenizer.save(tmp_path / tokenizer.FILE)
    again = WordTokenizer.load(tmp_path / tokenizer.FILE)
    assert again.encode("a light-blue ball") == tokenizer.encode("a light-blue ball")
    ids, mask = tokenizer.batch(["red ball red ball", ""], 4)
    assert ids.tolist() == [[2, 4, 5, 3], [2, 3, 0, 0]]
    assert mask.sum(1).tolist() == [4, 2]
