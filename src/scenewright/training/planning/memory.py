"""Memory of one rank, by part, for a way of spreading the network (:class:`.parallel.ParallelConfig`).

A step has a few moments at which memory can be fullest, and the peak is the largest of them: when the loss
has been computed and when the backward pass begins (all activations), at the first blocks it comes to and at
the last one (what is computed again, all gradients), and during the update (the optimizer's workspace).

Assumed: weights, their average and the optimizer's state are float32, and the average is sharded as the
weights are; the allocator loses ``RESERVE`` of the memory, and the runtime takes ``Gpu.runtime`` bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from scenewright.models.flow_transformer import FlowTransformerConfig
from scenewright.training.parallel.config import ParallelConfig
from scenewright.training.planning.activations import Kernels, Saved, saved_activations
from scenewright.training.planning.hardware import Gpu
from scenewright.training.planning.inventory import Inventory, stages

#: Part of what the allocator holds that fragmentation makes unusable; an assumption.
RESERVE = 0.06


@dataclass(frozen=True)
class Shape:
    """What one rank computes at a time: ``clips`` clips of ``grid`` tokens and ``pixels`` values each, with
    captions of ``words`` tokens; ``batch`` clips wait on the device for their turn."""

    clips: int
    grid: tuple[int, int, int]
    pixels: int
    words: int
    batch: int


@dataclass(frozen=True)
class RankMemory:
    """Bytes, by part.

    - ``casts``: bfloat16 copies of weights that autocast keeps.
    - ``activations``: what stays between the passes, and one block's that are computed again; ``recomputed``
      counts all that are, though they are never there together.
    - ``pixels``: the batch and the tensors of its size in the loss.
    - ``gathered``: sharded weights put together, and buffers of the exchange.
    - ``workspace``: the optimizer's.
    - ``peak``: less than the sum, as not all are there at once.
    """

    weights: float
    gradients: float
    optimizer: float
    average: float
    casts: float
    activations: float
    recomputed: float
    pixels: float
    gathered: float
    workspace: float
    peak: float

    def needed(self, gpu: Gpu) -> float:
        """With what the allocator and the runtime take."""
        return self.peak / (1 - RESERVE) + gpu.runtime


def shards(config: ParallelConfig) -> int:
    """Parts that weights are sharded into; processes that share a clip's tokens shard weights too."""
    return config.shard * config.context if config.shard > 1 else 1


def copies(config: ParallelConfig) -> int:
    """Processes among which gradients of the same (shard of) weights are averaged."""
    return config.data * (1 if config.shard > 1 else config.context)


