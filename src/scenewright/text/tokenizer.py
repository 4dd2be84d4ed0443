"""Tokenizers: what all have in common, and the usual one, a SentencePiece model in one small file."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import sentencepiece

if TYPE_CHECKING:
    import torch


class TextTokenizer(ABC):
    """Text to token ids. It is one file, which is kept in the folder of a model."""

    #: The name of that file; it tells which kind of tokenizer it holds.
    FILE: ClassVar[str]

    @classmethod
    @abstractmethod
    def load(cls, path: Path) -> Self:
        """OSError, RuntimeError or ValueError: the file is missing or broken."""

    @property
    @abstractmethod
    def serialized(self) -> bytes:
        """The contents of its file."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many ids there are."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Ids of one text, with its marks of begin and end; at least one."""

    @abstractmethod
    def pieces(self, text: str) -> list[str]:
        """What each of the ids of :meth:`encode` stands for; the marks of begin and end are empty."""

    def save(self, path: Path) -> None:
        Path(path).write_bytes(self.serialized)

    def batch(
        self, texts: Sequence[str], max_tokens: int, *, multiple: int = 1, pad_to_max: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids int64 (B, S) and mask bool (B, S), S at most ``max_tokens``; longer texts are cut at the end,
        before the mark that ends them. Behind the ends of texts are zeros.

        S is the longest text's length rounded up to a ``multiple``, or always ``max_tokens``.
        """
        import torch

        rows = [self._cut(self.encode(text), max_tokens) for text in texts]
        longest = max(len(row) for row in rows)
        length = max_tokens if pad_to_max else min(max_tokens, -(-longest // multiple) * multiple)
        ids = torch.zeros(len(rows), length, dtype=torch.int64)
        mask = torch.zeros(len(rows), length, dtype=torch.bool)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = True
        return ids, mask

    def _cut(self, row: list[int], most: int) -> list[int]:
        return row if len(row) <= most else [*row[: most - 1], row[-1]]


class Tokenizer(TextTokenizer):
    """Sub-words. Id 0 pads, 1 is unknown, 2 begins and 3 ends a text."""

    FILE = "tokenizer.model"

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        self._processor.load_from_serialized_proto(model)

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(Path(path).read_bytes())

    @classmethod
    def train(
        cls, texts: Iterable[str], vocabulary: int, kind: Literal["unigram", "bpe"] = "unigram"
    ) -> Tokenizer:
        """Fits a model of at most ``vocabulary`` pieces: ``unigram`` (Kudo 2018), which takes a piece only
        from several words, or ``bpe`` (Sennrich et al. 2016), which makes words whole however few there are.
        Deterministic for one input."""
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=vocabulary,
            model_type=kind,
            hard_vocab_limit=False,
            normalization_rule_name="identity",
            character_coverage=1.0,
            byte_fallback=False,
            pad_id=0,
            unk_id=1,
            bos_id=2,
            eos_id=3,
            num_threads=1,
            minloglevel=2,
        )
        return cls(model.getvalue())

    @property
    def serialized(self) -> bytes:
        return self._model

    @property
    def size(self) -> int:
        return int(self._processor.vocab_size())

    def encode(self, text: str) -> list[int]:
        """Ids of one text, lower-cased, between the begin and end marks."""
        return [2, *self._processor.encode(" ".join(text.lower().split())), 3]

    def pieces(self, text: str) -> list[str]:
        """What each of the ids of :meth:`encode` stands for; the marks of begin and end are empty."""
        return [
            self._processor.id_to_piece(i).replace("\u2581", "") if i > 3 else "" for i in self.encode(text)
        ]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._processor.decode([i for i in ids if i > 3]))
