"""Pictures too large for one pass, in tiles that overlap and are blended there."""

from __future__ import annotations

from collections.abc import Callable

import torch


def tiled(
    function: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    tile: int,
    overlap: int,
    scale: tuple[int, int],
) -> torch.Tensor:
    """``function`` of ``x`` (..., h, w), at most ``tile`` rows and columns at a time; (..., H, W).

    ``function`` gives ``scale`` (rows, columns) times the rows and columns that it gets. Neighbours share at
    least ``overlap`` rows or columns, over which one fades into the other linearly. What fits in one tile is
    not cut, so it is exactly ``function(x)``.

    Raises:
        ValueError: the overlap is no smaller than the tile.
    """
    if not 0 <= overlap < tile:
        raise ValueError(f"an overlap of {overlap} needs tiles of more than {tile}")
    tops, lefts = _starts(x.shape[-2], tile, overlap), _starts(x.shape[-1], tile, overlap)
    if len(tops) == len(lefts) == 1:
        return function(x)
    total: torch.Tensor | None = None
    weights = x.new_zeros(x.shape[-2] * scale[0], x.shape[-1] * scale[1])
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            part = function(x[..., top : top + tile, left : left + tile])
            if total is None:
                total = part.new_zeros(*part.shape[:-2], *weights.shape)
            rows = _fade(tops, i, min(tile, x.shape[-2]), scale[0]).to(part)
            columns = _fade(lefts, j, min(tile, x.shape[-1]), scale[1]).to(part)
            weight = rows[:, None] * columns
            at = (..., _span(top * scale[0], part.shape[-2]), _span(left * scale[1], part.shape[-1]))
            total[at] += part * weight
            weights[at] += weight
    assert total is not None
    return total / weights


def _span(start: int, length: int) -> slice:
    return slice(start, start + length)


def _starts(size: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin: as few as will do, evenly spread."""
    if size <= tile:
        return [0]
    count = -(-(size - overlap) // (tile - overlap))
    return [round(i * (size - tile) / (count - 1)) for i in range(count)]


def _fade(starts: list[int], index: int, tile: int, scale: int) -> torch.Tensor:
    """Weights along one axis of a tile: rising over what it shares with the one before, falling likewise."""
    weight = torch.ones(tile * scale)
    if index:
        shared = (starts[index - 1] + tile - starts[index]) * scale
        weight[:shared] *= _ramp(shared)
    if index + 1 < len(starts):
        shared = (starts[index] + tile - starts[index + 1]) * scale
        weight[len(weight) - shared :] *= _ramp(shared).flip(0)
    return weight


def _ramp(length: int) -> torch.Tensor:
    return (torch.arange(length) + 0.5) / length
