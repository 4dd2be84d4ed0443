"""Whether a thing, or what is around it, looks the same in all frames, to a network of pictures: the
measures of :func:`scenewright.evaluation.motion.consistency`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scenewright.evaluation.measures import Measure, Sample
from scenewright.evaluation.motion import Features, consistency
from scenewright.evaluation.reading import ReadObject


def consistency_measures(folder: Path | None = None) -> list[Measure]:
    """``frame-consistency``: of whole frames. ``subject-consistency``: of what the world's reader sees, cut
    out, the mean over objects. ``background-consistency``: of frames whose objects are painted over.

    ``folder``: a network of pictures for ``transformers``, such as DINO's; by default the package's own,
    which knows the procedural world alone.
    """
    features, convention = _network(folder)
    networks = () if folder else ("network3d",)
    parts: Mapping[str, Callable[[Sample], Iterator[list[np.ndarray]]]] = {
        "frame": _frames,
        "subject": _subjects,
        "background": _backgrounds,
    }
    return [
        Measure(
            f"{name}-consistency",
            "motion",
            "higher",
            partial(_consistency, cut=cut, features=features),
            convention,
            reader=name != "frame",
            networks=networks,
        )
        for name, cut in parts.items()
    ]


def _consistency(
    sample: Sample, cut: Callable[[Sample], Iterator[list[np.ndarray]]], features: Features
) -> float:
    values = [consistency(pictures, features).value for pictures in cut(sample) if len(pictures) > 1]
    return float(np.mean(values)) if values else float("nan")


def _frames(sample: Sample) -> Iterator[list[np.ndarray]]:
    yield list(sample.frames)


def _subjects(sample: Sample) -> Iterator[list[np.ndarray]]:
    for item in sample.reading.objects:
        pictures = []
        for frame, (left, top, right, bottom) in _boxes(item, sample):
            if right - left >= 4 and bottom - top >= 4:
                pictures.append(sample.frames[frame, top:bottom, left:right])
        yield pictures


def _backgrounds(sample: Sample) -> Iterator[list[np.ndarray]]:
    """Objects, with an eighth of their size around them, are as the mean of the rest of the frame."""
    height, width = sample.frames.shape[1:3]
    hidden = np.zeros(sample.frames.shape[:3], bool)
    for item in sample.reading.objects:
        for frame, (left, top, right, bottom) in _boxes(item, sample):
            x, y = (right - left) // 8 + 1, (bottom - top) // 8 + 1
            hidden[
                frame, max(0, top - y) : min(height, bottom + y), max(0, left - x) : min(width, right + x)
            ] = True
    pictures = []
    for frame, mask in zip(sample.frames, hidden, strict=True):
        picture = frame.copy()
        if mask.any() and not mask.all():
            picture[mask] = frame[~mask].mean(0).round().astype(np.uint8)
        pictures.append(picture)
    yield pictures


def _boxes(item: ReadObject, sample: Sample) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    """Of each frame in which the object was seen: left, top, right, bottom in pixels. A reader may see fewer
    frames than the clip has; each stands for those nearest to it."""
    frames, height, width = sample.frames.shape[:3]
    places = np.linspace(0, len(item.boxes) - 1, frames).round().astype(int)
    for frame, place in enumerate(places):
        if item.seen[place] > 0:
            left, top, right, bottom = item.boxes[place].clip(0, 1) * (width, height, width, height)
            yield frame, (int(left), int(top), int(np.ceil(right)), int(np.ceil(bottom)))


def _network(folder: Path | None) -> tuple[Features, Mapping[str, Any]]:
    if folder is None:
        return _world_features, {"network": "world-3d"}
    from scenewright.evaluation.pretrained.folders import config_of, hash_of

    config_of(folder)
    return partial(_pooled, folder=folder), {"network": hash_of(folder)}


@torch.inference_mode()
def _world_features(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Of the package's 3-D network, which sees each picture as a clip that stands still."""
    from scenewright.evaluation.recognition import load_recogniser
    from scenewright.evaluation.recognition.clips import as_input

    network = load_recogniser()
    side, frames = network.config.side, network.config.frames
    x = torch.cat([as_input(picture[None], side, 1).expand(-1, -1, frames, -1, -1) for picture in pictures])
    return network.features(x).double().numpy()


@torch.inference_mode()
def _pooled(pictures: Sequence[np.ndarray], folder: Path) -> np.ndarray:
    """The pooled output of a network of pictures: that of CLIP's pictures, the pooler's, or the first
    token."""
    from scenewright.evaluation.pretrained.folders import as_pixels, load

    network = load(folder, "AutoModel")
    found = []
    for start in range(0, len(pictures), 16):
        x = as_pixels(pictures[start : start + 16], folder)
        if hasattr(network, "get_image_features"):
            out = network.get_image_features(pixel_values=x)
        else:
            out = network(pixel_values=x)
        if not isinstance(out, torch.Tensor):
            pooled = getattr(out, "pooler_output", None)
            out = out.last_hidden_state[:, 0] if pooled is None else pooled
        found.append(out.double().flatten(1).numpy())
    return np.concatenate(found)
