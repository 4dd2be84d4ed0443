"""Augmentation that keeps captions true: a clip is changed, and its caption with it, or it is not changed.

Before a change is made, :mod:`scenewright.data.captions` judges it. A caption that stays true stays, one that
can be said anew is rewritten, and where neither is certain the change is refused and the clip left as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator

from scenewright.config import Config
from scenewright.data import captions
from scenewright.data.captions import Verdict
from scenewright.seeds import keyed_generator


class Change(Config):
    """One kind of change, made with ``probability``; 0 is off, and then its strength must not be set."""

    probability: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _no_strength_without_effect(self) -> Self:
        for name, field in type(self).model_fields.items():
            if name != "probability" and not self.probability and getattr(self, name) != field.default:
                raise ValueError(f"{name} = {getattr(self, name)} does nothing at probability 0; set one")
        return self


class Flip(Change):
    """Left to right; sides and turning directions in the caption are swapped."""


class Reversal(Change):
    """Backwards in time; the caption is rewritten (see :func:`~scenewright.data.captions.reverse_caption`).
    The sound of a clip cannot follow: leave it out."""


class TemporalJitter(Change):
    """Which of the frames are shown: every 1st to ``max_stride``-th, from a random one on. Refused where the
    clip holds no more frames than come out."""

    max_stride: int = Field(default=2, ge=1)


class Crop(Change):
    """A random part, of the shape of the frame and at least ``min_area`` of it, at the frame's size."""

    min_area: float = Field(default=0.75, ge=0.25, lt=1)


class Translate(Change):
    """Shifted by whole pixels, at most ``max_shift`` of the width and of the height; the border mirrors."""

    max_shift: float = Field(default=0.08, gt=0, le=0.25)


class Rotate(Change):
    """About the centre by at most ``max_degrees``; the border mirrors."""

    max_degrees: float = Field(default=5.0, gt=0, le=20)


class Scale(Change):
    """About the centre by a factor from 1 / ``max_factor`` to ``max_factor``; the border mirrors."""

    max_factor: float = Field(default=1.15, gt=1, le=1.5)


class ColorJitter(Change):
    """Light and colour, the same for all frames.

    ``brightness`` and ``contrast`` are shares; within their limits no colour is taken for another, so they
    are never refused. ``saturation`` is a share and ``hue`` a share of the whole colour circle; both are
    refused where the caption tells a colour.
    """

    brightness: float = Field(default=0.1, ge=0, le=0.1)
    contrast: float = Field(default=0.1, ge=0, le=0.1)
    saturation: float = Field(default=0.0, ge=0, le=1)
    hue: float = Field(default=0.0, ge=0, le=0.5)

    @model_validator(mode="after")
    def _some_effect(self) -> Self:
        if self.probability and not (self.brightness or self.contrast or self.saturation or self.hue):
            raise ValueError("a colour jitter of strength 0 does nothing; set brightness or probability=0")
        return self


class Noise(Change):
    """Gaussian noise, of a standard deviation up to ``max_std`` of the range from black to white."""

    max_std: float = Field(default=0.02, gt=0, le=0.2)


class AugmentConfig(Config):
    """Which changes are made; all are off at first.

    ``frames``: how many frames come out, the middle ones at stride 1 unless ``temporal_jitter`` chooses; the
    caption must be true of the middle. ``None``: all of them; temporal jitter needs a number.
    """

    frames: int | None = Field(default=None, ge=1)
    temporal_jitter: TemporalJitter = TemporalJitter()
    reversal: Reversal = Reversal()
    flip: Flip = Flip()
    crop: Crop = Crop()
    translate: Translate = Translate()
    rotate: Rotate = Rotate()
    scale: Scale = Scale()
    color_jitter: ColorJitter = ColorJitter()
    noise: Noise = Noise()

    @model_validator(mode="after")
    def _frames_for_jitter(self) -> Self:
        if self.temporal_jitter.probability and self.frames is None:
            raise ValueError("temporal_jitter chooses frames out of more; set frames, how many come out")
        return self


class Refused(NamedTuple):
    """A change that chance wanted and the caption forbids, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Augmented:
    """``frames``: uint8 (frames, H, W, 3). ``caption``: true of them. ``applied``: the changes made, in
    order; "brightness", "contrast", "saturation" and "hue" are told one by one."""

    frames: np.ndarray
    caption: str
    applied: tuple[str, ...]
    refused: tuple[Refused, ...]


def augment(frames: np.ndarray, caption: str, config: AugmentConfig, seed: int) -> Augmented:
    """A changed clip and a caption that is true of it; the same for the same ``seed``.

    Every kind of change draws from a generator of its own, so that switching one on or off leaves the others
    as they are.

    Args:
        frames: uint8 (T, H, W, 3). Never written to.
        caption: English, true of ``frames``.

    Raises:
        ValueError: ``frames`` is of another type or shape, or holds fewer than ``config.frames`` frames.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise ValueError(f"frames must be uint8 (T, H, W, 3), not {frames.dtype} of shape {frames.shape}")
    return _Augmentation(frames, caption, config, seed).run()


