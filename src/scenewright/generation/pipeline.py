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
from scenewright.generation.guidance import guided
from scenewright.generation.planner import Planner
from scenewright.generation.requests import check_length, check_text, notes_of, unknown_words
from scenewright.generation.resizing import fitted, wanted_size
from scenewright.generation.samplers import Denoise, seeded
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
    one it takes those of the prompts.
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
        settings = settings or self.settings
        scale = settings.guidance_scale
        if settings.sampler == "shortcut" and not self.model.config.spans:
            raise ValueError(f"{self.name} has not learned the long steps of the shortcut sampler")
        for prompt in prompts:
            check_text(prompt)
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
        shown = self._shown(prompt, shape[2])
        denoise = guided(
            *self._denoisers(prompt, shown.input if shown else None),
            scale=settings.guidance_scale,
            interval=settings.guidance_interval,
        )
        if shown is not None:
            denoise = shown.keeping(denoise)
        on_step = None if progress is None else partial(progress, index)
        x = seeded(settings.sampler, prompt.seed)(denoise, noise, settings.sigmas, on_step=on_step)
        made = tensor_to_frames(x) if self.autoencoder is None else self.autoencoder.decode(x)
        if shown is not None:
            made = torch.where(shown.known[:, :, None, None, None], shown.frames, made.cpu())
        frames = made[0].cpu().numpy()[: prompt.num_frames]
        return Clip(
            frames=fitted(frames, wanted_size(prompt, self.native_size)),
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
            **({"given_frames": [at for at, _ in self._places(prompt)]} if prompt.given else {}),
        }

    def _denoisers(self, prompt: Prompt, given: torch.Tensor | None) -> tuple[Any, Denoise]:
        ids, mask = self.tokenizer.batch(
            [prompt.text, prompt.negative], self.model.config.text.max_tokens, pad_to_max=True
        )
        ids, mask = ids.to(self.device), mask.to(self.device)
        words, pooled = self.model.encode_text(ids, mask)
        layout = self._layout(prompt, words, mask)

        def both(z: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
            sigmas = z.new_full((2,), sigma)
            beside = _beside(None if given is None else given.expand(2, -1, -1, -1, -1), layout)
            x = self.model(z.expand(2, -1, -1, -1, -1), sigmas, words, pooled, mask, **beside)
            return x[:1], x[1:]

        def positive_only(z: torch.Tensor, sigma: float, span: float = 0.0) -> torch.Tensor:
            spans = z.new_full((1,), span) if span else None
            beside = _beside(given, None if layout is None else layout[:1], spans)
            return self.model(z, z.new_full((1,), sigma), words[:1], pooled[:1], mask[:1], **beside)

        return both, positive_only

    def _layout(self, prompt: Prompt, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor | None:
        """Features float32 (2, N, F) of the layout to make, and of none for the negative text; None for a
        model that takes no layouts. With given frames there is none unless the prompt has one: they say where
        things are."""
        config = self.model.config.layout
        if config is None:
            return None
        layout = prompt.layout
        if layout is None and self.planner is not None and not prompt.given:
            layout = self.planner.plan(words, mask, prompt.seed)
        features = torch.zeros(2, config.slots, config.features)
        if layout is not None:
            features[0] = config.encode(layout)
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
        count = prompt.num_frames or self.usual_frames
        places: dict[int, GivenFrame] = {}
        for given in prompt.given:
            if not -count <= given.at < count:
                raise ValueError(f"a frame is given for place {given.at} of a video of {count} frames")
            if given.at % count in places:
                raise ValueError(f"two frames are given for place {given.at % count}")
            places[given.at % count] = given
        if len(places) == count:
            raise ValueError(f"all {count} frames are given; there is nothing to make")
        return sorted(places.items())

    def _shown(self, prompt: Prompt, native_frames: int) -> _Shown | None:
        places = self._places(prompt)
        if not places:
            return None
        width, height = self.native_size
        length = native_frames * self.compression[0]
        frames = torch.zeros(1, length, height, width, 3, dtype=torch.uint8)
        known = torch.zeros(1, length, dtype=torch.bool)
        for at, given in places:
            frames[0, at] = torch.from_numpy(fitted(given.frame[None], self.native_size)[0].copy())
            known[0, at] = True
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
    """Given frames, uint8 (1, T, H, W, 3) where ``known``; what the network sees of them; what it makes where
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
