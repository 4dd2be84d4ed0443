"""Networks that make a clip at once, with what they need to be used; their folders."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scenewright.clip import Clip, Prompt, tensor_to_frames
from scenewright.generation.generator import Progress
from scenewright.generation.network_folder import is_of, load_network, save_network
from scenewright.generation.requests import check_length, check_nothing_to_sample, check_text_alone, notes_of
from scenewright.generation.resizing import fitted, wanted_size
from scenewright.generation.settings import SamplingSettings
from scenewright.models.direct import DirectConfig, DirectNetwork, EncodedText
from scenewright.seeds import keyed_generator
from scenewright.text.tokenizer import TextTokenizer


@dataclass(eq=False)
class DirectGenerator:
    """A :class:`~scenewright.generation.generator.Generator`: one pass through the network makes a clip.
    ``words``: those of its training captions, or empty where that is not recorded."""

    model: DirectNetwork
    tokenizer: TextTokenizer
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
            check_length(self.name, prompt, self.config.num_frames)

    def notes(self, prompt: Prompt) -> list[str]:
        notes = notes_of(self.name, self.words, self.native_size, prompt, self.config.text.source)
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
            clips.append(self.finished(prompt, self.model.make(*self.condition(prompt)).clips))
            if progress is not None:
                progress(index, 1, 1)
        return clips

    def condition(self, prompt: Prompt) -> tuple[EncodedText, torch.Tensor]:
        """What the network makes a clip of: the encoded text, and noise float (1, *noise_shape)."""
        device = next(self.model.parameters()).device
        ids, mask = self.tokenizer.batch([prompt.text], self.config.text.max_tokens)
        noise = torch.randn(1, *self.model.noise_shape, generator=keyed_generator(prompt.seed, "noise"))
        return self.model.encode_text(ids.to(device), mask.to(device)), noise.to(device)

    def finished(self, prompt: Prompt, made: torch.Tensor) -> Clip:
        """What the network has made of a prompt, float (1, 3, T, H, W), as the clip that was asked for."""
        frames = tensor_to_frames(made)[0].cpu().numpy()[: prompt.num_frames]
        facts = {"prompt": prompt.text, "seed": prompt.seed, "model": self.name}
        return Clip(
            frames=fitted(frames, wanted_size(prompt, self.native_size)),
            fps=prompt.fps or self.fps,
            caption=prompt.text,
            metadata={**facts, "model_sha256": self.model_hash},
        )

    def attention(self, prompt: Prompt) -> tuple[Clip, list[tuple[str, np.ndarray]]]:
        """The clip of a prompt, and for each piece of its text how much every place of every frame looked at
        it: float32 (T, h, w), as weights among the pieces; h = w = 1 where frames look as wholes.

        Raises:
            ValueError: the network looks at no single words.
        """
        (clip,) = self.generate([prompt])
        maps = self.model.attention_maps
        if maps is None:
            raise ValueError(f"{self.name} looks at no single words; zoo/aed and zoo/attn-gan do")
        pieces = self.tokenizer.pieces(prompt.text)[: maps.shape[1]]
        return clip, list(zip(pieces, maps[0].cpu().numpy(), strict=False))


def is_direct(family: str) -> bool:
    """Whether networks of a family make their clips at once. One that is not known does not."""
    return is_of(family, DirectNetwork)


def save_direct(generator: DirectGenerator, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a model's folder; every file appears whole or not at all."""
    save_network(generator.model, generator.name, generator.tokenizer, generator.words, folder, dtype)


def load_direct(folder: Path, device: str | torch.device = "cpu") -> DirectGenerator:
    """Load a model by its folder.

    Raises:
        ModelError: a file is missing, broken or of something else.
    """
    found = load_network(folder, DirectNetwork, "makes a clip at once")
    return DirectGenerator(found.network.to(device), *found[1:])
