"""How the things of a layout stand to those before them, as choices of a few options.

B = batch, N = slots, G = 5 numbers of where a thing is at first: left, top, right and bottom of its box as
fractions of the picture, and the depth.
"""

from __future__ import annotations

import torch

from scenewright.world.relations import STANDS_ON

#: What is compared, and the options; the first is of a thing with nothing to compare it to.
OPTIONS = {
    "across": ("none", "left", "level", "right"),
    "along": ("none", "nearer", "level", "farther"),
    "contact": ("none", "apart", "near", "on top", "below"),
}
#: What each thing is compared to: the one before it, and, where that is another, the first.
REFERENCES = ("last", "first")
#: All comparisons by name, and how many options each has.
COMPARISONS = {f"{name} of {to}": len(options) for to in REFERENCES for name, options in OPTIONS.items()}

#: From how far on a thing is beside, or nearer or farther, in sums of the half sizes of both: what captions
#: say is a little more (0.55 and 0.55; near: at most 1.6), what is read less (0.2 and 0.15; 2.1).
_ACROSS, _ALONG, _NEAR = 0.45, 0.45, 1.8


def compared(starts_BNG: torch.Tensor, there_BN: torch.Tensor, half_view: float) -> torch.Tensor:
    """Of each thing the options, int64 (B, N, 6): :data:`OPTIONS` to the one before it, and to the first.

    ``half_view``: half the width of the picture at distance 1. All 0 where no thing is.
    """
    before = torch.roll(starts_BNG, 1, dims=1)
    first = starts_BNG[:, :1].expand_as(starts_BNG)
    places = torch.arange(starts_BNG.shape[1], device=starts_BNG.device)
    found = []
    for other, least in ((before, 1), (first, 2)):
        counts = there_BN & (places >= least)
        found.append(_options(starts_BNG, other, half_view) * counts[..., None])
    return torch.cat(found, -1)


def _options(one: torch.Tensor, other: torch.Tensor, half_view: float) -> torch.Tensor:
    (width, height), (other_width, other_height) = _sizes(one), _sizes(other)
    depth, other_depth = one[..., 4], other[..., 4]
    middle, other_middle = ((x[..., 0] + x[..., 2]) / 2 for x in (one, other))
    across, along = middle - other_middle, depth - other_depth
    beside = _ACROSS * (width + other_width) / 2
    x = 2 + (across > beside).long() - (across < -beside).long()
    reach = (width * depth + other_width * other_depth) * half_view
    z = 2 + (along > _ALONG * reach).long() - (along < -_ALONG * reach).long()
    aside = ((2 * middle - 1) * depth - (2 * other_middle - 1) * other_depth) * half_view
    near = torch.hypot(aside, along) < _NEAR * reach
    over = across.abs() < STANDS_ON.aside * torch.maximum(width, other_width)
    over &= along.abs() < STANDS_ON.depth * reach
    heights = (height + other_height).clamp(min=1e-6)
    top, below = (
        over & (gap > STANDS_ON.least) & (gap < STANDS_ON.most)
        for gap in ((other[..., 1] - one[..., 3]) / heights, (one[..., 1] - other[..., 3]) / heights)
    )
    touch = torch.where(top, 3, torch.where(below, 4, torch.where(near, 2, 1)))
    return torch.stack([x, z, touch], -1)


def _sizes(starts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return starts[..., 2] - starts[..., 0], starts[..., 3] - starts[..., 1]
