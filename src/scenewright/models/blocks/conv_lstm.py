"""A long short-term memory whose states are maps (Shi et al. 2015, "Convolutional LSTM network").

B = batch, C = channels, H, W = rows and columns.
"""

from __future__ import annotations

import torch
from torch import nn


class ConvLSTMCell(nn.Module):
    """One step. The forget gate begins open."""

    def __init__(self, inside: int, channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.gates = nn.Conv2d(inside + channels, 4 * channels, kernel, padding=kernel // 2)
        nn.init.zeros_(self.gates.bias)  # type: ignore[arg-type]
        nn.init.ones_(self.gates.bias[channels : 2 * channels])  # type: ignore[index]

    def forward(
        self, x_BCHW: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The next (hidden, memory), each (B, C, H, W)."""
        hidden, memory = state
        take, forget, give, new = self.gates(torch.cat([x_BCHW, hidden], 1)).chunk(4, 1)
        memory = forget.sigmoid() * memory + take.sigmoid() * new.tanh()
        return give.sigmoid() * memory.tanh(), memory
