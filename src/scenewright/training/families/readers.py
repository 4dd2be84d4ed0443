"""What families of networks that read texts and learn pixels have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from scenewright.generation.model_folder import has_tokenizer, load_tokenizer
from scenewright.generation.network_folder import load_network
from scenewright.generation.settings import SamplingSettings
from scenewright.registry import models
from scenewright.text.tokenizer import TextTokenizer
from scenewright.training.families.base import Family, streams_of
from scenewright.training.text_init import begin_text, first_tokenizer

if TYPE_CHECKING:
    from scenewright.training.config import TrainingRecipe


class PixelReaderFamily(Family):
    """A tokenizer, fitted to the world's captions or of the text encoder's source, and a network of pixels
    that reads by it."""

    #: What the networks are, for messages, and their kind.
    kind: type[nn.Module]
    what: str

    @staticmethod
    def check_parts(recipe: TrainingRecipe) -> None:
        """ValueError for what no such network takes, and for data of other sizes than the network's."""
        network: Any = recipe.network
        family = network.family
        for name in ("autoencoder", "text_encoder", "planner", "fast"):
            if getattr(recipe, name) is not None:
                raise ValueError(f"{name} does nothing for a network of the family {family}; leave it out")
        if recipe.sampling != SamplingSettings():
            raise ValueError(f"sampling does nothing for a network of the family {family}; leave it out")
        wanted = (network.num_frames, network.height, network.width_pixels)
        for data in streams_of(recipe):
            if data.latents or data.texts or data.layouts != "none":
                raise ValueError(f"a network of the family {family} learns pixels from texts alone")
            found = (data.frames_out, data.height, data.width)
            if found != wanted:
                raise ValueError(f"the network is for (frames, height, width) {wanted}; the data has {found}")

    def prepare(self) -> None:
        if has_tokenizer(self.output):
            return
        if self.recipe.init_from is not None:
            tokenizer = load_network(self.recipe.init_from, self.kind, self.what).tokenizer
        else:
            tokenizer = first_tokenizer(self.recipe, self._config.text)
        tokenizer.save(self.output / tokenizer.FILE)

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        return load_tokenizer(self.output)

    def network(self) -> Any:
        network: Any = models.get(self._config.family)(self._config).train()
        if self.recipe.init_from is not None:
            begun = load_network(self.recipe.init_from, self.kind, self.what).network
            network.load_state_dict(begun.state_dict())
        else:
            begin_text(network, self.recipe)
        return network

    def encode_text(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        return self.tokenizer.batch(texts, self._config.text.max_tokens, multiple=8)

    @property
    def _config(self) -> Any:
        return self.recipe.network
