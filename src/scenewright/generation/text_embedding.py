"""The frozen text encoder of a trained model, for another model that learns on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from scenewright.config import fingerprint
from scenewright.generation.model_folder import digest_of
from scenewright.generation.pipeline import TextToVideo
from scenewright.models.text_encoder import TextEncoderConfig, TextReader, by_length
from scenewright.text.tokenizer import TextTokenizer


@dataclass(eq=False)
class TextEmbedder:
    """A tokenizer and the text encoder trained with it. Each text is encoded by itself, so that the result
    does not depend on what else is asked for."""

    encoder: TextReader
    tokenizer: TextTokenizer

    @classmethod
    def of(cls, pipeline: TextToVideo) -> TextEmbedder:
        return cls(pipeline.model.text_encoder.eval(), pipeline.tokenizer)

    @property
    def config(self) -> TextEncoderConfig:
        return self.encoder.config

    @cached_property
    def hash(self) -> str:
        """SHA-256 (64 hexadecimal digits) of tokenizer, sizes and weights."""
        return digest_of(self.encoder, fingerprint(self.config).encode(), self.tokenizer.serialized)

    @torch.no_grad()
    def embed_together(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors float32 (B, S, E) and mask bool (B, S) of many texts at once, which is faster than one by
        one and the same but for rounding."""
        ids, mask = self.tokenizer.batch(texts, self.config.max_tokens, multiple=8)
        device = next(self.encoder.parameters()).device
        ids, mask = ids.to(device), mask.to(device)
        return by_length(lambda x, seen: self.encoder(x, seen)[0], ids, mask), mask

    @torch.inference_mode()
    def embed(self, text: str) -> torch.Tensor:
        """The vectors of a text's tokens, float16 (S, E), on the CPU; S at most the encoder's limit."""
        ids, mask = self.tokenizer.batch([text], self.config.max_tokens)
        device = next(self.encoder.parameters()).device
        words, _ = self.encoder(ids.to(device), mask.to(device))
        return words[0].to("cpu", torch.float16)


def padded(words: Sequence[torch.Tensor], multiple: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Word vectors float32 (B, S, E), zeros behind their ends, and mask bool (B, S)."""
    length = -(-max(len(vectors) for vectors in words) // multiple) * multiple
    x_BSE = torch.zeros(len(words), length, words[0].shape[1])
    mask_BS = torch.zeros(len(words), length, dtype=torch.bool)
    for row, vectors in enumerate(words):
        x_BSE[row, : len(vectors)] = vectors
        mask_BS[row, : len(vectors)] = True
    return x_BSE, mask_BS
