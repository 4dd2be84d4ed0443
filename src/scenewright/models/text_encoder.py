"""Readers of texts, trained along with the model that they condition; any model takes any of them.

B = batch, S = tokens, D = width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import model_serializer, model_validator
from torch import nn

from scenewright.config import Config
from scenewright.models.blocks.transformer import TransformerLayer


class TextEncoderConfig(Config):
    """``kind``: ``transformer``, a small bidirectional one over sub-word tokens; ``lstm``, ``layers`` of long
    short-term memory in both directions; ``bag``, the tokens' vectors alone, in no order. ``heads`` are the
    transformer's."""

    kind: Literal["transformer", "lstm", "bag"] = "transformer"
    vocabulary: int = 1024
    width: int = 256
    layers: int = 3
    heads: int = 4
    max_tokens: int = 64

    @model_serializer(mode="wrap")
    def _without_the_usual(self, dump: Any) -> dict[str, Any]:
        # Models that were made before there were other kinds are known by a hash of what this gives.
        data: dict[str, Any] = dump(self)
        if self.kind == "transformer":
            data.pop("kind", None)
        return data

    @model_validator(mode="after")
    def _check(self) -> TextEncoderConfig:
        if self.kind == "lstm" and self.width % 2:
            raise ValueError(f"an LSTM reads in two directions, so width = {self.width} must be even")
        return self


class TextReader(nn.Module):
    """A network from ids int64 (B, S) and mask bool (B, S), True on tokens and on at least one a row, to the
    vectors of the tokens (B, S, D) and of the whole text (B, D)."""

    tokens: nn.Embedding

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.config = config


def build_text_encoder(config: TextEncoderConfig) -> TextReader:
    kinds: dict[str, type[TextReader]] = {
        "transformer": TextEncoder,
        "lstm": LSTMTextEncoder,
        "bag": BagOfWords,
    }
    return kinds[config.kind](config)


class BagOfWords(TextReader):
    """Every token's own vector, and their mean: what is said, whatever the order."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__(config)
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        nn.init.normal_(self.tokens.weight, std=0.3)

    def forward(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        words_BSD = self.tokens(ids_BS)
        return words_BSD, masked_mean(words_BSD, mask_BS)


class LSTMTextEncoder(TextReader):
    """Outputs of the last layer for the tokens; its last states in both directions for the text."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__(config)
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        nn.init.normal_(self.tokens.weight, std=0.3)
        self.reader = nn.LSTM(
            config.width, config.width // 2, config.layers, batch_first=True, bidirectional=True
        )

    def forward(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.tokens(ids_BS), mask_BS.sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, (last, _) = self.reader(packed)
        words_BSD, _ = nn.utils.rnn.pad_packed_sequence(
            outputs, batch_first=True, total_length=ids_BS.shape[1]
        )
        return words_BSD, torch.cat([last[-2], last[-1]], -1)


class TextEncoder(TextReader):
    """A transformer: token ids to one vector a token and one for the whole text."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__(config)
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Parameter(torch.randn(config.max_tokens, config.width) * 0.02)
        self.layers = nn.ModuleList(
            TransformerLayer(config.width, config.heads) for _ in range(config.layers)
        )
        self.norm = nn.RMSNorm(config.width, eps=1e-6)
        nn.init.normal_(self.tokens.weight, std=0.02 * 8)

    def forward(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``ids_BS``: int64. ``mask_BS``: bool, True on tokens, False on padding; at least one True a row.

        Returns the token vectors (B, S, D) and their masked mean (B, D).
        """
        x_BSD = self.tokens(ids_BS) + self.positions[: ids_BS.shape[1]]
        for layer in self.layers:
            x_BSD = layer(x_BSD, mask_BS)
        x_BSD = self.norm(x_BSD)
        return x_BSD, masked_mean(x_BSD, mask_BS)


def by_length(
    encode: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x_BS: torch.Tensor,
    mask_BS: torch.Tensor,
    groups: int = 4,
) -> torch.Tensor:
    """``encode(x, mask)``, (B, S, D), in groups of rows that are about as long, each cut to its longest: most
    texts are half as long as the longest of a batch. Behind the ends of the texts of a group are zeros."""
    lengths = mask_BS.sum(1)
    order = lengths.argsort()
    parts = []
    for rows in order.chunk(groups):
        most = int(lengths[rows].max())
        y_BSD = encode(x_BS[rows, :most], mask_BS[rows, :most])
        parts.append(nn.functional.pad(y_BSD, (0, 0, 0, x_BS.shape[1] - most)))
    return torch.cat(parts)[order.argsort()]


def masked_mean(x_BSD: torch.Tensor, mask_BS: torch.Tensor) -> torch.Tensor:
    """The mean (B, D) of the vectors where the mask is True."""
    weights = mask_BS[..., None].to(x_BSD.dtype)
    return (x_BSD * weights).sum(1) / weights.sum(1)
