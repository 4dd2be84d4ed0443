"""Data parallelism: each process, or group of processes, learns from its own share of the batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.nn.parallel import DistributedDataParallel

from scenewright.training.parallel.declared import repeated_blocks
from scenewright.training.parallel.layout import Layout


class DataParallel(DistributedDataParallel):
    """A copy of the network in each process; gradients are averaged while the backward pass goes on.

    It passes on what it does not have itself, so that it can be used like the network in it. Names of its
    parameters begin with ``module.``: take :func:`bare` of it for those.

    Parameters may be frozen, and unfrozen again, at any time: for that it looks for unused parameters, which
    PyTorch warns about once where there are none.
    """

    def __init__(self, module: nn.Module, **settings: Any) -> None:
        super().__init__(module, find_unused_parameters=True, **settings)
        self._averaged = {name for name, p in module.named_parameters() if p.requires_grad}

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        """That of the network.

        Raises:
            ValueError: a parameter trains that was frozen when the network was made parallel.
        """
        for name, parameter in self.module.named_parameters():
            if parameter.requires_grad and name not in self._averaged:
                raise ValueError(
                    f"{name} was frozen when the network was made parallel; freeze it afterwards"
                )
        return super().forward(*arguments, **keywords)  # type: ignore[no-untyped-call]


def bare(model: nn.Module) -> nn.Module:
    """The network itself, under whose names weights are saved, frozen and optimized."""
    return model.module if isinstance(model, DataParallel) else model


def share_data(model: nn.Module, layout: Layout) -> nn.Module:
    """Average the gradients of ``model`` over the processes with other data; shard it if the layout says so.

    Sharded, each of the model's repeated blocks is gathered and freed by itself.
    """
    assert layout.mesh is not None
    config, copies = layout.config, layout.mesh["replicate"].size()
    if config.shard == 1 and copies == 1:
        return model
    if config.shard == 1 and config.tensor == 1:
        return DataParallel(model, process_group=layout.mesh.get_group("replicate"))
    # DistributedDataParallel does not take tensor-parallel weights; here, copies may have one shard.
    mesh = layout.mesh["replicate", "shard"] if copies > 1 else layout.mesh["shard"]
    settings: dict[str, Any] = {"mesh": mesh}
    if config.gather_precision == "bfloat16":
        settings["mp_policy"] = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False
        )
    reshard = config.reshard_after_forward
    settings["reshard_after_forward"] = config.pipeline == 1 if reshard is None else reshard
    for block in repeated_blocks(model):
        fully_shard(block, **settings)
    fully_shard(model, **settings | {"reshard_after_forward": False})
    for method in getattr(model, "forward_methods", ()):
        register_fsdp_forward_method(model, method)
    return model
