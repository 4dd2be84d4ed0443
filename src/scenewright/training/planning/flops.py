"""Floating-point operations of one clip through a flow transformer, product by product.

Only matrix products and attention count, as in PyTorch's own counter: the rest is a per mille of the work.
A product of (M, K) and (K, N) is 2 M K N operations. The backward pass of a linear layer is up to two such
products: one for the gradient of its input, one for that of its weight.

L = tokens of the clip, S = tokens of the caption, D = width of the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from scenewright.models.flow_transformer import GIVEN_CHANNELS, FlowTransformerConfig
from scenewright.models.layout import SEEN
from scenewright.training.optimizers import OptimizerConfig

#: The part of the network that a product belongs to: pipeline stages hold whole parts.
Part = Literal["text", "entry", "blocks", "exit"]


@dataclass(frozen=True)
class Product:
    """The operations of one product for one clip, forward and backward.

    ``repeated``: forward work that a fused attention kernel does again in its backward pass. ``again``: work
    that full activation checkpointing adds. ``per_token``: it grows with the clip's tokens, so that context
    parallelism divides it. ``divisible``: tensor parallelism divides it.
    """

    name: str
    part: Part
    forward: int
    input_gradient: int
    weight_gradient: int
    repeated: int = 0
    again: int = 0
    per_token: bool = True
    divisible: bool = True


@dataclass(frozen=True)
class Work:
    """Operations of one clip. ``forward`` and ``backward`` are what the mathematics needs; ``repeated`` what
    fused attention adds."""

    forward: int = 0
    backward: int = 0
    repeated: int = 0

    @property
    def model(self) -> int:
        """What utilisation is measured by: no repetition counts (Chowdhery et al. 2022, appendix B)."""
        return self.forward + self.backward

    @property
    def executed(self) -> int:
        """What the hardware does where no activation is recomputed."""
        return self.model + self.repeated


def total(products: Iterable[Product]) -> Work:
    chosen = list(products)
    return Work(
        forward=sum(p.forward for p in chosen),
        backward=sum(p.input_gradient + p.weight_gradient for p in chosen),
        repeated=sum(p.repeated for p in chosen),
    )


def recomputed(products: Iterable[Product]) -> int:
    """What full activation checkpointing adds: the forward pass of blocks and text layers once more, up to
    the last value that is needed."""
    return sum(product.again for product in products)


def clip_products(
    config: FlowTransformerConfig,
    grid: tuple[int, int, int],
    words: int,
    *,
    fused: bool = True,
    trains: Callable[[str], bool] = lambda name: True,
) -> list[Product]:
    """Every product of one clip, the text encoder's included.

    Args:
        config: The network.
        grid: (frames, rows, columns) of the clip in tokens; see ``FlowTransformerConfig.grid``.
        words: Tokens of the caption, padding included.
        fused: Whether attention is a fused kernel, which computes the scores again in its backward pass
            (Dao et al. 2022). False for the explicit products that CPUs use in bfloat16.
        trains: Whether the parameter of a name takes gradients; frozen ones need no weight gradient.
    """
    return _Counter(config, grid, words, fused, trains).products()


class _Counter:
    def __init__(
        self,
        config: FlowTransformerConfig,
        grid: tuple[int, int, int],
        words: int,
        fused: bool,
        trains: Callable[[str], bool],
    ) -> None:
        self.config, self.words, self.fused, self.trains = config, words, fused, trains
        self.tokens = grid[0] * grid[1] * grid[2]
        self.found: list[Product] = []

    def products(self) -> list[Product]:
        config, text = self.config, self.config.text
        width, tokens = config.width, self.tokens
        pixels = config.channels * config.patch[0] * config.patch[1] * config.patch[2]

        said = self.trains("text_encoder.tokens.weight") or self.trains("text_encoder.positions")
        for i in range(text.layers):
            said = self._text_layer(f"text_encoder.layers.{i}", said)
        said = said or self.trains("text_encoder.norm.weight")

        low = self._linear("patch_in.0", "entry", tokens, pixels, config.bottleneck, False)
        seen = self._linear("patch_in.1", "entry", tokens, config.bottleneck, width, low)
        seen = self._conditions() or seen
        # The features of the positions are the same for all clips: one product a batch, a per mille.
        timed = self._linear("timestep.0", "entry", 1, 256, width, False)
        timed = self._linear("timestep.2", "entry", 1, width, width, timed)
        pooled = self._linear("pooled_text", "entry", 1, text.width, width, said)
        condition = timed or pooled
        seen = seen or self.trains("position.weight")
        for i in range(config.layers):
            seen = self._block(f"blocks.{i}", seen, condition, said)
        modulated = self._linear("out_modulation", "exit", 1, width, 2 * width, condition)
        self._linear("patch_out", "exit", tokens, width, pixels, seen or modulated)
        return self.found

    def _conditions(self) -> bool:
        """Given frames and layouts."""
        config, width, tokens = self.config, self.config.width, self.tokens
        seen = False
        if config.given_frames:
            given = GIVEN_CHANNELS * math.prod(config.given_patch)
            low = self._linear("given_in.0", "entry", tokens, given, config.bottleneck, False)
            seen = self._linear("given_in.1", "entry", tokens, config.bottleneck, width, low)
        if config.layout is not None:
            layout, hidden = config.layout, config.bottleneck
            things = tokens * layout.slots
            where = SEEN * config.layout_frames
            low = self._linear("layout_in.where", "entry", things, where, hidden, False)
            what = self._linear("layout_in.what", "entry", layout.slots, 1 + layout.labels, hidden, False)
            low = self._linear("layout_in.mix", "entry", things, hidden, hidden, low or what)
            seen = self._linear("layout_in.out", "entry", tokens, hidden, width, low) or seen
        return seen

    def _text_layer(self, name: str, needed: bool) -> bool:
        text, first = self.config.text, len(self.found)
        width, hidden = text.width, 8 * text.width // 3
        needed = needed or self.trains(f"{name}.attention_norm.weight")
        needed = self._attention(f"{name}.attention", "text", self.words, width, needed, None) or needed
        needed = needed or self.trains(f"{name}.mlp_norm.weight")
        needed = self._feed_forward(f"{name}.mlp", "text", self.words, width, hidden, needed) or needed
        # The output of the last product is only added to something: its value is not needed again.
        last = len(self.found) - 1
        for place in range(first, len(self.found)):
            product = self.found[place]
            again = product.forward if place != last else 0
            self.found[place] = replace(product, per_token=False, again=again)
        return needed

    def _block(self, name: str, seen: bool, condition: bool, said: bool) -> bool:
        config, tokens, first = self.config, self.tokens, len(self.found)
        width = config.width
        modulated = self._modulation(f"{name}.modulation", condition)
        seen = self._attention(f"{name}.attention", "blocks", tokens, width, seen or modulated, None)
        seen = seen or modulated or self.trains(f"{name}.cross_norm.weight")
        seen = self._attention(f"{name}.cross_attention", "blocks", tokens, width, seen, said) or seen
        hidden = int(config.mlp_ratio * width)
        seen = self._feed_forward(f"{name}.mlp", "blocks", tokens, width, hidden, seen) or seen
        self.found[first:] = [replace(p, again=p.forward) for p in self.found[first:]]
        return seen

    def _modulation(self, name: str, condition: bool) -> bool:
        width, rank = self.config.width, self.config.modulation_rank
        if not rank:
            return self._linear(name, "blocks", 1, width, 6 * width, condition)
        low = self._linear(f"{name}.0", "blocks", 1, width, rank, condition)
        return self._linear(f"{name}.1", "blocks", 1, rank, 6 * width, low)

    def _linear(self, name: str, part: Part, rows: int, inner: int, outer: int, needed: bool) -> bool:
        """One linear layer; ``needed``: whether its input needs a gradient. Whether its output does."""
        operations, trained = 2 * rows * inner * outer, self.trains(f"{name}.weight")
        blockwise = ".attention." in name or ".cross_attention." in name or ".mlp." in name
        product = Product(
            name,
            part,
            operations,
            operations if needed else 0,
            operations if trained else 0,
            per_token=rows != 1,
            divisible=blockwise,
        )
        self.found.append(product)
        return needed or trained

    def _attention(
        self, name: str, part: Part, rows: int, width: int, needed: bool, context: bool | None
    ) -> bool:
        """``context``: whether the words that are attended to need a gradient; None for self-attention."""
        cross = context is not None
        source = self.words if cross else rows
        source_width = self.config.text.width if cross else width
        queried = self._linear(f"{name}.query", part, rows, width, width, needed)
        keyed = self._linear(
            f"{name}.key_value", part, source, source_width, 2 * width, bool(context) if cross else needed
        )
        if cross:
            self.found[-1] = replace(self.found[-1], per_token=False)
        scores = 2 * rows * source * width
        needed_products = 4 if self.fused else 1 + queried + 2 * keyed
        back = scores * needed_products if queried or keyed else 0
        again = scores if back and self.fused else 0
        self.found.append(Product(f"{name}.attend", part, 2 * scores, back, 0, again))
        return self._linear(f"{name}.out", part, rows, width, width, queried or keyed)

    def _feed_forward(self, name: str, part: Part, rows: int, width: int, hidden: int, needed: bool) -> bool:
        needed = self._linear(f"{name}.gate_up", part, rows, width, 2 * hidden, needed)
        return self._linear(f"{name}.down", part, rows, hidden, width, needed)


def position_operations(config: FlowTransformerConfig, grid: tuple[int, int, int]) -> int:
    """Operations a batch, forward and as many backward, of the layer that embeds positions."""
    return 2 * grid[0] * grid[1] * grid[2] * 96 * config.width


def optimizer_operations(config: OptimizerConfig, matrices: Iterable[tuple[int, int]]) -> int:
    """Products that a step of the optimizer takes: Muon's Newton-Schulz iterations, 0 for the others.

    ``matrices``: (rows, columns) of those that Muon orthogonalises. Each iteration is two products with the
    Gram matrix of the short side and that matrix's square.
    """
    if config.name != "muon":
        return 0
    own, operations = config.chosen, 0
    for rows, columns in matrices:
        block = own["block_rows"] or rows
        if rows % block:
            block = rows
        short, long = sorted((block, columns))
        operations += rows // block * own["newton_schulz_steps"] * (4 * short * short * long + 2 * short**3)
    return operations
