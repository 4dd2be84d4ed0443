"""Transformers over words and the tokens of videos, with what they need to be used; their folders."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from scenewright.clip import Clip, Prompt, frames_to_tensor
from scenewright.generation.autoencoder import Autoencoder, load_autoencoder, save_autoencoder
from scenewright.generation.generator import Progress
from scenewright.generation.model_folder import AUTOENCODER, ModelError, lossless_dtype
from scenewright.generation.network_folder import is_of, load_network, save_network
from scenewright.generation.requests import check_length, check_text_alone, notes_of
from scenewright.generation.resizing import fitted, wanted_size
from scenewright.generation.token_sampling import TokenSampling, sample_video, sample_words
from scenewright.models.token_transformer import TokenTransformer, TokenTransformerConfig
from scenewright.seeds import keyed_generator
from scenewright.text.tokenizer import Tokenizer


@dataclass(eq=False)
class TokenGenerator:
    """A :class:`~scenewright.generation.generator.Generator` that also captions videos. ``autoencoder``: what
    makes tokens of videos and videos of tokens. ``words``: those of its training captions."""

    model: TokenTransformer
    tokenizer: Tokenizer
    autoencoder: Autoencoder
    words: frozenset[str] = frozenset()
    name: str = "unnamed"
    model_hash: str = ""
    settings: TokenSampling = field(default_factory=TokenSampling)

    def __post_init__(self) -> None:
        self.model.eval()

    @property
    def native_size(self) -> tuple[int, int]:
        _, rows, columns = self.autoencoder.config.compression
        return self.model.config.grid[2] * columns, self.model.config.grid[1] * rows

    @property
    def most_frames(self) -> int | None:
        return self.model.config.grid[0] * self.autoencoder.config.compression[0]

    @property
    def fps(self) -> float:
        return self.model.config.fps

    @property
    def identity(self) -> str:
        parts = [self.model_hash, self.model.config.model_dump_json(), self.autoencoder.hash]
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]

    def untrained(self, seed: int) -> TokenGenerator:
        """The same with fresh random weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = TokenTransformer(self.model.config)
        return replace(self, model=network, name=f"{self.name}-untrained", model_hash=f"untrained {seed}")

    def recommended(self, *, fast: bool = False, changes: Mapping[str, Any] | None = None) -> TokenSampling:
        if fast:
            raise ValueError(f"{self.name} has no settings for few steps; leave fast out")
        given = {name: value for name, value in (changes or {}).items() if value is not None}
        known = set(TokenSampling.model_fields)
        if self.model.config.order == "causal":
            known.remove("steps")
        if unknown := [name.replace("_", "-") for name in given if name not in known]:
            raise ValueError(f"{self.name} draws tokens, and has no {', '.join(unknown)}; leave it out")
        if self.model.config.order == "causal":
            given["steps"] = self.model.config.video_tokens
        return TokenSampling.model_validate({**self.settings.model_dump(), **given})

    def check(self, prompts: Sequence[Prompt], settings: Any = None) -> None:
        most = self.most_frames
        assert most is not None
        for prompt in prompts:
            check_text_alone(self.name, prompt)
            check_length(self.name, prompt, most)

    def notes(self, prompt: Prompt) -> list[str]:
        return notes_of(self.name, self.words, self.native_size, prompt)

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[Prompt], settings: Any = None, progress: Progress | None = None
    ) -> list[Clip]:
        """One clip a prompt. Raises ``ValueError`` for a length that the network cannot make."""
        self.check(prompts, settings)
        chosen = settings or self.settings
        clips = []
        for index, prompt in enumerate(prompts):

            def step(done: int, steps: int, index: int = index) -> None:
                if progress is not None:
                    progress(index, done, steps)

            codes = sample_video(
                self.model, self._read(prompt.text), chosen, keyed_generator(prompt.seed, "tokens"), step
            )
            latents = self.autoencoder.network.latents_of(codes[None].to(self.autoencoder.device))
            frames = self.autoencoder.decode(latents, self.most_frames)[0].numpy()[: prompt.num_frames]
            facts = {"prompt": prompt.text, "seed": prompt.seed, "model": self.name}
            clips.append(
                Clip(
                    frames=fitted(frames, wanted_size(prompt, self.native_size)),
                    fps=prompt.fps or self.fps,
                    caption=prompt.text,
                    metadata={
                        **facts,
                        "model_sha256": self.model_hash,
                        "settings": chosen.model_dump(mode="json"),
                    },
                )
            )
        return clips

    @torch.inference_mode()
    def caption(self, clip: Clip) -> str:
        """What the network says of a clip, of which it sees as many frames as it makes, evenly chosen."""
        most = self.most_frames
        assert most is not None
        at = torch.linspace(0, len(clip.frames) - 1, most).round().long()
        frames = fitted(clip.frames[at.numpy()], self.native_size)
        codes = self.tokens_of(torch.from_numpy(frames.copy())[None])
        words = sample_words(self.model, codes[0].to(self._device))
        # There may be fewer pieces than the vocabulary has room for.
        return self.tokenizer.decode([word for word in words if word < self.tokenizer.size])

    def tokens_of(self, frames: torch.Tensor) -> torch.Tensor:
        """uint8 (B, T, H, W, 3) to codes int64 (B, t, h, w)."""
        return tokens_of(self.autoencoder, frames)

    @property
    def _device(self) -> torch.device:
        return self.model.begin_places.device

    def _read(self, text: str) -> torch.Tensor:
        ids, _ = self.tokenizer.batch([text], self.model.config.max_tokens, pad_to_max=True)
        return ids[0].to(self._device)


@torch.inference_mode()
def tokens_of(autoencoder: Autoencoder, frames: torch.Tensor) -> torch.Tensor:
    """uint8 (B, T, H, W, 3) to codes int64 (B, t, h, w), on the CPU."""
    return autoencoder.network.tokenize(frames_to_tensor(frames).to(autoencoder.device)).cpu()


def is_token_model(family: str) -> bool:
    """Whether networks of a family are transformers over tokens. One that is not known is not."""
    return is_of(family, TokenTransformer)


def save_tokens(generator: TokenGenerator, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a model's folder, with that of its autoencoder; every file appears whole or not at all."""
    network = generator.autoencoder.network
    save_autoencoder(generator.autoencoder, folder / AUTOENCODER, lossless_dtype(network))
    save_network(generator.model, generator.name, generator.tokenizer, generator.words, folder, dtype)


def load_tokens(folder: Path, device: str | torch.device = "cpu") -> TokenGenerator:
    """Load a model by its folder.

    Raises:
        ModelError: a file is missing, broken or of something else.
    """
    found = load_network(folder, TokenTransformer, "draws the tokens of videos")
    if not isinstance(found.tokenizer, Tokenizer):
        raise ModelError(f"{folder} has another tokenizer than a {Tokenizer.FILE}, which its network reads")
    autoencoder = load_autoencoder(folder / AUTOENCODER, device)
    check_fit(found.network.config, autoencoder, folder)
    return TokenGenerator(
        found.network.to(device), found.tokenizer, autoencoder, found.words, found.name, found.digest
    )


def check_fit(network: TokenTransformerConfig, autoencoder: Autoencoder, folder: Path) -> None:
    """ModelError where the network draws other tokens than the autoencoder has."""
    codes = autoencoder.network.bottleneck.codes
    if codes != network.codes:
        raise ModelError(f"{folder}: the network draws {network.codes} codes, the autoencoder has {codes}")
