"""Causal flow transformer: parts of a clip, one patch of time each, that see what comes before them only.

Every part has a noise level of its own (Chen et al. 2024, "Diffusion forcing"), so that the parts before may
be clean while one is made. What was made is kept as keys and values (Yin et al. 2025, "CausVid"): a clip then
comes part by part, each at the same cost, and goes on for as long as is wanted; the network sees as many
parts back as it has learned to.

B = batch, C = channels, T/H/W = frames, rows, columns, L = patches, F = parts, D = width, S = words,
E = text width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import model_validator
from torch import nn

from scenewright.models.blocks.attention import KeyValueCache
from scenewright.models.blocks.patches import patchify, unpatchify
from scenewright.models.blocks.positions import grid_coordinates, rotary_angles, sinusoid
from scenewright.models.flow_transformer import (
    FlowTransformer,
    FlowTransformerConfig,
    of_tokens,
    position_features,
)


class CausalFlowTransformerConfig(FlowTransformerConfig):
    """Sizes as of :class:`.FlowTransformerConfig`; ``num_frames`` is how far the network sees, the frames
    that it makes included."""

    family: Literal["causal-flow-transformer"] = "causal-flow-transformer"  # type: ignore[assignment]

    @model_validator(mode="after")
    def _alone(self) -> CausalFlowTransformerConfig:
        for name in ("given_frames", "spans", "layout"):
            if getattr(self, name):
                raise ValueError(f"a causal-flow-transformer takes the text alone; leave {name} out")
        if self.parts < 2:
            raise ValueError(
                f"num_frames = {self.num_frames} is one patch of {self.patch[0]}; nothing comes before it"
            )
        return self

    @property
    def parts(self) -> int:
        return self.num_frames // self.patch[0]

    @property
    def tokens_a_part(self) -> int:
        _, rows, columns = self.grid(self.num_frames, self.height, self.width_pixels)
        return rows * columns


class CausalFlowTransformer(FlowTransformer):
    """Predicts the clean clip x from z = (1 - sigma) x + sigma noise, with a sigma for every part."""

    Config = CausalFlowTransformerConfig  # type: ignore[assignment]
    config: CausalFlowTransformerConfig
    #: Tokens of a part share a condition, which would have to be split with them.
    context_parallel_inputs = None  # type: ignore[assignment]

    def caches(self) -> list[KeyValueCache]:
        """Empty ones for the blocks, with room for all that the network sees."""
        return [KeyValueCache(self.config.parts * self.config.tokens_a_part) for _ in self.blocks]

    def forward(  # type: ignore[override]
        self,
        z_BCTHW: torch.Tensor,
        sigma: torch.Tensor,
        words_BSE: torch.Tensor,
        pooled_BE: torch.Tensor,
        mask_BS: torch.Tensor,
        caches: list[KeyValueCache] | None = None,
        first: int = 0,
    ) -> torch.Tensor:
        """The predicted clean clip, shaped as ``z_BCTHW``. ``sigma``: float (B, F) in [0, 1], or (B,) for all
        parts alike. ``caches``: of the parts before, to which these are added; ``first``: how many parts
        there were before. Without caches the first part begins the clip."""
        grid = self.config.grid(*z_BCTHW.shape[2:])
        parts, tokens = grid[0], grid[1] * grid[2]
        x_BLD = self.patch_in(patchify(z_BCTHW, grid, self.config.patch))
        coordinates = grid_coordinates(grid, z_BCTHW.device)
        # Where a part is in time is told by the rotation alone, for a clip may go on beyond what was learned.
        places = coordinates.clone()
        places[:, 0] = 0
        x_BLD = x_BLD + self.position(position_features(places).to(x_BLD.dtype))
        coordinates[:, 0] += first
        rotation = rotary_angles(coordinates, self.config.width // self.config.heads)
        sigma_BF = sigma[:, None].expand(-1, parts) if sigma.ndim == 1 else sigma
        condition_BFD = self.timestep(sinusoid(sigma_BF * 1000.0, 256).to(x_BLD.dtype))
        condition_BFD = nn.functional.silu(condition_BFD + self.pooled_text(pooled_BE)[:, None])
        seen = None
        if parts > 1:
            before = 0 if caches is None else caches[0].length
            seen = seen_by_parts(parts, tokens, before, z_BCTHW.device)
        kept: Sequence[KeyValueCache | None] = caches or [None] * len(self.blocks)
        for block, cache in zip(self.blocks, kept, strict=True):
            x_BLD = block(x_BLD, condition_BFD, words_BSE, mask_BS, rotation, seen, cache)
        scale, shift = of_tokens(self.out_modulation(condition_BFD), len(x_BLD[0])).chunk(2, dim=-1)
        x_BLP = self.patch_out(self.out_norm(x_BLD) * (1 + scale) + shift)
        return unpatchify(x_BLP, grid, self.config.patch)


def seen_by_parts(parts: int, tokens: int, before: int, device: Any = None) -> torch.Tensor:
    """bool (1, L, before + L): tokens see all that came before, and of the parts themselves those up to their
    own."""
    part = torch.arange(parts, device=device).repeat_interleave(tokens)
    here = part[:, None] >= part
    return torch.cat([here.new_ones(len(part), before), here], 1)[None]
