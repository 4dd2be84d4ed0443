"""A linear code of blocks of a clip: the lowest frequencies of the discrete cosine transform.

For smooth pictures it is close to the best code of so many numbers (Ahmed, Natarajan & Rao 1974), so an
autoencoder that adds what it learns to this begins well above one that begins with nothing.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import nn

#: Orthogonal directions of (R, G, B): light, and two differences of colour.
_COLOURS = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))


def cosine_basis(block: tuple[int, int, int], count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The ``count`` lowest basis vectors of blocks (frames, rows, columns) of colours.

    Returns float32 (count, frames * rows * columns * 3), orthonormal rows, and their orders int64 (count):
    the sum of the frequencies along the axes, one more for a difference of colour.

    Raises:
        ValueError: a block has no ``count`` dimensions.
    """
    dimensions = math.prod(block) * 3
    if count > dimensions:
        raise ValueError(f"a block of {block} has {dimensions} values; it cannot be coded by {count} latents")
    frequencies = itertools.product(*(range(size) for size in block), range(3))
    lowest = sorted(frequencies, key=lambda f: (sum(f[:3]) + (f[3] > 0), f[3], f))[:count]
    axes = [_cosines(size) for size in block]
    colours = nn.functional.normalize(torch.tensor(_COLOURS), dim=1)
    rows = [
        torch.einsum("t,h,w,c->thwc", axes[0][t], axes[1][h], axes[2][w], colours[c]).flatten()
        for t, h, w, c in lowest
    ]
    orders = [sum(f[:3]) + (f[3] > 0) for f in lowest]
    return torch.stack(rows), torch.tensor(orders)


class CosineCode(nn.Module):
    """Blocks (..., frames * rows * columns * 3) to (..., Z) of about unit variance, and back. Not learned;
    always float32."""

    analysis: torch.Tensor
    synthesis: torch.Tensor

    def __init__(self, block: tuple[int, int, int], latents: int) -> None:
        super().__init__()
        basis, orders = cosine_basis(block, latents)
        # Amplitudes of frequencies in pictures fall about as the square of their order.
        gains = 2.0 * (1 + orders).square()[:, None] / math.sqrt(math.prod(block))
        self.register_buffer("analysis", basis * gains, persistent=False)
        self.register_buffer("synthesis", (basis / gains).T.contiguous(), persistent=False)

    def encode(self, blocks: torch.Tensor) -> torch.Tensor:
        with torch.autocast(blocks.device.type, enabled=False):
            return nn.functional.linear(blocks.float(), self.analysis)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        with torch.autocast(z.device.type, enabled=False):
            return nn.functional.linear(z.float(), self.synthesis)


def _cosines(size: int) -> torch.Tensor:
    """The orthonormal DCT-II, float32 (size, size), a frequency a row."""
    k, i = torch.arange(size)[:, None], torch.arange(size)[None]
    rows = torch.cos(math.pi * (i + 0.5) * k / size) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return rows
