"""Layers of video autoencoders that never look ahead in time, on tensors with the channels last.

B = batch, T = frames, H/W = rows, columns, C = channels.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from scenewright.models.blocks.norm import rms_norm

#: The last input frames of each causal layer: what it needs to go on where it stopped.
TimeCache = dict[nn.Module, torch.Tensor]


class CausalTimeMix(nn.Module):
    """A convolution over the last ``kernel`` frames of each place, (B, T, H, W, C) to the same shape.

    Before the first frame stand copies of it, so that an image is a video of one frame. With a ``cache`` from
    earlier frames, those stand there instead, and the cache is brought up to date: a video in pieces then
    gives what the whole gives.
    """

    def __init__(self, channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.kernel = kernel
        self.mix = nn.Linear(kernel * channels, channels)

    def forward(self, x_BTHWC: torch.Tensor, cache: TimeCache | None = None) -> torch.Tensor:
        before = None if cache is None else cache.get(self)
        if before is None:
            before = x_BTHWC[:, :1].expand(-1, self.kernel - 1, -1, -1, -1)
        seen = torch.cat((before, x_BTHWC), dim=1)
        if cache is not None:
            cache[self] = seen[:, seen.shape[1] - self.kernel + 1 :]
        frames = x_BTHWC.shape[1]
        return self.mix(torch.cat([seen[:, i : i + frames] for i in range(self.kernel)], dim=-1))


class SpatialConv(nn.Module):
    """A 3x3 convolution of every frame by itself, (B, T, H, W, C) to the same shape; zeros around it.

    ``weight`` is a matrix (C, 3 3 C): the kernel as it multiplies the patches around each place, which
    optimizers of matrices take (Jordan et al. 2024, "Muon").
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        bound = (9 * channels) ** -0.5
        self.weight = nn.Parameter(torch.empty(channels, 9 * channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x_BTHWC: torch.Tensor) -> torch.Tensor:
        batch, frames = x_BTHWC.shape[:2]
        x_NCHW = x_BTHWC.flatten(0, 1).movedim(-1, 1)
        kernel = self.weight.unflatten(1, (3, 3, -1)).movedim(-1, 1)
        x_NCHW = F.conv2d(x_NCHW, kernel, self.bias, padding=1)
        return x_NCHW.movedim(1, -1).unflatten(0, (batch, frames))


class CausalBlock(nn.Module):
    """x + time(silu(space(norm(x)))): a residual (2+1)-dimensional convolution (Tran et al. 2018) behind an
    RMS norm over the channels of each place, which mixes neither frames nor places. Begins as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.space = SpatialConv(channels)
        self.time = CausalTimeMix(channels)
        nn.init.zeros_(self.time.mix.weight)
        nn.init.zeros_(self.time.mix.bias)

    def forward(self, x_BTHWC: torch.Tensor, cache: TimeCache | None = None) -> torch.Tensor:
        h_BTHWC = self.space(rms_norm(x_BTHWC))
        return x_BTHWC + self.time(F.silu(h_BTHWC), cache)


def blocks_to_channels(x_BTHWC: torch.Tensor, block: tuple[int, int, int]) -> torch.Tensor:
    """(B, T, H, W, C) to (B, T/t, H/h, W/w, t h w C): each block of (t, h, w) places becomes one place."""
    batch, frames, rows, columns, channels = x_BTHWC.shape
    t, h, w = block
    x = x_BTHWC.reshape(batch, frames // t, t, rows // h, h, columns // w, w, channels)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4)


def channels_to_blocks(x_BTHWC: torch.Tensor, block: tuple[int, int, int]) -> torch.Tensor:
    """The inverse of :func:`blocks_to_channels`."""
    batch, frames, rows, columns, _ = x_BTHWC.shape
    t, h, w = block
    x = x_BTHWC.reshape(batch, frames, rows, columns, t, h, w, -1).permute(0, 1, 4, 2, 5, 3, 6, 7)
    return x.reshape(batch, frames * t, rows * h, columns * w, -1)
