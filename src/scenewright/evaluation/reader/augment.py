"""Corruptions for the reader's training: what generated clips suffer from, and symmetries of the world."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from scenewright.evaluation.reader.data import IGNORE, Labels
from scenewright.evaluation.reader.model import FRAME_DIRECTIONS

#: What a mirror makes of each direction.
MIRRORED: dict[str, str] = {
    "left": "right",
    "right": "left",
    "clockwise": "counterclockwise",
    "counterclockwise": "clockwise",
}
_SWAP = np.array([FRAME_DIRECTIONS.index(MIRRORED.get(d, d)) for d in FRAME_DIRECTIONS])


def mirror(x_TCHW: torch.Tensor, labels: Labels, b: int) -> torch.Tensor:
    """Mirrors clip ``b`` left to right, pixels and labels (in place)."""
    labels.boxes[b, :, :, 0] = 1 - labels.boxes[b, :, :, 0]
    direction = labels.direction[b]
    labels.direction[b] = np.where(direction == IGNORE, IGNORE, _SWAP[np.maximum(direction, 0)])
    return x_TCHW.flip(-1)


def freeze(x_TCHW: torch.Tensor, labels: Labels, b: int, frame: int) -> torch.Tensor:
    """Repeats one frame of clip ``b``: then nothing moves."""
    for name in ("boxes", "seen", "depth"):
        field = getattr(labels, name)
        field[b] = field[b, frame].copy()
    labels.motion[b] = np.where(labels.motion[b] == IGNORE, IGNORE, 0)
    labels.direction[b] = np.where(labels.motion[b] == IGNORE, IGNORE, 0)
    return x_TCHW[frame].expand_as(x_TCHW)


def augment(frames: np.ndarray, labels: Labels, rng: np.random.Generator) -> tuple[torch.Tensor, Labels]:
    """uint8 (B, T, S, S, 3) to float32 (B, T, 3, S, S) in [-1, 1], each clip changed in its own way.

    Labels are copied, then changed along with the pixels.
    """
    labels = Labels(**{name: getattr(labels, name).copy() for name in Labels.FIELDS})
    x = torch.from_numpy(frames).movedim(-1, 2).float().div(127.5).sub(1)
    return torch.stack([_augment_clip(x[b], labels, b, rng) for b in range(len(x))]), labels


def _augment_clip(x: torch.Tensor, labels: Labels, b: int, rng: np.random.Generator) -> torch.Tensor:
    if rng.random() < 0.5:
        x = mirror(x, labels, b)
    if rng.random() < 0.04:
        present = labels.classes[b, :, 0] != IGNORE
        whole = np.flatnonzero(labels.seen[b][:, present].all(1))
        if len(whole):
            x = freeze(x, labels, b, int(rng.choice(whole)))
    if rng.random() < 0.45:
        x = _soften(x, int(rng.choice([40, 48, 56, 64, 64, 64, 72])))
    if rng.random() < 0.6:
        gain = rng.normal(1, 0.05) * rng.normal(1, 0.025, (1, 3, 1, 1))
        x = x * torch.tensor(gain, dtype=torch.float32) + float(rng.normal(0, 0.05))
    if rng.random() < 0.3:
        x = x + torch.from_numpy(rng.standard_normal(x.shape, np.float32)) * float(rng.uniform(0.01, 0.1))
    if rng.random() < 0.25:
        x = x + _blocks(x, int(rng.choice([6, 12, 24])), bool(rng.random() < 0.5), rng)
    return x.clamp(-1, 1)


def _soften(x: torch.Tensor, side: int) -> torch.Tensor:
    """Down to ``side`` pixels and up again: a clip of a smaller model, or a blurred one."""
    small = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)


def _blocks(x: torch.Tensor, cells: int, still: bool, rng: np.random.Generator) -> torch.Tensor:
    """Coarse noise in square patches or soft blobs, the same in all frames or not."""
    noise = rng.standard_normal((1 if still else x.shape[0], 3, cells, cells), np.float32)
    coarse = torch.from_numpy(noise) * float(rng.uniform(0.01, 0.06))
    mode = "nearest" if rng.random() < 0.5 else "bilinear"
    return F.interpolate(coarse, size=x.shape[2:], mode=mode).expand_as(x)
