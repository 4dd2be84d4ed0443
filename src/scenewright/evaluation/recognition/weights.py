"""Weights of the recognisers, as they are kept in the package."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import torch

from scenewright.evaluation.recognition.model import (
    Recogniser,
    RecogniserConfig,
    SegmentNetwork,
    SegmentsConfig,
)
from scenewright.media.atomic import atomic

WEIGHTS = Path(__file__).parents[2] / "weights" / "recognition"

N = TypeVar("N", Recogniser, SegmentNetwork)


@lru_cache(maxsize=2)
def load_recogniser(folder: Path = WEIGHTS) -> Recogniser:
    """The 3-D network, in evaluation mode. FileNotFoundError where its weights are missing."""
    config = RecogniserConfig.model_validate_json(_file(folder, "network3d.json").read_text())
    return _load(Recogniser(config), folder / "network3d.safetensors")


@lru_cache(maxsize=2)
def load_segments(folder: Path = WEIGHTS) -> SegmentNetwork:
    """The network over segments, in evaluation mode. FileNotFoundError where its weights are missing."""
    config = SegmentsConfig.model_validate_json(_file(folder, "segments.json").read_text())
    return _load(SegmentNetwork(config), folder / "segments.safetensors")


def save(network: Recogniser | SegmentNetwork, folder: Path = WEIGHTS) -> None:
    """Half-precision weights and the configuration."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    name = "network3d" if isinstance(network, Recogniser) else "segments"
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    with atomic(folder / f"{name}.safetensors") as partial:
        save_file(state, partial)
    (folder / f"{name}.json").write_text(network.config.model_dump_json(indent=2) + "\n")


def _load(network: N, file: Path) -> N:
    from safetensors.torch import load_file

    state = load_file(_file(file.parent, file.name))
    network.load_state_dict({name: w.float() if w.is_floating_point() else w for name, w in state.items()})
    return channels_last(network).eval()


def channels_last(network: N) -> N:
    """The layout of memory in which convolutions are fastest on CPUs."""
    deep = isinstance(network, Recogniser)
    network.to(memory_format=torch.channels_last_3d if deep else torch.channels_last)  # type: ignore[call-overload]
    return network


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise FileNotFoundError(f"there is no {folder / name}; reinstall scenewright or train the recogniser")
    return folder / name
