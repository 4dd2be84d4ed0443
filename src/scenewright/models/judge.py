"""A judge of clips or of frames that also reads the text: the discriminators of a text-conditioned GAN.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns, C = channels, A = actions,
... = the places of a map of verdicts: (t, h, w) of clips, (h, w) of frames.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import nn

from scenewright.config import Config
from scenewright.models.blocks.convolution import conv, group_norm, spectrally_normed
from scenewright.models.text_encoder import TextEncoderConfig, build_text_encoder

#: Rows, or columns, of the map of verdicts, whichever are fewer.
SMALLEST = 4


class JudgeConfig(Config):
    """``sees``: ``clip``, in three dimensions, or ``frames``, pictures by themselves; ``level``: of which of
    the clips that a network makes, the whole one by default.

    ``text``: ``concat``, its vector beside the features of every place; ``projection``, a product with them
    (Miyato & Koyama 2018); ``none``, it judges without. ``unconditional``: it also judges without the text,
    beside judging with it. ``actions``: kinds of motion that it names. ``channels``: of the first layer,
    doubled up to ``most``. ``reader``: its own text encoder.
    """

    sees: Literal["clip", "frames"] = "clip"
    level: int = Field(default=-1, ge=-8, le=7)
    text: Literal["none", "concat", "projection"] = "projection"
    unconditional: bool = True
    actions: int = Field(default=0, ge=0)
    channels: int = Field(default=16, ge=1)
    most: int = Field(default=128, ge=1)
    norm: Literal["none", "group"] = "none"
    spectral_norm: bool = False
    reader: TextEncoderConfig = TextEncoderConfig(kind="lstm", width=64, layers=1)


class Verdict(NamedTuple):
    """Logits, above 0 where it looks real: ``told``: (B, ...), that the clip is real and of the text;
    ``alone``: (B, ...), that it is real; None where the judge has no such opinion. ``actions``: (B, A)
    logits.
    """

    told: torch.Tensor | None
    alone: torch.Tensor | None
    actions: torch.Tensor | None

    @property
    def opinions(self) -> list[torch.Tensor]:
        return [logits for logits in (self.told, self.alone) if logits is not None]


class Judge(nn.Module):
    """``size``: (frames, rows, columns) of what it sees."""

    def __init__(self, config: JudgeConfig, size: tuple[int, int, int]) -> None:
        super().__init__()
        self.config = config
        dims = 3 if config.sees == "clip" else 2
        frames, short = size[0], min(size[1:])
        layers: list[nn.Module] = []
        inside, out = 3, config.channels
        while short > SMALLEST:
            # Time is halved behind the first layer only, and not below two frames.
            in_time = 2 if inside > 3 and frames > 3 else 1
            kernel = (4, 4) if dims == 2 else (4 if in_time == 2 else 3, 4, 4)
            layers.append(conv(dims, inside, out, kernel, (2, 2) if dims == 2 else (in_time, 2, 2)))
            if inside > 3 and config.norm == "group":
                layers.append(group_norm(out))
            layers.append(nn.LeakyReLU(0.2))
            frames, short = frames // in_time, short // 2
            inside, out = out, min(config.most, out * 2)
        self.layers = nn.Sequential(*layers)
        self.channels = inside
        self.reader = None if config.text == "none" else build_text_encoder(config.reader)
        width = config.reader.width
        if config.text == "concat":
            self.join = nn.Sequential(conv(dims, inside + width, inside, 1), nn.LeakyReLU(0.2))
            self.with_text = conv(dims, inside, 1, 1)
        elif config.text == "projection":
            self.project = nn.Linear(width, inside, bias=False)
            self.with_text = conv(dims, inside, 1, 1)
        self.without = conv(dims, inside, 1, 1) if config.unconditional or config.text == "none" else None
        self.actions = nn.Linear(inside, config.actions) if config.actions else None
        if config.spectral_norm:
            spectrally_normed(self)

    def see(self, x: torch.Tensor) -> torch.Tensor:
        """Features (B, C, ...) of clips (B, 3, T, H, W), or of frames (B, 3, H, W), values in [-1, 1]."""
        return self.layers(x)

    def read(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> torch.Tensor:
        """(B, D); empty where the judge does not read."""
        if self.reader is None:
            return ids_BS.new_zeros(len(ids_BS), 0).float()
        return self.reader(ids_BS, mask_BS)[1]

    def judge(self, h: torch.Tensor, text_BD: torch.Tensor) -> torch.Tensor | None:
        """Logits (B, ...) that what has features ``h`` is real and of the text."""
        if self.reader is None:
            return None
        places = (...,) + (None,) * (h.ndim - 2)
        if self.config.text == "concat":
            joined = torch.cat([h, text_BD[places].expand(-1, -1, *h.shape[2:])], 1)
            return self.with_text(self.join(joined))[:, 0]
        product = (h * self.project(text_BD)[places]).sum(1) * self.channels**-0.5
        return self.with_text(h)[:, 0] + product

    def forward(self, x: torch.Tensor, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> Verdict:
        """``x``: as :meth:`see` takes it."""
        h = self.see(x)
        return self.verdict(h, self.read(ids_BS, mask_BS))

    def verdict(self, h: torch.Tensor, text_BD: torch.Tensor) -> Verdict:
        """What features ``h`` and read texts come to."""
        alone = None if self.without is None else self.without(h)[:, 0]
        actions = None if self.actions is None else self.actions(h.flatten(2).mean(-1))
        return Verdict(self.judge(h, text_BD), alone, actions)
