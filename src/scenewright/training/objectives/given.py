"""Which frames of a training clip the network is given, drawn at random.

One network then continues pictures and clips in both directions, fills gaps, and makes clips from the text
alone (Voleti et al. 2022, "MCVD"; Ho et al. 2022, "Video diffusion models", section 3.1).
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator

from scenewright.config import Config
from scenewright.training.draws import Draws


class GivenFramesConfig(Config):
    """Shares of the clips by what is given; they are divided by their sum.

    ``none``: the text alone. ``first``, ``last``: one frame. ``ends``: the first and the last. ``start``: the
    first 2 to T/2 frames, a clip to go on with. ``scattered``: each frame with a chance that is itself drawn.
    """

    none: float = Field(default=0.5, ge=0)
    first: float = Field(default=0.2, ge=0)
    last: float = Field(default=0.05, ge=0)
    ends: float = Field(default=0.1, ge=0)
    start: float = Field(default=0.1, ge=0)
    scattered: float = Field(default=0.05, ge=0)

    @model_validator(mode="after")
    def _check(self) -> GivenFramesConfig:
        if not sum(self._shares()):
            raise ValueError("given needs a share above 0")
        return self

    def draw(self, draws: Draws, num_frames: int) -> torch.Tensor:
        """bool (B, T): what is given; never the whole clip."""
        edges = torch.tensor(self._shares()).cumsum(0)
        kinds = torch.searchsorted(edges, draws.uniform("given kind") * edges[-1], right=True).tolist()
        amounts = draws.uniform("given amount").tolist()
        scores = draws.normal("given frames", (num_frames,))
        known = torch.zeros(len(draws), num_frames, dtype=torch.bool)
        for row, kind in enumerate(kinds):
            name = _KINDS[min(kind, len(_KINDS) - 1)]
            if name in ("first", "ends"):
                known[row, 0] = True
            if name in ("last", "ends"):
                known[row, -1] = True
            if name == "start":
                most = max(1, num_frames // 2)
                known[row, : min(most, 2 + int(amounts[row] * (most - 1)))] = True
            if name == "scattered":
                known[row] = torch.special.ndtr(scores[row]) < amounts[row]
        known[known.all(1), -1] = False
        return known

    def _shares(self) -> list[float]:
        return [getattr(self, name) for name in _KINDS]


_KINDS = ("none", "first", "last", "ends", "start", "scattered")
