"""Networks of sight and sound: frames to a sound, and what is heard in frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from scenewright.clip import Clip
from scenewright.data.streams import batches
from scenewright.generation.foley import Foley, save_foley
from scenewright.generation.sound_to_sight import SoundToSightGenerator, save_sound_to_sight
from scenewright.models.sight_to_sound import SightToSound
from scenewright.models.sound_to_sight import SoundToSight
from scenewright.training.families.base import streams_of
from scenewright.training.families.readers import PixelReaderFamily
from scenewright.training.objectives import SightToSoundObjectiveConfig, SoundToSightObjectiveConfig
from scenewright.training.vocabulary import training_words

if TYPE_CHECKING:
    from PIL.Image import Image

    from scenewright.training.config import TrainingRecipe

#: Held-out clips that are shown with what is made of their first frames and sound.
SHOWN = 4


class SoundToSightFamily(PixelReaderFamily):
    """A :class:`.SoundToSight`. Samples are clips of ``validation.data``, and what it makes of their first
    frames and sound."""

    kind = SoundToSight
    what = "makes frames to a sound"

    @staticmethod
    def check(recipe: TrainingRecipe) -> None:
        PixelReaderFamily.check_parts(recipe)
        _check_sound(recipe, "sound_to_sight", SoundToSightObjectiveConfig)

    def pipeline(self, network: nn.Module) -> SoundToSightGenerator:
        model = cast(SoundToSight, network)
        return SoundToSightGenerator(
            model, self.tokenizer, training_words(self.training_streams), self.recipe.name
        )

    def save(self, pipeline: SoundToSightGenerator, folder: Path) -> None:
        save_sound_to_sight(pipeline, folder)

    def sheet(self, pipeline: SoundToSightGenerator) -> Image | None:
        from scenewright.media import contact_sheet

        validation = self.recipe.validation
        if validation is None or validation.data is None:
            return None
        data = validation.data
        batch = next(batches(data, SHOWN, 0, 1, workers=0))
        assert batch.sound is not None
        given = batch.frames[:, : pipeline.config.given]
        made = pipeline.continued(given, batch.sound, [""] * SHOWN, range(SHOWN))
        clips = [
            Clip(frames=x.numpy(), fps=data.fps)
            for pair in zip(batch.frames, made, strict=True)
            for x in pair
        ]
        captions = [
            text for caption in batch.captions for text in (caption, "from its first frames and sound")
        ]
        return contact_sheet(clips, captions=captions, frames_per_clip=data.num_frames, columns=1)


class SightToSoundFamily(PixelReaderFamily):
    """A :class:`.SightToSound`. It has no samples to show, and reads no texts."""

    kind = SightToSound
    what = "says what is heard in videos"

    @staticmethod
    def check(recipe: TrainingRecipe) -> None:
        PixelReaderFamily.check_parts(recipe)
        if recipe.text_init_from is not None:
            raise ValueError("a sight-to-sound network reads no texts; leave text_init_from out")
        _check_sound(recipe, "sight_to_sound", SightToSoundObjectiveConfig)

    def prepare(self) -> None:
        """Nothing: there are no words to know."""

    def encode_text(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """No tokens."""
        nothing = torch.zeros(len(texts), 0, dtype=torch.int64)
        return nothing, nothing.bool()

    def pipeline(self, network: nn.Module) -> Foley:
        return Foley(cast(SightToSound, network), self.recipe.name)

    def save(self, pipeline: Foley, folder: Path) -> None:
        save_foley(pipeline, folder)

    def sheet(self, pipeline: Foley) -> Image | None:
        return None


def _check_sound(recipe: TrainingRecipe, name: str, objective: type[Any]) -> None:
    """ValueError for another objective, and for data without sound, with more than that, or too fast."""
    network: Any = recipe.network
    if recipe.sample_prompts:
        raise ValueError(f"sample_prompts do nothing for a network of the family {network.family}")
    for stage in recipe.stages:
        if not isinstance(stage.objective or recipe.objective, objective):
            raise ValueError(
                f"a network of the family {network.family} is trained by objective.name = {name}"
            )
    for data in streams_of(recipe):
        if data.facts != ("sound",):
            raise ValueError(f"a network of the family {network.family} needs data.facts = [sound] alone")
        if data.fps != network.fps:
            raise ValueError(f"the network is for {network.fps:g} frames a second; the data has {data.fps:g}")
