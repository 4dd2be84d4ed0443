"""Weights of a network that is spread over processes, as the network in one process would have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

from scenewright.training.parallel.data import bare
from scenewright.training.parallel.pipeline import Stage, stage_of
from scenewright.training.parallel.tensor import gather, pack_rows, packed_parameters, unpack_rows

#: Loaded at once: enough to make many small tensors one call, little beside a network.
_PART_BYTES = 2**28


def full_state_dict(model: nn.Module) -> dict[str, torch.Tensor]:
    """All weights on the CPU in the main process (rank 0), copies; empty in the others.

    Names, shapes and order of rows are those of the network in one process, so that the result can be saved
    and generated from. All processes must call it.
    """
    network = bare(model)
    state = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    packed = packed_parameters(network)
    is_main = not dist.is_initialized() or dist.get_rank() == 0
    full: dict[str, torch.Tensor] = {}
    for name, stage in _owners(network, state).items():
        tensor = state.get(name)
        if tensor is not None:
            tensor = gather(tensor)
            tensor = unpack_rows(tensor, packed[name]) if name in packed else tensor
        if stage > 0:
            own = stage_of(network)
            assert own is not None
            tensor = _to_first_stage(tensor, stage, own)
        if is_main:
            assert tensor is not None
            full[name] = tensor.to("cpu", copy=True)
    return full


def load_full_state_dict(model: nn.Module, full: Mapping[str, torch.Tensor]) -> None:
    """Undo :func:`full_state_dict`: ``full`` is read in the main process. All processes must call it."""
    network = bare(model)
    names: list[list[tuple[str, torch.Size, torch.dtype]]] = [
        [(name, tensor.shape, tensor.dtype) for name, tensor in full.items()]
    ]
    spread = dist.is_initialized()
    device = next(network.parameters()).device
    if spread:
        dist.broadcast_object_list(names, src=0)
    own, packed = set(network.state_dict()), packed_parameters(network)
    part: dict[str, Any] = {}
    for place, (name, shape, dtype) in enumerate(names[0]):
        if not spread or dist.get_rank() == 0:
            tensor = full[name].to(device)
        else:
            tensor = torch.empty(shape, dtype=dtype, device=device)
        if spread:
            dist.broadcast(tensor, 0)
        if name in own:
            part[name] = pack_rows(tensor, packed[name]) if name in packed else tensor
        if place == len(names[0]) - 1 or sum(tensor.nbytes for tensor in part.values()) > _PART_BYTES:
            options = StateDictOptions(full_state_dict=True, strict=False)
            set_model_state_dict(network, part, options=options)
            part = {}


def _owners(network: nn.Module, state: Mapping[str, torch.Tensor]) -> dict[str, int]:
    """The first pipeline stage that has each tensor, in an order that is the same in all processes."""
    stage = stage_of(network)
    if stage is None:
        return dict.fromkeys(state, 0)
    everyone: list[list[str]] = [[] for _ in range(stage.count)]
    dist.all_gather_object(everyone, list(state), group=stage.group)
    owners: dict[str, int] = {}
    for index, names in enumerate(everyone):
        for name in names:
            owners.setdefault(name, index)
    return owners


def _to_first_stage(tensor: torch.Tensor | None, owner: int, own: Stage) -> torch.Tensor | None:
    """Send a tensor that stage ``owner`` has to the first stage; the result is there only."""
    if own.index == owner:
        assert tensor is not None
        dist.send_object_list([tensor.cpu()], group=own.group, group_dst=0)
    elif own.index == 0:
        got: list[torch.Tensor] = [torch.empty(0)]
        dist.recv_object_list(got, group=own.group, group_src=owner)
        return got[0]
    return None