class _Augmentation:
    """The changes to one clip: first those that only choose pixels, then those that mix them."""

    def __init__(self, frames: np.ndarray, caption: str, config: AugmentConfig, seed: int) -> None:
        self.frames, self.caption, self.config, self.seed = frames, caption, config, seed
        self.applied: list[str] = []
        self.refused: list[Refused] = []

    def run(self) -> Augmented:
        self._time()
        if self._wanted("flip", self.config.flip, captions.mirror_caption):
            self.frames = self.frames[:, :, ::-1]
        x = torch.from_numpy(np.array(self.frames)).movedim(-1, 1)
        x = self._mix(self._frame(x))
        if x.dtype != torch.uint8:
            x = x.round_().clamp_(0, 255).to(torch.uint8)
        return Augmented(
            x.movedim(1, -1).contiguous().numpy(), self.caption, tuple(self.applied), tuple(self.refused)
        )

    def _wanted(
        self, name: str, change: Change, judge: Callable[[str], Verdict] | None = None, chance: str = ""
    ) -> bool:
        """Whether to make the change: whether chance wants it and the caption, rewritten here, allows it."""
        if self._draws(chance or name, 1)[0] >= change.probability:
            return False
        if judge is not None:
            verdict = judge(self.caption)
            if verdict.refused:
                self.refused.append(Refused(name, verdict.reason))
                return False
            self.caption = verdict.caption
        self.applied.append(name)
        return True

    def _draws(self, purpose: str, count: int) -> list[float]:
        """Uniform in [0, 1)."""
        draws: list[float] = torch.rand(count, generator=keyed_generator(self.seed, purpose)).tolist()
        return draws

    def _spread(self, purpose: str, count: int = 1) -> list[float]:
        """Uniform in [-1, 1), apart from what decided that the change is made."""
        return [2 * u - 1 for u in self._draws(f"{purpose} strength", count)]

    def _time(self) -> None:
        total, config = len(self.frames), self.config
        count = total if config.frames is None else config.frames
        if count > total:
            raise ValueError(f"the clip holds {total} frames and {count} are to come out; lower frames")

        def judge(caption: str) -> Verdict:
            if count == total:
                return Verdict(
                    "refused", caption, f"the clip holds no more than the {count} frames that come out"
                )
            return captions.retime_caption(caption)

        stride, start = 1, (total - count) // 2
        if self._wanted("temporal_jitter", config.temporal_jitter, judge):
            u, v = self._draws("temporal_jitter strength", 2)
            longest = total - 1 if count == 1 else (total - 1) // (count - 1)
            stride = 1 + int(u * min(config.temporal_jitter.max_stride, longest))
            start = int(v * (total - stride * (count - 1)))
        self.frames = self.frames[start : start + stride * (count - 1) + 1 : stride]
        if self._wanted("reversal", config.reversal, captions.reverse_caption):
            self.frames = self.frames[::-1]

    def _frame(self, x_T3HW: torch.Tensor) -> torch.Tensor:
        """What changes where things are: crop, shift, rotation and scale."""
        config = self.config
        x, (height, width) = x_T3HW, x_T3HW.shape[-2:]
        if self._wanted("crop", config.crop, captions.reframe_caption):
            u, v, w = self._draws("crop strength", 3)
            side = math.sqrt(1 - u * (1 - config.crop.min_area))
            x = crop(x, side, v, w)
        if self._wanted("translate", config.translate, captions.reframe_caption):
            right, down = (config.translate.max_shift * s for s in self._spread("translate", 2))
            x = translate(x, round(right * width), round(down * height))
        degrees, factor = 0.0, 1.0
        if self._wanted("rotate", config.rotate, captions.rotate_caption):
            degrees = config.rotate.max_degrees * self._spread("rotate")[0]
        if self._wanted("scale", config.scale, captions.reframe_caption):
            factor = config.scale.max_factor ** self._spread("scale")[0]
        return x if (degrees, factor) == (0.0, 1.0) else turn_and_scale(x, degrees, factor)

    def _mix(self, x_T3HW: torch.Tensor) -> torch.Tensor:
        """What changes values: light, colour and noise."""
        x, jitter, noise = x_T3HW, self.config.color_jitter, self.config.noise
        gains = {}
        for name in ("brightness", "contrast", "saturation", "hue"):
            strength = getattr(jitter, name)
            judge = captions.recolor_caption if name in ("saturation", "hue") else None
            if strength and self._wanted(name, jitter, judge, chance="color_jitter"):
                gains[name] = strength * self._spread(name)[0]
        if gains:
            x = relight(x, **gains)
        if self._wanted("noise", noise):
            std = 255 * noise.max_std * self._draws("noise strength", 1)[0]
            x = x + std * torch.randn(x.shape, generator=keyed_generator(self.seed, "noise values"))
        return x


