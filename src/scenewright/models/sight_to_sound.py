"""The mirror of Sound2Sight: what a video should sound like, as events.

Every frame is seen with what is new in it, a transformer lets frames look at each other, and of each frame it
is told for each kind of sound whether one begins and whether one is heard, and if so how strong it is, when
in the frame it begins, where in the picture, of how large a thing and of which material.

B = batch, T = frames, D = width, K = kinds of sound.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import nn

from scenewright.models.blocks.frames import FrameEncoder, FrameNetworkConfig
from scenewright.models.blocks.norm import RMSNorm
from scenewright.models.blocks.transformer import TransformerLayer
from scenewright.world.hearing import SOUND_KINDS
from scenewright.world.scene import MATERIALS


class SightToSoundConfig(FrameNetworkConfig):
    """``num_frames``: seen at once, of clips of any length."""

    family: Literal["sight-to-sound"] = "sight-to-sound"


class Sounding(NamedTuple):
    """``present``: (B, T, K, 2), logits of a sound that begins in the frame, and of one that is heard in it.
    ``manner``: (B, T, K, 4), its strength, how late it begins, where it is and how large what makes it is, as
    in tables of :mod:`scenewright.world.hearing`. ``materials``: (B, T, K, M), logits."""

    present: torch.Tensor
    manner: torch.Tensor
    materials: torch.Tensor

    @property
    def tables(self) -> torch.Tensor:
        """float32 (B, T, K, 7), tables whose first two columns are probabilities."""
        material = self.materials.argmax(-1, keepdim=True).float()
        return torch.cat([self.present.float().sigmoid(), self.manner.float(), material], -1)


class SightToSound(nn.Module):
    """See above."""

    Config = SightToSoundConfig
    reads_texts = False

    def __init__(self, config: SightToSoundConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = FrameEncoder(config.growth, 6, config.width)
        self.places = nn.Parameter(torch.randn(config.num_frames, config.width) * 0.1)
        self.layers = nn.ModuleList(
            TransformerLayer(config.width, config.heads) for _ in range(config.layers)
        )
        self.norm = RMSNorm(config.width, eps=1e-6)
        self.tell = nn.Linear(config.width, len(SOUND_KINDS) * (6 + len(MATERIALS)))

    def forward(self, x_BCTHW: torch.Tensor) -> Sounding:
        """Of clips float (B, 3, T, H, W) in [-1, 1], of ``num_frames`` at most."""
        before = torch.cat([x_BCTHW[:, :, :1], x_BCTHW[:, :, :-1]], 2)
        seen = torch.cat([x_BCTHW, x_BCTHW - before], 1)
        count = seen.shape[2]
        vectors, _ = self.encoder(seen.movedim(2, 1).flatten(0, 1))
        x_BTD = vectors.unflatten(0, (-1, count)) + self.places[:count]
        for layer in self.layers:
            x_BTD = layer(x_BTD)
        told = self.tell(self.norm(x_BTD)).unflatten(-1, (len(SOUND_KINDS), -1))
        return Sounding(*told.split([2, 4, len(MATERIALS)], -1))
