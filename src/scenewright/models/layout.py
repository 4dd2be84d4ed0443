"""Layouts as tensors, and what a network of patches sees of them.

B = batch, N = slots for things, F = features of a slot, A = labels, one of each attribute is 1, T = frames,
U = numbers of a track, L = patches, G = features of where a thing is seen from a patch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from pydantic import Field
from torch import nn

from scenewright.config import Config
from scenewright.layout import Layout
from scenewright.models.blocks.initial import zeros

#: Per frame: left, top, right, bottom and depth.
_TRACK = 5
#: What brings tracks to about mean 0 and spread 1: boxes are fractions of the picture, depths are logarithms.
_MIDDLE, _SPREAD = (0.5, 0.5, 0.5, 0.5, 2.2), (0.25, 0.15, 0.25, 0.15, 0.2)
#: Numbers of a frame in :func:`seen_from_patches`: four edges, their sines and cosines, the depth.
SEEN = 13
#: The least width of what counts as a box.
_LEAST = 0.01


class LayoutConfig(Config):
    """What a layout has. ``attributes``: the labels that things may have, by attribute, in a fixed order."""

    slots: int = Field(default=6, ge=1)
    num_frames: int = Field(default=16, ge=1)
    attributes: dict[str, tuple[str, ...]] = Field(min_length=1)

    @property
    def labels(self) -> int:
        return sum(len(values) for values in self.attributes.values())

    @property
    def track(self) -> int:
        """Numbers of a slot's track."""
        return _TRACK * self.num_frames

    @property
    def features(self) -> int:
        """Numbers of a slot: whether it is used, its labels, its track."""
        return 1 + self.labels + self.track

    def encode(self, layout: Layout) -> torch.Tensor:
        """float32 (N, F): things in their order, then unused slots. 1 and -1 stand for yes and no.

        Raises:
            ValueError: more things than slots, another number of frames, or a label that is not known.
        """
        if len(layout) > self.slots:
            raise ValueError(f"a layout has at most {self.slots} things here, not {len(layout)}")
        if layout.boxes.shape[1] != self.num_frames:
            raise ValueError(f"a layout has {self.num_frames} frames here, not {layout.boxes.shape[1]}")
        x_NF = np.zeros((self.slots, self.features), np.float32)
        x_NF[:, : 1 + self.labels] = -1
        for slot, labels in enumerate(layout.labels):
            x_NF[slot, 0] = 1
            for place in self._places(labels):
                x_NF[slot, 1 + place] = 1
        track = np.concatenate(
            [layout.boxes, np.log(np.maximum(layout.depth, 1e-3))[..., None]], axis=-1, dtype=np.float32
        )
        there = (layout.depth > 0)[..., None]
        track = np.where(there, (track - _MIDDLE) / _SPREAD, 0)
        x_NF[: len(layout), 1 + self.labels :] = track.reshape(len(layout), self.track)
        return torch.from_numpy(x_NF)

    def decode(self, x_NF: torch.Tensor) -> Layout:
        """The layout of features float (N, F), which need not be exact: the likeliest labels."""
        x = x_NF.detach().float().cpu().numpy()
        x = x[x[:, 0] > 0]
        labels = []
        for row in x:
            scores = np.split(row[1 : 1 + self.labels], np.cumsum(self._sizes)[:-1])
            pairs = zip(self.attributes.items(), scores, strict=True)
            labels.append({name: values[int(np.argmax(part))] for (name, values), part in pairs})
        track = x[:, 1 + self.labels :].reshape(len(x), self.num_frames, _TRACK) * _SPREAD + _MIDDLE
        boxes, depth = track[..., :4].astype(np.float32), np.exp(track[..., 4]).astype(np.float32)
        there = np.all(boxes[..., 2:] - boxes[..., :2] > _LEAST, axis=-1)
        return Layout(tuple(labels), boxes * there[..., None], depth * there)

    @property
    def _sizes(self) -> list[int]:
        return [len(values) for values in self.attributes.values()]

    def _places(self, labels: Mapping[str, str]) -> list[int]:
        places, first = [], 0
        for name, values in self.attributes.items():
            if labels.get(name) not in values:
                raise ValueError(f"{name} = {labels.get(name)!r} is not known; known: {', '.join(values)}")
            places.append(first + values.index(labels[name]))
            first += len(values)
        return places


