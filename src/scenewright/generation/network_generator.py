"""What generators share whose network makes whole clips, with nothing to choose in how it samples."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch

from scenewright.clip import Clip, Prompt
from scenewright.generation.generator import Progress
from scenewright.generation.requests import check_nothing_to_sample, notes_of
from scenewright.generation.settings import SamplingSettings
from scenewright.text.tokenizer import TextTokenizer


@dataclass(eq=False)
class NetworkGenerator(ABC):
    """A :class:`~scenewright.generation.generator.Generator`. ``words``: those of its training captions, or
    empty where that is not recorded; ``model_hash``: SHA-256 of the weights file."""

    model: Any
    tokenizer: TextTokenizer
    words: frozenset[str] = frozenset()
    name: str = "unnamed"
    model_hash: str = ""

    def __post_init__(self) -> None:
        self.model.eval()

    @property
    def config(self) -> Any:
        return self.model.config

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.model.parameters()).device
        return device

    @property
    def settings(self) -> SamplingSettings | None:
        return None

    @property
    def native_size(self) -> tuple[int, int]:
        return self.config.width_pixels, self.config.height

    @property
    def most_frames(self) -> int | None:
        frames: int = self.config.num_frames
        return frames

    @property
    def fps(self) -> float:
        fps: float = self.config.fps
        return fps

    @property
    def identity(self) -> str:
        return hashlib.sha256((self.model_hash + self.config.model_dump_json()).encode()).hexdigest()[:16]

    def untrained(self, seed: int) -> Self:
        """The same with fresh random weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = type(self.model)(self.config)
        return replace(self, model=network, name=f"{self.name}-untrained", model_hash=f"untrained {seed}")

    def recommended(
        self, *, fast: bool = False, changes: Mapping[str, Any] | None = None
    ) -> SamplingSettings | None:
        check_nothing_to_sample(self.name, fast, changes)
        return None

    @abstractmethod
    def check(self, prompts: Sequence[Prompt], settings: SamplingSettings | None = None) -> None:
        """ValueError, in one line, for the first prompt that cannot be made."""

    def notes(self, prompt: Prompt) -> list[str]:
        """What the user should know about how this prompt will be met, one plain sentence each."""
        return notes_of(self.name, self.words, self.native_size, prompt, self.config.text.source)

    def generate(
        self,
        prompts: Sequence[Prompt],
        settings: SamplingSettings | None = None,
        progress: Progress | None = None,
    ) -> list[Clip]:
        """One clip a prompt. ValueError for the first prompt that cannot be made."""
        self.check(prompts, settings)
        clips = []
        for index, prompt in enumerate(prompts):
            with torch.inference_mode():
                clips.append(self._generate_one(prompt))
            if progress is not None:
                progress(index, 1, 1)
        return clips

    @abstractmethod
    def _generate_one(self, prompt: Prompt) -> Clip:
        """The clip of a prompt that has been checked."""
