"""Bytes that the backward pass of a flow transformer keeps from its forward pass, tensor by tensor.

The list follows what PyTorch saves, in float32 or under autocast to bfloat16, with the kernels of a CPU or of
CUDA. A tensor saved twice counts once. Korthikanti et al. 2022 ("Reducing activation recomputation") count
the same way; here the list is that of this network.

B = clips, L = their tokens, S = tokens of the caption, D = width, N = heads, F = hidden width.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from scenewright.models.blocks.attention import EXPLICIT_SCORES
from scenewright.models.flow_transformer import FlowTransformerConfig

#: How norms and attention are computed: on a CPU from elementary operations, on CUDA by fused kernels.
Kernels = Literal["cpu", "cuda"]


@dataclass
class Saved:
    """Bytes by how parallelism divides them.

    ``whole``: by context parallelism only; ``divided``: by tensor parallelism too; ``apart``: by neither
    (captions and vectors of whole clips); ``apart_divided``: of those, what tensor parallelism divides.
    """

    whole: float = 0.0
    divided: float = 0.0
    apart: float = 0.0
    apart_divided: float = 0.0

    def __add__(self, other: Saved) -> Saved:
        return Saved(
            self.whole + other.whole,
            self.divided + other.divided,
            self.apart + other.apart,
            self.apart_divided + other.apart_divided,
        )

    def __mul__(self, factor: float) -> Saved:
        return Saved(*(factor * part for part in (self.whole, self.divided, self.apart, self.apart_divided)))

    def bytes(self, tensor: int = 1, context: int = 1) -> float:
        """On one rank of these parallel sizes."""
        return (self.whole + self.divided / tensor) / context + self.apart + self.apart_divided / tensor


@dataclass(frozen=True)
class Activations:
    """What a micro-batch keeps: of one layer of the text encoder, of its end, of what comes before the
    blocks, of one block, and of what follows."""

    text_layer: Saved
    text: Saved
    entry: Saved
    block: Saved
    exit: Saved


def saved_activations(
    config: FlowTransformerConfig,
    clips: int,
    grid: tuple[int, int, int],
    words: int,
    *,
    half: bool,
    kernels: Kernels,
) -> Activations:
    """Activations of ``clips`` clips. ``half``: autocast to bfloat16. Casts of weights are not among them."""
    return _Ledger(config, clips, grid[0] * grid[1] * grid[2], words, half, kernels).activations()


@dataclass
class _Ledger:
    config: FlowTransformerConfig
    clips: int
    tokens: int
    words: int
    half: bool
    kernels: Kernels
    item: int = field(init=False)

    def __post_init__(self) -> None:
        self.item = 2 if self.half else 4

    @property
    def cuda_half(self) -> bool:
        """CUDA's autocast runs norms in float32 and leaves what comes out so; every layer casts it anew."""
        return self.half and self.kernels == "cuda"

    def activations(self) -> Activations:
        config, b = self.config, self.clips
        d, rows, spoken = config.width, self.clips * self.tokens, self.clips * self.words
        item, text = self.item, config.text
        pixels = config.channels * config.patch[0] * config.patch[1] * config.patch[2]

        final_norm = self._norm(spoken, text.width, 4, weighted=True)
        pooling = 8 * spoken + 4 * spoken + 4 * b
        words = 0 if self.half else 4 * spoken * text.width

        vectors = b * item * (256 + 2 * d + text.width + 2 * d)
        entry = Saved(whole=rows * item * (pixels + config.bottleneck), apart=vectors) + Saved(
            whole=self.tokens * item * 96
        )
        leaving = self._modulated_norm(rows, d) + Saved(whole=rows * item * d)
        return Activations(
            text_layer=self._text_layer(),
            text=Saved(apart=final_norm + pooling + words),
            entry=entry,
            block=self._block(),
            exit=leaving,
        )

    @property
    def _cpu(self) -> bool:
        return self.kernels == "cpu"

    def _block(self) -> Saved:
        config = self.config
        d, rows, item = config.width, self.clips * self.tokens, self.item
        hidden = int(config.mlp_ratio * d)
        spoken = self.clips * self.words
        norm = self._modulated_norm(rows, d)
        inputs = 2 if self.cuda_half else 1
        own = Saved(whole=(inputs + 1) * rows * d * item) + self._attention(
            rows, self.tokens, rows, self.tokens, rotated=True, masked=False
        )
        cross = (
            Saved(whole=self._norm(rows, d, item, weighted=True))
            + Saved(whole=rows * d * item, apart=spoken * config.text.width * 2 if self.half else 0)
            + self._attention(rows, self.tokens, spoken, self.words, rotated=False, masked=True)
        )
        mlp = norm + Saved(whole=2 * rows * d * item, divided=4 * rows * hidden * item)
        modulation = Saved(apart=6 * self.clips * d * item)
        return norm + own + cross + mlp + modulation

    def _text_layer(self) -> Saved:
        width, item = self.config.text.width, self.item
        rows, hidden = self.clips * self.words, 8 * self.config.text.width // 3
        inputs = 2 if self.half else 1
        layer = (
            Saved(whole=2 * self._norm(rows, width, 4, weighted=True))
            + Saved(whole=(inputs + 1) * rows * width * item, divided=4 * rows * hidden * item)
            + self._attention(
                rows, self.words, rows, self.words, rotated=False, masked=True, heads=self.config.text.heads
            )
        )
        return Saved(apart=layer.whole + layer.apart, apart_divided=layer.divided + layer.apart_divided)

    def _norm(self, rows: int, width: int, item: int, *, weighted: bool) -> float:
        """Bytes of an input with ``item`` bytes an element, and of 1/RMS. CUDA's kernel has both in float32;
        the elementary operations of a CPU keep 1/RMS in either precision, and what the weight multiplies."""
        if not self._cpu:
            return 4 * rows * width + 4 * rows
        return (2 if weighted else 1) * item * rows * width + (4 if item == 4 else 6) * rows

    def _modulated_norm(self, rows: int, width: int) -> Saved:
        """A norm without weight, then times (1 + scale): what the norm keeps, its output, and 1 + scale."""
        out = 4 if self.cuda_half else self.item
        return Saved(
            whole=self._norm(rows, width, self.item, weighted=False) + out * rows * width,
            apart=self.clips * width * self.item,
        )

    def _attention(
        self,
        rows: int,
        queries: int,
        source_rows: int,
        keys: int,
        *,
        rotated: bool,
        masked: bool,
        heads: int | None = None,
    ) -> Saved:
        """From the queries, keys and values that come in to the input of the last layer."""
        cross = source_rows != rows or (masked and heads is None)
        width = self.config.width if heads is None else self.config.text.width
        heads = heads or self.config.heads
        item, scores = self.item, self.clips * heads * queries * keys
        asked = rows * width  # elements of the queries, of the output
        known = source_rows * width  # elements of the keys, of the values

        explicit = self.half and self._cpu and queries * keys <= EXPLICIT_SCORES
        query = self._norm(rows * heads, width // heads, item, weighted=True)
        key, value = self._norm(source_rows * heads, width // heads, item, weighted=True), 0.0
        if self._cpu or not self.half:
            key += item * known  # one tensor with the values, of which the norm's input is a half
            value = 2 * known if explicit and self.clips > 1 else 0.0
        else:
            value = 4 * known
        query += asked * item
        key += known * item
        if explicit:
            attended = scores * (4 + 2) + (self.clips * keys if masked else 0)
            out = asked * item
        else:
            attended = 4 * self.clips * heads * queries + (self.clips * keys * item if masked else 0)
            # The CPU's kernel leaves rotated queries in an order that the next layer has to copy.
            out = asked * item * (2 if self._cpu and rotated else 1)
        turning = 0.0
        if rotated:
            turning = 4 * queries * (width // heads // 2) * (4 if self.cuda_half else item)
        if cross:
            return Saved(whole=turning, divided=query + attended + out, apart_divided=key + value)
        return Saved(whole=turning, divided=query + key + value + attended + out)
