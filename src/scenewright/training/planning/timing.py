"""Time of a training step: the slowest of arithmetic, memory and starting operators, and exposed traffic.

The roofline (Williams et al. 2009) with an achievable fraction of the peak, and a floor for networks so small
that starting their operators takes longer than computing them. Traffic that can go on beside
arithmetic costs only what is longer than it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scenewright.training.parallel.config import ParallelConfig
from scenewright.training.planning.communication import Transfer, members_per_node
from scenewright.training.planning.hardware import Gpu
from scenewright.training.planning.memory import RankMemory

#: Part of the peak that a training step reaches where arithmetic decides; an assumption. PaLM reports 0.46,
#: models before it 0.21 to 0.33 (Chowdhery et al. 2022, table 3).
FRACTION = 0.4

#: Seconds that a collective takes however little it sends, for each doubling of its ranks; an assumption.
LATENCY = 8e-6

#: Operators of both passes, views aside: of a block, of a layer of the text encoder, of the rest. Counted by
#: PyTorch's dispatcher in float32.
BLOCK_OPERATORS, TEXT_OPERATORS, OTHER_OPERATORS = 249, 115, 142


@dataclass(frozen=True)
class StepTime:
    """Seconds of one step. ``compute``: passes over the batch, bound by ``bound``; ``update``: the
    optimizer; ``bubble``: waiting of pipeline stages; ``exposed``: traffic that is not hidden."""

    compute: float
    update: float
    bubble: float
    exposed: float
    traffic: float
    bound: str

    @property
    def total(self) -> float:
        return self.compute + self.update + self.bubble + self.exposed


def step_time(
    config: ParallelConfig,
    gpu: Gpu,
    memory: RankMemory,
    transfers: Sequence[Transfer],
    *,
    operations: float,
    update_operations: float,
    operators: float,
    precision: str,
    fraction: float = FRACTION,
    passes: int = 1,
    micro_batches: int = 1,
) -> StepTime:
    """``operations`` and ``update_operations``: arithmetic of this rank in one step; ``operators``: how
    many it starts. ``passes``: micro-batches one after the other. ``micro_batches``: of the pipeline."""
    arithmetic = operations / (fraction * gpu.peak(precision))
    # Activations are written, read back and their gradients pass as well; weights are read twice a pass.
    moved = passes * (3 * memory.activations + 2 * memory.pixels + 3 * (memory.casts or memory.weights))
    moving = moved / gpu.bandwidth
    bounds = {"arithmetic": arithmetic, "memory": moving, "operators": operators * gpu.launch}
    bound = max(bounds, key=bounds.__getitem__)
    # What is computed again between products is written and read, and nothing else goes on meanwhile.
    compute = bounds[bound] + 2 * passes * memory.recomputed / gpu.bandwidth
    state = 2 * (memory.weights + memory.optimizer + memory.average) + memory.gradients
    update = max(update_operations / (fraction * gpu.peak(precision)), state / gpu.bandwidth)
    bubble = compute * (config.pipeline - 1) / micro_batches
    hidden = sum(transfer_time(t, config, gpu) for t in transfers if t.hidden)
    open_ = sum(transfer_time(t, config, gpu) for t in transfers if not t.hidden)
    return StepTime(
        compute=compute,
        update=update,
        bubble=bubble,
        exposed=open_ + max(0.0, hidden - compute),
        traffic=hidden + open_,
        bound=bound,
    )


def transfer_time(transfer: Transfer, config: ParallelConfig, gpu: Gpu) -> float:
    """Seconds. A group inside one machine uses its links. One that spans machines uses the adapters of all
    its members in a machine at once, as rings along different adapters do."""
    members = members_per_node(config, transfer.axes, gpu.per_node)
    rate = gpu.link if members >= transfer.ranks else min(gpu.link, members * gpu.network)
    return transfer.sent / rate + transfer.calls * LATENCY * math.log2(transfer.ranks)