def starts_of(tracks_BNU: torch.Tensor, config: LayoutConfig) -> torch.Tensor:
    """Where things are when they are there first, float32 (B, N, 5): left, top, right and bottom of the box,
    as fractions of the picture, and the depth."""
    track = tracks_BNU.unflatten(-1, (config.num_frames, _TRACK))
    first = (track != 0).any(-1).float().argmax(-1)[..., None, None].expand(*track.shape[:2], 1, _TRACK)
    middle, spread = (track.new_tensor(v) for v in (_MIDDLE, _SPREAD))
    start = track.gather(2, first)[:, :, 0] * spread + middle
    return torch.cat([start[..., :4], start[..., 4:].exp()], -1)


class LayoutEmbedding(nn.Module):
    """What the patches of a clip see of a layout, to be added to them: for each patch a sum over things.

    Each thing is seen from the patch: how far the edges of its box are in each of the patch's frames. A thing
    counts fully where the patch touches its box, and fades within about one patch around it. So where
    something is, what it is and where it goes are local facts, which attention over boxes would have to find
    first (compare Li et al. 2023, "GLIGEN"). The last layer begins as zeros.
    """

    def __init__(self, config: LayoutConfig, frames_per_patch: int, width: int, hidden: int) -> None:
        super().__init__()
        self.config, self.frames_per_patch = config, frames_per_patch
        self.where = nn.Linear(frames_per_patch * SEEN, hidden)
        self.what = nn.Linear(1 + config.labels, hidden, bias=False)
        self.mix = nn.Linear(hidden, hidden)
        self.out = zeros(nn.Linear(hidden, width, bias=False))

    def forward(self, seen_BLNG: torch.Tensor, layout_BNF: torch.Tensor) -> torch.Tensor:
        """(B, L, D) from :func:`seen_from_patches` and the layouts' features."""
        labels_BNA = layout_BNF[..., : 1 + self.config.labels]
        x_BLNH = nn.functional.silu(self.where(seen_BLNG[..., :-1]) + self.what(labels_BNA)[:, None])
        x_BLNH = nn.functional.silu(self.mix(x_BLNH))
        return self.out((x_BLNH * seen_BLNG[..., -1:]).sum(2))


def seen_from_patches(
    layout_BNF: torch.Tensor, config: LayoutConfig, grid: tuple[int, int, int], frames_per_patch: int
) -> torch.Tensor:
    """Where things are, seen from each patch, and last how much each counts there: float32 (B, L, N, G)."""
    batch, slots, _ = layout_BNF.shape
    frames, rows, columns = grid
    track = layout_BNF[..., 1 + config.labels :].unflatten(-1, (config.num_frames, _TRACK))
    spread, middle = (track.new_tensor(v) for v in (_SPREAD, _MIDDLE))
    # (B, frames of patches, N, frames of a patch, 5)
    track = track[:, :, : frames * frames_per_patch].unflatten(2, (frames, frames_per_patch)).transpose(1, 2)
    there = (track != 0).any(-1) & (layout_BNF[..., 0] > 0)[:, None, :, None]
    known = track * spread + middle
    x = known[..., 0:4:2].mul(columns)[:, :, None, None] - _centres(columns, known).view(-1, 1, 1, 1)
    y = known[..., 1:4:2].mul(rows)[:, :, None, None] - _centres(rows, known).view(-1, 1, 1, 1, 1)
    shape = (batch, frames, rows, columns, slots, frames_per_patch, 2)
    x, y = x.expand(shape), y.expand(shape)
    outside = [torch.relu(torch.maximum(edge[..., 0], -edge[..., 1]) - 0.5) for edge in (x, y)]
    exists = there[:, :, None, None].expand(shape[:-1])
    share = torch.exp(-(outside[0].square() + outside[1].square())) * exists
    edges = torch.cat([x, y], -1).clamp(-4, 4)
    depth = known[:, :, None, None, ..., 4:].expand(*shape[:-1], 1) - _MIDDLE[-1]
    waves = edges * (math.pi / 2)
    seen = torch.cat([edges / 4, waves.sin(), waves.cos(), depth * 4], -1) * exists[..., None]
    return torch.cat([seen.flatten(-2), share.amax(-1, keepdim=True)], -1).flatten(1, 3)


def _centres(count: int, like: torch.Tensor) -> torch.Tensor:
    return torch.arange(count, device=like.device, dtype=like.dtype) + 0.5
