"""LPIPS (Zhang et al. 2018): distance of deep features, with weights that you bring.

The networks are AlexNet and VGG-16 as torchvision numbers their layers, so that its weights fit; the heads
are those of the authors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from scenewright.evaluation.fidelity.pairs import check_pair

Backbone = Literal["alex", "vgg"]


class _Layers(NamedTuple):
    """``layers``: (index in ``features``, channels in, out, kernel, stride, padding) of the convolutions,
    each with a ReLU behind it; or (index, kernel, stride) of max pooling. ``taps``: convolutions whose ReLU
    is compared."""

    layers: tuple[tuple[int, ...], ...]
    taps: tuple[int, ...]


def _vgg() -> _Layers:
    layers: list[tuple[int, ...]] = []
    index, channels = 0, 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers.append((index, channels, width, 3, 1, 1))
            channels, index = width, index + 2
        layers.append((index, 2, 2))
        index += 1
    return _Layers(tuple(layers[:-1]), (2, 7, 14, 21, 28))


_BACKBONES: Mapping[str, _Layers] = {
    "alex": _Layers(
        (
            (0, 3, 64, 11, 4, 2),
            (2, 3, 2),
            (3, 64, 192, 5, 1, 2),
            (5, 3, 2),
            (6, 192, 384, 3, 1, 1),
            (8, 384, 256, 3, 1, 1),
            (10, 256, 256, 3, 1, 1),
        ),
        (0, 3, 6, 8, 10),
    ),
    "vgg": _vgg(),
}

#: Mean and standard deviation of each colour, for values in [-1, 1].
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Lpips(nn.Module):
    """The distance of two batches of pictures, float (B, 3, H, W) in [-1, 1]; (B,), 0 for the same."""

    def __init__(self, backbone: Backbone = "alex") -> None:
        super().__init__()
        self.backbone = backbone
        layers, taps = _BACKBONES[backbone]
        self.features = nn.ModuleDict(
            {str(i): nn.Conv2d(a, b, k, s, p) for i, a, b, k, s, p in (x for x in layers if len(x) == 6)}
        )
        widths = {layer[0]: layer[2] for layer in layers if len(layer) == 6}
        self.heads = nn.ParameterList(torch.rand(1, widths[tap], 1, 1) for tap in taps)
        self.requires_grad_(False)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        distance = a.new_zeros(len(a))
        for x, y, head in zip(self._taps(a), self._taps(b), self.heads, strict=True):
            distance = distance + ((x - y).square() * head).sum(1).mean((1, 2))
        return distance

    def _taps(self, x: torch.Tensor) -> list[torch.Tensor]:
        layers, taps = _BACKBONES[self.backbone]
        x = (x - x.new_tensor(_SHIFT).view(-1, 1, 1)) / x.new_tensor(_SCALE).view(-1, 1, 1)
        found = []
        for layer in layers:
            if len(layer) == 3:
                x = F.max_pool2d(x, layer[1], layer[2])
                continue
            x = F.relu(self.features[str(layer[0])](x))
            if layer[0] in taps:
                found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found


def load_lpips(backbone: Backbone, features: Path, heads: Path) -> Lpips:
    """``features``: torchvision's weights of the network; ``heads``: the authors' (``lin0.model.1.weight``).
    Both are safetensors, or PyTorch files, of which only tensors are read.

    Raises:
        ValueError: a file lacks a tensor, or has one of another size.
    """
    network = Lpips(backbone)
    weights, linear = _tensors(features), _tensors(heads)
    state = {name: weights.get(name) for name in network.state_dict() if name.startswith("features.")}
    for i in range(len(network.heads)):
        state[f"heads.{i}"] = linear.get(f"lin{i}.model.1.weight", linear.get(f"lin{i}.weight"))
    for name, expected in network.state_dict().items():
        given = state[name]
        if given is None or given.shape != expected.shape:
            file = features if name.startswith("features.") else heads
            size = "is missing" if given is None else f"is {tuple(given.shape)}, not {tuple(expected.shape)}"
            raise ValueError(f"{file} does not fit LPIPS on {backbone}: {name} {size}")
    network.load_state_dict(state)
    return network.eval()


def lpips(
    reference: np.ndarray, test: np.ndarray, network: Lpips, *, batch: int = 8
) -> tuple[float, np.ndarray]:
    """LPIPS of the clip, the mean over frames, and float64 (T,) of each frame; 0 for the same.

    ``reference``, ``test``: uint8 (T, H, W, 3). Raises ValueError where they do not fit.
    """
    check_pair(reference, test)
    found = []
    with torch.inference_mode():
        for start in range(0, len(test), batch):
            a, b = (_pictures(x[start : start + batch]) for x in (reference, test))
            found.append(network(a, b).double())
    frames = torch.cat(found).numpy()
    return float(frames.mean()), frames


def _pictures(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames.astype(np.float32)).movedim(-1, 1) / 127.5 - 1


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    if file.suffix == ".safetensors":
        return load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)
