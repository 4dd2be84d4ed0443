"""MoCoGAN of a text: what is seen, and how it moves, in separate codes (Tulyakov et al. 2018).

A clip has one content code, of the text and of noise. A recurrent network turns the action that the text
names and fresh noise into a motion code for every frame; a network of pictures draws each frame from both
codes. The action goes into the recurrent network, as in the paper, and not beside its output, as in the code
that was published with it. A judge of frames and a judge of clips, which also names the action, teach it.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns, A = actions.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.models.blocks.drawer import Drawer
from scenewright.models.blocks.growth import Growth, growth
from scenewright.models.direct import DirectConfig, DirectNetwork, EncodedText, Made


class MoCoGANConfig(DirectConfig):
    """``content``, ``motion``: numbers of noise in the content and, for each frame, in the motion. ``codes``:
    width of each frame's motion code. ``actions``: how many kinds of motion are told apart; 0 for none."""

    family: Literal["moco-gan"] = "moco-gan"
    content: int = Field(default=32, ge=1)
    motion: int = Field(default=10, ge=1)
    codes: int = Field(default=32, ge=1)
    actions: int = Field(default=0, ge=0)
    channels: int = Field(default=128, ge=8)
    least: int = Field(default=16, ge=8)

    @property
    def growth(self) -> Growth:
        return growth((1, self.height, self.width_pixels), self.channels, self.least)

    @model_validator(mode="after")
    def _check(self) -> MoCoGANConfig:
        _ = self.growth
        return self


class MoCoGAN(DirectNetwork):
    """Text and noise to a clip, frame by frame."""

    SWAPS = True
    Config = MoCoGANConfig

    def __init__(self, config: MoCoGANConfig) -> None:
        super().__init__(config)
        self.config: MoCoGANConfig = config
        width, grown = config.text.width, config.growth
        action = config.actions or width
        self.name_action = nn.Linear(width, config.actions) if config.actions else None
        self.moves = nn.GRUCell(action + config.motion, config.codes)
        self.first_motion = nn.Linear(action, config.codes)
        condition = width + config.content + config.codes
        self.draw = Drawer(grown, condition)

    def forward(
        self,
        ids_BS: torch.Tensor,
        mask_BS: torch.Tensor,
        noise: torch.Tensor,
        real_BCTHW: torch.Tensor | None = None,
        motion_of: torch.Tensor | None = None,
    ) -> Made:
        """``motion_of``: int64 (B,), which text of the batch each clip has its motion from; its own if None.
        The rest is as for every :class:`.DirectNetwork`."""
        text = self.encode_text(ids_BS, mask_BS)
        if motion_of is None:
            return self.make(text, noise, real_BCTHW)
        return self.swapped(text.pooled, text.pooled[motion_of], noise)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.content + self.config.num_frames * self.config.motion,)

    def make(self, text: EncodedText, noise: torch.Tensor, real_BCTHW: torch.Tensor | None = None) -> Made:
        return self.swapped(text.pooled, text.pooled, noise)

    def swapped(
        self,
        content_BD: torch.Tensor,
        motion_BD: torch.Tensor,
        noise: torch.Tensor,
        moving: torch.Tensor | None = None,
    ) -> Made:
        """Clips whose content is of one text and whose motion is of another. ``moving``: where the noise of
        the motion comes from, if not from ``noise``."""
        config = self.config
        of_content = noise[:, : config.content]
        of_motion = (noise if moving is None else moving)[:, config.content :]
        actions_BA = None if self.name_action is None else self.name_action(motion_BD)
        said = motion_BD if actions_BA is None else actions_BA.softmax(-1)
        code, codes = self.first_motion(said), []
        for noise_BM in of_motion.chunk(config.num_frames, -1):
            code = self.moves(torch.cat([said, noise_BM], -1), code)
            codes.append(code)
        content = torch.cat([content_BD, of_content], -1)[:, None].expand(-1, config.num_frames, -1)
        condition = torch.cat([content, torch.stack(codes, 1)], -1).flatten(0, 1)
        frames = self.draw(condition).tanh().unflatten(0, (-1, config.num_frames))
        return Made((frames.movedim(1, 2),), actions=actions_BA)
