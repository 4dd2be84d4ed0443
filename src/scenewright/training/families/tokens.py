"""Transformers over words and the tokens of videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from scenewright.data.streams import Batch
from scenewright.generation.autoencoder import Autoencoder, load_autoencoder
from scenewright.generation.settings import SamplingSettings
from scenewright.generation.tokens import TokenGenerator, check_fit, load_tokens, save_tokens, tokens_of
from scenewright.models.token_transformer import TokenTransformer, TokenTransformerConfig
from scenewright.text.tokenizer import Tokenizer
from scenewright.training.families.base import Family, sheet_of_prompts, streams_of
from scenewright.training.objectives import TokensConfig
from scenewright.training.vocabulary import training_tokenizer, training_words

if TYPE_CHECKING:
    from PIL.Image import Image

    from scenewright.training.config import TrainingRecipe


class TokenFamily(Family):
    """A tokenizer fitted to the world's captions, an autoencoder whose tokens stand for videos, and a
    :class:`.TokenTransformer`."""

    @staticmethod
    def check(recipe: TrainingRecipe) -> None:
        network = recipe.network
        assert isinstance(network, TokenTransformerConfig)
        for name in ("text_encoder", "text_init_from", "planner", "fast"):
            if getattr(recipe, name) is not None:
                raise ValueError(f"{name} does nothing for a token-transformer; leave it out")
        if recipe.sampling != SamplingSettings():
            raise ValueError("sampling is for networks of noise; a token-transformer has settings of its own")
        if recipe.autoencoder is None:
            raise ValueError(
                "a token-transformer needs autoencoder: the model folder of one with tokens, such as the "
                "recipe zoo/tokenizer trains"
            )
        if any(data.latents or data.texts or data.layouts != "none" for data in streams_of(recipe)):
            raise ValueError("a token-transformer makes tokens of frames as it goes; leave caches out")
        for stage in recipe.stages:
            if not isinstance(stage.objective or recipe.objective, TokensConfig):
                raise ValueError("a token-transformer is trained by objective.name = tokens")

    def prepare(self) -> None:
        assert self.recipe.autoencoder is not None
        self.begin_with("autoencoder", self.recipe.autoencoder, self.autoencoder.hash)
        check_fit(self._config, self.autoencoder, self.recipe.autoencoder)
        for data in streams_of(self.recipe):
            found = self.autoencoder.config.grid(data.frames_out, data.height, data.width)
            if found != self._config.grid:
                raise ValueError(f"network.grid = {self._config.grid}: the data's clips have {found} tokens")
        if self._tokenizer_path.exists():
            return
        if self.recipe.init_from is not None:
            tokenizer = load_tokens(self.recipe.init_from).tokenizer
        else:
            tokenizer = training_tokenizer(self._config.vocabulary, self.training_streams)
        tokenizer.save(self._tokenizer_path)

    @cached_property
    def autoencoder(self) -> Autoencoder:
        assert self.recipe.autoencoder is not None
        return load_autoencoder(self.recipe.autoencoder, self.device)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self._tokenizer_path)

    def network(self) -> TokenTransformer:
        network = TokenTransformer(self._config).train()
        if self.recipe.init_from is not None:
            network.load_state_dict(load_tokens(self.recipe.init_from).model.state_dict())
        return network

    def encode_text(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        return self.tokenizer.batch(texts, self._config.max_tokens, pad_to_max=True)

    def see(self, batch: Batch) -> Batch:
        return replace(batch, latents=tokens_of(self.autoencoder, batch.frames)[:, None].float())

    def pipeline(self, network: nn.Module) -> TokenGenerator:
        return TokenGenerator(
            cast(TokenTransformer, network),
            self.tokenizer,
            self.autoencoder,
            training_words(self.training_streams),
            self.recipe.name,
        )

    def save(self, pipeline: TokenGenerator, folder: Path) -> None:
        save_tokens(pipeline, folder)

    def sheet(self, pipeline: TokenGenerator) -> Image | None:
        return sheet_of_prompts(pipeline, self.recipe.sample_prompts)

    @property
    def _config(self) -> TokenTransformerConfig:
        assert isinstance(self.recipe.network, TokenTransformerConfig)
        return self.recipe.network

    @property
    def _tokenizer_path(self) -> Path:
        return self.output / "tokenizer.model"
