"""Activation checkpointing and compilation, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

_aten = torch.ops.aten

#: Operators whose results "selective" keeps: products and attention, by far the most work of a block.
KEPT = [
    _aten.mm.default,
    _aten.addmm.default,
    _aten.bmm.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_cudnn_attention.default,
]


def wrap_blocks(
    blocks: Sequence[nn.Module],
    checkpointing: Literal["none", "selective", "full"],
    compiled: bool,
    backend: str | Callable[..., Any] = "inductor",
) -> None:
    """Recompute the activations of each block in the backward pass, compile it, or both.

    Names and weights stay. Recomputed gradients are the same, bit for bit where the operators are; compiled
    ones up to rounding. Blocks that are alike share what was compiled.
    """
    for block in blocks:
        forward = block.forward
        if compiled and checkpointing == "full":
            # This order, because torch 2.13 fails to compile a recomputed block with tensor parallelism.
            forward = _checkpointed(torch.compile(forward, backend=backend))
        else:
            # This order, because what is kept is decided operator by operator.
            forward = forward if checkpointing == "none" else _checkpointed(forward, checkpointing == "full")
            forward = torch.compile(forward, backend=backend) if compiled else forward
        block.forward = forward


def _checkpointed(forward: Callable[..., Any], everything: bool = True) -> Callable[..., Any]:
    # A function, not a partial object: torch.compile would pass over that and compile nothing.
    def recomputed(*arguments: Any) -> Any:
        if everything:
            return checkpoint(forward, *arguments, use_reentrant=False)
        return checkpoint(forward, *arguments, use_reentrant=False, context_fn=_keep_products)

    return recomputed


def _keep_products() -> Any:
    return create_selective_checkpoint_contexts(KEPT)
