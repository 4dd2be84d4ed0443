"""Planners of layouts, which learn from scenes that are not rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from scenewright.data.streams import Batch
from scenewright.generation.loading import load_pipeline
from scenewright.generation.planner import Planner, load_planner, new_network, save_planner
from scenewright.generation.text_embedding import TextEmbedder
from scenewright.models.layout_decoder import LayoutDecoder, LayoutDecoderConfig
from scenewright.models.layout_planner import LayoutPlanner, LayoutPlannerConfig
from scenewright.training.families.base import Family
from scenewright.training.objectives import FlowMatchingConfig, PlanningConfig

if TYPE_CHECKING:
    from PIL.Image import Image

    from scenewright.training.config import TrainingRecipe


class LayoutPlannerFamily(Family):
    """A :class:`.LayoutPlanner` or :class:`.LayoutDecoder` on the frozen text encoder of a trained model, and
    pictures of its plans."""

    @staticmethod
    def check(recipe: TrainingRecipe) -> None:
        network = recipe.network
        assert isinstance(network, LayoutPlannerConfig | LayoutDecoderConfig)
        family = network.family
        if recipe.text_encoder is None:
            raise ValueError(f"a {family} reads a trained text encoder: set text_encoder, a model folder")
        for name in ("autoencoder", "text_init_from", "planner", "fast"):
            if getattr(recipe, name) is not None:
                raise ValueError(f"{name} does nothing for a {family}; leave it out")
        validated = [] if recipe.validation is None else [recipe.validation.data]
        for data in (*(stage.data for stage in recipe.stages), *validated):
            if data is None:
                continue
            if {part.data.layouts for part in data.mixture} | {data.layouts} - {"none"} != {"instead"}:
                raise ValueError(f"a {family} learns from layouts alone; set data.layouts = instead")
            if data.num_frames != network.layout.num_frames:
                raise ValueError(
                    f"network.layout.num_frames = {network.layout.num_frames}: clips have {data.num_frames}"
                )
        for stage in recipe.stages:
            objective = stage.objective or recipe.objective
            if isinstance(network, LayoutDecoderConfig):
                if not isinstance(objective, PlanningConfig):
                    raise ValueError("a layout-decoder is trained by objective.name = planning")
            elif not isinstance(objective, FlowMatchingConfig) or objective.given is not None:
                raise ValueError(
                    "a layout-planner is trained by objective.name = flow_matching without objective.given"
                )

    def prepare(self) -> None:
        if self.embedder.config != self._config.text:
            raise ValueError(
                f"network.text has other sizes than the text encoder of {self.recipe.text_encoder}"
            )
        self.begin_with("text_encoder", cast(Path, self.recipe.text_encoder), self.embedder.hash)

    @cached_property
    def embedder(self) -> TextEmbedder:
        assert self.recipe.text_encoder is not None
        return TextEmbedder.of(load_pipeline(self.recipe.text_encoder, self.device))

    def network(self) -> LayoutPlanner | LayoutDecoder:
        network = new_network(self._config).train()
        if self.recipe.init_from is not None:
            network.load_state_dict(load_planner(self.recipe.init_from).network.state_dict())
        return network

    def encode_text(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        return self.embedder.embed_together(texts)

    def see(self, batch: Batch) -> Batch:
        assert batch.layouts is not None
        features = [self._config.layout.encode(layout) for layout in batch.layouts]
        return replace(batch, latents=torch.stack(features).transpose(1, 2)[..., None, None], layouts=None)

    def pipeline(self, network: nn.Module) -> Planner:
        return Planner(
            cast(LayoutPlanner | LayoutDecoder, network),
            self.embedder.hash,
            self.recipe.sampling,
            self.recipe.name,
        )

    def save(self, pipeline: Planner, folder: Path) -> None:
        save_planner(pipeline, folder)

    def sheet(self, pipeline: Planner) -> Image | None:
        from scenewright.media import contact_sheet
        from scenewright.media.layouts import draw_layout

        prompts = self.recipe.sample_prompts
        if not prompts:
            return None
        pictures = []
        for seed, text in enumerate(prompts):
            (plan,) = pipeline.plan(*self.embedder.embed_together([text, ""]), [seed])
            pictures.append(draw_layout(plan, 128, 128))
        return contact_sheet(pictures, captions=list(prompts), frames_per_clip=6, columns=1)

    @property
    def _config(self) -> LayoutPlannerConfig | LayoutDecoderConfig:
        assert isinstance(self.recipe.network, LayoutPlannerConfig | LayoutDecoderConfig)
        return self.recipe.network
