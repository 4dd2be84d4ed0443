"""Ways in which a text joins the features of a network, exchangeable by name.

B = batch, S = words, D = width of the text, C = channels, ... = places.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from scenewright.models.blocks.conditioning import WordAttention

FusionName = Literal["early", "intermediate", "late", "hierarchical", "dynamic", "bilinear"]


class CompactBilinear(nn.Module):
    """Multimodal compact bilinear pooling (Fukui et al. 2016): the outer product of two vectors, of which a
    count sketch is made without making the product; then signed square roots, and length 1."""

    def __init__(self, first: int, second: int, sketch: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        for name, size in (("first", first), ("second", second)):
            places = torch.randint(sketch, (size,), generator=generator)
            signs = torch.randint(2, (size,), generator=generator) * 2.0 - 1
            self.register_buffer(f"{name}_places", places)
            self.register_buffer(f"{name}_signs", signs)
        self.sketch = sketch

    def count_sketch(self, x: torch.Tensor, name: Literal["first", "second"]) -> torch.Tensor:
        """(..., size) to (..., sketch): each value, by its sign, goes to its place."""
        places, signs = getattr(self, f"{name}_places"), getattr(self, f"{name}_signs")
        return x.new_zeros(*x.shape[:-1], self.sketch).index_add(-1, places, x * signs)

    def product(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """The sketch of the outer product: the circular convolution of both sketches (Pham & Pagh 2013)."""
        spectra = [
            torch.fft.rfft(self.count_sketch(first.float(), "first")),
            torch.fft.rfft(self.count_sketch(second.float(), "second")),
        ]
        return torch.fft.irfft(spectra[0] * spectra[1], n=self.sketch)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        y = self.product(first, second)
        # The root's slope is without bound at 0.
        return F.normalize(y.sign() * ((y.abs() + 1e-4).sqrt() - 1e-2), dim=-1).to(first.dtype)


class TextFusion(nn.Module):
    """What a text adds to the features of each of the blocks of a network, ``channels`` of them before each.

    - ``early``: the sentence joins the first block's features.
    - ``late``: the sentence joins the last one's.
    - ``intermediate``: the places of the middle blocks look at the words (cross-attention).
    - ``hierarchical``: the sentence joins the first block, words join all later ones.
    - ``dynamic``: sentence and words join every block, weighed by gates that each text decides.
    - ``bilinear``: the first block's features are multiplied with the sentence's, see
      :class:`CompactBilinear`.
    """

    def __init__(self, name: FusionName, width: int, channels: list[int], sketch: int = 1024) -> None:
        super().__init__()
        last, blocks = len(channels) - 1, range(len(channels))
        middle = set(blocks[1:-1]) or {last}
        sentence = {
            "early": {0},
            "late": {last},
            "intermediate": set(),
            "hierarchical": {0},
            "dynamic": set(blocks),
            "bilinear": set(),
        }[name]
        words = {"intermediate": middle, "hierarchical": set(blocks[1:]), "dynamic": set(blocks)}.get(
            name, set()
        )
        self.sentence = nn.ModuleDict({str(i): nn.Linear(width, channels[i]) for i in sorted(sentence)})
        self.words = nn.ModuleDict({str(i): WordAttention(channels[i], width) for i in sorted(words)})
        self.gates = nn.Linear(width, 2 * len(channels)) if name == "dynamic" else None
        self.bilinear: nn.ModuleList | None = None
        if name == "bilinear":
            self.bilinear = nn.ModuleList(
                [CompactBilinear(channels[0], width, sketch), nn.Linear(sketch, channels[0])]
            )

    def forward(
        self,
        block: int,
        x: torch.Tensor,
        words_BSD: torch.Tensor,
        pooled_BD: torch.Tensor,
        mask_BS: torch.Tensor,
    ) -> torch.Tensor:
        """Features (B, C, ...) before a block, and what the text adds to them."""
        places = (...,) + (None,) * (x.ndim - 2)
        key, shares = str(block), None
        if self.gates is not None:
            gates = self.gates(pooled_BD).unflatten(-1, (-1, 2))[:, block].softmax(-1)
            # Twice, so that both at even weights are what either is alone.
            shares = 2 * gates[(..., *places[1:])]
        added = []
        if key in self.sentence:
            y = self.sentence[key](pooled_BD)[places]
            added.append(y if shares is None else y * shares[:, :1])
        if key in self.words:
            y = self.words[key](x, words_BSD, mask_BS)
            added.append(y if shares is None else y * shares[:, 1:])
        if self.bilinear is not None and block == 0:
            pool, out = self.bilinear
            # Pairs of every place's features with the sentence.
            x_BLC = x.flatten(2).mT
            both = pool(x_BLC, pooled_BD[:, None].expand(-1, x_BLC.shape[1], -1))
            added.append(out(both * self.root).mT.unflatten(-1, x.shape[2:]))
        for y in added:
            x = x + y
        return x

    @property
    def root(self) -> float:
        """Brings vectors of length 1 to values of about 1."""
        assert self.bilinear is not None
        pool = self.bilinear[0]
        assert isinstance(pool, CompactBilinear)
        return float(pool.sketch**0.5)
