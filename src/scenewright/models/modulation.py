"""Modulations of low rank from whole ones."""

from __future__ import annotations

import torch

from scenewright.models.blocks.positions import sinusoid
from scenewright.models.flow_transformer import FlowTransformer


@torch.no_grad()
def low_rank_modulations(
    trained: FlowTransformer, ids_BS: torch.Tensor, mask_BS: torch.Tensor, rank: int, noise_levels: int = 64
) -> dict[str, torch.Tensor]:
    """The weights of ``trained`` with each block's modulation as the product of two matrices.

    They are the closest on the conditions that these texts and all noise levels give, in the mean square: the
    best approximation of W C^(1/2), C being the conditions' second moments (Eckart & Young 1936).
    """
    _, pooled_BE = trained.encode_text(ids_BS, mask_BS)
    sigma = torch.linspace(0, 1, noise_levels)
    levels = trained.timestep(sinusoid(sigma * 1000.0, 256))[:, None]
    condition = torch.nn.functional.silu(levels + trained.pooled_text(pooled_BE)).flatten(0, 1).double()
    moments = condition.T @ condition / len(condition)
    values, vectors = torch.linalg.eigh(moments)
    root = values.clamp(min=values.max() * 1e-8).sqrt()
    forward, back = vectors * root, vectors / root
    found = {}
    for name, weight in trained.state_dict().items():
        block, modulation, kind = name.partition(".modulation.")
        if not modulation:
            found[name] = weight
        elif kind == "bias":
            found[f"{block}.modulation.1.bias"] = weight
        else:
            u, s, v = torch.linalg.svd(weight.double() @ forward, full_matrices=False)
            share = s[:rank].sqrt()
            found[f"{block}.modulation.0.weight"] = (share[:, None] * v[:rank] @ back.T).float()
            found[f"{block}.modulation.1.weight"] = (u[:, :rank] * share).float()
    return found
