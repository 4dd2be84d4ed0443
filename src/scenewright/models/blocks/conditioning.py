"""How a text reaches a generator, besides the scales and shifts of norms.

B = batch, S = words, D = width of the text, E = width of the condition, C = channels, ... = places.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from scenewright.models.blocks.attention import masked_softmax


class Condition(NamedTuple):
    """``value``: (B, E). ``divergence``: (B,), of its distribution from the standard normal one, in nats."""

    value: torch.Tensor
    divergence: torch.Tensor


class ConditioningAugmentation(nn.Module):
    """A text becomes a Gaussian, of which a condition is drawn (Zhang et al. 2017, "StackGAN"): texts that
    are alike then share conditions, and what lies between them is seen in training, too."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.gaussian = nn.Linear(width, 4 * condition)

    def forward(self, pooled_BD: torch.Tensor, noise_BE: torch.Tensor) -> Condition:
        mean, log_variance = F.glu(self.gaussian(pooled_BD)).chunk(2, -1)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1) / 2
        return Condition(mean + noise_BE * (log_variance / 2).exp(), divergence)


class WordAttention(nn.Module):
    """What each place sees in the words (Xu et al. 2018, "AttnGAN"): features (B, C, ...) to (B, C, ...), the
    mean of the words' projections by softmax of their products with the place's features.

    :attr:`maps` of the last call: float32 (B, S, ...), the weight of each word at each place.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, channels, bias=False)
        self.maps: torch.Tensor | None = None

    def forward(self, x: torch.Tensor, words_BSD: torch.Tensor, mask_BS: torch.Tensor) -> torch.Tensor:
        values_BSC = self.project(words_BSD)
        scores_BLS = x.flatten(2).mT @ values_BSC.mT * x.shape[1] ** -0.5
        weights_BLS = masked_softmax(scores_BLS, mask_BS[:, None])
        self.maps = weights_BLS.detach().mT.unflatten(-1, x.shape[2:])
        return (weights_BLS @ values_BSC).mT.unflatten(-1, x.shape[2:])
