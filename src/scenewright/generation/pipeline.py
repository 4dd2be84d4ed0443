"""From prompts to clips: the one path that the command line, evaluation and training's samples call."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch

from scenewright.clip import Clip, GivenFrame, Prompt, tensor_to_frames
from scenewright.generation.autoencoder import Autoencoder
from scenewright.generation.generator import Progress
from scenewright.generation.given import given_input, held, settled_frames
from scenewright.generation.guidance import Steering, guided, steered
from scenewright.generation.planner import Planner
from scenewright.generation.requests import (
    check_length,
    check_no_sound,
    check_text,
    given_places,
    notes_of,
    unknown_words,
)
from scenewright.generation.resizing import fitted, wanted_size
from scenewright.generation.samplers import Denoise, seeded
from scenewright.generation.sampling import Sampling
from scenewright.generation.settings import SamplingSettings
from scenewright.models.denoiser import Denoiser
from scenewright.seeds import keyed_generator
from scenewright.text.tokenizer import TextTokenizer


@dataclass(eq=False)
class TextToVideo:
    """A trained model with what it needs to be used.

    ``words``: the words its training captions had, or empty where that is not recorded. ``model_hash``:
    SHA-256 of the weights file. ``settings``: the settings the model's makers recommend; ``fast``: those for
    few steps, None where the model has not learned any. ``autoencoder``: what decodes the latents that the
    model makes; None where it makes pixels. ``planner``: what plans the layouts that the model takes; without
    one it takes those of the prompts. ``keep_texts``: of so many texts what the model has read is kept, for
    the next clip of them; only for a model that is not being trained.
    """

    model: Denoiser
    tokenizer: TextTokenizer
    settings: SamplingSettings = field(default_factory=SamplingSettings)
    fast: SamplingSettings | None = None
    words: frozenset[str] = frozenset()
    name: str = "unnamed"
    model_hash: str = ""
    autoencoder: Autoencoder | None = None
    planner: Planner | None = None
    keep_texts: int = 0
    _kept_texts: dict[str, tuple[torch.Tensor, ...]] = field(default_factory=dict, init=False, repr=False)

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

    @property
    def fps(self) -> float:
        return self.model.config.fps

    @property
    def identity(self) -> str:
        """Of the weights, the sizes, and what stands beside the network."""
        parts = [self.model_hash, self.model.config.model_dump_json()]
        parts += [part.hash for part in (self.autoencoder, self.planner) if part is not None]
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]

    def recommended(
        self, *, fast: bool = False, changes: Mapping[str, Any] | None = None
    ) -> SamplingSettings:
        """The settings that the model's makers recommend, or those for few steps, with ``changes``.
        ValueError: it has none, or they do not fit."""
        if fast and self.fast is None:
            raise ValueError(f"{self.name} has not learned to make videos in few steps; leave fast out")
        chosen = self.fast if fast and self.fast is not None else self.settings
        return chosen.changed(changes or {})

    def unknown_words(self, text: str) -> list[str]:
        """Words of ``text`` that never occurred in training, in order; empty where that is not recorded."""
        return unknown_words(self.words, text)

    def generate(
        self,
        prompts: Sequence[Prompt],
        settings: SamplingSettings | None = None,
        progress: Progress | None = None,
        steering: Steering | None = None,
    ) -> list[Clip]:
        """One clip a prompt, at the size and length it asks for.

        Each prompt is sampled by itself with its own seed, in calls of one shape, so that a clip does not
        depend on what else is in the list. ``steering``: what the sampler is guided by, beside the text.

        Raises:
            ValueError: a length the model cannot make.
        """
        settings = settings or self.settings
        self.check(prompts, settings)
        clips = []
        for index, prompt in enumerate(prompts):
            sampling = self.begin([prompt], settings, steering)
            while not sampling.done:
                sampling.advance()
                if progress is not None:
                    progress(index, sampling.step, sampling.steps)
            clips += sampling.finish()
        return clips

    def check(self, prompts: Sequence[Prompt], settings: SamplingSettings | None = None) -> None:
        """ValueError, in one line, for the first prompt that cannot be made with these settings."""
        settings = settings or self.settings
        scale = settings.guidance_scale
        if settings.sampler == "shortcut" and not self.model.config.spans:
            raise ValueError(f"{self.name} has not learned the long steps of the shortcut sampler")
        for prompt in prompts:
            check_text(prompt)
            check_no_sound(self.name, prompt)
            if prompt.negative and scale == 1.0:
                raise ValueError(
                    "a negative prompt does nothing at guidance scale 1; raise the guidance scale"
                )
            self._native_frames(prompt)
            self._places(prompt)
            self._check_layout(prompt)

    def notes(self, prompt: Prompt) -> list[str]:
        """What the user should know about how this prompt will be met, one plain sentence each."""
        return notes_of(self.name, self.words, self.native_size, prompt, self.model.config.text.source)

    def begin(
        self,
        prompts: Sequence[Prompt],
        settings: SamplingSettings | None = None,
        steering: Steering | None = None,
    ) -> Sampling:
        """Clips of one shape that take their steps together. ``steering``: of a single one.

        Raises:
            ValueError: a prompt that the model cannot make, or clips of different shapes.
        """
        settings = settings or self.settings
        self.check(prompts, settings)
        config = self.model.config
        lengths = {self._native_frames(prompt) for prompt in prompts}
        if len(lengths) != 1 or (steering is not None and len(prompts) != 1):
            raise ValueError("clips that are made together have one length, and are not guided by a judge")
        shape = (1, config.channels, *lengths, config.height, config.width_pixels)
        noise = [torch.randn(shape, generator=keyed_generator(prompt.seed, "noise")) for prompt in prompts]
        shown = self._shown(prompts, *lengths)
        with torch.no_grad():
            denoisers = self._denoisers(prompts, shown.input if shown else None)
        denoise = guided(*denoisers, scale=settings.guidance_scale, interval=settings.guidance_interval)
        if steering is not None:
            denoise = steered(denoise, steering, partial(self._pixels, num_frames=prompts[0].num_frames))
        if shown is not None:
            denoise = shown.keeping(denoise)
        return Sampling(
            denoise,
            seeded(settings.sampler, [prompt.seed for prompt in prompts]),
            settings.sigmas,
            torch.cat(noise).to(self.device),
            preview_of=lambda x: self._frames(x, tile=False)[0].numpy(),
            finish_of=partial(self._finish, prompts, settings, shown),
        )

    def _finish(
        self,
        prompts: Sequence[Prompt],
        settings: SamplingSettings,
        shown: _Shown | None,
        x: torch.Tensor,
        tile: bool,
    ) -> list[Clip]:
        made = self._frames(x, tile=tile)
        if shown is not None:
            made = torch.where(shown.known[:, :, None, None, None], shown.frames, made)
        return [
            Clip(
                frames=fitted(frames[: prompt.num_frames].numpy(), wanted_size(prompt, self.native_size)),
                fps=prompt.fps or self.fps,
                caption=prompt.text,
                metadata=self.describe(prompt, settings),
            )
            for prompt, frames in zip(prompts, made, strict=True)
        ]

    def _frames(self, x_BCTHW: torch.Tensor, *, tile: bool) -> torch.Tensor:
        """What the model makes, as uint8 (B, T, H, W, 3) on the CPU."""
        if self.autoencoder is None:
            return tensor_to_frames(x_BCTHW).cpu()
        return self.autoencoder.decode(x_BCTHW, small=tile)

    def _pixels(self, x_BCTHW: torch.Tensor, num_frames: int | None) -> torch.Tensor:
        """What the model makes, as pixels float in [-1, 1]; gradients pass through."""
        made = x_BCTHW if self.autoencoder is None else self.autoencoder.network.decode(x_BCTHW)
        return made[:, :, :num_frames].clamp(-1, 1)

    def describe(self, prompt: Prompt, settings: SamplingSettings) -> dict[str, Any]:
        """What a file must say to be made again."""
        return {
            "prompt": prompt.text,
            "negative_prompt": prompt.negative,
            "seed": prompt.seed,
            "model": self.name,
            "model_sha256": self.model_hash,
            "settings": settings.model_dump(mode="json"),
            **({"given_frames": [at for at, _ in self._places(prompt)]} if prompt.given else {}),
        }

    def _denoisers(self, prompts: Sequence[Prompt], given: torch.Tensor | None) -> tuple[Any, Denoise]:
        texts = [prompt.text for prompt in prompts] + [prompt.negative for prompt in prompts]
        words, pooled, mask = self._encoded(texts)
        layout, count = self._layouts(prompts, words, mask), len(prompts)
        given_twice = None if given is None else torch.cat([given, given])

        def both(z: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
            sigmas = z.new_full((2 * count,), sigma)
            beside = _beside(given_twice, layout)
            x = self.model(torch.cat([z, z]), sigmas, words, pooled, mask, **beside)
            return x[:count], x[count:]

        def positive_only(z: torch.Tensor, sigma: float, span: float = 0.0) -> torch.Tensor:
            spans = z.new_full((count,), span) if span else None
            beside = _beside(given, None if layout is None else layout[:count], spans)
            sigmas = z.new_full((count,), sigma)
            return self.model(z, sigmas, words[:count], pooled[:count], mask[:count], **beside)

        return both, positive_only

    def _encoded(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Word vectors, pooled vectors and mask of texts, each encoded by itself: what is made of one does
        not depend on the others, nor on what has been kept."""
        found = []
        for text in texts:
            if (encoded := self._kept_texts.pop(text, None)) is None:
                ids, mask = self.tokenizer.batch([text], self.model.config.text.max_tokens, pad_to_max=True)
                ids, mask = ids.to(self.device), mask.to(self.device)
                encoded = (*self.model.encode_text(ids, mask), mask)
            if self.keep_texts:
                self._kept_texts[text] = encoded
            found.append(encoded)
        while len(self._kept_texts) > self.keep_texts:
            del self._kept_texts[next(iter(self._kept_texts))]
        words, pooled, masks = (torch.cat(parts) for parts in zip(*found, strict=True))
        return words, pooled, masks

    def _layouts(
        self, prompts: Sequence[Prompt], words: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor | None:
        """Features float32 (2 B, N, F) of the layouts to make, and of none for the negative texts; None for a
        model that takes no layouts. With given frames there is none unless the prompt has one: they say where
        things are."""
        config = self.model.config.layout
        if config is None:
            return None
        count = len(prompts)
        features = torch.zeros(2 * count, config.slots, config.features)
        layouts = {row: prompt.layout for row, prompt in enumerate(prompts) if prompt.layout is not None}
        if self.planner is not None:
            left = [row for row, prompt in enumerate(prompts) if row not in layouts and not prompt.given]
            if left:
                rows = left + [count + row for row in left]
                planned = self.planner.plan(words[rows], mask[rows], [prompts[row].seed for row in left])
                layouts |= dict(zip(left, planned, strict=True))
        for row, layout in layouts.items():
            features[row] = config.encode(layout)
        return features.to(self.device)

    def _check_layout(self, prompt: Prompt) -> None:
        """ValueError where the prompt's layout cannot be met."""
        if prompt.layout is None:
            return
        if self.model.config.layout is None:
            raise ValueError(f"{self.name} was not trained with layouts; it makes videos from text alone")
        self.model.config.layout.encode(prompt.layout)

    @property
    def usual_frames(self) -> int:
        """Frames of the clips that the model was trained on."""
        return self.model.config.num_frames * self.compression[0]

    @property
    def most_frames(self) -> int | None:
        """The longest clip that the model makes, in frames; None for any."""
        return self.usual_frames

    def _native_frames(self, prompt: Prompt) -> int:
        """Frames, of pixels or latents, to sample: the prompt's number rounded up to whole patches."""
        most, patch = self.most_frames, self.model.config.patch[0]
        if most is not None:
            check_length(self.name, prompt, most)
        wanted = prompt.num_frames or self.usual_frames
        return -(-wanted // (patch * self.compression[0])) * patch

    def _places(self, prompt: Prompt) -> list[tuple[int, GivenFrame]]:
        """The given frames by their places from 0. ValueError where they cannot be met."""
        if not prompt.given:
            return []
        if not self.model.config.given_frames:
            raise ValueError(
                f"{self.name} was not trained with given frames; it makes videos from text alone"
            )
        return given_places(prompt, prompt.num_frames or self.usual_frames)

    def _shown(self, prompts: Sequence[Prompt], native_frames: int) -> _Shown | None:
        if not any(prompt.given for prompt in prompts):
            return None
        width, height = self.native_size
        length = native_frames * self.compression[0]
        frames = torch.zeros(len(prompts), length, height, width, 3, dtype=torch.uint8)
        known = torch.zeros(len(prompts), length, dtype=torch.bool)
        for row, prompt in enumerate(prompts):
            for at, given in self._places(prompt):
                frames[row, at] = torch.from_numpy(fitted(given.frame[None], self.native_size)[0].copy())
                known[row, at] = True
        seen = given_input(frames, known).to(self.device)
        settled = settled_frames(known, self.compression[0]).to(self.device)
        made = seen[:, :3]
        if self.autoencoder is not None:
            made = self.autoencoder.encode(held(frames, known)).to(self.device, seen.dtype)
        return _Shown(frames, known, seen, made, settled)


def _beside(
    given: torch.Tensor | None, layout: torch.Tensor | None, span: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """What the network takes beside the text, by the names of its arguments."""
    found = {"given_BGTHW": given, "layout_BNF": layout, "span_B": span}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class _Shown:
    """Given frames, uint8 (B, T, H, W, 3) where ``known``; what the network sees of them; what it makes where
    they have ``settled`` it."""

    frames: torch.Tensor
    known: torch.Tensor
    input: torch.Tensor
    made: torch.Tensor
    settled: torch.Tensor

    def keeping(self, denoise: Denoise) -> Denoise:
        """``denoise`` with these frames as they are."""
        settled = self.settled[:, None, :, None, None]

        def keep(z: torch.Tensor, sigma: float, span: float = 0.0) -> torch.Tensor:
            return torch.where(settled, self.made, denoise(z, sigma, span))

        return keep
