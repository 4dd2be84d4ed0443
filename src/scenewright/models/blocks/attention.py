"""Multi-head attention with query-key normalisation, for self- and cross-attention.

B = batch, L = query tokens, S = key tokens, D = model width, N = heads, K = head width.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from scenewright.models.blocks.norm import RMSNorm
from scenewright.models.blocks.positions import rotate


class KeyValueCache:
    """Keys and values of the tokens so far, (B, N, S, K) each, of one layer; room for ``most`` tokens."""

    def __init__(self, most: int) -> None:
        self.most, self.length = most, 0
        self._kept: torch.Tensor | None = None

    def extended(self, k_BNSK: torch.Tensor, v_BNSK: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values, with these behind the ones before. ValueError: there is no room."""
        end = self.length + k_BNSK.shape[2]
        if end > self.most:
            raise ValueError(f"{end} tokens do not fit into a cache for {self.most}")
        if self._kept is None:
            batch, heads, _, width = k_BNSK.shape
            self._kept = k_BNSK.new_empty(2, batch, heads, self.most, width)
        self._kept[0, :, :, self.length : end] = k_BNSK
        self._kept[1, :, :, self.length : end] = v_BNSK
        self.length = end
        return self._kept[0, :, :, :end], self._kept[1, :, :, :end]

    def cut(self, length: int) -> None:
        """Keep the first tokens only."""
        self.length = min(self.length, length)

    def forget(self, tokens: int) -> None:
        """Leave out the first tokens."""
        self.length -= tokens
        if self._kept is not None:
            self._kept[:, :, :, : self.length] = self._kept[:, :, :, tokens : tokens + self.length].clone()


class Attention(nn.Module):
    """Softmax attention with RMS-normalised queries and keys (QK-norm; Henry et al. 2020).

    With ``context_width`` the keys and values come from another sequence (cross-attention). ``attend`` is the
    function of that name; context parallelism puts its own in place.
    """

    def __init__(self, width: int, heads: int, context_width: int | None = None) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        self.heads = heads
        self.head_width = width // heads
        self.attend = attend
        self.is_cross = context_width is not None
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(context_width or width, 2 * width, bias=False)
        self.query_norm = RMSNorm(width // heads, eps=1e-6)
        self.key_norm = RMSNorm(width // heads, eps=1e-6)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self,
        x_BLD: torch.Tensor,
        context_BSD: torch.Tensor | None = None,
        mask_BS: torch.Tensor | None = None,
        rotation: torch.Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> torch.Tensor:
        """``mask_BS``: True where a key may be seen; (B, L, S) where that differs between queries.
        ``rotation``: rotary angles (L, K/2) of both. ``cache``: holds the keys and values of earlier tokens,
        which are seen, too, and gets those of these."""
        source = x_BLD if context_BSD is None else context_BSD
        q_BNLK = self.query_norm(self._split(self.query(x_BLD)))
        k_BSD, v_BSD = self.key_value(source).chunk(2, dim=-1)
        k_BNSK, v_BNSK = self.key_norm(self._split(k_BSD)), self._split(v_BSD)
        if rotation is not None:
            q_BNLK, k_BNSK = rotate(q_BNLK, rotation), rotate(k_BNSK, rotation)
        if cache is not None:
            k_BNSK, v_BNSK = cache.extended(k_BNSK, v_BNSK)
        mask = mask_BS
        if mask is not None:
            mask = mask[:, None, None, :] if mask.ndim == 2 else mask[:, None]
        y_BNLK = self.attend(q_BNLK, k_BNSK, v_BNSK, mask)
        return self.out(y_BNLK.transpose(1, 2).flatten(2))

    def _split(self, x_BLD: torch.Tensor) -> torch.Tensor:
        # By head width, not by number: with tensor parallelism a process holds only some of the heads.
        return x_BLD.unflatten(-1, (-1, self.head_width)).transpose(1, 2)


#: Up to so many scores a head, a CPU is faster with explicit products in bfloat16 than with PyTorch's kernel.
EXPLICIT_SCORES = 2**18


def attend(
    q_BNLK: torch.Tensor, k_BNSK: torch.Tensor, v_BNSK: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Softmax attention (B, N, L, K); ``mask``: bool for (B, N, L, S), True where a key may be seen.

    PyTorch's fused kernel, except for short sequences in bfloat16 on a CPU: there products and a softmax that
    ``torch.compile`` fuses take half the time (``benchmarks/attention.py``).
    """
    few = q_BNLK.shape[2] * k_BNSK.shape[2] <= EXPLICIT_SCORES
    if not (few and q_BNLK.device.type == "cpu" and q_BNLK.dtype == torch.bfloat16):
        return F.scaled_dot_product_attention(q_BNLK, k_BNSK, v_BNSK, attn_mask=mask)
    scores = (q_BNLK * q_BNLK.shape[-1] ** -0.5) @ k_BNSK.mT
    return masked_softmax(scores, mask) @ v_BNSK


def masked_softmax(scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Softmax in float32 over the last axis of ``scores`` (..., S), as weights of their dtype, which are 0
    where the bool ``mask`` that is broadcast to them is False."""
    weights = scores.float() if mask is None else scores.float().masked_fill(~mask, float("-inf"))
    return weights.softmax(-1).to(scores.dtype)
