"""How well an autoencoder gives clips back; see :data:`scenewright.registry.metrics`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from scenewright.data.streams import StreamConfig, batches
from scenewright.evaluation.fidelity.pixels import decibels
from scenewright.evaluation.statistics import Interval, bootstrap_interval
from scenewright.generation.autoencoder import Autoencoder


def reconstruction(
    pipeline: Autoencoder, *, data: Mapping[str, Any] | None = None, clips: int = 24
) -> dict[str, Interval]:
    """``psnr``: of each of the first ``clips`` of ``data`` (keys of :class:`.StreamConfig`), in dB, over all
    its pixels as they would be saved (uint8, peak 255); their mean and its interval.

    Raises:
        ValueError: what is judged is no autoencoder, or a wrong key of ``data``.
    """
    if not isinstance(pipeline, Autoencoder):
        raise ValueError("the metric reconstruction is for autoencoders")
    config = StreamConfig.model_validate(data or {})
    found = []
    for batch in batches(config, 1, 0, clips, workers=0):
        found.append(psnr(pipeline.reconstruct(batch.frames)[0], batch.frames[0]))
    return {"psnr": bootstrap_interval(found, list(range(clips)))}


def psnr(made: torch.Tensor, original: torch.Tensor) -> float:
    """Peak signal-to-noise ratio of a uint8 clip in dB: 10 log10(255^2 / mean squared error over all pixels
    and frames); at most 100, where the clips are the same."""
    return float(decibels((made.double() - original.double()).square().mean().item(), 100.0))