def rank_memory(
    network: FlowTransformerConfig,
    parameters: Inventory,
    config: ParallelConfig,
    shape: Shape,
    *,
    half: bool,
    kernels: Kernels,
    accumulate: int = 1,
) -> RankMemory:
    """Memory of the fullest rank. ``accumulate``: micro-batches whose gradients are added up."""
    parts = shards(config)
    weights = 4 * parameters.held(config)
    trained = 4 * parameters.held(config, "trained")
    optimizer = 4 * parameters.held(config, "states")
    wrapped = config.shard == 1 and config.tensor == 1 and copies(config) > 1
    # DistributedDataParallel has its buckets beside the gradients; FSDP sums up whole gradients until the
    # last micro-batch.
    gradients = trained * (2 if wrapped else 1) / parts
    waiting = (trained if parts > 1 else gradients) if accumulate > 1 else 0.0

    gathers = parts > 1 or (config.tensor > 1 and copies(config) > 1)
    item = 2 if config.gather_precision == "bfloat16" else 4
    casts = 0.0
    if half and not (gathers and item == 2):
        casts = 2 * parameters.held(config, "cast")
    outside, block_weights, reduced = _gathered(parameters, config, item) if gathers else (0.0,) * 3

    found = saved_activations(network, shape.clips, shape.grid, shape.words, half=half, kernels=kernels)
    blocks = max(len(stage) for stage in stages(network.layers, config.pipeline))
    kind = config.activation_checkpointing
    kept, kept_text = found.block, found.text_layer
    if kind != "none":
        kept, kept_text = _kept(network, shape, half=half, products=kind == "selective")
    before = (found.text + found.entry + kept_text * network.text.layers).bytes(config.tensor, config.context)
    kept_bytes = kept.bytes(config.tensor, config.context)
    activations = before + blocks * kept_bytes + found.exit.bytes(config.tensor, config.context)
    # What is computed again of the block at work.
    again = 0.0 if kind == "none" else found.block.bytes(config.tensor, config.context) - kept_bytes

    values = 4 * shape.clips * shape.pixels
    batch = 4 * shape.batch * shape.pixels

    static = 2 * weights / parts + optimizer / parts + batch
    full = static + waiting + casts + activations + outside
    # Noise, noisy clip, prediction and error, and the error's mean over channels, until the loss returns;
    # then only the error, and as many gradients.
    loss_ends = full + (4 + 1 / network.channels) * values + block_weights
    backward_begins = full + 5 * values
    grown = gradients if parts > 1 or accumulate == 1 else 0.0

    def at_work(done: int) -> float:
        """When the backward pass has come to a block, after ``done`` others: its weights and those fetched
        ahead, its gradients, and those that are still being reduced. Gradients of activations take the place
        of the activations."""
        left = (blocks - done) / blocks
        own = again + 3 * block_weights + (reduced if done else 0.0)
        # Whole gradients that have waited for the last micro-batch go as they are reduced.
        waits = waiting * (left if parts > 1 else 1)
        rest = static + waits + outside + before + grown * (done + 1) / blocks
        return rest + left * (casts + blocks * kept_bytes) + own

    backward = max(at_work(done) for done in {0, min(1, blocks - 1), blocks - 1})
    # Muon: five float32 copies of all matrices of one shape, which it orthogonalises together.
    workspace = 20 * parameters.alike(config)
    update = static + gradients + workspace
    return RankMemory(
        weights=weights / parts,
        gradients=max(gradients, waiting),
        optimizer=optimizer / parts,
        average=weights / parts,
        casts=casts,
        activations=activations + again,
        recomputed=blocks * again,
        pixels=batch + 5 * values,
        gathered=outside + 3 * block_weights + reduced,
        workspace=workspace,
        peak=max(loss_ends, backward_begins, backward, update),
    )


def _gathered(parameters: Inventory, config: ParallelConfig, item: int) -> tuple[float, float, float]:
    """Whole weights outside the blocks, which stay; those of one block; the buffer of a block's reduction.

    With ``reshard_after_forward`` off, as with a pipeline, those of all blocks stay too.
    """
    outside = parameters.held(config) - parameters.held(config, "repeated")
    block = parameters.block(config)
    reshard = config.pipeline == 1 if config.reshard_after_forward is None else config.reshard_after_forward
    stay = outside if reshard else parameters.held(config)
    return item * stay, item * block, 4 * block


def _kept(network: FlowTransformerConfig, shape: Shape, *, half: bool, products: bool) -> tuple[Saved, Saved]:
    """What stays between the two passes of a block, and of a layer of the text encoder.

    Its input, and with ``products`` what products and attention give: the sums of three layers (two in the
    text encoder), queries, keys, values, attention with its log-sum-exp, both units, and the modulation.
    """
    item, width, said = (2 if half else 4), network.width, network.text.width
    rows = shape.clips * shape.grid[0] * shape.grid[1] * shape.grid[2]
    spoken = shape.clips * shape.words
    hidden, said_hidden = int(network.mlp_ratio * width), 8 * said // 3
    block, layer = Saved(whole=rows * width * item), Saved(apart=4 * spoken * said)
    if not products:
        return block, layer
    return (
        block
        + Saved(
            whole=3 * rows * width * item,
            divided=(6 * rows * width + 2 * rows * hidden) * item + 8 * rows * network.heads,
            apart=6 * shape.clips * width * item,
            apart_divided=2 * spoken * width * item,
        ),
        layer
        + Saved(
            apart=2 * spoken * said * item,
            apart_divided=(4 * spoken * said + 2 * spoken * said_hidden) * item
            + 4 * spoken * network.text.heads,
        ),
    )
