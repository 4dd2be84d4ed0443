"""Plans the layout of a clip from its text: a small flow transformer whose tokens are the slots of a layout.

What a text says of things, how many there are, where they stand to each other and how they move, is decided
among a few hundred numbers instead of a hundred thousand, and from scenes that need no rendering (compare
Lian et al. 2023, "LLM-grounded video diffusion models", where a language model plans). It reads the word
vectors of a frozen text encoder.

B = batch, F = features of a slot, N = slots, D = width, S = words, E = text width.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from scenewright.config import Config
from scenewright.models.blocks.initial import zeros
from scenewright.models.blocks.norm import RMSNorm
from scenewright.models.blocks.positions import sinusoid
from scenewright.models.blocks.regularisation import BranchDropout
from scenewright.models.blocks.transformer import TransformerLayer
from scenewright.models.flow_transformer import Block
from scenewright.models.layout import LayoutConfig
from scenewright.models.text_encoder import TextEncoderConfig, masked_mean


class LayoutPlannerConfig(Config):
    """Sizes. ``text``: of the encoder whose vectors it reads; ``text_layers``: how many layers of its own go
    over them."""

    family: Literal["layout-planner"] = "layout-planner"
    layout: LayoutConfig
    text: TextEncoderConfig = TextEncoderConfig()
    text_layers: int = Field(default=2, ge=0)
    width: int = Field(default=128, ge=2)
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    mlp_ratio: float = Field(default=8 / 3, gt=0)


class LayoutPlanner(nn.Module):
    """Predicts the layout x from z = (1 - sigma) x + sigma noise and the words' vectors."""

    Config = LayoutPlannerConfig

    def __init__(self, config: LayoutPlannerConfig) -> None:
        super().__init__()
        self.config = config
        width, features = config.width, config.layout.features
        self.words_in = nn.Linear(config.text.width, width)
        layers = (TransformerLayer(width, config.heads) for _ in range(config.text_layers))
        self.text_layers = nn.ModuleList(layers)
        self.text_norm = RMSNorm(width, eps=1e-6)
        self.slots = nn.Parameter(torch.randn(config.layout.slots, width) * 0.5)
        self.slot_in = nn.Linear(features, width)
        self.timestep = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.pooled_text = nn.Linear(width, width)
        hidden = int(config.mlp_ratio * width)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, hidden, width, BranchDropout(0.0, 0.0)) for _ in range(config.layers)
        )
        self.out_norm = RMSNorm(width, eps=1e-6)
        self.slot_out = zeros(nn.Linear(width, features))

    def encode_text(
        self, words_BSE: torch.Tensor, mask_BS: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Its own view of the encoder's vectors (B, S, E): (B, S, D), and pooled (B, D)."""
        x_BSD = self.words_in(words_BSE)
        for layer in self.text_layers:
            x_BSD = layer(x_BSD, mask_BS)
        x_BSD = self.text_norm(x_BSD)
        return x_BSD, masked_mean(x_BSD, mask_BS)

    def forward(
        self,
        z_BFNHW: torch.Tensor,
        sigma_B: torch.Tensor,
        words_BSD: torch.Tensor,
        pooled_BD: torch.Tensor,
        mask_BS: torch.Tensor,
    ) -> torch.Tensor:
        """The predicted layout, as ``z_BFNHW`` (B, F, N, 1, 1), which objectives and samplers take for a
        clip."""
        x_BND = self.slot_in(z_BFNHW.flatten(2).transpose(1, 2)) + self.slots
        condition_BD = self.timestep(sinusoid(sigma_B * 1000.0, 256).to(x_BND.dtype))
        condition_BD = nn.functional.silu(condition_BD + self.pooled_text(pooled_BD))
        for block in self.blocks:
            x_BND = block(x_BND, condition_BD, words_BSD, mask_BS, None)
        return self.slot_out(self.out_norm(x_BND)).transpose(1, 2)[..., None, None]
