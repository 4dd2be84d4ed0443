"""A transformer's layer, for text, for tokens of any kind, and for steps from one token to the next.

B = batch, L = tokens, D = width, N = heads, K = head width.
"""

from __future__ import annotations

import torch
from torch import nn

from scenewright.models.blocks.attention import Attention, KeyValueCache
from scenewright.models.blocks.feed_forward import SwiGLU
from scenewright.models.blocks.norm import RMSNorm


class TransformerLayer(nn.Module):
    """Self-attention over the tokens and a feed-forward network, each after a norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.mlp_norm = RMSNorm(width, eps=1e-6)
        self.mlp = SwiGLU(width, hidden=8 * width // 3)

    def forward(
        self,
        x_BLD: torch.Tensor,
        mask: torch.Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> torch.Tensor:
        """``mask``: bool (B, L), True on tokens that may be seen, or (B, L, S) where that differs between the
        tokens that look. ``cache``: the tokens follow those that it holds, which are seen, too."""
        seen = self.attention(self.attention_norm(x_BLD), mask_BS=mask, cache=cache)
        x_BLD = x_BLD + seen
        return x_BLD + self.mlp(self.mlp_norm(x_BLD))
