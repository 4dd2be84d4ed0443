"""Reconstruction: an autoencoder learns to give back what it is shown, through its bottleneck.

The loss of a clip is l1 |d| + l2 d^2 of its pixels plus ``gradient`` times the |difference| of its first
differences in time, rows and columns, which are the edges that an error in pixels alone leaves soft; plus the
bottleneck's penalty; plus, with ``adversarial``, what a patch discriminator finds fake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, cast

import torch
import torch.distributed as dist
from pydantic import Field
from torch import nn

from scenewright.clip import frames_to_tensor
from scenewright.config import Config
from scenewright.data.streams import Batch
from scenewright.models.video_autoencoder import Reconstruction as Reconstructed
from scenewright.models.video_autoencoder import VideoAutoencoder
from scenewright.seeds import keyed_seed
from scenewright.training.draws import Draws
from scenewright.training.objectives.adversarial import (
    AdversarialConfig,
    discriminator_loss,
    generator_loss,
)
from scenewright.training.objectives.base import MODEL, Encode, Inputs, Objective
from scenewright.training.parallel import bare

#: The discriminator's name among the players.
DISCRIMINATOR = "discriminator"

#: The usual weight of each bottleneck's penalty.
PENALTIES: dict[str, float] = {"kl": 1e-5, "vq": 0.25}


class ReconstructionConfig(Config):
    """``crop``: side in pixels of the random squares that are trained on; by default whole frames.
    ``single_start``: the share of clips whose first group is one frame alone, as in images and in clips of
    1 + 4 k frames. ``penalty``: the weight of the bottleneck's Kullback-Leibler divergence (usually 1e-5) or
    commitment loss (0.25); FSQ has none.
    """

    name: Literal["reconstruction"] = "reconstruction"
    l1: float = Field(default=1.0, ge=0)
    l2: float = Field(default=1.0, ge=0)
    gradient: float = Field(default=0.5, ge=0)
    penalty: float | None = Field(default=None, ge=0)
    crop: int | None = Field(default=None, ge=1)
    single_start: float = Field(default=0.1, ge=0, le=1)
    adversarial: AdversarialConfig | None = None


class Reconstruction(Objective):
    """Trains a :class:`.VideoAutoencoder`, and a discriminator where there is one."""

    def __init__(self, config: ReconstructionConfig) -> None:
        self.config = config
        adversarial = config.adversarial
        self.discriminator = None if adversarial is None else adversarial.build()
        # Of the batch that is being learned from, gathered over its micro-batches.
        self._sums: dict[str, torch.Tensor] = {}
        self._vectors: list[torch.Tensor] = []

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {} if self.discriminator is None else {DISCRIMINATOR: self.discriminator}

    def turns(self, step: int) -> Sequence[str]:
        adversarial = self.config.adversarial
        if adversarial is None or step < adversarial.start:
            return (MODEL,)
        return (MODEL, *[DISCRIMINATOR] * adversarial.updates)

    def prepare(self, batch: Batch, encode: Encode, draws: Draws) -> Inputs:
        self._sums, self._vectors = {}, []
        if self.config.crop is not None:
            batch = replace(batch, frames=self._crops(batch.frames, self.config.crop, draws))
        nothing = torch.zeros(len(batch.captions), 0)
        x_BCTHW = frames_to_tensor(batch.frames)
        return Inputs(x_BCTHW, nothing.long(), nothing.bool(), tuple(batch.captions), draws)

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        network = cast(VideoAutoencoder, bare(model))
        x_BCTHW = self._single_starts(inputs, network.config.patch[0])
        adversarial = self.config.adversarial
        if player == DISCRIMINATOR:
            assert adversarial is not None
            assert self.discriminator is not None
            with torch.no_grad():
                fake = self._through(model, x_BCTHW, inputs.draws).x
            return discriminator_loss(adversarial, self.discriminator, x_BCTHW, fake.to(x_BCTHW.dtype))
        made = self._through(model, x_BCTHW, inputs.draws)
        x_hat = made.x.float()
        error = x_hat - x_BCTHW
        l1, l2, edges = error.abs().mean(), error.square().mean(), _edges(error)
        loss = self.config.l1 * l1 + self.config.l2 * l2 + self.config.gradient * edges
        parts = {"psnr": psnr(x_hat.detach(), x_BCTHW).mean().item(), "l1": l1.item()}
        kind = network.config.bottleneck.name
        if kind in PENALTIES:
            weight = PENALTIES[kind] if self.config.penalty is None else self.config.penalty
            loss = loss + weight * made.code.penalty
            parts["penalty"] = made.code.penalty.item()
        if network.training:
            self._gather(network, made)
            if adversarial is not None and inputs.draws.step >= adversarial.start:
                assert self.discriminator is not None
                judged = self.discriminator(x_hat)
                parts["real"] = judged.mean().item()
                loss = loss + adversarial.weight * generator_loss(adversarial, judged)
        return loss, parts

    def after_update(self, model: nn.Module, player: str, step: int) -> None:
        if player != MODEL or not self._sums:
            return
        network = cast(VideoAutoencoder, bare(model))
        if dist.is_initialized():
            for tensor in self._sums.values():
                dist.all_reduce(tensor)
        network.settle(self._sums, self._spare(network.bottleneck.spares, step))
        self._sums, self._vectors = {}, []

    def _spare(self, count: int, step: int) -> torch.Tensor:
        """``count`` vectors of the whole batch, drawn at random; the same in every process."""
        vectors = torch.cat(self._vectors)
        if count and dist.is_initialized():
            parts = [torch.empty_like(vectors) for _ in range(dist.get_world_size())]
            dist.all_gather(parts, vectors)
            vectors = torch.cat(parts)
        generator = torch.Generator().manual_seed(keyed_seed("spare vectors", step))
        return vectors[torch.randint(len(vectors), (count,), generator=generator).to(vectors.device)]

    def _through(self, model: nn.Module, x_BCTHW: torch.Tensor, draws: Draws) -> Reconstructed:
        """Gaussian latents are sampled where the model trains; where it is judged they are their means."""
        config = cast(VideoAutoencoder, bare(model)).config
        if not model.training or config.bottleneck.name != "kl":
            return model(x_BCTHW)
        shape = (*config.grid(*x_BCTHW.shape[2:]), config.channels)
        return model(x_BCTHW, draws.normal("posterior", shape).to(x_BCTHW))

    def _gather(self, network: VideoAutoencoder, made: Reconstructed) -> None:
        for name, value in network.statistics(made.code).items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._vectors.append(made.code.vectors.flatten(0, -2).contiguous())

    def _crops(self, frames: torch.Tensor, side: int, draws: Draws) -> torch.Tensor:
        """A random square of each clip; uint8 (B, T, H, W, 3)."""
        height, width = frames.shape[2:4]
        if side > min(height, width):
            raise ValueError(f"objective.crop = {side} is more than the frames' {width}x{height}")
        tops = (draws.uniform("crop top") * (height - side + 1)).long().tolist()
        lefts = (draws.uniform("crop left") * (width - side + 1)).long().tolist()
        pieces = [
            clip[:, top : top + side, left : left + side]
            for clip, top, left in zip(frames, tops, lefts, strict=True)
        ]
        return torch.stack(pieces)

    def _single_starts(self, inputs: Inputs, group: int) -> torch.Tensor:
        """The batch's clips; in some the first group is its last frame, again and again."""
        x_BCTHW = inputs.x
        if group == 1 or x_BCTHW.shape[2] % group or not self.config.single_start:
            return x_BCTHW
        chosen = inputs.draws.uniform("single start") < self.config.single_start
        x_BCTHW = x_BCTHW.clone()
        x_BCTHW[chosen, :, : group - 1] = x_BCTHW[chosen, :, group - 1 : group]
        return x_BCTHW


def psnr(x_hat_BCTHW: torch.Tensor, x_BCTHW: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio of each clip over all its pixels, in dB; float (B,). Values in [-1, 1]."""
    error = (x_hat_BCTHW.clamp(-1, 1) - x_BCTHW).square().mean(dim=(1, 2, 3, 4))
    return 10 * torch.log10(4 / error.clamp(min=1e-10))


def _edges(error_BCTHW: torch.Tensor) -> torch.Tensor:
    """Mean absolute first differences of the error along every axis that is longer than one."""
    found = [error_BCTHW.diff(dim=axis).abs().mean() for axis in (2, 3, 4) if error_BCTHW.shape[axis] > 1]
    return torch.stack(found).mean() if found else error_BCTHW.new_zeros(())
