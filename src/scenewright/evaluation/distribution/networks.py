"""Networks that give features of clips: the one of the package, or files that you bring, with the
preprocessing that their numbers depend on.

A preset says how a clip becomes the network's input, as published code does it; distances of features made by
different presets are different measures.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional as F

from scenewright.clip import Clip
from scenewright.config import Config
from scenewright.evaluation.distribution.features import Features
from scenewright.evaluation.protocol import hash_of_file


class Preset(Config):
    """How clips become input, float32 (1, 3, T, H, W).

    ``frames``: so many, evenly spaced, None for all; clips with fewer than ``least`` are refused. ``resize``:
    ``none``; ``squash``, to ``side`` x ``side``; ``crop``, the shorter side to ``side`` and the middle of the
    rest; bilinear, with ``antialias`` or without. ``low``, ``high``: what 0 and 255 become. ``mean``,
    ``std``: of each colour, taken off and divided by after that. ``arguments``: more that the network is
    called with. ``classifies``: whether what it gives are logits of classes.
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
    classifies: bool = False


#: ``plain``: as it is, in -1 to 1. ``i3d-stylegan-v``: its TorchScript I3D, which scales and resizes itself
#: and gives 400 logits. ``i3d-common``: common_metrics_on_video_quality. ``i3d-fastvideo``: FastVideo.
#: ``videomae``: cd-fvd's VideoMAE, which it does not normalise. ``vjepa``: JEDi's V-JEPA, at its own size.
PRESETS: Mapping[str, Preset] = {
    "plain": Preset(),
    "i3d-stylegan-v": Preset(
        least=10,
        low=0,
        high=255,
        arguments={"rescale": True, "resize": True, "return_features": True},
        classifies=True,
    ),
    "i3d-common": Preset(least=10, resize="crop", classifies=True),
    "i3d-fastvideo": Preset(least=10, resize="squash", classifies=True),
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


class WorldFeatures:
    """The 3-D network of the package, which was trained on the procedural world and knows nothing else. Its
    distances are not those of Kinetics I3D."""

    #: What a number of this network is called beside those of others.
    name = "world-3d"

    def __init__(self) -> None:
        from scenewright.evaluation.recognition import load_recogniser
        from scenewright.evaluation.recognition.weights import WEIGHTS

        self._network = load_recogniser()
        self._hash = hash_of_file(WEIGHTS / "network3d.safetensors")

    @property
    def convention(self) -> Mapping[str, Any]:
        config = self._network.config
        return {"network": f"{self.name}:{self._hash}", "frames": config.frames, "side": config.side}

    @torch.inference_mode()
    def __call__(self, clip: Clip) -> np.ndarray:
        from scenewright.evaluation.recognition.clips import as_input

        config = self._network.config
        x = as_input(clip.frames, config.side, config.frames)
        return self._network.features(x).flatten().double().numpy()

    @torch.inference_mode()
    def logits(self, features: np.ndarray) -> np.ndarray:
        """Of the world's actions."""
        head = self._network.heads["action"]
        return head(torch.from_numpy(features).float()).double().numpy()


@cache
def world_features() -> WorldFeatures:
    """The package's own network, loaded once."""
    return WorldFeatures()


@dataclass(frozen=True, eq=False)
class FeatureNetwork:
    """A network from a file, with its preset. Called with a clip it gives float64 (D,)."""

    file: Path
    network: Any
    preset: Preset
    device: torch.device
    #: 16 hexadecimal digits of the weights.
    hash: str

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

    def logits(self, features: np.ndarray) -> np.ndarray | None:
        """The features themselves, where the preset says that they are logits."""
        return features if self.preset.classifies else None

    def features(self, clips: Iterable[Clip]) -> np.ndarray:
        """float64 (N, D). ValueError without clips."""
        found = [self(clip) for clip in clips]
        if not found:
            raise ValueError("there are no clips to take features of")
        return np.stack(found)


def load_network(
    file: str | Path, preset: str | Preset = "plain", device: str | torch.device = "cpu"
) -> FeatureNetwork:
    """Load a network: a TorchScript file, a program of ``torch.export`` (``.pt2``), I3D's weights
    (``.safetensors``, with a preset for I3D), or a folder of VideoMAE or V-JEPA for ``transformers``.

    Raises:
        ValueError: an unknown preset, or a file that is none of these.
    """
    file = Path(file)
    if isinstance(preset, str) and preset not in PRESETS:
        raise ValueError(f"there is no preset {preset!r}; known: {', '.join(PRESETS)}")
    chosen = PRESETS[preset] if isinstance(preset, str) else preset
    if file.is_dir():
        from scenewright.evaluation.pretrained.folders import hash_of

        return FeatureNetwork(file, _VideoTransformer(file), chosen, torch.device(device), hash_of(file))
    if not file.is_file():
        raise ValueError(f"there is no feature network {file}")
    network = _inflated(file, chosen) if file.suffix == ".safetensors" else _program(file, device)
    return FeatureNetwork(file, network, chosen, torch.device(device), hash_of_file(file))


def find_network(name: str, preset: str = "plain") -> Features:
    """The package's own network for ``world``, else a file or folder of :func:`load_network`."""
    if name != "world":
        return load_network(name, preset)
    if preset != "plain":
        raise ValueError(
            f"the network of the package has no preset {preset}; leave it out, or bring a network"
        )
    return world_features()


def _program(file: Path, device: str | torch.device) -> Any:
    try:
        with warnings.catch_warnings():
            # TorchScript is called deprecated; the field's weights come in it.
            warnings.simplefilter("ignore", DeprecationWarning)
            if file.suffix == ".pt2":
                return torch.export.load(file).module()
            return torch.jit.load(str(file), map_location=device).eval()
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{file} is no TorchScript file or exported program: {reason}") from None


def _inflated(file: Path, preset: Preset) -> torch.nn.Module:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from scenewright.evaluation.distribution.i3d import I3D

    if not preset.classifies or preset.arguments:
        raise ValueError(f"{file}: safetensors are for I3D, with the preset i3d-common or i3d-fastvideo")
    try:
        state = {name: value.float() for name, value in load_file(file).items()}
        network = I3D(classes=len(state["logits.conv3d.bias"]))
        network.load_state_dict(state, strict=False)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(f"{file} holds no weights of I3D: {str(error).splitlines()[0]}") from None
    missing = {n for n in network.state_dict() if not n.endswith("num_batches_tracked")} - state.keys()
    if missing:
        raise ValueError(f"{file} holds no weights of I3D: {sorted(missing)[0]} is missing")
    return network.eval()


class _VideoTransformer:
    """VideoMAE or V-JEPA: the mean of the last layer's tokens, or what an attentive pooler makes of them."""

    def __init__(self, folder: Path) -> None:
        from scenewright.evaluation.pretrained.folders import config_of, load

        config = config_of(folder)
        self.kind = str(config.get("model_type"))
        if self.kind not in ("videomae", "vjepa2"):
            raise ValueError(f"{folder} is a network of the kind {self.kind}, not videomae or vjepa2")
        heads = [str(name) for name in config.get("architectures") or ()]
        self.pools = self.kind == "vjepa2" and any("Classification" in name for name in heads)
        self.network = load(folder, "VJEPA2ForVideoClassification" if self.pools else "AutoModel")

    def __call__(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        x_BTCHW = x_BCTHW.transpose(1, 2)
        if self.kind == "videomae":
            return self.network(x_BTCHW).last_hidden_state.mean(1)
        backbone = self.network.vjepa2 if self.pools else self.network
        tokens = backbone(x_BTCHW, skip_predictor=True).last_hidden_state
        return self.network.pooler(tokens) if self.pools else tokens.mean(1)
