"""Folders of pretrained networks, and pictures as their input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from scenewright.text.pretrained import transformers


@lru_cache(maxsize=4)
def load(folder: Path, kind: str) -> Any:
    """A network of the ``transformers`` class ``kind``, such as ``AutoModel``, in evaluation mode, from a
    folder with ``config.json`` and ``model.safetensors``.

    Raises:
        ValueError: the folder holds no such network.
    """
    config_of(folder)
    library = transformers()
    try:
        network = getattr(library, kind).from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ValueError(f"{folder} holds no {kind}: {str(error).strip().splitlines()[0]}") from None
    return network.eval()


def config_of(folder: Path, name: str = "config.json") -> dict[str, Any]:
    """A JSON file of a folder. ValueError where it is not there."""
    try:
        return dict(json.loads((folder / name).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise ValueError(f"{folder} has no {name}; give the folder of a network for transformers") from None


@lru_cache(maxsize=8)
def hash_of(folder: Path) -> str:
    """16 hexadecimal digits of all JSON files and weights of a folder."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def as_pixels(pictures: Sequence[np.ndarray], folder: Path) -> torch.Tensor:
    """Pictures uint8 (H, W, 3) as the folder's ``preprocessor_config.json`` says, float32 (B, 3, h, w):
    resized, the middle cut out, scaled, normalised. Without that file: 224x224, in [0, 1], ImageNet's mean
    and deviation."""
    path = folder / "preprocessor_config.json"
    settings = config_of(folder, path.name) if path.is_file() else {}
    found = [_one(Image.fromarray(picture), settings) for picture in pictures]
    x = torch.from_numpy(np.stack(found)).movedim(-1, 1).float()
    if settings.get("do_rescale", True):
        x = x * float(settings.get("rescale_factor", 1 / 255))
    if settings.get("do_normalize", True):
        mean = settings.get("image_mean", (0.485, 0.456, 0.406))
        std = settings.get("image_std", (0.229, 0.224, 0.225))
        x = (x - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    return x


def _one(picture: Image.Image, settings: dict[str, Any]) -> np.ndarray:
    if settings.get("do_resize", True):
        size = settings.get("size", {"height": 224, "width": 224})
        picture = picture.resize(_size(picture, size), Image.Resampling(settings.get("resample", 2)))
    if settings.get("do_center_crop", False):
        crop = settings.get("crop_size", 224)
        width, height = (crop, crop) if isinstance(crop, int) else (crop["width"], crop["height"])
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        picture = picture.crop((left, top, left + width, top + height))
    return np.asarray(picture)


def _size(picture: Image.Image, size: Any) -> tuple[int, int]:
    """Width and height: both given, or that of the shorter side, with a most for the longer."""
    if isinstance(size, dict) and "height" in size:
        return int(size["width"]), int(size["height"])
    shortest = int(size["shortest_edge"] if isinstance(size, dict) else size)
    scale = shortest / min(picture.size)
    longest = size.get("longest_edge") if isinstance(size, dict) else None
    if longest:
        scale = min(scale, longest / max(picture.size))
    return round(picture.width * scale), round(picture.height * scale)
