"""Bytes that one rank sends in a training step, for a way of spreading the network.

Collectives are counted as rings send them (Patarasuk & Yuan 2009, "Bandwidth optimal all-reduce algorithms"):
of a tensor of b bytes, each of n ranks sends 2 b (n - 1) / n for an all-reduce, b (n - 1) / n for an
all-gather, a reduce-scatter or an exchange of all with all (b: what one rank holds there), and b for a
broadcast. What is sent follows :mod:`scenewright.training.parallel`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scenewright.models.flow_transformer import FlowTransformerConfig
from scenewright.training.parallel.config import AXES, ParallelConfig
from scenewright.training.planning.inventory import Inventory, stages
from scenewright.training.planning.memory import Shape, copies, shards

Kind = Literal["all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "send"]


def ring_bytes(kind: Kind, size: float, ranks: int) -> float:
    """What each of ``ranks`` sends of a tensor of ``size`` bytes."""
    if ranks == 1:
        return 0.0
    share = (ranks - 1) / ranks
    return {"all_reduce": 2 * share, "broadcast": 1.0, "send": 1.0}.get(kind, share) * size


def bucket_calls(size: float) -> int:
    """How many calls average gradients of so many bytes: DistributedDataParallel's buckets are of 25 MiB."""
    return max(1, -(-int(size) // (25 << 20)))


@dataclass(frozen=True)
class Transfer:
    """One kind of traffic of a step: ``calls`` operations that together handle tensors of ``size`` bytes.

    ``axes``: the axes of the mesh that the ranks differ in. ``hidden``: it can go on while the rank computes.
    """

    what: str
    kind: Kind
    axes: tuple[str, ...]
    ranks: int
    calls: int
    size: float
    hidden: bool

    @property
    def sent(self) -> float:
        return ring_bytes(self.kind, self.size, self.ranks)


def members_per_node(config: ParallelConfig, axes: Sequence[str], per_node: int) -> int:
    """How many ranks of a group that differ in ``axes`` one machine has; ranks are numbered along ``AXES``,
    the last of which changes fastest."""
    inside, members = 1, 1
    for axis in reversed(AXES):
        size = min(getattr(config, axis), max(1, per_node // inside))
        members *= size if axis in axes else 1
        inside *= getattr(config, axis)
    return members


def step_transfers(
    network: FlowTransformerConfig,
    parameters: Inventory,
    config: ParallelConfig,
    shape: Shape,
    *,
    half: bool,
    accumulate: int = 1,
    cuda: bool = True,
) -> list[Transfer]:
    """The traffic of one rank of the fullest stage in one step of ``accumulate`` micro-batches."""
    found = [
        *_of_weights(parameters, config, shape.clips, accumulate),
        *_of_tensors(network, config, shape, half, accumulate, cuda),
        *_of_tokens(network, config, shape, half, accumulate, cuda),
        *_of_stages(network, parameters, config, shape, half, accumulate),
    ]
    return [transfer for transfer in found if transfer.ranks > 1]


def _of_weights(parameters: Inventory, config: ParallelConfig, clips: int, accumulate: int) -> list[Transfer]:
    """Gradients of the same weights are averaged; sharded weights are gathered for each pass."""
    parts, same = shards(config), copies(config)
    trained = 4 * parameters.held(config, "trained")
    averaged = ("data",) if parts > 1 else ("data", "context")
    blocks = max(map(len, stages(parameters.blocks, config.pipeline)))
    # What is outside the blocks is gathered, and its gradients are reduced, for the text encoder by itself.
    groups, twice = parameters.text_layers + blocks, 2
    if parts == 1:
        calls = bucket_calls(trained) if config.tensor == 1 else groups + twice
        return [Transfer("gradients", "all_reduce", averaged, same, calls, trained, True)]
    item = 2 if config.gather_precision == "bfloat16" else 4
    repeated = parameters.held(config, "repeated")
    gathered = twice * (parameters.held(config) - repeated)
    if config.pipeline == 1 if config.reshard_after_forward is None else config.reshard_after_forward:
        gathered += 2 * repeated
        calls = twice + 2 * groups
    else:
        # After each micro-batch's backward pass they are freed.
        micro = min(config.micro_batches or config.pipeline, clips) if config.pipeline > 1 else 1
        gathered += repeated + (micro - 1) * blocks * parameters.block(config)
        calls = twice + groups + (micro - 1) * blocks
    sharded, reduced = ("shard", "context"), groups + twice
    return [
        Transfer(
            "weights", "all_gather", sharded, parts, accumulate * calls, accumulate * item * gathered, True
        ),
        Transfer("gradients", "reduce_scatter", sharded, parts, reduced, trained, True),
        Transfer("gradients of copies", "all_reduce", averaged, same, reduced, trained / parts, True),
    ]


def _of_tensors(
    network: FlowTransformerConfig,
    config: ParallelConfig,
    shape: Shape,
    half: bool,
    accumulate: int,
    cuda: bool,
) -> list[Transfer]:
    """After each layer split by rows the forward pass adds up, before each split by columns the backward
    pass: queries, keys and values, hidden units."""
    item = 2 if half else 4
    # Gradients of what enters a layer have its precision: float32 after CUDA's norms, and in the text encoder
    # unless its weights are gathered in bfloat16.
    back = 4 if cuda else item
    back_words = back if config.gather_precision == "bfloat16" else 4
    rows = shape.clips * shape.grid[0] * shape.grid[1] * shape.grid[2] / config.context
    seen, said = rows * network.width, shape.clips * shape.words * network.text.width
    blocks = max(len(stage) for stage in stages(network.layers, config.pipeline))
    again = 1 if config.activation_checkpointing == "full" else 0
    forward, text = blocks * 3 * (1 + again), network.text.layers * (2 + again)
    backward, words = blocks * 4, network.text.layers * 3 + blocks
    size = accumulate * (
        (forward * item + backward * back) * seen + (text * item + words * back_words) * said
    )
    calls = accumulate * (forward + backward + text + words)
    # Norms of heads: each rank has the gradient from its own heads.
    norms, said_norms = 4 * blocks, 2 * network.text.layers
    head, said_head = network.width // network.heads, network.text.width // network.text.heads
    size += 4 * accumulate * (norms * head + said_norms * said_head)
    calls += accumulate * (norms + said_norms)
    return [Transfer("sums of tensors", "all_reduce", ("tensor",), config.tensor, calls, size, False)]


def _of_tokens(
    network: FlowTransformerConfig,
    config: ParallelConfig,
    shape: Shape,
    half: bool,
    accumulate: int,
    cuda: bool,
) -> list[Transfer]:
    """Queries, keys and values to heads, what attention gives back to tokens, and both ways backward."""
    rows = shape.clips * shape.grid[0] * shape.grid[1] * shape.grid[2] / config.context
    item = 2 if half else 4
    # On CUDA, autocast leaves normalised queries and keys, and so what is stacked with them, in float32.
    asked = 4 if cuda else item
    width = rows * network.width / config.tensor
    blocks = max(len(stage) for stage in stages(network.layers, config.pipeline))
    passes = 3 if config.activation_checkpointing == "full" else 2
    size = accumulate * blocks * passes * width * (3 * asked + item)
    calls = accumulate * blocks * passes * 2
    whole = accumulate * shape.clips * shape.pixels * item
    return [
        Transfer("tokens to heads and back", "all_to_all", ("context",), config.context, calls, size, False),
        Transfer("the output", "all_gather", ("context",), config.context, accumulate, whole, False),
    ]


def _of_stages(
    network: FlowTransformerConfig,
    parameters: Inventory,
    config: ParallelConfig,
    shape: Shape,
    half: bool,
    accumulate: int,
) -> list[Transfer]:
    """Activations to the next stage and their gradients back; the output to all stages; gradients of what
    all stages have."""
    item = 2 if half else 4
    rows = shape.clips * shape.grid[0] * shape.grid[1] * shape.grid[2] / config.context
    micro = min(config.micro_batches or config.pipeline, shape.clips)
    # A stage at an end has one neighbour, the others two.
    ways = min(2, config.pipeline - 1)
    links = ways * accumulate * rows * network.width * item
    output = accumulate * shape.clips * shape.pixels * item
    shared = parameters.held(config, "trained outside blocks")
    shared = 4 * shared / shards(config)
    axes, ranks = ("pipeline",), config.pipeline
    return [
        Transfer("activations", "send", axes, ranks, ways * accumulate * micro, links, False),
        Transfer("the output", "broadcast", axes, ranks, accumulate, output, False),
        Transfer("gradients outside the blocks", "all_reduce", axes, ranks, 1, shared, False),
    ]
