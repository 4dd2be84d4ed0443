"""Sound to sight: frames that follow the given ones are to be as they were, with as little told as can be.

The loss of a clip is its error (see :mod:`.regression`) in the frames that are made, with latents of which
each frame's posterior knows the frame itself, plus ``divergence`` times the mean, over these frames, of the
posterior's divergence from the prior, which does not (Denton & Fergus 2018, "SVG-LP"). The prior always comes
nearer to the posterior; the posterior comes nearer to the prior only where it is more than ``free`` nats from
it, for else the latents are emptied before anything has learned to read them (Kingma et al. 2016, "free
bits"; both sides apart: Hafner et al. 2023, "DreamerV3").

A network that has only seen true frames does not know what to do with its own. So of a share of the clips,
its past is what it makes itself: frames are made one after the other first, without gradients, and then all
are foreseen at once from these (scheduled sampling in two passes: Mihaylova & Martins 2019).
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import nn

from scenewright.config import Config
from scenewright.data.streams import Batch
from scenewright.models.sound_to_sight import SoundToSight
from scenewright.training.draws import Draws
from scenewright.training.objectives.base import MODEL, Encode, Inputs, Objective, shown_or_not
from scenewright.training.objectives.regression import clip_errors
from scenewright.training.parallel import bare


class SoundToSightObjectiveConfig(Config):
    """``gradient``: the weight of first differences; ``divergence``: of the latents', of which ``free`` nats
    a frame cost nothing. ``own_frames``: how often a clip's past is what the network makes.
    ``caption_dropout``: how often it comes without its caption, as it may when it is made."""

    #: It learns from facts beside the clips.
    takes_facts: ClassVar[bool] = True
    name: Literal["sound_to_sight"] = "sound_to_sight"
    gradient: float = Field(default=0.0, ge=0)
    divergence: float = Field(default=1e-4, ge=0)
    free: float = Field(default=1.0, ge=0)
    own_frames: float = Field(default=0.5, ge=0, le=1)
    caption_dropout: float = Field(default=0.5, ge=0, le=1)


class SoundToSightObjective(Objective):
    """Trains a :class:`.SoundToSight`."""

    def __init__(self, config: SoundToSightObjectiveConfig) -> None:
        self.config = config

    def prepare(self, batch: Batch, encode: Encode, draws: Draws) -> Inputs:
        captions, _ = shown_or_not(batch.captions, self.config.caption_dropout, draws)
        inputs = super().prepare(replace(batch, captions=captions), encode, draws)
        return replace(inputs, sound=batch.sound)

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        network, clip, sound = cast(SoundToSight, bare(model)), inputs.x, inputs.sound
        assert sound is not None
        first, steps = network.config.given, clip.shape[2] - 1
        noise = inputs.draws.normal("noise", (steps, network.config.latents)).to(clip)
        own = inputs.draws.uniform("own frames") < self.config.own_frames
        past = clip
        if own.any():
            made = network.continued(inputs.ids, inputs.mask, clip[:, :, :first], sound, noise, clip)
            past = torch.where(own.to(clip.device)[:, None, None, None, None], made.to(clip), clip)
        foreseen = model(inputs.ids, inputs.mask, clip, past, sound, noise)
        squared_B, edges_B = clip_errors(foreseen.frames.float(), clip[:, :, first:])
        posterior, prior = foreseen.posterior, foreseen.prior
        followed_BT = posterior.detached().divergence(prior)
        held_BT = posterior.divergence(prior.detached()).clamp(min=self.config.free)
        divergence_B = followed_BT.mean(1)
        loss_B = squared_B + self.config.gradient * edges_B
        loss_B = loss_B + self.config.divergence * (divergence_B + held_BT.mean(1))
        loss = loss_B.mean() if inputs.weights is None else (inputs.weights * loss_B).mean()
        parts = {"mse": squared_B, "edges": edges_B, "divergence": divergence_B}
        return loss, {name: values.mean().item() for name, values in parts.items()}
