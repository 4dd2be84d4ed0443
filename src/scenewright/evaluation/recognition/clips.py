"""Clips of any size and length as input of the recognisers, and what these say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from scenewright.evaluation.recognition.model import Recogniser, SegmentNetwork
from scenewright.evaluation.recognition.weights import load_recogniser


def as_input(frames: np.ndarray, side: int, length: int) -> torch.Tensor:
    """uint8 (T, H, W, 3) as float32 (1, 3, ``length``, ``side``, ``side``) in [-1, 1]: frames evenly spaced,
    the nearest of them where there are fewer, each squeezed to a square."""
    places = np.linspace(0, len(frames) - 1, length).round().astype(int)
    x_TCHW = torch.from_numpy(np.ascontiguousarray(frames[places])).movedim(-1, 1).float()
    x_TCHW = F.interpolate(x_TCHW, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return (x_TCHW / 127.5 - 1).movedim(0, 1)[None]


@torch.inference_mode()
def recognise(
    clips: Sequence[np.ndarray], network: Recogniser | SegmentNetwork | None = None, batch: int = 16
) -> list[dict[str, np.ndarray]]:
    """What is seen in videos, uint8 (T, H, W, 3) each: for every answer of the network the probabilities of
    its classes, float32. ``network``: the 3-D one of the package, if none is given."""
    chosen = network or load_recogniser()
    side, length = chosen.config.side, chosen.config.frames
    found: list[dict[str, np.ndarray]] = []
    for start in range(0, len(clips), batch):
        part = clips[start : start + batch]
        x = torch.cat([as_input(frames, side, length) for frames in part])
        answers = {
            name: (logits.softmax(1) if name in ("count", "fault") else logits.sigmoid()).numpy()
            for name, logits in chosen(x).items()
        }
        found += [{name: values[i] for name, values in answers.items()} for i in range(len(part))]
    return found
