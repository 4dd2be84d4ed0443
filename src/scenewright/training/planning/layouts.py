"""Every way to spread a recipe over a number of GPUs: what each would take, and why some cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from scenewright.training.parallel.config import AXES, ParallelConfig
from scenewright.training.planning.communication import Transfer, step_transfers
from scenewright.training.planning.flops import Part, Product
from scenewright.training.planning.hardware import Gpu
from scenewright.training.planning.inventory import Inventory, stages
from scenewright.training.planning.memory import RankMemory, Shape, rank_memory, shards
from scenewright.training.planning.timing import (
    BLOCK_OPERATORS,
    OTHER_OPERATORS,
    TEXT_OPERATORS,
    StepTime,
    step_time,
)
from scenewright.training.planning.workload import StageWork, Workload

Checkpointing = Literal["none", "selective", "full"]
CHECKPOINTING: tuple[Checkpointing, ...] = ("none", "selective", "full")


@dataclass(frozen=True)
class StageEstimate:
    """One stage of the recipe in a layout. ``operations``: of one rank in a step, recomputation included."""

    memory: RankMemory
    time: StepTime
    transfers: tuple[Transfer, ...]
    operations: float


@dataclass(frozen=True)
class Layout:
    """A way of spreading a run. ``reason``: why it cannot be used; then nothing else is estimated."""

    config: ParallelConfig
    reason: str | None = None
    stages: tuple[StageEstimate, ...] = ()
    seconds: float = float("inf")

    @property
    def name(self) -> str:
        """Such as ``data 4 x tensor 2, selective``; ``one GPU`` where nothing is split."""
        sizes = [f"{axis} {getattr(self.config, axis)}" for axis in AXES if getattr(self.config, axis) > 1]
        kind = self.config.activation_checkpointing
        return (" x ".join(sizes) or "one GPU") + ("" if kind == "none" else f", {kind}")

    def needed(self, gpu: Gpu) -> float:
        """Bytes of a GPU's memory, at the fullest stage of the recipe."""
        return max(stage.memory.needed(gpu) for stage in self.stages)


