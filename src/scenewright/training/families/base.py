"""What a family of networks brings to a run, besides its objectives.

The trainer asks a family for what differs between families, and knows none by name: what the run begins with,
what the network sees of a batch, and what the trained network is for: sampled, judged and exported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from scenewright.clip import Prompt
from scenewright.data.streams import Batch, StreamConfig
from scenewright.generation.generator import Generator

if TYPE_CHECKING:
    from PIL.Image import Image

    from scenewright.training.config import TrainingRecipe
    from scenewright.training.objectives import Inputs


class Family(ABC):
    """One run's part of a family. ``output``: the run's folder; ``device``: where it computes.

    Every process makes one; :meth:`prepare` runs in the main one, before the rest is used.
    """

    def __init__(self, recipe: TrainingRecipe, output: Path, device: torch.device) -> None:
        self.recipe, self.output, self.device = recipe, output, device

    @property
    def training_streams(self) -> list[StreamConfig]:
        """The data that is trained on, stage by stage."""
        return [stage.data for stage in self.recipe.stages]

    @staticmethod
    @abstractmethod
    def check(recipe: TrainingRecipe) -> None:
        """ValueError, in one line, for a recipe that this family cannot be trained by."""

    def prepare(self) -> None:  # noqa: B027
        """Write what the run begins with, where it is not there yet."""

    def begin_with(self, name: str, folder: Path, encoder: str) -> None:
        """A run goes on only with the encoder that it was begun with."""
        begun = self.output / f"{name}.sha256"
        if not begun.exists():
            begun.write_text(encoder + "\n", "utf-8")
        elif begun.read_text("utf-8").strip() != encoder:
            raise ValueError(
                f"{folder} has changed since {self.output} was begun; choose another --output, or put it back"
            )

    @abstractmethod
    def network(self) -> nn.Module:
        """The network with the weights of ``init_from``, or with new ones; in training mode."""

    @abstractmethod
    def encode_text(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids int64 (B, S), or word vectors float32 (B, S, E), and mask bool (B, S)."""

    def see(self, batch: Batch) -> Batch:
        """The batch with what the network sees of it."""
        return batch

    def show(self, batch: Batch, inputs: Inputs) -> Inputs:
        """The inputs with what the network sees of the frames that the objective gives it."""
        return inputs

    def work(self, stage: int, inputs: Inputs, device: torch.device) -> tuple[float, int]:
        """Operations that the mathematics of a clip of a stage needs, forward and backward, and its tokens,
        where clips and captions are as long as the inputs'; 0 where that is not known."""
        return 0.0, 0

    @abstractmethod
    def pipeline(self, network: nn.Module) -> Any:
        """``network`` with what it needs to be used; metrics of the registry get this."""

    @abstractmethod
    def save(self, pipeline: Any, folder: Path) -> None:
        """Write what :meth:`pipeline` gave as a model folder."""

    @abstractmethod
    def sheet(self, pipeline: Any) -> Image | None:
        """A picture of what it can do, of the same things every time; None where the recipe asks for none."""


def streams_of(recipe: TrainingRecipe) -> Iterator[StreamConfig]:
    """All data of a recipe: its stages' and validation's."""
    for stage in recipe.stages:
        yield stage.data
    if recipe.validation is not None and recipe.validation.data is not None:
        yield recipe.validation.data


def sheet_of_prompts(generator: Generator, prompts: Sequence[str]) -> Image | None:
    """Frames of a clip of each prompt, under each other; None without prompts."""
    from scenewright.media import contact_sheet

    if not prompts:
        return None
    clips = generator.generate([Prompt(text=text, seed=seed) for seed, text in enumerate(prompts)])
    return contact_sheet(clips, captions=list(prompts), frames_per_clip=6, columns=1)