# ------------------------------------------------------------------------------------------- the operations


def crop(x_T3HW: torch.Tensor, side: float, right: float, down: float) -> torch.Tensor:
    """``side`` (0 to 1) of the width and height, at the share ``right`` and ``down`` of the room there is,
    back at full size: float, bilinear between pixel centres."""
    height, width = x_T3HW.shape[-2:]
    tall, wide = max(1, round(side * height)), max(1, round(side * width))
    top, left = round(down * (height - tall)), round(right * (width - wide))
    part = x_T3HW[..., top : top + tall, left : left + wide].float()
    return F.interpolate(part, size=(height, width), mode="bilinear", align_corners=False)


def translate(x_T3HW: torch.Tensor, right: int, down: int) -> torch.Tensor:
    """Shifted by whole pixels, of the same type; what comes in is mirrored about the border's pixels."""
    height, width = x_T3HW.shape[-2:]
    rows = _reflected(torch.arange(height) - down, height)
    columns = _reflected(torch.arange(width) - right, width)
    return x_T3HW.index_select(-2, rows).index_select(-1, columns)


def _reflected(index: torch.Tensor, size: int) -> torch.Tensor:
    if size == 1:
        return torch.zeros_like(index)
    folded = index.remainder(2 * (size - 1))
    return torch.minimum(folded, 2 * (size - 1) - folded)


def turn_and_scale(x_T3HW: torch.Tensor, degrees: float, factor: float) -> torch.Tensor:
    """Turned clockwise about the centre and made ``factor`` times larger, in one bilinear resampling; float.
    The border mirrors."""
    height, width = x_T3HW.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)) / factor, math.sin(math.radians(degrees)) / factor
    # From where each output pixel comes, in a grid that spans [-1, 1] both ways.
    inverse = torch.tensor([[[cos, sin * height / width, 0.0], [-sin * width / height, cos, 0.0]]])
    grid = F.affine_grid(inverse, [1, 3, height, width], align_corners=False)
    flat = x_T3HW.float().reshape(1, -1, height, width)
    turned = F.grid_sample(flat, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return turned.reshape(x_T3HW.shape)


#: Luma of ITU-R BT.709, which the hue and saturation matrices keep.
_LUMA = torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.float64)


def relight(
    x_T3HW: torch.Tensor,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
) -> torch.Tensor:
    """Brighter by a share, more contrast about the clip's mean luma, more saturated, and turned by ``hue`` of
    the colour circle; float, not clipped.

    Saturation and hue are one matrix that keeps luma and leaves grays as they are (P. Haeberli, Matrix
    operations for image processing, 1993).
    """
    # Every change is linear, so that all of them together are one matrix and one offset.
    matrix = (1 + contrast) * (1 + brightness) * (1 + saturation) * _hue_matrix(hue)
    gray = torch.ones(3, 1, dtype=torch.float64) * _LUMA
    matrix = matrix + (1 + contrast) * (1 + brightness) * (-saturation) * gray
    mean = x_T3HW.float().mean(dim=(0, 2, 3)).double() @ _LUMA * (1 + brightness)
    offset = (-contrast * mean).expand(3)
    return F.conv2d(x_T3HW.float(), matrix.float()[:, :, None, None], offset.float())


def _hue_matrix(turn: float) -> torch.Tensor:
    """A rotation about the gray axis, sheared so that luma stays: (3, 3) from RGB to RGB."""
    angle = 2 * math.pi * turn
    gray = torch.ones(3, 1, dtype=torch.float64) * _LUMA
    ones = torch.ones(3, 3, dtype=torch.float64) / 3
    cross = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64) / math.sqrt(3)
    turned = ones + math.cos(angle) * (torch.eye(3, dtype=torch.float64) - ones) + math.sin(angle) * cross
    # What the rotation changes about luma is given back in equal parts of red, green and blue.
    return turned + gray - torch.ones(3, 1, dtype=torch.float64) * (_LUMA @ turned)
