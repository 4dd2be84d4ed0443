"""From prompts to clips: the one path that the command line, evaluation and training's samples call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from pydantic import Field, field_validator

from scenewright.clip import Clip, Prompt, tensor_to_frames
from scenewright.config import Config
from scenewright.generation.autoencoder import Autoencoder
from scenewright.generation.guidance import guided
from scenewright.generation.samplers import SAMPLERS, sigma_schedule
from scenewright.models.flow_transformer import FlowTransformer
from scenewright.seeds import keyed_generator
from scenewright.text.tokenizer import Tokenizer

#: Called after each sampling step with (prompt index, step, steps).
Progress = Callable[[int, int, int], None]


class SamplingSettings(Config):
    """How to sample. ``guidance_interval``: the noise levels at which guidance is applied."""

    steps: int = Field(default=16, ge=1, le=1000)
    sampler: str = "dpmpp_2m"
    guidance_scale: float = Field(default=3.0, ge=0)
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    shift: float = Field(default=5.0, gt=0)

    @field_validator("sampler")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SAMPLERS:
            raise ValueError(f"there is no sampler {name!r}; known: {', '.join(SAMPLERS)}")
        return name


@dataclass(eq=False)
class TextToVideo:
    """A trained model with what it needs to be used.

    ``words``: the words its training captions had, or empty where that is not recorded. ``model_hash``:
    SHA-256 of the weights file. ``settings``: the settings the model's makers recommend. ``autoencoder``:
    what decodes the latents that the model makes; None where it makes pixels.
    """

    model: FlowTransformer
    tokenizer: Tokenizer
    settings: SamplingSettings = field(default_factory=SamplingSettings)
    words: frozenset[str] = frozenset()
    name: str = "unnamed"
    model_hash: str = ""
    autoencoder: Autoencoder | None = None

    def __post_init__(self) -> None:
        self.model.eval()

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @cached_property
    def native_size(self) -> tuple[int, int]:
        """(width, height) in pixels of the clips the model was trained on."""
        _, rows, columns = self.compression
        return self.model.config.width_pixels * columns, self.model.config.height * rows

    @property
    def compression(self) -> tuple[int, int, int]:
        """(frames, rows, columns) of pixels to one value that the model makes."""
        return (1, 1, 1) if self.autoencoder is None else self.autoencoder.config.compression

    def unknown_words(self, text: str) -> list[str]:
        """Words of ``text`` that never occurred in training, in order; empty where that is not recorded."""
        if not self.words:
            return []
        found = "".join(c if c.isalnum() or c in "-'" else " " for c in text.lower()).split()
        return list(dict.fromkeys(word for word in found if word not in self.words))

    def generate(
        self,
        prompts: Sequence[Prompt],
        settings: SamplingSettings | None = None,
        progress: Progress | None = None,
    ) -> list[Clip]:
        """One clip a prompt, at the size and length it asks for.

        Each prompt is sampled by itself with its own seed, in calls of one shape, so that a clip does not
        depend on what else is in the list.

        Raises:
            ValueError: a length the model cannot make.
        """
        settings = settings or self.settings
        self.check(prompts, settings)
        return [self._generate_one(prompt, settings, progress, index) for index, prompt in enumerate(prompts)]

    def check(self, prompts: Sequence[Prompt], settings: SamplingSettings | None = None) -> None:
        """ValueError, in one line, for the first prompt that cannot be made with these settings."""
        scale = (settings or self.settings).guidance_scale
        for prompt in prompts:
            if not prompt.text.strip():
                raise ValueError("the prompt is empty; say what the video should show")
            if prompt.negative and scale == 1.0:
                raise ValueError(
                    "a negative prompt does nothing at guidance scale 1; raise the guidance scale"
                )
            self._native_frames(prompt)

    def notes(self, prompt: Prompt) -> list[str]:
        """What the user should know about how this prompt will be met, one plain sentence each."""
        notes = []
        if unknown := self.unknown_words(prompt.text):
            quoted = ", ".join(f'"{word}"' for word in unknown)
            notes.append(f"{self.name} does not know {quoted}; it shows its best guess without them")
        width, height = self.native_size
        if (wanted := _size(prompt, self.native_size)) != (width, height):
            notes.append(
                f"{self.name} makes {width}x{height}; the video is resized to {wanted[0]}x{wanted[1]}"
            )
        return notes

    @torch.inference_mode()
    def _generate_one(
        self,
        prompt: Prompt,
        settings: SamplingSettings,
        progress: Progress | None,
        index: int,
    ) -> Clip:
        config = self.model.config
        shape = (1, config.channels, self._native_frames(prompt), config.height, config.width_pixels)
        noise = torch.randn(shape, generator=keyed_generator(prompt.seed, "noise")).to(self.device)
        denoise = guided(
            *self._denoisers(prompt), scale=settings.guidance_scale, interval=settings.guidance_interval
        )
        x = SAMPLERS[settings.sampler](
            denoise,
            noise,
            sigma_schedule(settings.steps, settings.shift),
            on_step=None if progress is None else partial(progress, index),
        )
        made = tensor_to_frames(x) if self.autoencoder is None else self.autoencoder.decode(x)
        frames = made[0].cpu().numpy()[: prompt.num_frames]
        return Clip(
            frames=_resize(frames, _size(prompt, self.native_size)),
            fps=prompt.fps or config.fps,
            caption=prompt.text,
            metadata=self.describe(prompt, settings),
        )

    def describe(self, prompt: Prompt, settings: SamplingSettings) -> dict[str, Any]:
        """What a file must say to be made again."""
        return {
            "prompt": prompt.text,
            "negative_prompt": prompt.negative,
            "seed": prompt.seed,
            "model": self.name,
            "model_sha256": self.model_hash,
            "settings": settings.model_dump(mode="json"),
        }

    def _denoisers(self, prompt: Prompt) -> tuple[Any, Any]:
        ids, mask = self.tokenizer.batch(
            [prompt.text, prompt.negative], self.model.config.text.max_tokens, pad_to_max=True
        )
        ids, mask = ids.to(self.device), mask.to(self.device)
        words, pooled = self.model.encode_text(ids, mask)

        def both(z: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
            x = self.model(z.expand(2, -1, -1, -1, -1), z.new_full((2,), sigma), words, pooled, mask)
            return x[:1], x[1:]

        def positive_only(z: torch.Tensor, sigma: float) -> torch.Tensor:
            return self.model(z, z.new_full((1,), sigma), words[:1], pooled[:1], mask[:1])

        return both, positive_only

    def _native_frames(self, prompt: Prompt) -> int:
        """Frames, of pixels or latents, to sample: the prompt's number rounded up to whole patches."""
        config, group = self.model.config, self.compression[0]
        most = config.num_frames * group
        wanted = prompt.num_frames or most
        if wanted > most:
            raise ValueError(f"{self.name} makes at most {most} frames, not {wanted}; ask for fewer")
        step = config.patch[0] * group
        return -(-wanted // step) * config.patch[0]


def _size(prompt: Prompt, native: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the result; one given side keeps the model's aspect ratio."""
    width, height = native
    if prompt.width and prompt.height:
        return prompt.width, prompt.height
    if prompt.width:
        return prompt.width, max(1, round(prompt.width * height / width))
    if prompt.height:
        return max(1, round(prompt.height * width / height)), prompt.height
    return native


def _resize(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Lanczos resampling of uint8 (T, H, W, 3), cropped centrally to the new aspect ratio first."""
    from PIL import Image

    _, height, width, _ = frames.shape
    if size == (width, height):
        return frames
    scale = min(width / size[0], height / size[1])
    crop_w, crop_h = scale * size[0], scale * size[1]
    left, top = (width - crop_w) / 2, (height - crop_h) / 2
    box = (left, top, left + crop_w, top + crop_h)
    return np.stack(
        [
            np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS, box=box))
            for frame in frames
        ]
    )
