"""Networks that make a clip at once, with what they need to be used; their folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from scenewright.clip import Clip, Prompt, tensor_to_frames
from scenewright.config import Config, validation_summary
from scenewright.generation.generator import Progress
from scenewright.generation.model_folder import (
    WEIGHTS,
    ModelError,
    family_in,
    load_vocabulary,
    load_weights,
    replacing,
    save_vocabulary,
    save_weights,
)
from scenewright.generation.requests import check_nothing_to_sample, check_text_alone, notes_of
from scenewright.generation.resizing import fitted, wanted_size
from scenewright.generation.settings import SamplingSettings
from scenewright.models.direct import DirectConfig, DirectNetwork
from scenewright.registry import RegistryError, models
from scenewright.seeds import keyed_generator
from scenewright.text.tokenizer import Tokenizer


class DirectCard(Config):
    """The contents of ``config.json``."""

    family: str
    name: str
    network: dict[str, Any]

    def build(self) -> DirectNetwork:
        """The network with fresh weights. ValueError: sizes that do not fit it."""
        network = models.get(self.family)
        return network(network.Config.model_validate(self.network))


@dataclass(eq=False)
class DirectGenerator:
    """A :class:`~scenewright.generation.generator.Generator`: one pass through the network makes a clip.
    ``words``: those of its training captions, or empty where that is not recorded."""

    model: DirectNetwork
    tokenizer: Tokenizer
    words: frozenset[str] = frozenset()
    name: str = "unnamed"
    model_hash: str = ""

    def __post_init__(self) -> None:
        self.model.eval()

    @property
    def config(self) -> DirectConfig:
        return self.model.config

    @property
    def settings(self) -> SamplingSettings | None:
        return None

    @property
    def native_size(self) -> tuple[int, int]:
        return self.config.width_pixels, self.config.height

    @property
    def most_frames(self) -> int | None:
        return self.config.num_frames

    @property
    def fps(self) -> float:
        return self.config.fps

    @property
    def identity(self) -> str:
        return hashlib.sha256((self.model_hash + self.config.model_dump_json()).encode()).hexdigest()[:16]

    def untrained(self, seed: int) -> DirectGenerator:
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

    def check(self, prompts: Sequence[Prompt], settings: SamplingSettings | None = None) -> None:
        for prompt in prompts:
            check_text_alone(self.name, prompt)
            if prompt.num_frames is not None and prompt.num_frames > self.config.num_frames:
                raise ValueError(
                    f"{self.name} makes at most {self.config.num_frames} frames, not {prompt.num_frames}; "
                    "ask for fewer"
                )

    def notes(self, prompt: Prompt) -> list[str]:
        notes = notes_of(self.name, self.words, self.native_size, prompt)
        if self.model.noise_shape == (0,) and prompt.seed:
            notes.append(f"{self.name} makes one video of a text, whatever the seed")
        return notes

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[Prompt],
        settings: SamplingSettings | None = None,
        progress: Progress | None = None,
    ) -> list[Clip]:
        """One clip a prompt. Raises ``ValueError`` for a length that the network cannot make."""
        self.check(prompts, settings)
        clips = []
        for index, prompt in enumerate(prompts):
            clips.append(self._generate_one(prompt))
            if progress is not None:
                progress(index, 1, 1)
        return clips

    def _generate_one(self, prompt: Prompt) -> Clip:
        device = next(self.model.parameters()).device
        ids, mask = self.tokenizer.batch([prompt.text], self.config.text.max_tokens)
        ids, mask = ids.to(device), mask.to(device)
        noise = torch.randn(1, *self.model.noise_shape, generator=keyed_generator(prompt.seed, "noise"))
        made = self.model(*self.model.encode_text(ids, mask), mask, noise.to(device))
        frames = tensor_to_frames(made)[0].cpu().numpy()[: prompt.num_frames]
        facts = {"prompt": prompt.text, "seed": prompt.seed, "model": self.name}
        return Clip(
            frames=fitted(frames, wanted_size(prompt, self.native_size)),
            fps=prompt.fps or self.fps,
            caption=prompt.text,
            metadata={**facts, "model_sha256": self.model_hash},
        )


def is_direct(family: str) -> bool:
    """Whether networks of a family make their clips at once. One that is not known does not."""
    try:
        return issubclass(models.get(family), DirectNetwork)
    except (RegistryError, TypeError):
        return False


def save_direct(generator: DirectGenerator, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a model's folder; every file appears whole or not at all."""
    network = generator.config.model_dump(mode="json")
    card = DirectCard(family=network["family"], name=generator.name, network=network)
    with replacing(folder) as new:
        save_weights(generator.model, new, dtype)
        save_vocabulary(new, generator.tokenizer, generator.words)
        (new / "config.json").write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n", "utf-8")


def load_direct(folder: Path, device: str | torch.device = "cpu") -> DirectGenerator:
    """Load a model by its folder.

    Raises:
        ModelError: a file is missing, broken or of something else.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise ModelError(f"{folder} holds no model: it has no config.json")
    content = file.read_bytes()
    if not is_direct(family_in(content)):
        raise ModelError(f"{folder} is of no network that makes a clip at once")
    try:
        card = DirectCard.model_validate_json(content)
        network = card.build()
    except ValidationError as error:
        raise ModelError(f"{file}: {validation_summary(error, DirectCard)}") from None
    load_weights(network, folder)
    tokenizer, words = load_vocabulary(folder)
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    return DirectGenerator(network.to(device), tokenizer, words, card.name, digest)
