"""Counts operations by PyTorch's formulas, and by those that it has not for a CPU's kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count, shape_wrapper

_ATEN = torch.ops.aten


def _attention(query: Any, key: Any, value: Any, *others: Any, **named: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _attention_backward(gradient: Any, query: Any, key: Any, value: Any, *others: Any, **named: Any) -> int:
    """The scores that the kernel computes again do not count: four products, not five."""
    return int(sdpa_backward_flop_count(gradient, query, key, value)) * 4 // 5


def _recurrent(x: Any, *others: Any, **named: Any) -> int:
    """A layer over time in one direction; x: (T, B, I); then the weights of input and state."""
    return 2 * x[0] * x[1] * (math.prod(others[0]) + math.prod(others[1]))


def _recurrent_backward(x: Any, *others: Any, **named: Any) -> int:
    return 2 * _recurrent(x, *others)


_FORMULAS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    **{
        operator: shape_wrapper(formula)
        for operator, formula in {
            _ATEN._scaled_dot_product_flash_attention_for_cpu: _attention,
            _ATEN._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
            _ATEN.mkldnn_rnn_layer: _recurrent,
            _ATEN.mkldnn_rnn_layer_backward: _recurrent_backward,
        }.items()
    },
}


class OperationCounter(TorchDispatchMode):
    """``total``: operations of matrix products, convolutions, attention and recurrent layers, both ways.

    PyTorch's own mode follows modules too, by hooks that gradients inside of a loss (penalties) do not bear.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self,
        function: Any,
        types: Any,
        arguments: tuple[Any, ...] = (),
        keywords: dict[str, Any] | None = None,
    ) -> Any:
        keywords = keywords or {}
        formula = _FORMULAS.get(function._overloadpacket)
        if formula is None and function is not torch.ops.prim.device.default:
            with self:  # of what a composite operator is made of
                result = function.decompose(*arguments, **keywords)
            if result is not NotImplemented:
                return result
        result = function(*arguments, **keywords)
        if formula is not None:
            self.total += int(formula(*arguments, **keywords, out_val=result))
        return result
