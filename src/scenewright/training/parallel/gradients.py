"""Gradients of a network that is spread over processes: accumulation and clipping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.utils import get_total_norm

from scenewright.training.parallel.data import DataParallel, bare
from scenewright.training.parallel.pipeline import add_up_shared, stage_of
from scenewright.training.parallel.tensor import local_part


@contextmanager
def micro_batch(model: nn.Module, *, last: bool) -> Iterator[None]:
    """Around the forward and backward pass of each part of a batch.

    Gradients add up in each process and are exchanged once, with the ``last`` part; before its end, they are
    not to be read. Use it for a batch in one part too.
    """
    network = bare(model)
    if isinstance(network, FSDPModule):
        network.set_requires_gradient_sync(last)
    with model.no_sync() if isinstance(model, DataParallel) and not last else nullcontext():
        yield
    stage = stage_of(network)
    if last and stage is not None:
        add_up_shared(network, stage)


def clip_grad_norm(model: nn.Module, max_norm: float) -> torch.Tensor:
    """Scale all gradients so that their common norm is at most ``max_norm``; returns the norm that it was.

    The norm is that of the whole network, however its weights are spread (shards, tensors, stages): the same
    number on every process, as ``torch.nn.utils.clip_grad_norm_`` would give in one. All processes must call
    it.
    """
    network = bare(model)
    stage = stage_of(network)
    # Gradients by where their squares are to be added up: (mesh, its dimensions that split them), own stage.
    groups: dict[tuple[Any, tuple[int, ...], bool], list[torch.Tensor]] = {}
    for name, parameter in network.named_parameters():
        gradient = parameter.grad
        if gradient is not None:
            places = getattr(gradient, "placements", ())
            assert not any(place.is_partial() for place in places), name
            split = tuple(dim for dim, place in enumerate(places) if not place.is_replicate())
            mesh = gradient.device_mesh if split else None  # type: ignore[attr-defined]
            of_stage = stage is not None and name.startswith(stage.prefix)
            groups.setdefault((mesh, split, of_stage), []).append(local_part(gradient))
    device = next(network.parameters()).device
    shared = torch.zeros((), device=device)
    staged = torch.zeros((), device=device)
    for (mesh, split, of_stage), parts in groups.items():
        square = get_total_norm(parts).to(device, torch.float32).square()
        for dim in split:
            dist.all_reduce(square, group=mesh.get_group(dim))
        if of_stage:
            staged += square
        else:
            shared += square
    if stage is not None:
        dist.all_reduce(staged, group=stage.group)
    norm = (shared + staged).sqrt()
    scale = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for parts in groups.values():
        torch._foreach_mul_(parts, scale)
    return norm


def split_by_mesh(optimizer: torch.optim.Optimizer) -> None:
    """Give parameters that live on different meshes different groups, as torch's fused optimizers need.

    Call it before the first step, when tensor parallelism is used. Settings of the groups stay.
    """
    old = list(optimizer.param_groups)
    optimizer.param_groups.clear()
    for group in old:
        kinds: dict[Any, list[torch.Tensor]] = {}
        for parameter in group["params"]:
            kinds.setdefault(getattr(parameter, "device_mesh", None), []).append(parameter)
        for parameters in kinds.values():
            optimizer.add_param_group({**group, "params": parameters})
