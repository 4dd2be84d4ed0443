"""How to sample: the settings that a model recommends and a user changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from scenewright.config import Config
from scenewright.generation.samplers import SAMPLERS, sigma_schedule
from scenewright.models.noise import NoiseSchedule


class SamplingSettings(Config):
    """How to sample. ``guidance_interval``: the noise levels at which guidance is applied. The ``shortcut``
    sampler is for networks that have learned long steps, with guidance in them: it goes with scale 1.
    ``schedule``: how the noise levels are spaced, before they are moved towards high noise by ``shift``."""

    steps: int = Field(default=16, ge=1, le=1000)
    sampler: str = "dpmpp_2m"
    guidance_scale: float = Field(default=3.0, ge=0)
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    schedule: NoiseSchedule = "uniform"
    shift: float = Field(default=5.0, gt=0)

    @property
    def sigmas(self) -> list[float]:
        """``steps`` + 1 noise levels from 1 to 0."""
        return sigma_schedule(self.steps, self.shift, self.schedule)

    @field_validator("sampler")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SAMPLERS:
            raise ValueError(f"there is no sampler {name!r}; known: {', '.join(SAMPLERS)}")
        return name

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """The same with some settings changed; those that are None stay. ValueError: they do not fit."""
        given = {name: value for name, value in changes.items() if value is not None}
        return type(self).model_validate({**self.model_dump(), **given})

    @model_validator(mode="after")
    def _folded(self) -> SamplingSettings:
        if self.sampler == "shortcut" and self.guidance_scale != 1:
            raise ValueError(
                "the shortcut sampler has its guidance learned in; leave the guidance scale at 1"
            )
        return self
