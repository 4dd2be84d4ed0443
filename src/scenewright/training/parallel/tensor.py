"""Tensor parallelism: each process holds some heads and some hidden units of every block.

Shoeybi et al. 2019, "Megatron-LM": the first linear layer of a pair is split by its outputs, the second by
its inputs, and one sum over the processes follows. ``torch.distributed.tensor`` does the work; the plan is
the model's own (``tensor_parallel_plan``).

A layer that packs two matrices in one, [A; B], must give each process the matching rows of both. Its rows are
put in the order [A_0; B_0; A_1; B_1; ...], A_i and B_i being those of process i, so that an even split is the
right one and the model's own code cuts each process's output into A and B as before.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)

from scenewright.training.parallel.declared import declaration, matching

#: Matrices in a "packed_columns" layer.
PARTS = 2


def split_tensors(model: nn.Module, mesh: DeviceMesh) -> None:
    """Split the layers that ``model`` declares over the processes of ``mesh`` (one dimension).

    Raises:
        ValueError: the model declares no plan, or its heads or units do not divide.
    """
    plan: dict[str, str] = declaration(model, "tensor_parallel_plan", "tensor")
    size = mesh.size()
    layers = [(name, how) for pattern, how in plan.items() for name in matching(model, pattern)]
    for name, how in layers:
        _check(model, name, how, size)
    styles: dict[str, ParallelStyle] = {}
    for name, how in layers:
        layer = model.get_submodule(name)
        if how == "packed_columns":
            for parameter in layer.parameters(recurse=False):
                parameter.data = pack_rows(parameter.data, size)
            layer.packed_for = size  # type: ignore[assignment]
        styles[name] = _style(how)
    parallelize_module(model, mesh, styles)
    for name, how in layers:
        if how == "heads":
            for parameter in model.get_submodule(name).parameters():
                parameter.register_post_accumulate_grad_hook(_add_up)


def pack_rows(x: torch.Tensor, size: int) -> torch.Tensor:
    """Rows [A; B] in the order of ``size`` processes."""
    return x.unflatten(0, (PARTS, size, -1)).transpose(0, 1).flatten(0, 2).contiguous()


def unpack_rows(x: torch.Tensor, size: int) -> torch.Tensor:
    """Undo :func:`pack_rows`."""
    return x.unflatten(0, (size, PARTS, -1)).transpose(0, 1).flatten(0, 2).contiguous()


def packed_parameters(model: nn.Module) -> dict[str, int]:
    """The names of parameters whose rows are in the order of so many processes."""
    return {
        f"{name}.{parameter}": module.packed_for
        for name, module in model.named_modules()
        if hasattr(module, "packed_for")
        for parameter, _ in module.named_parameters(recurse=False)
    }


def local_part(x: torch.Tensor) -> torch.Tensor:
    """What this process holds of ``x``; a view."""
    return x.to_local() if isinstance(x, DTensor) else x


def gather(x: torch.Tensor) -> torch.Tensor:
    """All of a tensor, whichever way it is split; one dimension of the mesh at a time."""
    if not isinstance(x, DTensor):
        return x
    for dim in range(x.device_mesh.ndim):
        placements = [Replicate() if at == dim else place for at, place in enumerate(x.placements)]
        x = x.redistribute(placements=placements)
    return x.to_local()


def split_like(whole: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """``whole``, which all processes have, split as ``x`` is; nothing is sent."""
    if not isinstance(x, DTensor):
        return whole
    mesh = x.device_mesh
    everywhere = DTensor.from_local(whole, mesh, [Replicate()] * mesh.ndim, run_check=False)
    return everywhere.redistribute(placements=x.placements)


def _check(model: nn.Module, name: str, how: str, size: int) -> None:
    layer, parent = model.get_submodule(name), model.get_submodule(name.rpartition(".")[0])
    heads = getattr(parent, "heads", size)
    if heads % size:
        raise ValueError(f"tensor = {size} does not divide the {heads} heads of {name.rpartition('.')[0]}")
    if how in ("columns", "packed_columns", "rows"):
        assert isinstance(layer, nn.Linear), name
        units = layer.in_features if how == "rows" else layer.out_features
        units //= PARTS if how == "packed_columns" else 1
        if units % size:
            raise ValueError(f"tensor = {size} does not divide the {units} units of {name}")


def _style(how: str) -> ParallelStyle:
    if how in ("columns", "packed_columns"):
        return ColwiseParallel()
    if how == "rows":
        return RowwiseParallel()
    assert how == "heads", how
    # Its weight is on every process and its input (B, N, L, K) is split over heads, as the sequence of
    # sequence parallelism would be.
    return SequenceParallel(sequence_dim=1, use_local_output=True)


def _add_up(parameter: torch.Tensor) -> None:
    """Each process has the gradient from its own heads."""
    gradient = parameter.grad
    if isinstance(gradient, DTensor) and any(place.is_partial() for place in gradient.placements):
        assert isinstance(parameter, DTensor)
        parameter.grad = gradient.redistribute(placements=parameter.placements)
