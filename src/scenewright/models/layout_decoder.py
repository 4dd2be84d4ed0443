"""Plans the layout of a clip from its text: first what is there, thing by thing, then how it moves.

What a text says of things, how many there are, what they are and how they stand to each other, is a few
choices each: a decoder makes them one after the other, in the order in which the text names the things, and
after them where each thing is. Given these, a flow transformer makes the boxes over time. All of it is
learned from scenes that need no rendering (compare Lian et al. 2023, "LLM-grounded video diffusion models",
where a language model plans). It reads the word vectors of a frozen text encoder.

B = batch, F = features of a layout's slot, N = slots, A = choices of a slot, U = numbers of a track,
D = width, S = words, E = text width.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from scenewright.config import Config
from scenewright.models.blocks.decoder import DecoderLayer
from scenewright.models.blocks.initial import zeros
from scenewright.models.blocks.norm import RMSNorm
from scenewright.models.blocks.positions import sinusoid
from scenewright.models.blocks.regularisation import BranchDropout
from scenewright.models.blocks.transformer import TransformerLayer
from scenewright.models.flow_transformer import Block
from scenewright.models.layout import LayoutConfig, starts_of
from scenewright.models.layout_comparisons import COMPARISONS, compared
from scenewright.models.text_encoder import TextEncoderConfig, by_length, masked_mean

Edges = tuple[float, ...]
#: The choices of where a thing is.
PLACES = ("columns", "rows", "depths")
#: Rank of the blocks' modulations: the noise level and a pooled text say little.
_MODULATION_RANK = 16


class LayoutDecoderConfig(Config):
    """Sizes. ``text``: of the encoder whose vectors it reads; ``text_layers``: how many layers of its own go
    over them; ``decoder_layers`` make the choices, ``layers`` the tracks.

    Where a thing begins is chosen, too, as one of some ranges: ``columns`` and ``rows`` are the borders of
    those of the middle and of the lower end of its box, in pictures; ``depths`` in units of the scene.
    Before that, how things stand to each other is chosen (:mod:`.layout_comparisons`); ``half_view`` is half
    the width of the picture at distance 1.
    """

    family: Literal["layout-decoder"] = "layout-decoder"
    layout: LayoutConfig
    text: TextEncoderConfig = TextEncoderConfig()
    text_layers: int = Field(default=3, ge=0)
    width: int = Field(default=128, ge=2)
    decoder_layers: int = Field(default=2, ge=1)
    layers: int = Field(default=3, ge=1)
    heads: int = Field(default=4, ge=1)
    mlp_ratio: float = Field(default=8 / 3, gt=0)
    columns: Edges = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    rows: Edges = (0.42, 0.52, 0.55, 0.58, 0.61, 0.66, 0.71)
    depths: Edges = (7.4, 8.2, 8.9, 9.6, 10.2)
    half_view: float = Field(default=0.344, gt=0)

    @property
    def choices(self) -> dict[str, int]:
        """How many options each choice of a slot has; the first is whether there is one more thing."""
        return {
            "there": 2,
            **{name: len(values) for name, values in self.layout.attributes.items()},
            **COMPARISONS,
            **{name: len(getattr(self, name)) + 1 for name in PLACES},
        }


class _Stack(nn.Module):
    """Layers one after the other, each of which gets the same besides."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor, *besides: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x, *besides)
        return x


