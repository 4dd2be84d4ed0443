"""Compact bilinear pooling (Gao et al. 2016; of two modalities Fukui et al. 2016): all products of the
features of a text and of a video, in few numbers.

The outer product of x and y has D x E numbers. A count sketch of it is the circular convolution of count
sketches of x and y (Pham & Pagh 2013), so it is computed by a fast Fourier transform and the product is
never made.
"""

from __future__ import annotations

import torch
from torch import nn


class CompactBilinear(nn.Module):
    """Features float (B, D) and (B, E) to float (B, ``size``), whose inner products are, on average over
    seeds, those of the outer products: <x1, x2> <y1, y2>. Nothing in it is trained."""

    places_x: torch.Tensor
    places_y: torch.Tensor
    signs_x: torch.Tensor
    signs_y: torch.Tensor

    def __init__(self, width_x: int, width_y: int, size: int, *, seed: int = 0) -> None:
        super().__init__()
        self.size = size
        generator = torch.Generator().manual_seed(seed)
        for name, width in (("x", width_x), ("y", width_y)):
            places = torch.randint(0, size, (width,), generator=generator)
            signs = torch.randint(0, 2, (width,), generator=generator) * 2.0 - 1
            self.register_buffer(f"places_{name}", places)
            self.register_buffer(f"signs_{name}", signs)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        sketches = (
            self._sketch(x, self.places_x, self.signs_x),
            self._sketch(y, self.places_y, self.signs_y),
        )
        spectra = [torch.fft.rfft(sketch) for sketch in sketches]
        return torch.fft.irfft(spectra[0] * spectra[1], n=self.size)

    def _sketch(self, x: torch.Tensor, places: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
        return x.new_zeros(x.shape[0], self.size).index_add(1, places, x * signs)
