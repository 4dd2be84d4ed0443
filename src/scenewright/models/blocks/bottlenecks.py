"""The waist of an autoencoder: what becomes of the encoder's output before the decoder sees it.

``E`` = channels that a bottleneck takes, ``Z`` = channels of the latents, both last; leading dimensions are
free. Everything is computed in float32.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.config import ChoiceConfig


class Code(NamedTuple):
    """``z``: (..., Z), what the decoder sees. ``penalty``: scalar to be added to the loss by weight.
    ``indices``: int64 (...), the number of each code, where latents are quantised. ``vectors``: (..., Z),
    what was quantised, without gradient."""

    z: torch.Tensor
    penalty: torch.Tensor
    indices: torch.Tensor | None
    vectors: torch.Tensor


class BottleneckConfig(ChoiceConfig):
    """Which bottleneck, and its settings; one that it does not take is refused.

    - ``kl``: ``channels`` continuous latents, a diagonal Gaussian held near the standard normal.
    - ``fsq``: one latent for each of ``levels``, rounded to so many values.
    - ``vq``: vectors of ``channels`` latents, each replaced by the nearest of ``codes`` learned ones.
      ``decay``: of the averages that the codes follow. ``restart_below``: a code that is used less than this
      part of its even share starts anew from a vector of the batch; 0 never.
    """

    FIELDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "kl": {"channels": 16},
        "fsq": {"levels": (8, 8, 8, 5, 5, 5)},
        "vq": {"channels": 8, "codes": 4096, "decay": 0.99, "restart_below": 0.03},
    }

    name: Literal["kl", "fsq", "vq"] = "kl"
    channels: int | None = Field(default=None, ge=1)
    levels: tuple[int, ...] | None = None
    codes: int | None = Field(default=None, ge=2)
    decay: float | None = Field(default=None, ge=0, lt=1)
    restart_below: float | None = Field(default=None, ge=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> BottleneckConfig:
        if self.levels is not None and (not self.levels or min(self.levels) < 2):
            raise ValueError(f"levels are two or more for each latent, not {list(self.levels)}")
        return self

    @property
    def latents(self) -> int:
        """Channels of the latents."""
        return len(self.levels) if self.levels is not None else self.channels or 0

    def build(self) -> Bottleneck:
        if self.name == "kl":
            return Gaussian(self.latents)
        if self.name == "fsq":
            return FSQ(self.levels or ())
        return VQ(**self.chosen)


class Bottleneck(nn.Module):
    """(..., E) to a :class:`Code`. ``inputs``: E. ``codes``: how many codes there are, 0 if continuous.
    ``spares``: how many vectors of a batch :meth:`settle` wants beside its sums."""

    inputs: int
    codes: int = 0
    spares: int = 0

    @abstractmethod
    def forward(self, h: torch.Tensor, noise: torch.Tensor | None = None) -> Code:
        """``noise``: standard normal (..., Z); only Gaussian latents take it."""

    def statistics(self, code: Code) -> dict[str, torch.Tensor]:
        """Sums over a batch that :meth:`settle` learns from; those of parts of a batch add up."""
        return {}

    def settle(self, sums: Mapping[str, torch.Tensor], spare: torch.Tensor) -> None:
        """Learn, after an update of the weights, from the batch's sums and some ``spare`` vectors of it."""

    def vectors(self, indices: torch.Tensor) -> torch.Tensor:
        """Latents (..., Z) of codes int64 (...).

        Raises:
            ValueError: latents of this kind have no codes.
        """
        raise ValueError("the latents of this autoencoder are continuous; it has no codes")


