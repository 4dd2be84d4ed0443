"""A layer that goes on with a sequence while it reads another.

B = batch, L = places of the sequence, S = words, D = width.
"""

from __future__ import annotations

import torch
from torch import nn

from scenewright.models.blocks.attention import Attention
from scenewright.models.blocks.feed_forward import SwiGLU
from scenewright.models.blocks.norm import RMSNorm


class DecoderLayer(nn.Module):
    """Attention to what came before, attention to the words, feed-forward (Vaswani et al. 2017), each after a
    norm."""

    def __init__(self, width: int, heads: int, text_width: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.cross_norm = RMSNorm(width, eps=1e-6)
        self.cross_attention = Attention(width, heads, context_width=text_width)
        self.mlp_norm = RMSNorm(width, eps=1e-6)
        self.mlp = SwiGLU(width, hidden=8 * width // 3)

    def forward(self, x_BLD: torch.Tensor, words_BSD: torch.Tensor, mask_BS: torch.Tensor) -> torch.Tensor:
        length = x_BLD.shape[1]
        before = torch.ones(length, length, dtype=torch.bool, device=x_BLD.device).tril()[None]
        x_BLD = x_BLD + self.attention(self.attention_norm(x_BLD), mask_BS=before)
        x_BLD = x_BLD + self.cross_attention(self.cross_norm(x_BLD), words_BSD, mask_BS)
        return x_BLD + self.mlp(self.mlp_norm(x_BLD))
