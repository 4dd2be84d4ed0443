"""Encoder-decoder networks: a text is read, and frame after frame is drawn from what was read.

Without ``attention`` it is the sequence-to-sequence network (Sutskever et al. 2014): an LSTM reads the words
in both directions, its last states become the first state of a convolutional LSTM (Shi et al. 2015), and
this decodes a frame at every step. With it, the decoder also looks at the words at every frame (Bahdanau et
al. 2015): what it sees is the words' mean by weights that its state decides, which can be drawn.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns,
C = channels of the decoder's state, h, w = its rows and columns.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.models.blocks.attention import masked_softmax
from scenewright.models.blocks.conv_lstm import ConvLSTMCell
from scenewright.models.blocks.convolution import Painter, ResidualBlock
from scenewright.models.direct import DirectConfig, DirectNetwork, EncodedText, Made
from scenewright.models.text_encoder import TextEncoderConfig


class EncoderDecoderConfig(DirectConfig):
    """``channels``: of the decoder's state, which is ``height / scale`` by ``width_pixels / scale``; each
    step up from there has half as many, ``least`` at least."""

    family: Literal["encoder-decoder"] = "encoder-decoder"
    text: TextEncoderConfig = TextEncoderConfig(kind="lstm", width=128, layers=1)
    attention: bool = False
    channels: int = Field(default=96, ge=4)
    least: int = Field(default=24, ge=4)
    scale: int = Field(default=8, ge=2)

    @model_validator(mode="after")
    def _check(self) -> EncoderDecoderConfig:
        if self.scale & (self.scale - 1):
            raise ValueError(f"scale = {self.scale} is not a power of two")
        if self.height % self.scale or self.width_pixels % self.scale:
            raise ValueError(
                f"{self.width_pixels}x{self.height} pixels are not multiples of scale {self.scale}"
            )
        return self


class EncoderDecoder(DirectNetwork):
    """Text to frames. Every frame looks at the words as a whole."""

    Config = EncoderDecoderConfig

    def __init__(self, config: EncoderDecoderConfig) -> None:
        super().__init__(config)
        self.config: EncoderDecoderConfig = config
        width, channels = config.text.width, config.channels
        self.grid = (config.height // config.scale, config.width_pixels // config.scale)
        self.begin = nn.Linear(width, 2 * channels * self.grid[0] * self.grid[1])
        self.step_in = nn.Linear(width, channels)
        if config.attention:
            self.query = nn.Linear(channels, width)
            self.key = nn.Linear(width, width, bias=False)
            self.score = nn.Linear(width, 1, bias=False)
        self.places = nn.Parameter(torch.randn(1, channels, *self.grid) * 0.1)
        self.cell = ConvLSTMCell(channels, channels)
        ups: list[nn.Module] = []
        inside = channels
        for _ in range(config.scale.bit_length() - 2):
            outside = max(config.least, inside // 2)
            ups.append(ResidualBlock(2, inside, outside, (2, 2)))
            inside = outside
        self.draw = nn.Sequential(*ups, Painter(inside))
        self._looked: torch.Tensor | None = None

    @property
    def attention_maps(self) -> torch.Tensor | None:
        return None if self._looked is None else self._looked[..., None, None]

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (0,)

    def make(self, text: EncodedText, noise: torch.Tensor, real_BCTHW: torch.Tensor | None = None) -> Made:
        words_BSD, pooled_BD, mask_BS = text
        hidden, memory = self.begin(pooled_BD).unflatten(-1, (2, -1, *self.grid)).unbind(1)
        state = (hidden.tanh(), memory)
        keys_BSD = self.key(words_BSD) if self.config.attention else None
        states, maps = [], []
        for _ in range(self.config.num_frames):
            seen_BD = pooled_BD
            if keys_BSD is not None:
                weights_BS = self._attend(state[0], keys_BSD, mask_BS)
                seen_BD = (weights_BS[:, None] @ words_BSD)[:, 0]
                maps.append(weights_BS.detach())
            x_BC = self.step_in(seen_BD)
            state = self.cell(x_BC[..., None, None] + self.places, state)
            states.append(state[0])
        self._looked = torch.stack(maps, 2).float() if maps else None
        frames = self.draw(torch.cat(states)).tanh().unflatten(0, (self.config.num_frames, -1))
        return Made((frames.movedim(0, 2),))

    def _attend(
        self, hidden_BChw: torch.Tensor, keys_BSD: torch.Tensor, mask_BS: torch.Tensor
    ) -> torch.Tensor:
        query_BD = self.query(hidden_BChw.mean((2, 3)))
        scores_BS = self.score(torch.tanh(keys_BSD + query_BD[:, None]))[..., 0]
        return masked_softmax(scores_BS, mask_BS)
