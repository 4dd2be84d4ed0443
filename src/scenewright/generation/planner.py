"""A trained planner of layouts: from words to where things are; its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError

from scenewright.config import Config, fingerprint, validation_summary
from scenewright.generation.guidance import guided
from scenewright.generation.model_folder import (
    ModelError,
    digest_of,
    load_weights,
    randomised,
    replacing,
    save_weights,
)
from scenewright.generation.samplers import SAMPLERS, sigma_schedule
from scenewright.generation.settings import SamplingSettings
from scenewright.layout import Layout
from scenewright.models.layout_planner import LayoutPlanner, LayoutPlannerConfig
from scenewright.seeds import keyed_generator


class PlannerCard(Config):
    """The contents of ``config.json``. ``text_encoder``: the hash of the one whose vectors it reads."""

    family: Literal["layout-planner"]
    name: str
    network: LayoutPlannerConfig
    sampling: SamplingSettings = SamplingSettings()
    text_encoder: str


@dataclass(eq=False)
class Planner:
    """A network with what it needs to be used. ``text_encoder``: hash of the encoder that it reads."""

    network: LayoutPlanner
    text_encoder: str
    settings: SamplingSettings = field(default_factory=SamplingSettings)
    name: str = "unnamed"

    def __post_init__(self) -> None:
        self.network.eval()

    @property
    def config(self) -> LayoutPlannerConfig:
        return self.network.config

    @cached_property
    def hash(self) -> str:
        """SHA-256 (64 hexadecimal digits) of sizes and weights."""
        return digest_of(self.network, fingerprint(self.config).encode())

    def untrained(self, seed: int) -> Planner:
        """The same with fresh random weights, also where training begins with zeros."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = randomised(LayoutPlanner(self.config))
        return replace(self, network=network, name=f"{self.name}-untrained")

    @torch.inference_mode()
    def plan(self, words_BSE: torch.Tensor, mask_BS: torch.Tensor, seed: int) -> Layout:
        """A layout for a text. ``words_BSE``: the encoder's vectors of the text, and of what it must not be,
        float (2, S, E) with their mask. The same seed gives the same layout."""
        layout = self.config.layout
        words, pooled = self.network.encode_text(words_BSE, mask_BS)
        shape = (1, layout.features, layout.slots, 1, 1)
        noise = torch.randn(shape, generator=keyed_generator(seed, "layout")).to(words.device)

        def both(z: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
            x = self.network(z.expand(2, -1, -1, -1, -1), z.new_full((2,), sigma), words, pooled, mask_BS)
            return x[:1], x[1:]

        def positive_only(z: torch.Tensor, sigma: float, span: float = 0.0) -> torch.Tensor:
            return self.network(z, z.new_full((1,), sigma), words[:1], pooled[:1], mask_BS[:1])

        settings = self.settings
        denoise = guided(both, positive_only, settings.guidance_scale, settings.guidance_interval)
        x = SAMPLERS[settings.sampler](denoise, noise, sigma_schedule(settings.steps, settings.shift))
        return layout.decode(x[0, :, :, 0, 0].T)


def save_planner(planner: Planner, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a folder with ``config.json`` and ``model.safetensors``."""
    card = PlannerCard(
        family="layout-planner",
        name=planner.name,
        network=planner.config,
        sampling=planner.settings,
        text_encoder=planner.text_encoder,
    )
    with replacing(folder) as new:
        save_weights(planner.network, new, dtype)
        (new / "config.json").write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n", "utf-8")


def load_planner(folder: Path, device: str | torch.device = "cpu") -> Planner:
    """Load a planner by its folder.

    Raises:
        ModelError: a file is missing, broken or of something else.
    """
    file = folder / "config.json"
    try:
        card = PlannerCard.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{folder} holds no planner: it has no config.json") from None
    except ValidationError as error:
        raise ModelError(f"{file} is of no planner: {validation_summary(error, PlannerCard)}") from None
    network = LayoutPlanner(card.network)
    load_weights(network, folder)
    return Planner(network.to(device), card.text_encoder, card.sampling, card.name)
