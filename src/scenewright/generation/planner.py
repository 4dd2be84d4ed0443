"""A trained planner of layouts: from words to where things are; its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Tag, ValidationError

from scenewright.config import Config, fingerprint, kind, validation_summary
from scenewright.generation.guidance import guided
from scenewright.generation.model_folder import (
    ModelError,
    digest_of,
    load_weights,
    randomised,
    replacing,
    save_weights,
)
from scenewright.generation.samplers import seeded, solve
from scenewright.generation.settings import SamplingSettings
from scenewright.layout import Layout
from scenewright.models.layout_decoder import LayoutDecoder, LayoutDecoderConfig
from scenewright.models.layout_planner import LayoutPlanner, LayoutPlannerConfig
from scenewright.seeds import keyed_generator

#: Choices of less than so much of the likeliest one's probability are not made: of what the text says, the
#: rest is error; of what it leaves open, all options are about as likely.
LEAST_SHARE = 0.2


class PlannerCard(Config):
    """The contents of ``config.json``. ``text_encoder``: the hash of the one whose vectors it reads."""

    family: Literal["layout-planner", "layout-decoder"]
    name: str
    network: Annotated[
        Annotated[LayoutPlannerConfig, Tag("layout-planner")]
        | Annotated[LayoutDecoderConfig, Tag("layout-decoder")],
        kind("family", "layout-planner"),
    ]
    sampling: SamplingSettings = SamplingSettings()
    text_encoder: str


@dataclass(eq=False)
class Planner:
    """A network with what it needs to be used. ``text_encoder``: hash of the encoder that it reads."""

    network: LayoutPlanner | LayoutDecoder
    text_encoder: str
    settings: SamplingSettings = field(default_factory=SamplingSettings)
    name: str = "unnamed"

    def __post_init__(self) -> None:
        self.network.eval()

    @property
    def config(self) -> LayoutPlannerConfig | LayoutDecoderConfig:
        return self.network.config

    @cached_property
    def hash(self) -> str:
        """SHA-256 (64 hexadecimal digits) of sizes and weights."""
        return digest_of(self.network, fingerprint(self.config).encode())

    def untrained(self, seed: int) -> Planner:
        """The same with fresh random weights, also where training begins with zeros."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = randomised(new_network(self.config))
        return replace(self, network=network, name=f"{self.name}-untrained")

    @torch.inference_mode()
    def plan(self, words_BSE: torch.Tensor, mask_BS: torch.Tensor, seeds: Sequence[int]) -> list[Layout]:
        """A layout for each of N texts. ``words_BSE``: the encoder's vectors of the texts, and then of what
        each must not be, float (2 N, S, E) with their mask. The same seed gives the same layout."""
        network, layout = self.network, self.config.layout
        words, pooled = network.encode_text(words_BSE, mask_BS)
        if isinstance(network, LayoutDecoder):
            pairs = [[row, len(seeds) + row] for row in range(len(seeds))]
            return [
                self._decoded(network, words[rows], pooled[rows], mask_BS[rows], seed)
                for rows, seed in zip(pairs, seeds, strict=True)
            ]

        def features(z: torch.Tensor, sigma_B: torch.Tensor, rows: slice) -> torch.Tensor:
            return network(z, sigma_B, words[rows], pooled[rows], mask_BS[rows])

        shape = (1, layout.features, layout.slots, 1, 1)
        noise = [torch.randn(shape, generator=keyed_generator(seed, "layout")) for seed in seeds]
        made = self._sampled(features, torch.cat(noise).to(words.device), seeds)
        return [layout.decode(one[:, :, 0, 0].T) for one in made]

    def _decoded(
        self,
        network: LayoutDecoder,
        words: torch.Tensor,
        pooled: torch.Tensor,
        mask: torch.Tensor,
        seed: int,
    ) -> Layout:
        layout, generator = self.config.layout, keyed_generator(seed, "layout")
        choices = network.choose(words[:1], mask[:1], generator, LEAST_SHARE)
        # As in training, the tracks are made beside one place where nothing is, where there is one left.
        used = min(layout.slots, int(choices[..., 0].sum()) + 1)
        choices = choices[:, :used]

        def tracks(z: torch.Tensor, sigma_B: torch.Tensor, rows: slice) -> torch.Tensor:
            told = choices.expand(len(z), -1, -1)
            return network(z, sigma_B, told, words[rows], pooled[rows], mask[rows])

        noise = torch.randn((1, used, layout.track), generator=generator).to(words.device)
        return layout.decode(network.write(choices, self._sampled(tracks, noise, [seed]))[0])

    def _sampled(
        self,
        predict: Callable[[torch.Tensor, torch.Tensor, slice], torch.Tensor],
        noise: torch.Tensor,
        seeds: Sequence[int],
    ) -> torch.Tensor:
        """``predict``: of z, the noise levels and the rows of the texts and of what they must not be."""
        count = len(seeds)

        def both(z: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
            x = predict(torch.cat([z, z]), z.new_full((2 * count,), sigma), slice(0, 2 * count))
            return x[:count], x[count:]

        def positive_only(z: torch.Tensor, sigma: float, span: float = 0.0) -> torch.Tensor:
            return predict(z, z.new_full((count,), sigma), slice(0, count))

        settings = self.settings
        denoise = guided(both, positive_only, settings.guidance_scale, settings.guidance_interval)
        return solve(seeded(settings.sampler, seeds), denoise, noise, settings.sigmas)


def new_network(config: LayoutPlannerConfig | LayoutDecoderConfig) -> LayoutPlanner | LayoutDecoder:
    """With fresh weights."""
    if isinstance(config, LayoutDecoderConfig):
        return LayoutDecoder(config)
    return LayoutPlanner(config)


def save_planner(planner: Planner, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a folder with ``config.json`` and ``model.safetensors``."""
    card = PlannerCard(
        family=planner.config.family,
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
    network = new_network(card.network)
    load_weights(network, folder)
    return Planner(network.to(device), card.text_encoder, card.sampling, card.name)
