"""Initial weights."""

from __future__ import annotations

from torch import nn


def zeros(layer: nn.Linear) -> nn.Linear:
    """The layer, which at first gives nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
