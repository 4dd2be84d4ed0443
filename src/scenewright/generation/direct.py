"""Networks that make a clip at once, with what they need to be used; their folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from scenewright.clip import Clip, Prompt, tensor_to_frames
from scenewright.generation.network_folder import is_of, load_network, save_network
from scenewright.generation.network_generator import NetworkGenerator
from scenewright.generation.requests import check_length, check_text_alone
from scenewright.generation.resizing import fitted, wanted_size
from scenewright.generation.settings import SamplingSettings
from scenewright.models.direct import DirectNetwork, EncodedText
from scenewright.seeds import keyed_generator


@dataclass(eq=False)
class DirectGenerator(NetworkGenerator):
    """One pass through the network makes a clip."""

    model: DirectNetwork

    def check(self, prompts: Sequence[Prompt], settings: SamplingSettings | None = None) -> None:
        for prompt in prompts:
            check_text_alone(self.name, prompt)
            check_length(self.name, prompt, self.config.num_frames)

    def notes(self, prompt: Prompt) -> list[str]:
        notes = super().notes(prompt)
        if self.model.noise_shape == (0,) and prompt.seed:
            notes.append(f"{self.name} makes one video of a text, whatever the seed")
        return notes

    def _generate_one(self, prompt: Prompt) -> Clip:
        return self.finished(prompt, self.model.make(*self.condition(prompt)).clips)

    def condition(self, prompt: Prompt) -> tuple[EncodedText, torch.Tensor]:
        """What the network makes a clip of: the encoded text, and noise float (1, *noise_shape)."""
        ids, mask = self.tokenizer.batch([prompt.text], self.config.text.max_tokens)
        noise = torch.randn(1, *self.model.noise_shape, generator=keyed_generator(prompt.seed, "noise"))
        return self.model.encode_text(ids.to(self.device), mask.to(self.device)), noise.to(self.device)

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
