"""What a recipe asks for, before any layout: shapes, operations and parameters of each of its stages."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from scenewright.generation.autoencoder import read_autoencoder_card
from scenewright.models.blocks.attention import EXPLICIT_SCORES
from scenewright.models.flow_transformer import FlowTransformerConfig
from scenewright.training.config import TrainingRecipe
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.parallel.config import ParallelConfig
from scenewright.training.planning.activations import Kernels
from scenewright.training.planning.flops import (
    Part,
    Product,
    Work,
    clip_products,
    optimizer_operations,
    position_operations,
    recomputed,
    total,
)
from scenewright.training.planning.inventory import Inventory, inventory, stages


@dataclass(frozen=True)
class StageWork:
    """One stage of a recipe. ``grid``: tokens of a clip as (frames, rows, columns); ``pixels``: values of a
    clip, or of its latents; ``words``: tokens of a caption; ``products``: of one clip, added up by what
    divides them."""

    steps: int
    batch: int
    grid: tuple[int, int, int]
    pixels: int
    words: int
    products: dict[tuple[Part, bool, bool], Product]
    positions: int

    @cached_property
    def clip(self) -> Work:
        """Operations of one clip."""
        return total(self.products.values())

    @property
    def tokens(self) -> int:
        return self.grid[0] * self.grid[1] * self.grid[2]

    @property
    def model_operations(self) -> int:
        """Of a step: what the mathematics needs, forward and backward."""
        return self.batch * self.clip.model + 2 * self.positions

    @property
    def forward_operations(self) -> int:
        return self.batch * self.clip.forward

    @property
    def backward_operations(self) -> int:
        return self.batch * self.clip.backward

    def record(self) -> dict[str, float]:
        """As JSON-like data."""
        return {
            "steps": self.steps,
            "batch": self.batch,
            "tokens_per_clip": self.tokens,
            "words_per_caption": self.words,
            "forward_operations": self.forward_operations,
            "backward_operations": self.backward_operations,
            "attention_repeated_operations": self.batch * self.clip.repeated,
            "full_checkpointing_operations": self.batch * recomputed(self.products.values()),
        }


@dataclass(frozen=True)
class Workload:
    """A recipe in numbers."""

    network: FlowTransformerConfig
    parameters: Inventory
    optimizer: OptimizerConfig
    stages: tuple[StageWork, ...]
    precision: str
    accumulate: int
    kernels: Kernels

    @property
    def half(self) -> bool:
        return self.precision == "bfloat16"

    @property
    def size(self) -> int:
        return sum(p.size for p in self.parameters.parameters)

    @property
    def trained(self) -> int:
        return sum(p.size for p in self.parameters.parameters if p.trains)

    @property
    def checkpoint_bytes(self) -> int:
        """Weights, their average and the optimizer's state, float32."""
        return 4 * sum((2 + p.states) * p.size for p in self.parameters.parameters)

    def notes(self, recipe: TrainingRecipe, fraction: float) -> list[str]:
        """What the numbers rest on and leave out."""
        notes = [
            f"assumed: {fraction:.0%} of the peak is reached; captions have {self.stages[0].words} tokens; "
            "the average of the weights is sharded as they are"
        ]
        names = {(stage.objective or recipe.objective).name for stage in recipe.stages}
        others = sorted(names - {"flow_matching"})
        if others:
            notes.append(
                "counted: one forward and backward pass of the model a step; "
                f"what {', '.join(others)} adds is not"
            )
        if recipe.parallel.compile:
            notes.append(
                "activations and operators are counted without compile, which keeps and starts fewer"
            )
        if self.kernels == "cuda":
            notes.append(
                "activations on CUDA follow its kernels' signatures; they were measured on CPUs only"
            )
        return notes

    def update_operations(self, config: ParallelConfig) -> float:
        """Of one rank's optimizer in a step. Ranks that hold the same matrices, or shards of them, each do
        all of it."""
        by_block: dict[int | None, float] = defaultdict(float)
        for parameter, (rows, columns) in self.parameters.matrices():
            rows = rows // config.tensor if parameter.divisible else rows
            by_block[parameter.block] += optimizer_operations(self.optimizer, [(rows, columns)])
        own = max(
            sum(by_block[i] for i in stage) for stage in stages(self.parameters.blocks, config.pipeline)
        )
        return by_block[None] + own


def is_counted(recipe: TrainingRecipe) -> bool:
    """Whether the network is one that :func:`workload` knows, product by product."""
    network = recipe.network
    # Networks of other families may have this one's settings, and more.
    return type(network) is FlowTransformerConfig and network.text.kind == "transformer"


def workload(recipe: TrainingRecipe, kernels: Kernels, words: int | None = None) -> Workload:
    """``words``: tokens of a caption; None takes the most that the text encoder reads.

    Raises:
        ValueError: the network is none that is counted product by product; see :mod:`.rehearsal`.
    """
    network = recipe.network
    if not is_counted(recipe) or not isinstance(network, FlowTransformerConfig):
        raise ValueError(
            f"counted are flow transformers whose texts a transformer reads, not this {network.family}"
        )
    return Workload(
        network=network,
        parameters=inventory(network, recipe.optimizer, recipe.freeze),
        optimizer=recipe.optimizer,
        stages=tuple(stage_work(recipe, i, None, kernels, words) for i in range(len(recipe.stages))),
        precision=recipe.autocast,
        accumulate=recipe.accumulate,
        kernels=kernels,
    )


def stage_work(
    recipe: TrainingRecipe,
    index: int,
    size: tuple[int, int, int] | None,
    kernels: Kernels,
    words: int | None = None,
) -> StageWork:
    """A stage of a recipe for a flow transformer. ``size``: frames, rows and columns that the network sees of
    a clip; None takes those of the stage's data. ``words``: as for :func:`workload`."""
    network, stage = recipe.network, recipe.stages[index]
    assert isinstance(network, FlowTransformerConfig)
    words = min(words or network.text.max_tokens, network.text.max_tokens)
    if size is None:
        size = (stage.data.frames_out, stage.data.height, stage.data.width)
        if recipe.autoencoder is not None:
            size = read_autoencoder_card(recipe.autoencoder).network.grid(*size)
    grid = network.grid(*size)
    parameters = inventory(network, recipe.optimizer, recipe.freeze)
    frozen = {p.name for p in parameters.parameters if not p.trains}
    few = (grid[0] * grid[1] * grid[2]) ** 2 <= EXPLICIT_SCORES
    fused = not (kernels == "cpu" and recipe.autocast == "bfloat16" and few)
    products = clip_products(network, grid, words, fused=fused, trains=lambda name: name not in frozen)
    return StageWork(
        steps=stage.steps,
        batch=stage.batch,
        grid=grid,
        pixels=network.channels * math.prod(size),
        words=words,
        products=_added(products),
        positions=position_operations(network, grid),
    )


def _added(products: Iterable[Product]) -> dict[tuple[Part, bool, bool], Product]:
    sums: dict[tuple[Part, bool, bool], Product] = {}
    for product in products:
        key = (product.part, product.per_token, product.divisible)
        if key not in sums:
            sums[key] = replace(product, name=product.part)
            continue
        old = sums[key]
        sums[key] = replace(
            old,
            forward=old.forward + product.forward,
            input_gradient=old.input_gradient + product.input_gradient,
            weight_gradient=old.weight_gradient + product.weight_gradient,
            repeated=old.repeated + product.repeated,
            again=old.again + product.again,
        )
    return sums
