"""What networks have in common that make a clip from a text at once, without steps of sampling.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from scenewright.config import Config
from scenewright.models.text_encoder import TextEncoderConfig, build_text_encoder


class DirectConfig(Config):
    """The clips that are made, and the text encoder. Each family adds a key ``family``."""

    text: TextEncoderConfig = TextEncoderConfig(width=128, layers=2)
    num_frames: int = 16
    height: int = 64
    width_pixels: int = 64
    fps: float = 8.0

    @property
    def levels(self) -> tuple[tuple[int, int, int], ...]:
        """(frames, rows, columns) of the clips that are made on the way, the last being the whole clip."""
        return ((self.num_frames, self.height, self.width_pixels),)

    def at_level(self, level: int, x_BCTHW: torch.Tensor) -> torch.Tensor:
        """Real clips, or masks of them, as a level should show them: every so manieth frame, and means of
        pixels."""
        return shrunk(x_BCTHW, self.levels[level])


class EncodedText(NamedTuple):
    """Vectors of the words (B, S, D) and of the whole text (B, D); mask bool (B, S), True on words."""

    words: torch.Tensor
    pooled: torch.Tensor
    mask: torch.Tensor


class Made(NamedTuple):
    """``levels``: clips float (B, 3, T, H, W) in [-1, 1], of the sizes of :attr:`DirectConfig.levels`.
    ``penalties``: (B,) by name, what a network finds wrong with its own workings; an objective adds them to
    the loss, each with its weight. ``region``: float (B, 1, T, H, W) in [0, 1], where a network says that the
    things are, at the size of one of its levels; ``actions``: (B, A), logits of the kinds of motion that it
    reads in the texts; both None where it tells nothing of the sort."""

    levels: tuple[torch.Tensor, ...]
    penalties: Mapping[str, torch.Tensor] = {}
    region: torch.Tensor | None = None
    actions: torch.Tensor | None = None

    @property
    def clips(self) -> torch.Tensor:
        return self.levels[-1]


class DirectNetwork(nn.Module, ABC):
    """``config``: a :class:`DirectConfig`. ``text_encoder``: has been built of ``config.text``."""

    #: Names of the penalties that a network of the family may have.
    PENALTIES: ClassVar[tuple[str, ...]] = ()
    #: Whether ``forward`` takes the motion of a clip from another text, as ``motion_of`` says.
    SWAPS: ClassVar[bool] = False

    config: DirectConfig

    @property
    def attention_maps(self) -> torch.Tensor | None:
        """Of the last call: float32 (B, S, T, h, w), how much each place looked at each word, as weights
        among the words; None for a network that looks at no single words."""
        return None

    def __init__(self, config: DirectConfig) -> None:
        super().__init__()
        self.config = config
        self.text_encoder = build_text_encoder(config.text)

    def encode_text(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> EncodedText:
        words, pooled = self.text_encoder(ids_BS, mask_BS)
        return EncodedText(words, pooled, mask_BS)

    def forward(
        self,
        ids_BS: torch.Tensor,
        mask_BS: torch.Tensor,
        noise: torch.Tensor,
        real_BCTHW: torch.Tensor | None = None,
    ) -> Made:
        """Clips of texts, of noise float (B, *noise_shape). ``real_BCTHW``: in training, the clips that the
        texts are of, for the penalties of networks that learn a part of their work from these."""
        return self.make(self.encode_text(ids_BS, mask_BS), noise, real_BCTHW)

    @property
    @abstractmethod
    def noise_shape(self) -> tuple[int, ...]:
        """Of the numbers that tell clips of one text apart; (0,) for a network that makes one clip a text."""

    @abstractmethod
    def make(self, text: EncodedText, noise: torch.Tensor, real_BCTHW: torch.Tensor | None = None) -> Made:
        """What :meth:`forward` does, of texts that have been encoded."""


def shrunk(x_BCTHW: torch.Tensor, size: tuple[int, int, int]) -> torch.Tensor:
    """Clips of fewer (frames, rows, columns): every so manieth frame, and means of pixels."""
    frames = x_BCTHW.shape[2]
    if frames % size[0]:
        raise ValueError(f"{frames} frames are no multiple of {size[0]}")
    kept = x_BCTHW[:, :, :: frames // size[0]]
    return kept if kept.shape[2:] == size else F.adaptive_avg_pool3d(kept, size)
