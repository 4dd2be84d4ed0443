"""Clips cut into patches, and put together again.

``grid``: patches of a clip in (frames, rows, columns); ``patch``: the sizes of one.
B = batch, C = channels, T/H/W = frames, rows, columns, L = patches, P = values of a patch.
"""

from __future__ import annotations

import math

import torch


def patchify(x_BCTHW: torch.Tensor, grid: tuple[int, int, int], patch: tuple[int, int, int]) -> torch.Tensor:
    """(B, L, P), patches in the order of frames, rows, columns; in each, channels come first."""
    (t, h, w), (pt, ph, pw) = grid, patch
    x = x_BCTHW.reshape(-1, x_BCTHW.shape[1], t, pt, h, ph, w, pw)
    return x.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(x.shape[0], t * h * w, -1)


def unpatchify(x_BLP: torch.Tensor, grid: tuple[int, int, int], patch: tuple[int, int, int]) -> torch.Tensor:
    """The inverse of :func:`patchify`: (B, C, T, H, W)."""
    (t, h, w), (pt, ph, pw) = grid, patch
    channels = x_BLP.shape[-1] // math.prod(patch)
    x = x_BLP.reshape(-1, t, h, w, channels, pt, ph, pw).permute(0, 4, 1, 5, 2, 6, 3, 7)
    return x.reshape(x.shape[0], channels, t * pt, h * ph, w * pw)
