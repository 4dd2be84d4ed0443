"""The parameters of a recipe's network, by where parallelism puts them. Takes no memory: meta device."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, partial

import torch
from torch import nn

from scenewright.models.flow_transformer import FlowTransformer, FlowTransformerConfig
from scenewright.training.freezing import FreezeConfig
from scenewright.training.optimizers import Muon, OptimizerConfig, build_optimizers
from scenewright.training.parallel.config import ParallelConfig
from scenewright.training.parallel.declared import matching, repeated_blocks

#: float32 tensors of a parameter's size that each optimizer keeps.
_STATES = {"adam": 2, "adamw": 2, "schedule_free_adamw": 2, "muon": 2}


@dataclass(frozen=True)
class Parameter:
    """One parameter. ``block``: the block of the pipeline that has it. ``repeated``: whether it is gathered
    with its block, not with the rest. ``divisible``: whether tensor parallelism splits it. ``cast``: whether
    autocast makes a bfloat16 copy. ``states``: tensors that its optimizer keeps of it."""

    name: str
    shape: tuple[int, ...]
    block: int | None
    repeated: bool
    divisible: bool
    cast: bool
    trains: bool
    orthogonalised: bool
    states: int

    @property
    def size(self) -> int:
        return int(torch.Size(self.shape).numel())


#: What can be added up over parameters.
_MEASURES: Mapping[str, Callable[[Parameter], int]] = {
    "all": lambda p: p.size,
    "trained": lambda p: p.size if p.trains else 0,
    "states": lambda p: p.states * p.size,
    "cast": lambda p: p.size if p.cast else 0,
    "orthogonalised": lambda p: p.size if p.orthogonalised and p.trains else 0,
    "repeated": lambda p: p.size if p.repeated else 0,
    "trained outside blocks": lambda p: p.size if p.trains and p.block is None else 0,
}


class Inventory:
    """The parameters of a network."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.blocks = 1 + max((p.block for p in parameters if p.block is not None), default=-1)
        self._sums = {name: self._sum(measure) for name, measure in _MEASURES.items()}
        self._matrices = {
            shape: self._sum(partial(_orthogonalised_size, shape))
            for shape in {p.shape for p in parameters if p.orthogonalised and p.trains}
        }

    def held(self, config: ParallelConfig, measure: str = "all") -> float:
        """The sum over what the fullest pipeline stage holds, with tensors divided and before sharding."""
        return self._held(self._sums[measure], config)

    def block(self, config: ParallelConfig) -> float:
        """Values of the parameters of one block, tensors divided."""
        _, blocks = self._sums["all"]
        return blocks[0][0] + blocks[0][1] / config.tensor

    def alike(self, config: ParallelConfig) -> float:
        """Values of the matrices of one shape that the optimizer orthogonalises together, at most."""
        return max((self._held(sums, config) for sums in self._matrices.values()), default=0.0)

    @cached_property
    def text_layers(self) -> int:
        """Layers beside the blocks that are gathered one by one."""
        names = {p.name for p in self.parameters if p.repeated and p.block is None}
        return len({re.sub(r"(\.\d+)\..*", r"\1", name) for name in names})

    def matrices(self) -> list[tuple[Parameter, tuple[int, int]]]:
        """What Muon orthogonalises, and (rows, columns)."""
        return [(p, (p.shape[0], p.shape[1])) for p in self.parameters if p.orthogonalised and p.trains]

    def _sum(self, measure: Callable[[Parameter], int]) -> _Sums:
        others, blocks = [0.0, 0.0], [[0.0, 0.0] for _ in range(self.blocks)]
        for parameter in self.parameters:
            place = others if parameter.block is None else blocks[parameter.block]
            place[parameter.divisible] += measure(parameter)
        return others, blocks

    def _held(self, sums: _Sums, config: ParallelConfig) -> float:
        others, blocks = sums
        if config.pipeline == 1:
            whole, divided = (others[i] + sum(block[i] for block in blocks) for i in (0, 1))
            return whole + divided / config.tensor
        local = [whole + divided / config.tensor for whole, divided in blocks]
        fullest = max(sum(local[i] for i in stage) for stage in stages(self.blocks, config.pipeline))
        return others[0] + others[1] / config.tensor + fullest


#: (whole, divisible) outside the blocks, and the same of each block.
_Sums = tuple[list[float], list[list[float]]]


def _orthogonalised_size(shape: tuple[int, ...], parameter: Parameter) -> int:
    return parameter.size if parameter.orthogonalised and parameter.shape == shape else 0


def stages(blocks: int, pipeline: int) -> list[range]:
    """The blocks of each pipeline stage."""
    return [range(blocks * i // pipeline, blocks * (i + 1) // pipeline) for i in range(pipeline)]


def inventory(config: FlowTransformerConfig, optimizer: OptimizerConfig, freeze: FreezeConfig) -> Inventory:
    """Every parameter of the network, in its own order. One that is unfrozen later counts as trained."""
    with torch.device("meta"):
        model = FlowTransformer(config)
    # Norms of heads are whole on every process; layers are split.
    split = {
        name
        for pattern, how in model.tensor_parallel_plan.items()
        if how != "heads"
        for name in matching(model, pattern)
    }
    layers = {id(p) for m in model.modules() if isinstance(m, nn.Linear) for p in m.parameters()}
    repeated = {id(p) for block in repeated_blocks(model) for p in block.parameters()}
    hidden = _orthogonalised(model, optimizer)
    found = []
    for name, parameter in model.named_parameters():
        trains = not any(fnmatchcase(name, pattern) for pattern in freeze.never)
        block = re.match(rf"{model.pipeline_blocks}\.(\d+)\.", name)
        muon = id(parameter) in hidden
        found.append(
            Parameter(
                name=name,
                shape=tuple(parameter.shape),
                block=int(block[1]) if block else None,
                repeated=id(parameter) in repeated,
                divisible=name.rpartition(".")[0] in split,
                cast=id(parameter) in layers,
                trains=trains,
                orthogonalised=muon,
                states=(1 if muon else _states(optimizer)) if trains else 0,
            )
        )
    return Inventory(found)


def _orthogonalised(model: nn.Module, config: OptimizerConfig) -> set[int]:
    if config.name != "muon":
        return set()
    optimizers = build_optimizers(model, config)
    muon = [optimizer for optimizer in optimizers if isinstance(optimizer, Muon)]
    return {id(p) for optimizer in muon for group in optimizer.param_groups for p in group["params"]}


def _states(config: OptimizerConfig) -> int:
    if config.name == "sgd":
        return int(bool(config.momentum))
    if config.name == "rmsprop":
        return 1 + bool(config.momentum) + bool(config.centered)
    return _STATES[config.name]