def candidates(processes: int, *, half: bool, share: int) -> Iterator[ParallelConfig]:
    """Every split of ``processes`` over the axes, with every kind of activation checkpointing.

    Sharded weights are gathered in the precision that the network computes in. A pipeline gets four
    micro-batches for each stage where ``share``, the clips of the smallest batch, allows it.
    """
    for sizes in _factorisations(processes, len(AXES)):
        axes = dict(zip(AXES, sizes, strict=True))
        settings: dict[str, object] = dict(axes)
        if axes["shard"] > 1 and half:
            settings["gather_precision"] = "bfloat16"
        if axes["pipeline"] > 1:
            clips = max(1, share // (axes["data"] * axes["shard"]))
            settings["micro_batches"] = min(4 * axes["pipeline"], clips)
        for kind in CHECKPOINTING:
            yield ParallelConfig.model_validate({**settings, "activation_checkpointing": kind})


def refusal(work: Workload, config: ParallelConfig) -> str | None:
    """Why the network or the batch cannot be split so, whatever the hardware; None if they can."""
    network = work.network
    shares, tensor, context = config.data * config.shard, config.tensor, config.context
    heads = {network.heads, network.text.heads} if tensor > 1 else {network.heads}
    if any(count % (tensor * (context if count == network.heads else 1)) for count in heads):
        asked = f"tensor {tensor}" + (f" x context {context}" if context > 1 else "")
        counts = " and ".join(str(count) for count in sorted(heads))
        return f"{asked} does not divide the {counts} heads"
    units = {int(network.mlp_ratio * network.width), 8 * network.text.width // 3}
    for count in sorted(units):
        if count % tensor:
            return f"tensor {tensor} does not divide {count} hidden units"
    if tensor > 1 and work.parameters.held(ParallelConfig(data=1), "orthogonalised"):
        return f"tensor {tensor} splits the matrices that muon needs whole"
    if config.pipeline > network.layers:
        return f"pipeline {config.pipeline} needs as many blocks; there are {network.layers}"
    for stage in work.stages:
        if stage.batch % shares:
            return f"a batch of {stage.batch} cannot be shared by {shares} (data x shard)"
        tokens = stage.grid[0] * stage.grid[1] * stage.grid[2]
        if tokens % context:
            return f"context {context} does not divide {tokens} tokens"
    return None


def estimate(work: Workload, config: ParallelConfig, gpu: Gpu, *, fraction: float) -> Layout:
    """What a layout takes. One that does not fit into the GPU's memory comes back with the reason."""
    reason = refusal(work, config)
    if reason is not None:
        return Layout(config, reason)
    found = tuple(_stage(work, stage, config, gpu, fraction) for stage in work.stages)
    return fitted(config, [stage.steps for stage in work.stages], found, gpu)


def fitted(
    config: ParallelConfig, steps: Sequence[int], found: tuple[StageEstimate, ...], gpu: Gpu
) -> Layout:
    """The layout of stages of so many steps; with the reason where they do not fit into the GPU's memory."""
    seconds = sum(count * one.time.total for count, one in zip(steps, found, strict=True))
    needed = max(one.memory.needed(gpu) for one in found)
    if needed > gpu.memory:
        return Layout(config, f"needs {needed / 1e9:.1f} GB of {gpu.memory / 1e9:.0f} GB", found, seconds)
    return Layout(config, None, found, seconds)


def _stage(
    work: Workload, stage: StageWork, config: ParallelConfig, gpu: Gpu, fraction: float
) -> StageEstimate:
    batch = stage.batch // (config.data * config.shard)
    clips = -(-batch // work.accumulate)
    passes = -(-batch // clips)
    shape = Shape(clips, stage.grid, stage.pixels, stage.words, batch)
    cuda = work.kernels == "cuda"
    memory = rank_memory(
        work.network,
        work.parameters,
        config,
        shape,
        half=work.half,
        kernels=work.kernels,
        accumulate=passes,
    )
    transfers = step_transfers(
        work.network, work.parameters, config, shape, half=work.half, accumulate=passes, cuda=cuda
    )
    operations = batch * rank_operations(stage.products, config, work.network.layers)
    update = work.update_operations(config)
    gather = _gathered_matrices(work.parameters, config)
    transfers += [gather] if gather is not None else []
    micro_batches = min(config.micro_batches or config.pipeline, clips)
    time = step_time(
        config,
        gpu,
        memory,
        transfers,
        operations=operations,
        update_operations=update,
        operators=passes * _operators(work, config, micro_batches),
        precision=work.precision,
        fraction=fraction,
        passes=passes,
        micro_batches=micro_batches,
    )
    return StageEstimate(memory, time, tuple(transfers), operations + update)


def rank_operations(
    products: dict[tuple[Part, bool, bool], Product], config: ParallelConfig, layers: int
) -> float:
    """Operations of a clip on the rank with the most blocks. Every pipeline stage runs what is outside the
    blocks."""
    full = config.activation_checkpointing == "full"
    blocks = max(len(stage) for stage in stages(layers, config.pipeline)) / layers
    operations = 0.0
    for (part, per_token, divisible), product in products.items():
        own = float(product.forward + product.input_gradient + product.weight_gradient + product.repeated)
        own += product.again if full else 0
        own /= (config.context if per_token else 1) * (config.tensor if divisible else 1)
        operations += own * (blocks if part == "blocks" else 1)
    return operations


def _operators(work: Workload, config: ParallelConfig, micro_batches: int) -> float:
    """That a rank starts for one pass forward and back, which is a third and two thirds of them."""
    again = 1.0 if config.activation_checkpointing == "none" else 4 / 3
    blocks = max(len(stage) for stage in stages(work.network.layers, config.pipeline))
    repeated = micro_batches * blocks * BLOCK_OPERATORS + work.network.text.layers * TEXT_OPERATORS
    return again * repeated + micro_batches * OTHER_OPERATORS


def _gathered_matrices(parameters: Inventory, config: ParallelConfig) -> Transfer | None:
    """Muon orthogonalises whole matrices: what is sharded of them has to be gathered for it."""
    parts = shards(config)
    size = 4 * parameters.held(config, "orthogonalised")
    if parts == 1 or not size:
        return None
    return Transfer("matrices for Muon", "all_gather", ("shard", "context"), parts, 1, size, False)


def _factorisations(number: int, places: int) -> Iterator[tuple[int, ...]]:
    if places == 1:
        yield (number,)
        return
    for first in range(1, number + 1):
        if number % first == 0:
            for rest in _factorisations(number // first, places - 1):
                yield (first, *rest)
