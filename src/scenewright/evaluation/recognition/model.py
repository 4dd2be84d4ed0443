"""Two recognisers: a residual 3-D network, and a 2-D one over segments of the clip.

Letters: B clips, T frames, K segments, C channels. Clips enter as (B, 3, T, S, S) in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from scenewright.config import Config
from scenewright.world.scene import ACTIONS, COLORS, MATERIALS, MAX_OBJECTS, SHAPES, SIZES

#: What a training clip may suffer from, by the names of :data:`scenewright.evaluation.corruptions.FAULTS`.
FAULT_NAMES = ("none", "blur", "noise", "flicker", "freeze", "disorder", "paste", "shake")

#: How far a fault of full strength moves the features, along a direction of its own.
SEVERITY = 10.0

#: What is answered, and how many classes each answer has. All but ``count`` and ``fault`` may hold at once.
ANSWERS: Mapping[str, int] = {
    "action": len(ACTIONS),
    "color": len(COLORS),
    "shape": len(SHAPES),
    "size": len(SIZES),
    "material": len(MATERIALS),
    "count": MAX_OBJECTS + 1,
    "fault": len(FAULT_NAMES),
}


class RecogniserConfig(Config):
    """``side``, ``frames``: of the input; ``stem``, ``widths``: channels."""

    side: int = 64
    frames: int = 16
    stem: int = 16
    widths: tuple[int, int, int] = (40, 96, 128)


class Residual3d(nn.Module):
    """A step down, then two 3x3x3 convolutions with a way round them (Hara et al. 2018)."""

    def __init__(self, inside: int, outside: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.down = nn.Conv3d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(outside)
        self.conv1 = nn.Conv3d(outside, outside, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm3d(outside)
        self.conv2 = nn.Conv3d(outside, outside, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm3d(outside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.silu(self.norm(self.down(x)))
        return F.silu(x + self.norm2(self.conv2(F.silu(self.norm1(self.conv1(x))))))


class Recogniser(nn.Module):
    """Answers of :data:`ANSWERS` from the features of a clip: the mean over time and space of the last layer,
    of ``widths[-1]`` numbers.

    Along some fixed directions, one a fault, the features grow with the fault's strength. To a network that
    is only asked which fault it sees, a strong one is no farther from clean clips than a weak one.
    """

    directions: torch.Tensor

    def __init__(self, config: RecogniserConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv3d(3, config.stem, (3, 5, 5), stride=(1, 2, 2), padding=(1, 2, 2), bias=False)
        self.norm = nn.BatchNorm3d(config.stem)
        first, second, third = config.widths
        self.blocks = nn.Sequential(
            Residual3d(config.stem, first, (1, 2, 2)),
            Residual3d(first, second, (2, 2, 2)),
            Residual3d(second, third, (2, 2, 2)),
        )
        self.heads = nn.ModuleDict({name: nn.Linear(third, size) for name, size in ANSWERS.items()})
        mixed = torch.randn(third, len(FAULT_NAMES) - 1, generator=torch.Generator().manual_seed(0))
        self.register_buffer("directions", torch.linalg.qr(mixed).Q * SEVERITY, persistent=False)

    def features(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        """float32 (B, ``widths[-1]``)."""
        x = self.blocks(F.silu(self.norm(self.stem(x_BCTHW))))
        return x.float().mean((2, 3, 4))

    def forward(self, x_BCTHW: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits of every answer, float32 (B, classes)."""
        return self.answers(self.features(x_BCTHW))

    def answers(self, features_BC: torch.Tensor) -> dict[str, torch.Tensor]:
        dropped = F.dropout(features_BC, 0.1, self.training)
        return {name: head(dropped) for name, head in self.heads.items()}

    def severities(self, features_BC: torch.Tensor) -> torch.Tensor:
        """float32 (B, faults): how strong each of :data:`FAULT_NAMES` is, the first left out; 1 is full."""
        return features_BC @ self.directions / SEVERITY**2


class SegmentsConfig(Config):
    """``segments``: how many; ``span``: frames from one that is seen to the one it is compared with."""

    side: int = 64
    frames: int = 16
    segments: int = Field(default=5, ge=1)
    span: int = Field(default=2, ge=1)
    widths: tuple[int, int, int, int] = (16, 40, 64, 96)


class SegmentNetwork(nn.Module):
    """Temporal segments (Wang et al. 2016, "Temporal segment networks"): one network looks at a frame and its
    difference to a later one, in each of K equal segments of the clip; the mean of its opinions counts."""

    def __init__(self, config: SegmentsConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        inside = 6
        for place, width in enumerate(config.widths):
            side = 5 if place == 0 else 3
            layers += [
                nn.Conv2d(inside, width, side, stride=2, padding=side // 2, bias=False),
                nn.BatchNorm2d(width),
                nn.SiLU(),
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.SiLU(),
            ]
            inside = width
        self.snippets = nn.Sequential(*layers)
        side = config.side // 2 ** len(config.widths)
        self.head = nn.Linear(inside * side * side, len(ACTIONS))

    def starts(self, jitter: torch.Tensor | None = None) -> torch.Tensor:
        """int64 (K,): the frame of each segment: its middle, or at ``jitter`` of it, float (K,) in [0, 1)."""
        last = self.config.frames - self.config.span
        where = torch.full((self.config.segments,), 0.5) if jitter is None else jitter
        places = (torch.arange(self.config.segments) + where) * last / self.config.segments
        return places.long()

    def forward(self, x_BCTHW: torch.Tensor, jitter: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """``action``: logits float32 (B, classes)."""
        at = self.starts(jitter)
        seen, later = x_BCTHW[:, :, at], x_BCTHW[:, :, at + self.config.span]
        snippets = torch.cat([seen, later - seen], 1).transpose(1, 2)
        B, K = snippets.shape[:2]
        opinions = self.head(self.snippets(snippets.flatten(0, 1)).float().flatten(1))
        return {"action": opinions.view(B, K, -1).mean(1)}
