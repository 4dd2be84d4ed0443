"""Changes of real and made clips alike, through which gradients pass, before a judge sees either.

A judge that has few clips learns them by heart; changed anew every time they cannot be, and since made clips
are changed in the same manner, the network does not learn the changes (Zhao et al. 2020, "Differentiable
augmentation for data-efficient GAN training"). All frames of a clip change alike.

B = batch, C = colours, ... = places: (T, H, W) of clips, (H, W) of frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch

from scenewright.training.draws import Draws

ChangeName = Literal["brightness", "saturation", "contrast", "translation", "cutout"]


def augmented(x: torch.Tensor, changes: Sequence[ChangeName], draws: Draws, purpose: str) -> torch.Tensor:
    """``x``: float (B, 3, ...) in [-1, 1]. ``purpose``: calls of different purposes draw different
    changes."""
    for name in changes:
        count = 2 if name in ("translation", "cutout") else 1
        numbers = [draws.uniform(f"{purpose} {name} {i}").to(x) for i in range(count)]
        x = _CHANGES[name](x, *numbers)
    return x


def brightness(x: torch.Tensor, u_B: torch.Tensor) -> torch.Tensor:
    """Lighter or darker by up to half of the range from black to grey."""
    return x + _spread(u_B - 0.5, x)


def saturation(x: torch.Tensor, u_B: torch.Tensor) -> torch.Tensor:
    """Each pixel between grey and twice as colourful."""
    grey = x.mean(1, keepdim=True)
    return (x - grey) * _spread(2 * u_B, x) + grey


def contrast(x: torch.Tensor, u_B: torch.Tensor) -> torch.Tensor:
    """Half to one and a half times as far from the clip's mean."""
    mean = x.flatten(1).mean(1)
    return (x - _spread(mean, x)) * _spread(u_B + 0.5, x) + _spread(mean, x)


def translation(x: torch.Tensor, u_B: torch.Tensor, v_B: torch.Tensor) -> torch.Tensor:
    """Shifted by up to an eighth of the rows and columns; zeros come in."""
    for axis, numbers in ((-2, u_B), (-1, v_B)):
        size = x.shape[axis]
        most = size // 8
        shifts = (numbers * (2 * most + 1)).long() - most
        places = torch.arange(size, device=x.device)[None] - shifts[:, None]
        inside = (places >= 0) & (places < size)
        shape = [len(x)] + [1] * (x.ndim - 1)
        shape[axis] = size
        index = places.clamp(0, size - 1).view(shape).expand_as(x)
        x = x.gather(x.ndim + axis, index) * inside.view(shape).to(x)
    return x


def cutout(x: torch.Tensor, u_B: torch.Tensor, v_B: torch.Tensor) -> torch.Tensor:
    """A rectangle of half the rows and columns, about any place of the picture, becomes zero."""
    kept = []
    for axis, numbers in ((-2, u_B), (-1, v_B)):
        size = x.shape[axis]
        middle = (numbers * size).floor()
        away = (torch.arange(size, device=x.device)[None] - middle[:, None]).abs()
        shape = [len(x)] + [1] * (x.ndim - 1)
        shape[axis] = size
        kept.append((away > size // 4).view(shape))
    return x * (kept[0] | kept[1]).to(x)


def _spread(values_B: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return values_B.view(-1, *[1] * (x.ndim - 1))


_CHANGES: dict[str, Callable[..., torch.Tensor]] = {
    "brightness": brightness,
    "saturation": saturation,
    "contrast": contrast,
    "translation": translation,
    "cutout": cutout,
}
