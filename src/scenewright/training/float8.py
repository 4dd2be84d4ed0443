"""Matrix products of a network's repeated blocks in 8-bit floating point, by torchao.

Weights, activations and gradients are scaled to their largest value and rounded as they enter a product:
e4m3 forward and for weights, e5m2 for gradients (Micikevicius et al. 2022, "FP8 formats for deep learning").
"""

from __future__ import annotations

import logging
import warnings

import torch
from torch import nn

from scenewright.training.parallel.declared import repeated_blocks

#: Rows and columns of matrices are multiples of this, which the hardware asks for.
MULTIPLE = 16


def to_float8(network: nn.Module, device: torch.device) -> None:
    """Let the linear layers of the repeated blocks compute in float8; their weights stay as they are.

    On devices without float8 arithmetic it is emulated: rounded alike, and slower than bfloat16.

    Raises:
        ValueError: torchao is missing, or no layer can compute so.
    """
    try:
        logging.getLogger("torchao").setLevel(logging.ERROR)
        from torchao.float8 import Float8LinearConfig, convert_to_float8_training
    except ImportError:
        raise ValueError("precision = float8 needs torchao; install scenewright[float8]") from None
    native = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 9)
    if not native:
        warnings.warn(
            "precision = float8 is emulated here: it needs a GPU of compute capability 8.9 to be fast",
            stacklevel=2,
        )
    config = Float8LinearConfig(emulate=not native)
    converted = 0

    def fits(module: nn.Module, _: str) -> bool:
        nonlocal converted
        fit = isinstance(module, nn.Linear) and not any(n % MULTIPLE for n in module.weight.shape)
        converted += fit
        return fit

    for block in repeated_blocks(network):
        convert_to_float8_training(block, config=config, module_filter_fn=fits)
    if not converted:
        raise ValueError(
            f"precision = float8: {type(network).__name__} has no repeated blocks with linear layers of a "
            f"multiple of {MULTIPLE} rows and columns"
        )
