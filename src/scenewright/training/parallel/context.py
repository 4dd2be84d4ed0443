"""Context parallelism: each process has some of a clip's tokens, and in attention some of the heads instead.

Jacobs et al. 2023, "DeepSpeed Ulysses". One exchange before attention gives each process all tokens of its
heads, one after it all heads of its tokens. Everything else in the network works token by token and needs no
exchange. Which inputs are split and where tokens are put together again is the model's own declaration.

Every process of the group must have the same batch and compute the same loss from the whole output: the
gradient of the output is then known everywhere, and each process takes the part of its own tokens. Weights
get the gradient from these tokens alone; it is multiplied by the number of processes, so that the mean over
the group, which data parallelism takes, is the sum.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from scenewright.training.parallel.declared import declaration, matching

Attend = Callable[..., torch.Tensor]


def split_context(model: nn.Module, group: dist.ProcessGroup, tensor: int = 1) -> None:
    """Split the tokens inside ``model`` over the processes of ``group``.

    ``tensor``: the number of processes that share the heads already.

    Raises:
        ValueError: the model declares nothing about it, or its heads do not divide. Where a clip's tokens do
            not divide, the forward pass says so.
    """
    inputs: dict[str, tuple[int, int]] = declaration(model, "context_parallel_inputs", "context")
    outputs: dict[str, int] = declaration(model, "context_parallel_outputs", "context")
    patterns: tuple[str, ...] = declaration(model, "context_parallel_attention", "context")
    layers = {name: layer for pattern in patterns for name, layer in matching(model, pattern).items()}
    for name, layer in layers.items():
        heads = layer.heads
        assert isinstance(heads, int), name
        if heads % (tensor * group.size()):
            by = f"context {group.size()}" + (f" x tensor {tensor}" if tensor > 1 else "")
            raise ValueError(f"{by} does not divide the {heads} heads of {name}")
    for layer in layers.values():
        layer.attend = Ulysses(layer.attend, group)  # type: ignore[arg-type, assignment]
    for pattern, (argument, dim) in inputs.items():
        for module in matching(model, pattern).values():
            module.register_forward_pre_hook(
                partial(_split_argument, argument=argument, dim=dim, group=group)
            )
    for pattern, dim in outputs.items():
        for module in matching(model, pattern).values():
            module.register_forward_hook(partial(_join_output, dim=dim, group=group))


class Ulysses:
    """``attend`` over all tokens, given the queries, keys and values (B, N, L / size, K) of one part."""

    def __init__(self, attend: Attend, group: dist.ProcessGroup) -> None:
        self.attend, self.group = attend, group

    def __call__(
        self, q_BNLK: torch.Tensor, k_BNLK: torch.Tensor, v_BNLK: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        assert mask is None, "every token of the clip is seen"
        qkv = _Exchange.apply(torch.stack((q_BNLK, k_BNLK, v_BNLK)), self.group, 2, 3)  # type: ignore[no-untyped-call]
        y_BNLK = self.attend(*qkv, mask)
        return _Exchange.apply(y_BNLK, self.group, 2, 1)  # type: ignore[no-untyped-call]


class _Exchange(torch.autograd.Function):
    """Cut along ``cut``, send part i to process i, put what comes together along ``join``."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, group: dist.ProcessGroup, cut: int, join: int) -> torch.Tensor:
        ctx.group, ctx.cut, ctx.join = group, cut, join
        return _exchange(x, group, cut, join)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        return _exchange(gradient, ctx.group, ctx.join, ctx.cut), None, None, None


def _exchange(x: torch.Tensor, group: dist.ProcessGroup, cut: int, join: int) -> torch.Tensor:
    out = torch.stack(x.chunk(group.size(), cut))
    got = torch.empty_like(out)
    dist.all_to_all_single(got, out, group=group)
    return torch.cat(got.unbind(), join)


class _Join(torch.autograd.Function):
    """Everyone's part, along ``dim``; see the module about the gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, group: dist.ProcessGroup, dim: int) -> torch.Tensor:
        ctx.group, ctx.dim = group, dim
        parts = [torch.empty_like(x) for _ in range(group.size())]
        dist.all_gather(parts, x.contiguous(), group=group)
        return torch.cat(parts, dim)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        size = ctx.group.size()
        return gradient.chunk(size, ctx.dim)[ctx.group.rank()] * size, None, None


def _split_argument(
    module: nn.Module, arguments: tuple[Any, ...], argument: int, dim: int, group: dist.ProcessGroup
) -> tuple[Any, ...]:
    whole, size = arguments[argument], group.size()
    if whole.shape[dim] % size:
        raise ValueError(
            f"context = {size} does not divide the {whole.shape[dim]} tokens of a clip; choose another clip "
            "size"
        )
    part = whole.chunk(size, dim)[group.rank()]
    return (*arguments[:argument], part, *arguments[argument + 1 :])


def _join_output(
    module: nn.Module, arguments: Any, output: torch.Tensor, dim: int, group: dist.ProcessGroup
) -> torch.Tensor:
    return _Join.apply(output, group, dim)  # type: ignore[no-untyped-call]
