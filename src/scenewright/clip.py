"""Clip and Prompt: the two things that flow through every room of the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from scenewright.layout import Layout

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Waveform:
    """Sound. ``samples``: float32 ``(channels, samples)``, nominally in [-1, 1]; ``rate`` in Hz."""

    samples: np.ndarray
    rate: int

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, dtype=np.float32)
        if samples.ndim != 2 or samples.shape[0] < 1:
            raise ValueError(f"a waveform is (channels, samples), not an array of shape {samples.shape}")
        if self.rate < 1:
            raise ValueError(f"a sample rate must be positive, not {self.rate}")
        object.__setattr__(self, "samples", _read_only(samples))

    @property
    def seconds(self) -> float:
        return self.samples.shape[1] / self.rate


@dataclass(frozen=True, eq=False)
class Clip:
    """A video in memory. Immutable.

    ``frames``: uint8 ``(T, H, W, 3)`` RGB, T >= 1. ``fps``: frames per second. ``audio``: optional sound
    that starts with the first frame. ``metadata``: JSON-like facts about the clip.
    """

    frames: np.ndarray
    fps: float
    audio: Waveform | None = None
    caption: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        frames = np.asarray(self.frames)
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise ValueError(f"frames must be uint8 (T, H, W, 3), not {frames.dtype} of shape {frames.shape}")
        if 0 in frames.shape:
            raise ValueError(f"a clip needs at least one frame of one pixel, not shape {frames.shape}")
        if not (0 < self.fps < float("inf")):
            raise ValueError(f"fps must be a positive number, not {self.fps}")
        object.__setattr__(self, "frames", _read_only(frames))
        object.__setattr__(self, "fps", float(self.fps))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def __len__(self) -> int:
        return int(self.frames.shape[0])

    @property
    def width(self) -> int:
        return int(self.frames.shape[2])

    @property
    def height(self) -> int:
        return int(self.frames.shape[1])

    @property
    def seconds(self) -> float:
        return len(self) / self.fps

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def save(self, path: str | Path, **options: Any) -> None:
        """Write a file in the format of its suffix; options as :func:`scenewright.media.encode`."""
        from scenewright.media import encode

        encode(self, path, **{"metadata": dict(self.metadata), **options})

    def to_tensor(self) -> torch.Tensor:
        """float32 ``(3, T, H, W)`` in [-1, 1]: what models see."""
        import torch

        return frames_to_tensor(torch.from_numpy(np.array(self.frames)))

    @classmethod
    def from_tensor(cls, x_CTHW: torch.Tensor, fps: float, **fields: Any) -> Self:
        """The inverse of :meth:`to_tensor`: rounds and clips a float ``(3, T, H, W)`` in [-1, 1]."""
        return cls(frames=tensor_to_frames(x_CTHW).cpu().numpy(), fps=fps, **fields)


def frames_to_tensor(frames: torch.Tensor) -> torch.Tensor:
    """uint8 ``(..., T, H, W, 3)`` to float32 ``(..., 3, T, H, W)`` in [-1, 1]."""
    return frames.movedim(-1, -4).float().div(127.5).sub(1.0).contiguous()


def tensor_to_frames(x: torch.Tensor) -> torch.Tensor:
    """float ``(..., 3, T, H, W)`` in [-1, 1] to uint8 ``(..., T, H, W, 3)``, rounded and clipped."""
    import torch

    return x.float().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8).movedim(-4, -1).contiguous()


@dataclass(frozen=True, eq=False)
class GivenFrame:
    """A picture that a video must show. ``frame``: uint8 ``(H, W, 3)`` RGB of any size; ``at``: the frame's
    place in the video, from 0; -1 is the last one."""

    at: int
    frame: np.ndarray

    def __post_init__(self) -> None:
        frame = np.asarray(self.frame)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3 or 0 in frame.shape:
            raise ValueError(f"a given frame is uint8 (H, W, 3), not {frame.dtype} of shape {frame.shape}")
        object.__setattr__(self, "frame", _read_only(frame))


class Prompt(BaseModel):
    """What is asked for, and nothing about any one model.

    ``width`` and ``height`` in pixels, ``num_frames`` and ``fps`` of the result; ``None`` leaves the choice
    to the model. ``seed`` fixes the randomness: the same prompt and seed give the same frames. ``given``:
    frames that the video must show; the rest is made to fit them. ``layout``: where things are to be, for
    models that take layouts; ``None`` leaves that to the model, too. ``sound``: what is heard, from the first
    frame on, for models that make frames to a sound.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    text: str
    negative: str = ""
    seed: int = Field(default=0, ge=0, lt=2**63)
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    num_frames: int | None = Field(default=None, ge=1)
    fps: float | None = Field(default=None, gt=0)
    given: tuple[GivenFrame, ...] = ()
    layout: Layout | None = None
    sound: Waveform | None = None


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
