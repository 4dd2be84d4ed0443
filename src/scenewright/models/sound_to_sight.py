"""Sound2Sight: the first frames of a clip and its sound to the frames that follow.

After Chatterjee & Cherian 2020, "Sound2Sight". A transformer reads, in turn, what is heard in a frame and
what is seen in it; where it has read the sound of a frame and not yet the frame, it says what is to be
expected of this one. What neither sound nor past decide is a stochastic latent (Denton & Fergus 2018,
"SVG-LP"): its prior knows what is expected, and its posterior the true frame, too. A third recurrent network
puts both together, and a decoder draws the frame over the last one that was given.

B = batch, T = frames of the clip, n = frames that are given, S = words, D = width, F = features of sound,
Z = latents; step t is the one that makes frame t, from 1 to T - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.media.mel import FEATURES
from scenewright.models.blocks.attention import KeyValueCache
from scenewright.models.blocks.frames import FrameDecoder, FrameEncoder, FrameNetworkConfig
from scenewright.models.blocks.gaussian import Gaussian
from scenewright.models.blocks.norm import RMSNorm, rms_norm
from scenewright.models.blocks.transformer import TransformerLayer
from scenewright.models.text_encoder import TextEncoderConfig, build_text_encoder

#: The posterior's variances begin at the exponential of this. With as much noise as the prior has, latents
#: say nothing at first, nothing is read in them, and so it stays.
QUIET = -4.0

#: Of an LSTM, both (1, B, D).
State = tuple[torch.Tensor, torch.Tensor]


class SoundToSightConfig(FrameNetworkConfig):
    """``given``: the frames that a clip begins with; the others are made. ``latents``: numbers a frame that
    neither sound nor past decide."""

    family: Literal["sound-to-sight"] = "sound-to-sight"
    text: TextEncoderConfig = TextEncoderConfig(kind="lstm", width=128, layers=1)
    given: int = Field(default=1, ge=1)
    latents: int = Field(default=8, ge=1)

    @model_validator(mode="after")
    def _check_given(self) -> SoundToSightConfig:
        if self.given >= self.num_frames:
            raise ValueError(f"given = {self.given} of {self.num_frames} frames leaves nothing to make")
        return self


class Foreseen(NamedTuple):
    """``frames``: float (B, 3, T - n, H, W), those that are not given. ``posterior``, ``prior``: of the
    latents of each of these, (B, T - n, Z)."""

    frames: torch.Tensor
    posterior: Gaussian
    prior: Gaussian


class SoundToSight(nn.Module):
    """See above. All frames are float (B, 3, T, H, W) in [-1, 1], sound is float32 (B, T, F), as
    :func:`scenewright.media.mel.mel_frames` gives it, and noise is standard normal (B, T - 1, Z)."""

    Config = SoundToSightConfig

    def __init__(self, config: SoundToSightConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.text_encoder = build_text_encoder(config.text)
        self.text_in = nn.Linear(config.text.width, width)
        self.encoder = FrameEncoder(config.growth, 3, width)
        self.listen = nn.Sequential(nn.Linear(FEATURES, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        self.places = nn.Parameter(torch.randn(config.num_frames, width) * 0.1)
        self.senses = nn.Parameter(torch.randn(2, width) * 0.1)
        self.layers = nn.ModuleList(TransformerLayer(width, config.heads) for _ in range(config.layers))
        self.norm = RMSNorm(width, eps=1e-6)
        self.prior = Recurrent(width, width, 2 * config.latents)
        self.posterior = Recurrent(2 * width, width, 2 * config.latents)
        self.predictor = Recurrent(width + config.latents, width, width)
        self.decoder = FrameDecoder(config.growth, width, 4)

    def forward(
        self,
        ids_BS: torch.Tensor,
        mask_BS: torch.Tensor,
        clip: torch.Tensor,
        past: torch.Tensor,
        sound_BTF: torch.Tensor,
        noise: torch.Tensor,
    ) -> Foreseen:
        """Every frame that is not given, from the frames of ``past`` before it and the sound up to it, all at
        once. The latents are the posterior's, of ``clip``, the true frames. In ``past`` are these, or what
        the network made of them."""
        first = self.config.given
        told_B1D = self._tell(ids_BS, mask_BS)
        true_BTD, maps = self._look(clip, first - 1)
        past_BTD = true_BTD if past is clip else self._look(past, first - 1)[0]
        heard_BTD = self._heard(sound_BTF, 0) + told_B1D
        seen_BTD = self._seen(past_BTD[:, :-1], 0) + told_B1D
        tokens = torch.stack([heard_BTD[:, :-1], seen_BTD], 2).flatten(1, 2)
        # Sound of frame 0, frame 0, sound of frame 1, ...: a frame is foreseen where its sound is read.
        expected_BTD = self._read(torch.cat([tokens, heard_BTD[:, -1:]], 1))[:, 2::2]
        prior = Gaussian.of(self.prior(expected_BTD)[0])
        both_BTD = torch.cat([expected_BTD, true_BTD[:, 1:]], -1)
        posterior = Gaussian.of(self.posterior(both_BTD)[0], QUIET)
        z = posterior.sample(noise).to(expected_BTD)
        drawn_BTD, _ = self.predictor(torch.cat([expected_BTD, z], -1))
        frames = self._draw(drawn_BTD[:, first - 1 :], maps, clip[:, :, first - 1])
        return Foreseen(frames, *(Gaussian(*(x[:, first - 1 :] for x in g)) for g in (posterior, prior)))

    @torch.no_grad()
    def continued(
        self,
        ids_BS: torch.Tensor,
        mask_BS: torch.Tensor,
        given: torch.Tensor,
        sound_BTF: torch.Tensor,
        noise: torch.Tensor,
        clip: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The frames that are given and those that follow, as long as there is sound: frame after frame, each
        from those before. Latents are the prior's; of given frames they are the posterior's, and of all where
        the true ``clip`` is told, as in training."""
        known = given.shape[2]
        told_B1D = self._tell(ids_BS, mask_BS)
        seen_BTD, maps = self._look(given, known - 1)
        true_BTD = seen_BTD if clip is None else self._look(clip, known - 1)[0]
        caches = [KeyValueCache(2 * sound_BTF.shape[1]) for _ in self.layers]
        of_prior, of_posterior, of_predictor = None, None, None
        frames = list(given.unbind(2))
        self._read(self._heard(sound_BTF[:, :1], 0) + told_B1D, caches)
        for step in range(1, sound_BTF.shape[1]):
            past_BD = seen_BTD[:, step - 1] if step <= known else self.encoder(frames[step - 1])[0]
            self._read(self._seen(past_BD[:, None], step - 1) + told_B1D, caches)
            expected_B1D = self._read(self._heard(sound_BTF[:, step : step + 1], step) + told_B1D, caches)
            of_step, of_prior = self.prior(expected_B1D, of_prior)
            latent = Gaussian.of(of_step)
            if step < true_BTD.shape[1]:
                both = torch.cat([expected_B1D, true_BTD[:, step : step + 1]], -1)
                of_step, of_posterior = self.posterior(both, of_posterior)
                latent = Gaussian.of(of_step, QUIET)
            z = latent.sample(noise[:, step - 1 : step]).to(expected_B1D)
            drawn_B1D, of_predictor = self.predictor(torch.cat([expected_B1D, z], -1), of_predictor)
            if step >= known:
                frames.append(self._draw(drawn_B1D, maps, given[:, :, -1])[:, :, 0])
        return torch.stack(frames, 2)

    def _tell(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> torch.Tensor:
        return self.text_in(self.text_encoder(ids_BS, mask_BS)[1])[:, None]

    def _look(self, x_BCTHW: torch.Tensor, at: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Vectors (B, T, D) of all frames, and the maps of the frame ``at``, each (B, C, h, w)."""
        vectors, maps = self.encoder(x_BCTHW.movedim(2, 1).flatten(0, 1))
        count = x_BCTHW.shape[2]
        return vectors.unflatten(0, (-1, count)), [x.unflatten(0, (-1, count))[:, at] for x in maps]

    def _heard(self, sound_BTF: torch.Tensor, first: int) -> torch.Tensor:
        """Tokens (B, T, D) of sound that begins with the frame ``first``."""
        heard_BTD = rms_norm(self.listen(sound_BTF + 1))  # silence is 0
        return heard_BTD + self.places[first : first + sound_BTF.shape[1]] + self.senses[0]

    def _seen(self, vectors_BTD: torch.Tensor, first: int) -> torch.Tensor:
        return vectors_BTD + self.places[first : first + vectors_BTD.shape[1]] + self.senses[1]

    def _read(self, x_BLD: torch.Tensor, caches: Sequence[KeyValueCache] | None = None) -> torch.Tensor:
        """What the transformer makes of tokens that each see those before, and the cached ones. With caches,
        one token at a time."""
        mask = None
        if caches is None:
            mask = torch.ones(1, *[x_BLD.shape[1]] * 2, dtype=torch.bool, device=x_BLD.device).tril()
        for index, layer in enumerate(self.layers):
            x_BLD = layer(x_BLD, mask, None if caches is None else caches[index])
        return self.norm(x_BLD)

    def _draw(
        self, drawn_BTD: torch.Tensor, maps: Sequence[torch.Tensor], last: torch.Tensor
    ) -> torch.Tensor:
        """Frames float (B, 3, T, H, W): what is painted where a mask says so, else the ``last`` given one."""
        count = drawn_BTD.shape[1]
        beside = [x[:, None].expand(-1, count, -1, -1, -1).flatten(0, 1) for x in maps]
        painted = self.decoder(drawn_BTD.flatten(0, 1), beside).unflatten(0, (-1, count)).movedim(1, 2)
        colours, mask = painted[:, :3].tanh(), painted[:, 3:].sigmoid()
        return mask * colours + (1 - mask) * last[:, :, None]


class Recurrent(nn.Module):
    """A long short-term memory and a linear map of what it takes and gives: (B, T, D) to (B, T, ``out``), and
    its last state, from which it goes on."""

    def __init__(self, inside: int, width: int, out: int) -> None:
        super().__init__()
        self.memory = nn.LSTM(inside, width, batch_first=True)
        self.out = nn.Linear(inside + width, out)

    def forward(self, x_BTD: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        y_BTD, state = self.memory(x_BTD, state)
        return self.out(torch.cat([x_BTD, y_BTD], -1)), state
