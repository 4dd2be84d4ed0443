"""The frozen text encoder of a trained model, for another model that learns on top of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch

from scenewright.config import fingerprint
from scenewright.generation.pipeline import TextToVideo
from scenewright.models.text_encoder import TextEncoder, TextEncoderConfig
from scenewright.text.tokenizer import Tokenizer


@dataclass(eq=False)
class TextEmbedder:
    """A tokenizer and the text encoder trained with it. Each text is encoded by itself, so that the result
    does not depend on what else is asked for."""

    encoder: TextEncoder
    tokenizer: Tokenizer

    @classmethod
    def of(cls, pipeline: TextToVideo) -> TextEmbedder:
        return cls(pipeline.model.text_encoder.eval(), pipeline.tokenizer)

    @property
    def config(self) -> TextEncoderConfig:
        return self.encoder.config

    @cached_property
    def hash(self) -> str:
        """SHA-256 (64 hexadecimal digits) of tokenizer, sizes and weights."""
        digest = hashlib.sha256(fingerprint(self.config).encode())
        digest.update(self.tokenizer.serialized)
        for name, tensor in sorted(self.encoder.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @torch.inference_mode()
    def embed(self, text: str) -> torch.Tensor:
        """The vectors of a text's tokens, float16 (S, E), on the CPU; S at most the encoder's limit."""
        ids, mask = self.tokenizer.batch([text], self.config.max_tokens)
        device = self.encoder.positions.device
        words, _ = self.encoder(ids.to(device), mask.to(device))
        return words[0].to("cpu", torch.float16)
