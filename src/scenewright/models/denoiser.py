"""What networks have in common that make a clip in steps: they see a noisy one, and predict the clean one.

B = batch, C = channels, T/H/W = frames, rows, columns, S = words, E = text width.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn

from scenewright.models.text_encoder import TextReader, masked_mean


class Denoiser(nn.Module):
    """Predicts the clean clip x from z = (1 - sigma) x + sigma noise, sigma in [0, 1], and the text.

    ``forward(z, sigma, words, pooled, mask)``: float (B, C, T, H, W) to the same; sigma float (B,), words
    (B, S, E), pooled (B, E), mask bool (B, S). A network may take more, by name.

    ``config`` has the sizes: ``channels``, ``num_frames``, ``height``, ``width_pixels``, ``patch`` and
    ``fps`` of the clips, ``text``, and what it takes beside the text: ``given_frames``, ``spans``,
    ``layout``; ``grid(frames, height, width)`` raises ValueError for clips that it cannot make.
    """

    Config: ClassVar[type]
    #: Methods beside ``forward`` that use the weights.
    forward_methods: ClassVar[tuple[str, ...]] = ("encode_text",)
    config: Any
    text_encoder: TextReader

    def encode_text(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Word vectors (B, S, E) and pooled vector (B, E); they do not depend on sigma: cache them.

        In place of ids int64 it takes word vectors that were computed before, float (B, S, E).
        """
        if ids_BS.is_floating_point():
            return ids_BS, masked_mean(ids_BS, mask_BS)
        words_BSE, pooled_BE = self.text_encoder(ids_BS, mask_BS)
        return words_BSE, pooled_BE