class Gaussian(Bottleneck):
    """A diagonal Gaussian (Kingma & Welling 2014): its mean in the first half of the input, in the second
    half its log-variance, counted from -10, since an autoencoder begins best with little noise.

    z is the mean, or with noise a sample. The penalty is the Kullback-Leibler divergence from the standard
    normal, in nats, averaged over latents.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inputs = 2 * channels

    def forward(self, h: torch.Tensor, noise: torch.Tensor | None = None) -> Code:
        mean, log_variance = h.float().chunk(2, dim=-1)
        log_variance = (log_variance - 10.0).clamp(-30.0, 20.0)
        z = mean if noise is None else mean + (0.5 * log_variance).exp() * noise
        return Code(z, kl_divergence(mean, log_variance).mean(), None, mean.detach())


class FSQ(Bottleneck):
    """Finite scalar quantisation (Mentzer et al. 2023): each latent is bounded and rounded to so many levels.

    z is in [-1, 1]; the gradient passes the rounding as if it were not there. The number of a code is that
    of its digits, the first latent's the least significant.
    """

    levels: torch.Tensor
    basis: torch.Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.inputs, self.codes = len(levels), math.prod(levels)
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        basis = [math.prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("basis", torch.tensor(basis), persistent=False)

    def forward(self, h: torch.Tensor, noise: torch.Tensor | None = None) -> Code:
        bounded = self._bound(h.float())
        digits = bounded + (bounded.round() - bounded).detach()
        half = self.levels // 2
        z = digits / half
        indices = ((digits.detach().round().long() + half) * self.basis).sum(-1)
        return Code(z, z.new_zeros(()), indices, z.detach())

    def vectors(self, indices: torch.Tensor) -> torch.Tensor:
        half = self.levels // 2
        return (indices[..., None] // self.basis % self.levels - half) / half

    def _bound(self, h: torch.Tensor) -> torch.Tensor:
        """Into the interval that rounds to the levels, 0 to 0; slightly wide, or two levels would fail."""
        reach = (self.levels - 1) * (1 + 1e-3) / 2
        offset = 0.5 * (self.levels % 2 == 0)
        return torch.tanh(h + torch.atanh(offset / reach)) * reach - offset


class VQ(Bottleneck):
    """Vector quantisation (van den Oord et al. 2017) with a codebook of moving averages.

    The gradient passes the quantisation as if it were not there; the penalty, the commitment loss, is the
    mean squared distance of the vectors from their codes. Codes follow the mean of the vectors that they
    replace; dead ones start anew (Dhariwal et al. 2020, "Jukebox"), as all do at the first batch.
    """

    codebook: torch.Tensor
    uses: torch.Tensor
    totals: torch.Tensor

    def __init__(self, channels: int, codes: int, decay: float, restart_below: float) -> None:
        super().__init__()
        self.inputs, self.codes, self.spares = channels, codes, codes
        self.decay, self.restart_below = decay, restart_below
        self.register_buffer("codebook", torch.randn(codes, channels))
        self.register_buffer("uses", torch.zeros(codes))
        self.register_buffer("totals", torch.zeros(codes, channels))

    def forward(self, h: torch.Tensor, noise: torch.Tensor | None = None) -> Code:
        h = h.float()
        with torch.autocast(h.device.type, enabled=False):
            flat = h.detach().reshape(-1, self.inputs)
            # Squared distances but for the vector's own square, which is the same for every code.
            distances = self.codebook.square().sum(1) - 2 * flat @ self.codebook.T
        indices = distances.argmin(1).view(h.shape[:-1])
        quantised = self.codebook[indices]
        penalty = (h - quantised).square().mean()
        return Code(h + (quantised - h).detach(), penalty, indices, h.detach())

    def vectors(self, indices: torch.Tensor) -> torch.Tensor:
        return self.codebook[indices]

    def statistics(self, code: Code) -> dict[str, torch.Tensor]:
        assert code.indices is not None
        flat, chosen = code.vectors.reshape(-1, self.inputs), code.indices.reshape(-1)
        uses = torch.bincount(chosen, minlength=self.codes).float()
        return {"uses": uses, "totals": torch.zeros_like(self.codebook).index_add_(0, chosen, flat)}

    @torch.no_grad()
    def settle(self, sums: Mapping[str, torch.Tensor], spare: torch.Tensor) -> None:
        fresh = not bool(self.uses.any())
        even = sums["uses"].sum() / self.codes
        self.uses.lerp_(sums["uses"], 1 - self.decay)
        self.totals.lerp_(sums["totals"], 1 - self.decay)
        dead = (
            torch.ones_like(self.uses, dtype=torch.bool) if fresh else self.uses < self.restart_below * even
        )
        self.codebook.copy_(
            torch.where(dead[:, None], spare, self.totals / self.uses.clamp(min=1e-8)[:, None])
        )
        self.uses[dead] = even
        self.totals[dead] = spare[dead] * even


def kl_divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) of each element, in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)
