"""Networks that give features of clips: files that you bring, with the preprocessing that their numbers
depend on.

A preset says how a clip becomes the network's input, as published code does it; distances of features made by
different presets are different measures.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional as F

from scenewright.clip import Clip
from scenewright.config import Config


class Preset(Config):
    """How clips become input, float32 (1, 3, T, H, W).

    ``frames``: so many, evenly spaced, None for all; clips with fewer than ``least`` are refused. ``resize``:
    ``none``; ``squash``, to ``side`` x ``side``; ``crop``, the shorter side to ``side`` and the middle of the
    rest; bilinear, with ``antialias`` or without. ``low``, ``high``: what 0 and 255 become. ``mean``,
    ``std``: of each colour, taken off and divided by after that. ``arguments``: more that the network is
    called with.
    """

    frames: int | None = None
    least: int = Field(default=1, ge=1)
    resize: Literal["none", "squash", "crop"] = "none"
    side: int = 224
    antialias: bool = False
    low: float = -1.0
    high: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    arguments: Mapping[str, bool] = Field(default_factory=dict)


#: ``plain``: as it is, in -1 to 1. ``i3d-stylegan-v``: its TorchScript I3D, which scales and resizes itself
#: and gives 400 logits. ``i3d-common``: common_metrics_on_video_quality. ``i3d-fastvideo``: FastVideo.
#: ``videomae``: cd-fvd's VideoMAE, which it does not normalise. ``vjepa``: JEDi's V-JEPA, at its own size.
PRESETS: Mapping[str, Preset] = {
    "plain": Preset(),
    "i3d-stylegan-v": Preset(
        least=10, low=0, high=255, arguments={"rescale": True, "resize": True, "return_features": True}
    ),
    "i3d-common": Preset(least=10, resize="crop"),
    "i3d-fastvideo": Preset(least=10, resize="squash"),
    "videomae": Preset(frames=16, least=16, resize="squash", low=0, high=1),
    "vjepa": Preset(
        frames=16, least=16, low=0, high=1, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
}


def prepared(frames: np.ndarray, preset: Preset) -> torch.Tensor:
    """Frames uint8 (T, H, W, 3) as input float32 (1, 3, T, H, W).

    Raises:
        ValueError: fewer frames than the network needs.
    """
    if len(frames) < preset.least:
        raise ValueError(f"the feature network needs {preset.least} frames, not {len(frames)}")
    if preset.frames is not None:
        places = np.linspace(0, len(frames) - 1, preset.frames).round().astype(int)
        frames = frames[places]
    x_TCHW = torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, 1).float()
    if preset.resize == "squash":
        x_TCHW = _resized(x_TCHW, preset.side, preset.side, preset.antialias)
    elif preset.resize == "crop":
        height, width = x_TCHW.shape[2:]
        scale = preset.side / min(height, width)
        x_TCHW = _resized(x_TCHW, round(height * scale), round(width * scale), preset.antialias)
        top, left = ((n - preset.side) // 2 for n in x_TCHW.shape[2:])
        x_TCHW = x_TCHW[:, :, top : top + preset.side, left : left + preset.side]
    x_TCHW = x_TCHW * ((preset.high - preset.low) / 255) + preset.low
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (preset.mean, preset.std))
    return ((x_TCHW - mean) / std).movedim(0, 1)[None]


def _resized(x: torch.Tensor, height: int, width: int, antialias: bool) -> torch.Tensor:
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=antialias)


@dataclass(frozen=True, eq=False)
class FeatureNetwork:
    """A network from a file, with its preset. Called with a clip it gives float64 (D,)."""

    file: Path
    network: Any
    preset: Preset
    device: torch.device

    @cached_property
    def hash(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the file."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()[:16]

    @property
    def convention(self) -> dict[str, Any]:
        """What the numbers depend on."""
        return {"network": self.hash, "preset": self.preset.model_dump(mode="json")}

    @torch.inference_mode()
    def __call__(self, clip: Clip) -> np.ndarray:
        found = self.network(prepared(clip.frames, self.preset).to(self.device), **self.preset.arguments)
        if not isinstance(found, torch.Tensor) or found.shape[0] != 1:
            raise ValueError(f"{self.file} gives no features of one clip, float (1, D)")
        return found.detach().flatten().double().cpu().numpy()

    def features(self, clips: Iterable[Clip]) -> np.ndarray:
        """float64 (N, D). ValueError without clips."""
        found = [self(clip) for clip in clips]
        if not found:
            raise ValueError("there are no clips to take features of")
        return np.stack(found)


def load_network(
    file: str | Path, preset: str | Preset = "plain", device: str | torch.device = "cpu"
) -> FeatureNetwork:
    """Load a network: a TorchScript file, or a program of ``torch.export`` (``.pt2``).

    Raises:
        ValueError: an unknown preset, or a file that is neither.
    """
    file = Path(file)
    if isinstance(preset, str) and preset not in PRESETS:
        raise ValueError(f"there is no preset {preset!r}; known: {', '.join(PRESETS)}")
    chosen = PRESETS[preset] if isinstance(preset, str) else preset
    if not file.is_file():
        raise ValueError(f"there is no feature network {file}")
    try:
        with warnings.catch_warnings():
            # TorchScript is called deprecated; the field's weights come in it.
            warnings.simplefilter("ignore", DeprecationWarning)
            if file.suffix == ".pt2":
                network: Any = torch.export.load(file).module()
            else:
                network = torch.jit.load(str(file), map_location=device).eval()
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{file} is no TorchScript file or exported program: {reason}") from None
    return FeatureNetwork(file, network, chosen, torch.device(device))
