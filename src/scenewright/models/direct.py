"""What networks have in common that make a clip from a text at once, without steps of sampling.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

from scenewright.config import Config
from scenewright.models.text_encoder import TextEncoderConfig


class DirectConfig(Config):
    """The clips that are made, and the text encoder. Each family adds a key ``family``."""

    text: TextEncoderConfig = TextEncoderConfig(width=128, layers=2)
    num_frames: int = 16
    height: int = 64
    width_pixels: int = 64
    fps: float = 8.0


class DirectNetwork(nn.Module, ABC):
    """``config``: a :class:`DirectConfig`."""

    config: DirectConfig

    @abstractmethod
    def encode_text(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors of the words (B, S, D) and of the whole text (B, D)."""

    @property
    @abstractmethod
    def noise_shape(self) -> tuple[int, ...]:
        """Of the numbers that tell clips of one text apart; (0,) for a network that makes one clip a text."""

    @abstractmethod
    def forward(
        self, words_BSD: torch.Tensor, pooled_BD: torch.Tensor, mask_BS: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Clips float (B, 3, T, H, W) in [-1, 1], of noise float (B, *noise_shape)."""
