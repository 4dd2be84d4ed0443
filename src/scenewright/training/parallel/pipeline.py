"""Pipeline stages: each process holds some of the blocks, and micro-batches pass through all of them.

Huang et al. 2019, "GPipe": all micro-batches go forward, then all go backward, last first. Here the schedule
is autograd's own: sending is an operator whose gradient is received from the next stage, receiving is one
whose gradient is sent to the stage before, and autograd runs the latest of them first. So any objective may
call the network, as often as it likes, as if it were whole; ``torch.distributed.pipelining`` wants to own the
loop and the loss. Use activation checkpointing against GPipe's hunger for memory.

Every stage has the layers outside the blocks, reads the same batch and gets the network's output, so that all
compute the same loss. Layers outside the blocks are used in part on each stage: their gradients are added up
by :func:`add_up_shared`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from scenewright.training.parallel.declared import declaration
from scenewright.training.parallel.tensor import local_part


class Stage:
    """Which blocks this process has, and its links to the stages before and after."""

    def __init__(self, model: nn.Module, group: dist.ProcessGroup, micro_batches: int) -> None:
        """Take the other stages' blocks out of ``model``.

        Raises:
            ValueError: the model declares no blocks for a pipeline, or fewer than there are stages.
        """
        self.group, self.micro_batches = group, micro_batches
        self.index, self.count = group.rank(), group.size()
        name: str = declaration(model, "pipeline_blocks", "pipeline")
        self.prefix = name + "."
        blocks = model.get_submodule(name)
        names = [block for block, _ in blocks.named_children()]
        if len(names) < self.count:
            raise ValueError(
                f"pipeline = {self.count} stages for {len(names)} blocks; a stage has one at least"
            )
        first = len(names) * self.index // self.count
        last = len(names) * (self.index + 1) // self.count
        for other in names[:first] + names[last:]:
            delattr(blocks, other)
        self._blocks = blocks
        self._sent: list[tuple[dist.Work, torch.Tensor]] = []

    def connect(self, model: nn.Module) -> None:
        """Put the links around this stage's blocks and the micro-batches around ``model``; do it once."""
        own = dict(self._blocks.named_children())
        for name in own:
            delattr(self._blocks, name)
        if self.index > 0:
            self._blocks.add_module("receive", _Receive(self))
        for name, block in own.items():
            self._blocks.add_module(name, block)
        if self.index < self.count - 1:
            self._blocks.add_module("send", _Send(self))
        model.pipeline_stage = self  # type: ignore[assignment]
        model.forward = _MicroBatches(model.forward, self)

    def send(self, x: torch.Tensor, to: int) -> None:
        """Send without waiting; ``x`` is kept until :meth:`flush`."""
        x = x.contiguous()
        work = dist.isend(x, group=self.group, group_dst=to)
        assert work is not None
        self._sent.append((work, x))

    def receive(self, like: torch.Tensor, source: int) -> torch.Tensor:
        x = torch.empty_like(like, memory_format=torch.contiguous_format)
        dist.recv(x, group=self.group, group_src=source)
        return x

    def flush(self) -> None:
        """Return when everything sent has left."""
        for work, _ in self._sent:
            work.wait()
        self._sent.clear()


def stage_of(model: nn.Module) -> Stage | None:
    """The stage that ``model`` was cut down to, if it was."""
    return getattr(model, "pipeline_stage", None)


def add_up_shared(model: nn.Module, stage: Stage) -> None:
    """Add up, over the stages, the gradients of what is outside the blocks, after the last backward pass."""
    stage.flush()
    shared = [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not name.startswith(stage.prefix)
    ]
    if not shared:
        return
    # What no stage used stays without a gradient, so that no optimizer decays it.
    used = torch.tensor([p.grad is not None for p in shared], dtype=torch.int32, device=shared[0].device)
    dist.all_reduce(used, dist.ReduceOp.MAX, group=stage.group)
    gradients = []
    for parameter, some in zip(shared, used.tolist(), strict=True):
        if some:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(local_part(parameter.grad))
    if not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat, group=stage.group)
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


class _MicroBatches:
    """The forward pass of a stage, one part of the batch after the other."""

    def __init__(self, forward: Any, stage: Stage) -> None:
        self.forward, self.stage = forward, stage

    def __call__(
        self, x: torch.Tensor, *arguments: torch.Tensor | None, **named: torch.Tensor | None
    ) -> torch.Tensor:
        stage = self.stage
        stage.flush()
        count = min(stage.micro_batches, x.shape[0])
        split = [
            (None,) * count if a is None else a.tensor_split(count) for a in (x, *arguments, *named.values())
        ]
        places = 1 + len(arguments)
        outputs = torch.cat(
            [
                self.forward(*part[:places], **dict(zip(named, part[places:], strict=True)))
                for part in zip(*split, strict=True)
            ]
        )
        return _FromLast.apply(outputs, stage)  # type: ignore[no-untyped-call]


class _Send(nn.Module):
    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, x: torch.Tensor, *_: Any) -> torch.Tensor:
        return _SendFunction.apply(x, _anchor(x), self.stage)  # type: ignore[no-untyped-call]


class _Receive(nn.Module):
    """Replaces its input, of which it takes only shape and dtype."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, x: torch.Tensor, *_: Any) -> torch.Tensor:
        return _ReceiveFunction.apply(x.detach(), _anchor(x), self.stage)  # type: ignore[no-untyped-call]


def _anchor(x: torch.Tensor) -> torch.Tensor:
    """Keeps a link in the graph even where no weight before it trains: the other side counts on it."""
    return torch.zeros((), device=x.device, requires_grad=True)


class _SendFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, anchor: torch.Tensor, stage: Stage) -> torch.Tensor:
        ctx.stage = stage
        stage.send(x, stage.index + 1)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, unused: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return ctx.stage.receive(unused, ctx.stage.index + 1), None, None


class _ReceiveFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, like: torch.Tensor, anchor: torch.Tensor, stage: Stage) -> torch.Tensor:
        ctx.stage = stage
        return stage.receive(like, stage.index - 1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, None, None]:
        ctx.stage.send(gradient, ctx.stage.index - 1)
        return None, None, None


class _FromLast(torch.autograd.Function):
    """The last stage's value on every stage; the gradient goes on there, and is 0 on the others."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, stage: Stage) -> torch.Tensor:
        ctx.is_last = stage.index == stage.count - 1
        x = x.contiguous().clone()
        dist.broadcast(x, group=stage.group, group_src=stage.count - 1)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient if ctx.is_last else torch.zeros_like(gradient), None
