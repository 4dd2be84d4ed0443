"""Inflated 3-D Inception (Carreira & Zisserman 2017), for weights that you bring: the names of its parameters
are those of the widely used PyTorch port, 400 logits of Kinetics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


class Unit(nn.Module):
    """Convolution with the padding of TensorFlow's ``SAME``, batch normalisation, ReLU."""

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: Sequence[int] = (1, 1, 1),
        stride: Sequence[int] = (1, 1, 1),
        *,
        plain: bool = False,
    ) -> None:
        super().__init__()
        self.kernel, self.stride = tuple(kernel), tuple(stride)
        self.conv3d = nn.Conv3d(inside, outside, self.kernel, self.stride, bias=plain)  # type: ignore[arg-type]
        self.bn = None if plain else nn.BatchNorm3d(outside, eps=1e-3, momentum=0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv3d(pad_same(x, self.kernel, self.stride))
        return x if self.bn is None else F.relu(self.bn(x))


class Pool(nn.Module):
    """Maximum with padding of zeros as ``SAME``."""

    def __init__(self, kernel: Sequence[int], stride: Sequence[int]) -> None:
        super().__init__()
        self.kernel, self.stride = tuple(kernel), tuple(stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool3d(pad_same(x, self.kernel, self.stride), self.kernel, self.stride)


class Inception(nn.Module):
    """Four branches; ``widths``: 1x1, reduction and 3x3 twice, after pooling."""

    def __init__(self, inside: int, widths: Sequence[int]) -> None:
        super().__init__()
        a, b, c, d, e, f = widths
        self.b0 = Unit(inside, a)
        self.b1a, self.b1b = Unit(inside, b), Unit(b, c, (3, 3, 3))
        self.b2a, self.b2b = Unit(inside, d), Unit(d, e, (3, 3, 3))
        self.b3a, self.b3b = Pool((3, 3, 3), (1, 1, 1)), Unit(inside, f)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))]
        return torch.cat(branches, 1)


class I3D(nn.Module):
    """float32 (B, 3, T, 224, 224) in [-1, 1], T at least 10, to logits float32 (B, ``classes``), which are
    the mean over time, as :abbr:`FVD (Fréchet video distance)` takes them."""

    _BLOCKS = (
        ("Mixed_3b", 192, (64, 96, 128, 16, 32, 32)),
        ("Mixed_3c", 256, (128, 128, 192, 32, 96, 64)),
        ("MaxPool3d_4a_3x3", (3, 3, 3), (2, 2, 2)),
        ("Mixed_4b", 480, (192, 96, 208, 16, 48, 64)),
        ("Mixed_4c", 512, (160, 112, 224, 24, 64, 64)),
        ("Mixed_4d", 512, (128, 128, 256, 24, 64, 64)),
        ("Mixed_4e", 512, (112, 144, 288, 32, 64, 64)),
        ("Mixed_4f", 528, (256, 160, 320, 32, 128, 128)),
        ("MaxPool3d_5a_2x2", (2, 2, 2), (2, 2, 2)),
        ("Mixed_5b", 832, (256, 160, 320, 32, 128, 128)),
        ("Mixed_5c", 832, (384, 192, 384, 48, 128, 128)),
    )

    def __init__(self, classes: int = 400) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, (7, 7, 7), (2, 2, 2))
        self.MaxPool3d_2a_3x3 = Pool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = Unit(64, 64)
        self.Conv3d_2c_3x3 = Unit(64, 192, (3, 3, 3))
        self.MaxPool3d_3a_3x3 = Pool((1, 3, 3), (1, 2, 2))
        for name, first, second in self._BLOCKS:
            part = Inception(first, second) if isinstance(first, int) else Pool(first, second)
            self.add_module(name, part)
        self.logits = Unit(1024, classes, plain=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name, part in self.named_children():
            if name != "logits":
                x = part(x)
        x = F.avg_pool3d(x, (2, 7, 7), stride=1)
        return self.logits(x).mean((2, 3, 4))


def pad_same(x: torch.Tensor, kernel: Sequence[int], stride: Sequence[int]) -> torch.Tensor:
    """Zeros around (B, C, T, H, W), the odd one behind, so that ceil(size / stride) places come out."""
    sides: list[int] = []
    for size, k, s in reversed(list(zip(x.shape[2:], kernel, stride, strict=True))):
        missing = max(k - s if size % s == 0 else k - size % s, 0)
        sides += [missing // 2, missing - missing // 2]
    return F.pad(x, sides)
