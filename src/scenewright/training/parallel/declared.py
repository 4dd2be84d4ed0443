"""What a network declares about its parts, by patterns of their names.

``*`` stands for any text without a dot, ``**`` for any text. See
:class:`scenewright.models.flow_transformer.FlowTransformer` for the declarations.
"""

from __future__ import annotations

import re
from typing import Any

from torch import nn


def declaration(model: nn.Module, name: str, axis: str) -> Any:
    """The declaration ``name`` of ``model``.

    Raises:
        ValueError: there is none, so that the model cannot be split along ``axis``.
    """
    found = getattr(model, name, None)
    if found is None:
        raise ValueError(f"{type(model).__name__} declares no {name}; leave parallel.{axis} at 1")
    return found


def matching(model: nn.Module, pattern: str) -> dict[str, nn.Module]:
    """The modules of ``model`` whose names match, by name.

    Raises:
        ValueError: no name matches.
    """
    expression = re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^.]*")
    found = {name: module for name, module in model.named_modules() if re.fullmatch(expression, name)}
    if not found:
        raise ValueError(f"{type(model).__name__} declares {pattern!r}, which matches none of its modules")
    return found


def repeated_blocks(model: nn.Module) -> list[nn.Module]:
    """The modules that are sharded, compiled and recomputed one by one; none if the model declares none."""
    patterns = getattr(model, "repeated_blocks", ())
    found = [module for pattern in patterns for module in matching(model, pattern).values()]
    return [module for module in found if any(True for _ in module.parameters())]
