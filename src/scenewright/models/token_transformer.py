"""One transformer over words and the tokens of a video, in one vocabulary.

``masked`` (after Sun et al. 2019, "VideoBERT", and Chang et al. 2022, "MaskGIT"): every token sees all
others, and the network learns to say what the masked ones are; a video is made by unmasking the surest tokens
first, a caption from left to right. ``causal`` (after Yan et al. 2021, "VideoGPT"): every token sees those
before it, and the network learns to say what comes next: the tokens of a video behind its words, or words
behind a video.

B = batch, S = words, L = tokens of the video, N = tokens that are seen together, D = width, V = vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.config import Config
from scenewright.models.blocks.attention import KeyValueCache
from scenewright.models.blocks.norm import RMSNorm
from scenewright.models.blocks.transformer import TransformerLayer


class TokenTransformerConfig(Config):
    """``order``: which tokens see which, see above. ``vocabulary``: of words; ``max_tokens``: words of a
    text, shorter ones are filled up. ``codes``: of the video's tokens, of which ``grid`` (frames, rows,
    columns) make a clip at ``fps``."""

    family: Literal["token-transformer"] = "token-transformer"
    order: Literal["masked", "causal"] = "masked"
    vocabulary: int = Field(default=1024, ge=8)
    max_tokens: int = Field(default=32, ge=4)
    codes: int = Field(default=4096, ge=2)
    grid: tuple[int, int, int] = (4, 8, 8)
    width: int = Field(default=192, ge=8)
    layers: int = Field(default=6, ge=1)
    heads: int = Field(default=4, ge=1)
    fps: float = Field(default=8.0, gt=0)

    @property
    def video_tokens(self) -> int:
        frames, rows, columns = self.grid
        return frames * rows * columns

    @property
    def masked(self) -> int:
        """The token that stands for any that is not known."""
        return self.vocabulary + self.codes

    @property
    def video_begins(self) -> int:
        return self.masked + 1

    @property
    def words_begin(self) -> int:
        return self.masked + 2

    @model_validator(mode="after")
    def _check(self) -> TokenTransformerConfig:
        if self.width % self.heads:
            raise ValueError(f"width = {self.width} is not a multiple of heads = {self.heads}")
        if min(self.grid) < 1:
            raise ValueError(f"grid = {self.grid} has no tokens")
        return self


class TokenTransformer(nn.Module):
    """Tokens in, for each a vector out, whose products with the vocabulary's vectors are logits.

    Words are 0 to ``vocabulary`` - 1, a video's codes come behind them, then the mask and two tokens that
    begin a video and a text. Positions: words have their numbers, from 0; a video's tokens have
    ``max_tokens`` and more, in the order of frames, rows and columns; beginnings have the last two numbers.
    """

    Config = TokenTransformerConfig

    def __init__(self, config: TokenTransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.tokens = nn.Embedding(config.words_begin + 1, width)
        self.word_places = nn.Parameter(torch.randn(config.max_tokens, width) * 0.02)
        # Of frames, rows and columns, to be added up.
        self.video_places = nn.ParameterList(nn.Parameter(torch.randn(n, width) * 0.02) for n in config.grid)
        self.begin_places = nn.Parameter(torch.randn(2, width) * 0.02)
        self.layers = nn.ModuleList(TransformerLayer(width, config.heads) for _ in range(config.layers))
        self.norm = RMSNorm(width, eps=1e-6)
        nn.init.normal_(self.tokens.weight, std=0.1)

    def forward(
        self,
        tokens_BN: torch.Tensor,
        places_N: torch.Tensor,
        caches: Sequence[KeyValueCache] | None = None,
    ) -> torch.Tensor:
        """Vectors (B, N, D) of tokens int64 at positions int64. ``caches``: one a layer, of tokens before."""
        x = self.tokens(tokens_BN) + self._places()[places_N]
        mask = None
        if self.config.order == "causal":
            count, before = tokens_BN.shape[1], caches[0].length if caches else 0
            mask = torch.ones(count, before + count, dtype=torch.bool, device=x.device).tril(before)[None]
        for index, layer in enumerate(self.layers):
            x = layer(x, mask, None if caches is None else caches[index])
        return self.norm(x)

    def logits(self, x: torch.Tensor, kind: Literal["words", "codes"]) -> torch.Tensor:
        """(..., D) to logits (..., vocabulary) of words, or (..., codes) of a video's codes."""
        words, codes = self.config.vocabulary, self.config.codes
        part = slice(0, words) if kind == "words" else slice(words, words + codes)
        return x @ self.tokens.weight[part].T

    def caches(self) -> list[KeyValueCache]:
        """Empty ones, with room for a text and a video."""
        most = self.config.max_tokens + self.config.video_tokens + 2
        return [KeyValueCache(most) for _ in self.layers]

    @property
    def word_numbers(self) -> torch.Tensor:
        return torch.arange(self.config.max_tokens, device=self.begin_places.device)

    @property
    def video_numbers(self) -> torch.Tensor:
        first = self.config.max_tokens
        return torch.arange(first, first + self.config.video_tokens, device=self.begin_places.device)

    @property
    def beginnings(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Positions (1,) of what begins a video and of what begins a text."""
        last = self.config.max_tokens + self.config.video_tokens
        numbers = torch.arange(last, last + 2, device=self.begin_places.device)
        return numbers[:1], numbers[1:]

    def _places(self) -> torch.Tensor:
        frames, rows, columns = self.video_places
        video = frames[:, None, None] + rows[None, :, None] + columns[None, None]
        return torch.cat([self.word_places, video.flatten(0, 2), self.begin_places])
