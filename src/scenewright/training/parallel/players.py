"""Networks beside the model (discriminators, critics): whole in every process, with averaged gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import nn

from scenewright.training.parallel.config import ParallelConfig
from scenewright.training.parallel.layout import Layout


def check_players(names: Sequence[str], config: ParallelConfig) -> None:
    """ValueError where the networks ``names`` beside the model cannot be trained so."""
    split = [axis for axis in ("tensor", "context", "pipeline") if getattr(config, axis) > 1]
    split += ["local_steps"] if config.local_steps else []
    if names and split:
        raise ValueError(
            f"{', '.join(names)} train whole in each process, beside data and shard only; leave "
            f"parallel.{split[0]} out"
        )


def copy_from_main(network: nn.Module, layout: Layout) -> nn.Module:
    """Move ``network`` to its device, with the weights of the main process."""
    network.to(layout.device)
    if layout.axes is not None:
        for tensor in (*network.parameters(), *network.buffers()):
            dist.broadcast(tensor.data, 0)
    return network


def average_gradients(network: nn.Module, layout: Layout) -> None:
    """The mean of the processes' gradients, each of which is of the mean over an equal share of the batch."""
    _average((p.grad for p in network.parameters() if p.grad is not None), layout)


def average_buffers(network: nn.Module, layout: Layout) -> None:
    """The mean of what the processes have measured, such as the statistics of batch norm."""
    _average((b for b in network.buffers() if b.is_floating_point()), layout)


def _average(tensors: Iterable[torch.Tensor], layout: Layout) -> None:
    found = list(tensors)
    if layout.axes is None or not found:
        return
    flat = torch.cat([tensor.detach().float().flatten() for tensor in found])
    dist.all_reduce(flat)
    parts = (flat / layout.processes).split([tensor.numel() for tensor in found])
    for tensor, part in zip(found, parts, strict=True):
        tensor.detach().copy_(part.view_as(tensor))
