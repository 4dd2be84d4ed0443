"""The public face of layout: complete a description, sample a scene, say what holds in a scene."""

from __future__ import annotations

from scenewright.world.completion import complete
from scenewright.world.describing import description_of
from scenewright.world.relations import relation_in, relations_in
from scenewright.world.sampler import SamplerConfig, sample_description, sample_scene

__all__ = [
    "SamplerConfig",
    "complete",
    "description_of",
    "relation_in",
    "relations_in",
    "sample_description",
    "sample_scene",
]
