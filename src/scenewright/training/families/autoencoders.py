"""Autoencoders of video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from scenewright.clip import Clip
from scenewright.data.streams import batches
from scenewright.generation.autoencoder import Autoencoder, load_autoencoder, save_autoencoder
from scenewright.generation.settings import SamplingSettings
from scenewright.models.video_autoencoder import VideoAutoencoder, VideoAutoencoderConfig
from scenewright.training.families.base import Family, streams_of
from scenewright.training.objectives import ReconstructionConfig

if TYPE_CHECKING:
    from PIL.Image import Image

    from scenewright.training.config import TrainingRecipe

#: Held-out clips that are shown with their reconstructions.
SHOWN = 4


class AutoencoderFamily(Family):
    """A :class:`.VideoAutoencoder`. Samples are clips of ``validation.data`` and what becomes of them."""

    @staticmethod
    def check(recipe: TrainingRecipe) -> None:
        network = recipe.network
        assert isinstance(network, VideoAutoencoderConfig)
        if recipe.sample_prompts or recipe.sampling != SamplingSettings():
            raise ValueError("sampling and sample_prompts do nothing for an autoencoder; leave them out")
        for name in ("autoencoder", "text_encoder", "text_init_from", "planner"):
            if getattr(recipe, name) is not None:
                raise ValueError(f"{name} does nothing for an autoencoder; leave it out")
        if any(data.latents or data.texts for data in streams_of(recipe)):
            raise ValueError("an autoencoder is trained on frames; leave data.latents and data.texts out")
        for stage in recipe.stages:
            objective = stage.objective or recipe.objective
            if not isinstance(objective, ReconstructionConfig):
                raise ValueError("an autoencoder is trained by objective.name = reconstruction")
            if objective.adversarial is not None and len(recipe.stages) > 1:
                raise ValueError("objective.adversarial is for one stage: each would have a judge of its own")
            if objective.penalty is not None and network.bottleneck.name == "fsq":
                raise ValueError("objective.penalty does nothing for fsq; leave it out")
            data, side = stage.data, objective.crop
            network.grid(data.frames_out, side or data.height, side or data.width)

    def network(self) -> VideoAutoencoder:
        assert isinstance(self.recipe.network, VideoAutoencoderConfig)
        network = VideoAutoencoder(self.recipe.network).train()
        if self.recipe.init_from is not None:
            network.load_state_dict(load_autoencoder(self.recipe.init_from).network.state_dict())
        return network

    def encode_text(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """No tokens: an autoencoder reads no text."""
        nothing = torch.zeros(len(texts), 0, dtype=torch.int64)
        return nothing, nothing.bool()

    def pipeline(self, network: nn.Module) -> Autoencoder:
        return Autoencoder(cast(VideoAutoencoder, network), self.recipe.name)

    def save(self, pipeline: Autoencoder, folder: Path) -> None:
        save_autoencoder(pipeline, folder)

    def sheet(self, pipeline: Autoencoder) -> Image | None:
        from scenewright.media import contact_sheet

        validation = self.recipe.validation
        if validation is None or validation.data is None:
            return None
        batch = next(batches(validation.data, SHOWN, 0, 1, workers=0))
        clips: list[Clip] = []
        captions: list[str] = []
        pairs = zip(batch.frames, pipeline.reconstruct(batch.frames), batch.captions, strict=True)
        for original, made, caption in pairs:
            clips += [Clip(frames=x.numpy(), fps=validation.data.fps) for x in (original, made)]
            captions += [caption, "its reconstruction"]
        return contact_sheet(clips, captions=captions, frames_per_clip=6, columns=2)
