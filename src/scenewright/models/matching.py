"""What networks have in common that say how well clips and texts match.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import nn

from scenewright.config import Config
from scenewright.models.text_encoder import TextEncoderConfig, build_text_encoder


class MatchingConfig(Config):
    """The clips that are seen, and the text encoder. Each family adds a key ``family``."""

    text: TextEncoderConfig = TextEncoderConfig(width=128, layers=2)
    num_frames: int = 16
    height: int = 64
    width_pixels: int = 64


class Matched(NamedTuple):
    """``loss``: scalar. ``right``: of the clips, the share whose own text is the best of the batch's."""

    loss: torch.Tensor
    right: float


class MatchingNetwork(nn.Module, ABC):
    """``config``: a :class:`MatchingConfig`."""

    config: MatchingConfig

    def __init__(self, config: MatchingConfig) -> None:
        super().__init__()
        self.config = config
        self.text_encoder = build_text_encoder(config.text)

    @abstractmethod
    def scores(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor, clips: torch.Tensor) -> torch.Tensor:
        """Logits (B, B'): how well each of the clips float (B, 3, T, H, W), values in [-1, 1], matches each
        of B' texts."""

    @abstractmethod
    def forward(
        self, ids_BS: torch.Tensor, mask_BS: torch.Tensor, clips: torch.Tensor, alike_BB: torch.Tensor
    ) -> Matched:
        """The loss of matching each clip with its own text, among those of the batch. ``alike_BB``: bool,
        which texts are the same as others, and so not wrong."""


def contrast(scores_BB: torch.Tensor, alike_BB: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of choosing each clip's text among all texts, and each text's clip among all clips; a
    scalar. ``scores_BB``: logits of clips (rows) and texts; those of other texts that are ``alike`` do not
    count (van den Oord et al. 2018, "InfoNCE"; Zhang et al. 2020, both ways)."""
    count = len(scores_BB)
    own = torch.eye(count, dtype=torch.bool, device=scores_BB.device)
    scores = scores_BB.float().masked_fill(alike_BB & ~own, float("-inf"))
    right = torch.arange(count, device=scores.device)
    cross_entropy = nn.functional.cross_entropy
    return (cross_entropy(scores, right) + cross_entropy(scores.T, right)) / 2
