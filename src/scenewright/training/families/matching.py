"""Networks that say how well clips and texts match."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from torch import nn

from scenewright.generation.matching import Agreement, save_agreement
from scenewright.models.matching import MatchingNetwork
from scenewright.training.families.readers import PixelReaderFamily
from scenewright.training.objectives import MatchingObjectiveConfig
from scenewright.training.vocabulary import training_words

if TYPE_CHECKING:
    from PIL.Image import Image

    from scenewright.training.config import TrainingRecipe


class MatchingFamily(PixelReaderFamily):
    """A :class:`.MatchingNetwork`. It has no samples to show."""

    kind = MatchingNetwork
    what = "matches clips and texts"

    @staticmethod
    def check(recipe: TrainingRecipe) -> None:
        PixelReaderFamily.check_parts(recipe)
        if recipe.text_init_from is not None:
            raise ValueError("text_init_from is for networks that make clips; here init_from does it")
        if recipe.sample_prompts:
            raise ValueError("sample_prompts do nothing for a network that makes no videos; leave them out")
        for stage in recipe.stages:
            if not isinstance(stage.objective or recipe.objective, MatchingObjectiveConfig):
                raise ValueError(
                    f"a network of the family {recipe.network.family} is trained by objective.name = matching"
                )
            if stage.batch < 2:
                raise ValueError("matching is among the texts of a batch; set batch to 2 or more")

    def pipeline(self, network: nn.Module) -> Agreement:
        return Agreement(
            cast(MatchingNetwork, network),
            self.tokenizer,
            training_words(self.training_streams),
            self.recipe.name,
        )

    def save(self, pipeline: Agreement, folder: Path) -> None:
        save_agreement(pipeline, folder)

    def sheet(self, pipeline: Agreement) -> Image | None:
        return None
