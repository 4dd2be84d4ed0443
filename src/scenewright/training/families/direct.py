"""Networks that make a clip from a text at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from scenewright.generation.direct import DirectGenerator, load_direct, save_direct
from scenewright.generation.settings import SamplingSettings
from scenewright.models.direct import DirectConfig, DirectNetwork
from scenewright.registry import models
from scenewright.text.tokenizer import Tokenizer
from scenewright.training.families.base import Family, sheet_of_prompts
from scenewright.training.objectives import RegressionConfig
from scenewright.training.vocabulary import training_tokenizer, training_words

if TYPE_CHECKING:
    from PIL.Image import Image

    from scenewright.training.config import TrainingRecipe


class DirectFamily(Family):
    """A tokenizer fitted to the world's captions, a :class:`.DirectNetwork` of pixels, and samples of
    prompts."""

    @staticmethod
    def check(recipe: TrainingRecipe) -> None:
        network = recipe.network
        assert isinstance(network, DirectConfig)
        family = recipe.network.family
        for name in ("autoencoder", "text_encoder", "planner", "fast"):
            if getattr(recipe, name) is not None:
                raise ValueError(f"{name} does nothing for a network of the family {family}; leave it out")
        if recipe.sampling != SamplingSettings():
            raise ValueError(f"sampling does nothing for a network of the family {family}; leave it out")
        for stage in recipe.stages:
            objective = stage.objective or recipe.objective
            if not isinstance(objective, RegressionConfig):
                raise ValueError(
                    f"a network of the family {family} is trained by objective.name = regression"
                )
            data = stage.data
            if data.latents or data.texts or data.layouts != "none":
                raise ValueError(f"a network of the family {family} learns pixels from texts alone")
            found = (data.frames_out, data.height, data.width)
            wanted = (network.num_frames, network.height, network.width_pixels)
            if found != wanted:
                raise ValueError(f"the network makes (frames, height, width) {wanted}; the data has {found}")

    def prepare(self) -> None:
        path = self._tokenizer_path
        if path.exists():
            return
        if self.recipe.init_from is not None:
            tokenizer = load_direct(self.recipe.init_from).tokenizer
        else:
            tokenizer = training_tokenizer(self._config.text.vocabulary)
        tokenizer.save(path)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self._tokenizer_path)

    def network(self) -> DirectNetwork:
        network: DirectNetwork = models.get(self.recipe.network.family)(self._config).train()
        if self.recipe.init_from is not None:
            network.load_state_dict(load_direct(self.recipe.init_from).model.state_dict())
        return network

    def encode_text(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        return self.tokenizer.batch(texts, self._config.text.max_tokens, multiple=8)

    def pipeline(self, network: nn.Module) -> DirectGenerator:
        return DirectGenerator(
            cast(DirectNetwork, network), self.tokenizer, training_words(), self.recipe.name
        )

    def save(self, pipeline: DirectGenerator, folder: Path) -> None:
        save_direct(pipeline, folder)

    def sheet(self, pipeline: DirectGenerator) -> Image | None:
        return sheet_of_prompts(pipeline, self.recipe.sample_prompts)

    @property
    def _config(self) -> DirectConfig:
        assert isinstance(self.recipe.network, DirectConfig)
        return self.recipe.network

    @property
    def _tokenizer_path(self) -> Path:
        return self.output / "tokenizer.model"