class LayoutDecoder(nn.Module):
    """Makes choices, and predicts tracks x from z = (1 - sigma) x + sigma noise; by the words' vectors."""

    Config = LayoutDecoderConfig

    def __init__(self, config: LayoutDecoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.words_in = nn.Linear(config.text.width, width)
        self.text = _Stack(TransformerLayer(width, config.heads) for _ in range(config.text_layers))
        self.text_norm = RMSNorm(width, eps=1e-6)
        self.slots = nn.Parameter(torch.randn(config.layout.slots, width) * 0.3)
        self.placing = nn.Parameter(torch.randn(width) * 0.3)

        options = config.choices
        self._places = {name: place for place, name in enumerate(options)}
        self._what = tuple(name for name in options if name not in PLACES)
        self.chosen = nn.ModuleDict({name: nn.Embedding(count, width) for name, count in options.items()})
        for embedding in self.chosen.parameters():
            nn.init.normal_(embedding, std=0.3)
        self.decoder = _Stack(DecoderLayer(width, config.heads, width) for _ in range(config.decoder_layers))
        self.decoder_norm = RMSNorm(width, eps=1e-6)
        self.mixes = nn.ModuleDict({name: nn.Linear(width, width) for name in options})
        self.heads = nn.ModuleDict({name: nn.Linear(width, count) for name, count in options.items()})

        self.track_in = nn.Linear(config.layout.track, width)
        self.timestep = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.pooled_text = nn.Linear(width, width)
        hidden = int(config.mlp_ratio * width)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, hidden, width, BranchDropout(0.0, 0.0), rank=_MODULATION_RANK)
            for _ in range(config.layers)
        )
        self.out_norm = RMSNorm(width, eps=1e-6)
        self.track_out = zeros(nn.Linear(width, config.layout.track))

    def read(self, layout_BNF: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The choices, int64 (B, N, A), and tracks, float32 (B, N, U), of layouts' features; all 0 where
        nothing is."""
        config, layout = self.config, self.config.layout
        there = (layout_BNF[..., 0] > 0).long()
        labels = layout_BNF[..., 1 : 1 + layout.labels]
        sizes = [len(values) for values in layout.attributes.values()]
        tracks_BNU = layout_BNF[..., 1 + layout.labels :]
        starts_BNG = starts_of(tracks_BNU, layout)
        choices = [there, *(part.argmax(-1) for part in labels.split(sizes, -1))]
        choices += compared(starts_BNG, there > 0, config.half_view).unbind(-1)
        values = starts_BNG[..., [0, 2]].mean(-1), starts_BNG[..., 3], starts_BNG[..., 4]
        for name, numbers in zip(PLACES, values, strict=True):
            edges = numbers.new_tensor(getattr(config, name))
            choices.append(torch.bucketize(numbers.contiguous(), edges))
        return torch.stack(choices, -1) * there[..., None], tracks_BNU

    def write(self, choices_BNA: torch.Tensor, tracks_BNU: torch.Tensor) -> torch.Tensor:
        """The features float32 (B, N, F) of layouts from their choices and tracks."""
        layout = self.config.layout
        parts = [choices_BNA[..., :1].to(tracks_BNU) * 2 - 1]
        for place, values in enumerate(layout.attributes.values(), start=1):
            picked = nn.functional.one_hot(choices_BNA[..., place], len(values)) * choices_BNA[..., :1]
            parts.append(picked.to(tracks_BNU) * 2 - 1)
        return torch.cat([*parts, tracks_BNU], -1)

    def encode_text(
        self, words_BSE: torch.Tensor, mask_BS: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Its own view of the encoder's vectors (B, S, E): (B, S, D), and pooled (B, D)."""
        x_BSD = by_length(self._encode, words_BSE, mask_BS)
        return x_BSD, masked_mean(x_BSD, mask_BS)

    def _encode(self, words_BSE: torch.Tensor, mask_BS: torch.Tensor) -> torch.Tensor:
        return self.text_norm(self.text(self.words_in(words_BSE), mask_BS))

    def logits(
        self, choices_BNA: torch.Tensor, words_BSD: torch.Tensor, mask_BS: torch.Tensor
    ) -> list[torch.Tensor]:
        """Of each choice the logits (B, N, options): of what a thing is given what those before it are, of
        where it is given what all are and where those before it are; both given its choices before."""
        slots, found = choices_BNA.shape[1], []
        halves = self._known(choices_BNA, slots, words_BSD, mask_BS).split(slots, 1)
        for x_BND, names in zip(halves, (self._what, PLACES), strict=True):
            for name in names:
                found.append(self._head(name, x_BND))
                x_BND = x_BND + self.chosen[name](choices_BNA[..., self._places[name]])
        return found

    def choose(
        self, words_BSD: torch.Tensor, mask_BS: torch.Tensor, generator: torch.Generator, least: float
    ) -> torch.Tensor:
        """Choices int64 (B, N, A): what is there, thing by thing until nothing more is, and then where each
        is. Options of less than ``least`` times the likeliest one's probability are never drawn (Nguyen et
        al. 2024, "min-p")."""
        batch, slots = len(words_BSD), self.config.layout.slots
        shape = (batch, slots, len(self._places))
        choices_BNA = torch.zeros(shape, dtype=torch.int64, device=words_BSD.device)

        def draw(slot: int, names: tuple[str, ...], x_BD: torch.Tensor) -> None:
            for name in names:
                shares = self._head(name, x_BD).float().softmax(-1)
                shares = shares * (shares >= least * shares.amax(-1, keepdim=True))
                drawn = torch.multinomial(shares.cpu(), 1, generator=generator)[:, 0].to(x_BD.device)
                choices_BNA[:, slot, self._places[name]] = drawn
                x_BD = x_BD + self.chosen[name](drawn)

        there = torch.ones(batch, dtype=torch.bool, device=words_BSD.device)
        for slot in range(slots):
            draw(slot, self._what, self._known(choices_BNA[:, : slot + 1], 0, words_BSD, mask_BS)[:, slot])
            there = there & (choices_BNA[:, slot, 0] > 0)
            choices_BNA[:, slot] *= there[:, None]
            if not there.any():
                break
        count = int(choices_BNA[..., 0].sum(1).max())
        used = min(slots, count + 1)
        for slot in range(count):
            known = self._known(choices_BNA[:, :used], slot + 1, words_BSD, mask_BS)
            draw(slot, PLACES, known[:, -1])
            choices_BNA[:, slot] *= (choices_BNA[:, slot, :1] > 0).long()
        return choices_BNA

    def _head(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return self.heads[name](nn.functional.silu(self.mixes[name](x)))

    def _known(
        self, choices_BNA: torch.Tensor, placed: int, words_BSD: torch.Tensor, mask_BS: torch.Tensor
    ) -> torch.Tensor:
        """What is known before a thing's choices, (B, N + placed, D): for each slot from what is in those
        before it; for the first ``placed`` again, from what is in all and where those before it are."""
        what_BND = self._described(choices_BNA, self._what)
        where_BND = self._described(choices_BNA, PLACES)
        slots_ND = self.slots[: choices_BNA.shape[1]]
        first = nn.functional.pad(what_BND[:, :-1], (0, 0, 1, 0)) + slots_ND
        second = nn.functional.pad(where_BND[:, :-1], (0, 0, 1, 0)) + slots_ND + what_BND + self.placing
        x_BND = torch.cat([first, second[:, :placed]], 1)
        return self.decoder_norm(self.decoder(x_BND, words_BSD, mask_BS))

    def _described(self, choices_BNA: torch.Tensor, names: Iterable[str]) -> torch.Tensor:
        return torch.stack([self.chosen[name](choices_BNA[..., self._places[name]]) for name in names]).sum(0)

    def forward(
        self,
        z_BNU: torch.Tensor,
        sigma_B: torch.Tensor,
        choices_BNA: torch.Tensor,
        words_BSD: torch.Tensor,
        pooled_BD: torch.Tensor,
        mask_BS: torch.Tensor,
    ) -> torch.Tensor:
        """The predicted tracks (B, N, U)."""
        chosen_BND = self._described(choices_BNA, self._places)
        x_BND = self.track_in(z_BNU) + chosen_BND + self.slots[: z_BNU.shape[1]]
        condition_BD = self.timestep(sinusoid(sigma_B * 1000.0, 256).to(x_BND.dtype))
        condition_BD = nn.functional.silu(condition_BD + self.pooled_text(pooled_BD))
        for block in self.blocks:
            x_BND = block(x_BND, condition_BD, words_BSD, mask_BS, None)
        return self.track_out(self.out_norm(x_BND))
