"""Videos that come part by part while they are made, for as long as is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Never

import numpy as np
import torch

from scenewright.clip import Clip, Prompt, tensor_to_frames
from scenewright.generation.generator import Progress
from scenewright.generation.guidance import Steering, guided
from scenewright.generation.pipeline import TextToVideo
from scenewright.generation.resizing import fitted, wanted_size
from scenewright.generation.samplers import seeded, solve
from scenewright.generation.settings import SamplingSettings
from scenewright.models.blocks.causal import TimeCache
from scenewright.models.causal_flow_transformer import CausalFlowTransformer
from scenewright.models.denoiser import Denoiser
from scenewright.seeds import keyed_generator, keyed_seed


@dataclass(eq=False)
class StreamingTextToVideo(TextToVideo):
    """A :class:`.TextToVideo` of a :class:`.CausalFlowTransformer`."""

    model: CausalFlowTransformer

    @property
    def most_frames(self) -> int | None:
        return None

    def parts(self, prompt: Prompt) -> int:
        """How many parts a clip of the prompt is made in."""
        return self._native_frames(prompt) // self.model.config.patch[0]

    @torch.inference_mode()
    def stream(
        self,
        prompt: Prompt,
        settings: SamplingSettings | None = None,
        progress: Progress | None = None,
        index: int = 0,
    ) -> Iterator[np.ndarray]:
        """The frames uint8 (t, H, W, 3) of a clip, each part as soon as it is made; in all as many as the
        prompt asks for, or as the clips had that the model learned. ``progress`` is called with ``index``.

        Raises:
            ValueError: the prompt cannot be made with these settings.
        """
        settings = settings or self.settings
        self.check([prompt], settings)
        config, size = self.model.config, wanted_size(prompt, self.native_size)
        shape = (1, config.channels, config.patch[0], config.height, config.width_pixels)
        parts = self.parts(prompt)
        left = prompt.num_frames or self.usual_frames
        texts = self._read(prompt, [prompt.text, prompt.negative][: 1 if settings.guidance_scale == 1 else 2])
        decoded: TimeCache = {}
        denoise = guided(
            lambda z, sigma: (texts[0].predict(z, sigma), texts[1].predict(z, sigma)),
            lambda z, sigma, span=0.0: texts[0].predict(z, sigma),
            scale=settings.guidance_scale,
            interval=settings.guidance_interval,
        )
        for part in range(parts):
            noise = torch.randn(shape, generator=keyed_generator(prompt.seed, "noise", part)).to(self.device)
            on_step = None
            if progress is not None:
                on_step = partial(_of_all, progress, index, part, parts)
            sampler = seeded(settings.sampler, [keyed_seed(prompt.seed, "part", part)])
            x = solve(sampler, denoise, noise, settings.sigmas, on_step=on_step)
            if part + 1 < parts:
                for text in texts:
                    text.add(x)
            if self.autoencoder is None:
                made = tensor_to_frames(x)
            else:
                made = self.autoencoder.decode_next(x, decoded)
            frames = made[0].cpu().numpy()[:left]
            left -= len(frames)
            yield fitted(frames, size)

    def generate(
        self,
        prompts: Sequence[Prompt],
        settings: SamplingSettings | None = None,
        progress: Progress | None = None,
        steering: Steering | None = None,
    ) -> list[Clip]:
        if steering is not None:
            raise ValueError(
                f"{self.name} makes a video part by part; nothing guides it that judges whole ones"
            )
        self.check(prompts, settings)
        return [
            Clip(
                frames=np.concatenate(list(self.stream(prompt, settings, progress, index))),
                fps=prompt.fps or self.fps,
                caption=prompt.text,
                metadata=self.describe(prompt, settings or self.settings),
            )
            for index, prompt in enumerate(prompts)
        ]

    def begin(self, *_: Any, **__: Any) -> Never:
        """ValueError: it takes no steps that whole clips take."""
        raise ValueError(f"{self.name} makes a video part by part; see stream")

    def _read(self, prompt: Prompt, texts: list[str]) -> list[_Past]:
        ids, mask = self.tokenizer.batch(texts, self.model.config.text.max_tokens, pad_to_max=True)
        ids, mask = ids.to(self.device), mask.to(self.device)
        words, pooled = self.model.encode_text(ids, mask)
        rows = range(len(texts))
        return [_Past(self.model, (words[i, None], pooled[i, None], mask[i, None])) for i in rows]


def text_to_video(model: Denoiser, **parts: Any) -> TextToVideo:
    """What makes clips with a network, and the other fields of :class:`.TextToVideo`."""
    if isinstance(model, CausalFlowTransformer):
        return StreamingTextToVideo(model=model, **parts)
    return TextToVideo(model=model, **parts)


class _Past:
    """What has been made so far, as the network sees it beside one text."""

    def __init__(
        self, model: CausalFlowTransformer, text: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    ) -> None:
        self.model, self.text = model, text
        self.caches, self.parts = model.caches(), 0

    def predict(self, z: torch.Tensor, sigma: float) -> torch.Tensor:
        """The clean part that comes next, from a noisy one."""
        length = self.caches[0].length
        x = self._see(z, sigma)
        for cache in self.caches:
            cache.cut(length)
        return x

    def add(self, x: torch.Tensor) -> None:
        """A part that is done. What is too far back is forgotten."""
        self._see(x, 0.0)
        self.parts += 1
        tokens = self.model.config.tokens_a_part
        if self.caches[0].length == self.caches[0].most:
            for cache in self.caches:
                cache.forget(tokens)

    def _see(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        made: torch.Tensor = self.model(x, x.new_full((1,), sigma), *self.text, self.caches, self.parts)
        return made


def _of_all(progress: Progress, index: int, part: int, parts: int, step: int, steps: int) -> None:
    progress(index, part * steps + step, parts * steps)
