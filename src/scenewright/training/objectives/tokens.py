"""Tokens: a network of words and a video's tokens learns which belong where.

``masked``: of a video, a share of the tokens is masked, cos(u pi / 2) with u even in [0, 1] (Chang et al.
2022, "MaskGIT"), and the loss is the cross-entropy of what they are; of some clips the words are masked
instead. ``causal``: words come first and the loss is of the video's tokens, each from those before; of some
clips the video comes first, and it is of the words. Which clips: ``captioning``. Of others, ``dropout`` of
the texts are masked, for guidance.
"""

from __future__ import annotations

import math
from typing import Literal, cast

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from scenewright.config import Config
from scenewright.models.token_transformer import TokenTransformer
from scenewright.training.objectives.base import MODEL, Inputs, Objective
from scenewright.training.parallel import bare


class TokensConfig(Config):
    """``captioning``: the share of clips of which the words are learned. ``dropout``: the share of texts that
    are masked. ``label_smoothing``: of the targets of videos."""

    name: Literal["tokens"] = "tokens"
    captioning: float = Field(default=0.15, ge=0, le=1)
    dropout: float = Field(default=0.1, ge=0, le=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)


class Tokens(Objective):
    """Trains a :class:`.TokenTransformer`. Inputs ``x``: codes as float32 (B, 1, t, h, w); ``ids``: words,
    int64 (B, S), filled up to the network's ``max_tokens``."""

    def __init__(self, config: TokensConfig) -> None:
        self.config = config

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        network = cast(TokenTransformer, bare(model))
        config, draws = network.config, inputs.draws
        codes = inputs.x.flatten(1).round().long()
        captioned = (draws.uniform("captioning") < self.config.captioning).to(codes.device)
        dropped = (draws.uniform("dropout") < self.config.dropout).to(codes.device) & ~captioned
        words = torch.where(dropped[:, None], config.masked, inputs.ids)
        losses = self._masked if config.order == "masked" else self._causal
        video_B, words_B = losses(model, network, words, inputs.ids, codes, captioned, inputs)
        loss = torch.where(captioned, words_B, video_B).mean()
        parts = {}
        for name, values, chosen in (("video", video_B, ~captioned), ("words", words_B, captioned)):
            if chosen.any():
                parts[name] = values[chosen].mean().item()
        return loss, parts

    def _masked(
        self,
        model: nn.Module,
        network: TokenTransformer,
        shown: torch.Tensor,
        words: torch.Tensor,
        codes: torch.Tensor,
        captioned: torch.Tensor,
        inputs: Inputs,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses (B,) of masked codes, and of masked words."""
        config = network.config
        share = torch.cos(inputs.draws.stratified("share") * math.pi / 2).to(codes.device)
        hidden_codes = _hidden(inputs, "codes", codes, share) & ~captioned[:, None]
        hidden_words = _hidden(inputs, "words", words, share) & captioned[:, None]
        shown = shown.masked_fill(hidden_words, config.masked)
        seen = (codes + config.vocabulary).masked_fill(hidden_codes, config.masked)
        places = torch.cat([network.word_numbers, network.video_numbers])
        x = model(torch.cat([shown, seen], 1), places)
        of_words, of_codes = x.split([words.shape[1], codes.shape[1]], 1)
        return (
            self._mean(network.logits(of_codes, "codes"), codes, hidden_codes),
            self._mean(network.logits(of_words, "words"), words, hidden_words),
        )

    def _causal(
        self,
        model: nn.Module,
        network: TokenTransformer,
        shown: torch.Tensor,
        words: torch.Tensor,
        codes: torch.Tensor,
        captioned: torch.Tensor,
        inputs: Inputs,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses (B,) of codes behind words, and of words behind codes."""
        video_begins, words_begin = network.beginnings
        of_codes = network.word_numbers, video_begins, network.video_numbers
        of_words = network.video_numbers, words_begin, network.word_numbers
        video = codes + network.config.vocabulary
        losses = torch.zeros(2, len(words), device=words.device)
        told, seen = (~captioned).nonzero()[:, 0], captioned.nonzero()[:, 0]
        if len(told):
            begin = shown.new_full((len(told), 1), network.config.video_begins)
            tokens = torch.cat([shown[told], begin, video[told, :-1]], 1)
            x = model(tokens, torch.cat(of_codes)[:-1])[:, shown.shape[1] :]
            every = torch.ones_like(codes[told], dtype=torch.bool)
            losses[0, told] = self._mean(network.logits(x, "codes"), codes[told], every)
        if len(seen):
            begin = words.new_full((len(seen), 1), network.config.words_begin)
            tokens = torch.cat([video[seen], begin, words[seen, :-1]], 1)
            x = model(tokens, torch.cat(of_words)[:-1])[:, video.shape[1] :]
            # A text ends with its end mark; what fills it up is not learned.
            losses[1, seen] = self._mean(network.logits(x, "words"), words[seen], words[seen] > 0)
        return losses[0], losses[1]

    def _mean(self, logits: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
        """(B,): mean cross-entropy of the tokens (B, N) that count; 0 where none does."""
        losses = F.cross_entropy(
            logits.float().transpose(1, 2),
            target,
            reduction="none",
            label_smoothing=self.config.label_smoothing,
        )
        return (losses * counted).sum(1) / counted.sum(1).clamp(min=1)


def _hidden(inputs: Inputs, purpose: str, tokens: torch.Tensor, share_B: torch.Tensor) -> torch.Tensor:
    """bool (B, n): which tokens are masked, one at least."""
    values = inputs.draws.normal(f"hidden {purpose}", tokens.shape[1:]).to(tokens.device)
    ranks = values.argsort(1).argsort(1)
    return ranks < (share_B[:, None] * tokens.shape[1]).ceil().clamp(min=1)
