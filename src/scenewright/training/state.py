"""Networks and their optimizers as one state under the names of parameters, whatever the number of processes.

Optimizer states are kept by parameter name, not by position, so that a run may go on with another number of
processes; see ``torch.distributed.checkpoint.state_dict``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

_BY_NAME = StateDictOptions(flatten_optimizer_state_dict=True)


def network_state(network: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """``weights`` and ``optimizer``: values by dotted name. Tensors are the network's own, not copies."""
    weights, optimizer = get_state_dict(network, optimizers, options=_BY_NAME)
    return {"weights": weights, "optimizer": optimizer}


def load_network_state(
    network: nn.Module, optimizers: Sequence[torch.optim.Optimizer], state: Mapping[str, Any]
) -> None:
    """Undo :func:`network_state`."""
    set_state_dict(
        network,
        optimizers,
        model_state_dict=state["weights"],
        optim_state_dict=state["optimizer"],
        options=_BY_NAME,
    )
