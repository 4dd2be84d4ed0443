"""Words as tokens: for vectors of words that come from a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from scenewright.text.tokenizer import TextTokenizer

_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[^\w\s]")
#: What a word that is not known is taken apart into: "see-through", "ball's".
_PART = re.compile(r"'?[^\W_]+")
#: Ids before the first word's: of padding, of what is not known, of begin and end.
FIRST_WORD = 4


class WordTokenizer(TextTokenizer):
    """Lower-cased words and signs. Id 0 pads, 1 is unknown, 2 begins and 3 ends a text, and the ids from 4 on
    are the words, in their order. A word with a hyphen or an apostrophe that is not among them is read as its
    parts."""

    FILE = "tokenizer.txt"

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(words)
        self._ids = {word: FIRST_WORD + i for i, word in enumerate(self._words)}

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(Path(path).read_text("utf-8").splitlines())

    @staticmethod
    def reads(word: str) -> bool:
        """Whether there are texts of which ``word``, in lower case, is a token."""
        return bool(_TOKEN.fullmatch(word) or _PART.fullmatch(word))

    @property
    def serialized(self) -> bytes:
        return "".join(f"{word}\n" for word in self._words).encode()

    @property
    def size(self) -> int:
        return FIRST_WORD + len(self._words)

    def encode(self, text: str) -> list[int]:
        return [2, *(self._ids.get(word, 1) for word in self._split(text)), 3]

    def pieces(self, text: str) -> list[str]:
        return ["", *self._split(text), ""]

    def _split(self, text: str) -> list[str]:
        words: list[str] = []
        for word in _TOKEN.findall(text.lower().replace("\u2019", "'")):
            parts = [] if word in self._ids else _PART.findall(word)
            words += parts if len(parts) > 1 else [word]
        return words
