"""Networks that make a clip from a text at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from torch import nn

from scenewright.data.streams import actions_of, footage_of, parts_of
from scenewright.generation.direct import DirectGenerator, save_direct
from scenewright.generation.matching import load_agreement
from scenewright.models.direct import DirectConfig, DirectNetwork
from scenewright.models.motion_policy import MotionPolicy
from scenewright.registry import models
from scenewright.training.families.base import sheet_of_prompts, streams_of
from scenewright.training.families.readers import PixelReaderFamily
from scenewright.training.objectives import ActorCriticConfig, JudgedConfig, RegressionConfig
from scenewright.training.vocabulary import training_words

if TYPE_CHECKING:
    from PIL.Image import Image

    from scenewright.training.config import TrainingRecipe


class DirectFamily(PixelReaderFamily):
    """A :class:`.DirectNetwork`, and samples of prompts."""

    kind = DirectNetwork
    what = "makes a clip at once"

    @staticmethod
    def check(recipe: TrainingRecipe) -> None:
        PixelReaderFamily.check_parts(recipe)
        network = recipe.network
        assert isinstance(network, DirectConfig)
        judged = 0
        for stage in recipe.stages:
            objective = stage.objective or recipe.objective
            if isinstance(objective, JudgedConfig):
                judged += 1
                for data in streams_of(recipe):
                    kind = models.get(network.family)
                    objective.check(network, kind.PENALTIES, data.facts, swaps=kind.SWAPS)
            elif isinstance(objective, RegressionConfig):
                objective.check(models.get(network.family).PENALTIES)
            elif isinstance(objective, ActorCriticConfig):
                if not issubclass(models.get(network.family), MotionPolicy):
                    raise ValueError(
                        f"objective.name = actor_critic trains a motion-policy, not a {network.family}"
                    )
                objective.check(recipe, stage.batch)
            else:
                raise ValueError(
                    f"a network of the family {network.family} is trained by objective.name = adversarial or "
                    "regression"
                )
        if judged > 1:
            raise ValueError(
                "objective.name = adversarial is for one stage: each would have judges of its own"
            )

    def prepare(self) -> None:
        super().prepare()
        self._check_actions()
        for stage in self.recipe.stages:
            objective = stage.objective or self.recipe.objective
            if not isinstance(objective, JudgedConfig | ActorCriticConfig) or objective.agreement is None:
                continue
            folder, frames = objective.agreement, self._config.num_frames
            agreement = load_agreement(folder)
            if frames % agreement.model.config.num_frames:
                raise ValueError(
                    f"{folder} judges clips of {agreement.model.config.num_frames} frames; the network's "
                    f"{frames} are no multiple of that"
                )
            self.begin_with("agreement", folder, agreement.digest)

    def _check_actions(self) -> None:
        """ValueError where the network tells another number of actions apart than footage does."""
        wanted = getattr(self.recipe.network, "actions", 0)
        for data in streams_of(self.recipe):
            found = len(actions_of(data))
            if wanted and footage_of(parts_of(data)[0]) and wanted != found:
                raise ValueError(f"network.actions = {wanted}: the data tells {found} actions apart")

    def pipeline(self, network: nn.Module) -> DirectGenerator:
        return DirectGenerator(
            cast(DirectNetwork, network),
            self.tokenizer,
            training_words(self.training_streams),
            self.recipe.name,
        )

    def save(self, pipeline: DirectGenerator, folder: Path) -> None:
        save_direct(pipeline, folder)

    def sheet(self, pipeline: DirectGenerator) -> Image | None:
        return sheet_of_prompts(pipeline, self.recipe.sample_prompts)
