"""Networks that go on from first frames to a sound, with what they need to be used; their folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from scenewright.clip import Clip, Prompt, Waveform, frames_to_tensor, tensor_to_frames
from scenewright.generation.network_folder import is_of, load_network, save_network
from scenewright.generation.network_generator import NetworkGenerator
from scenewright.generation.requests import check_length, given_places
from scenewright.generation.resizing import fitted, wanted_size
from scenewright.generation.settings import SamplingSettings
from scenewright.media.mel import mel_frames
from scenewright.models.sound_to_sight import SoundToSight
from scenewright.seeds import keyed_generator


@dataclass(eq=False)
class SoundToSightGenerator(NetworkGenerator):
    """Of prompts with first frames and a sound; their text may be empty. Clips have the sound."""

    model: SoundToSight

    def check(self, prompts: Sequence[Prompt], settings: SamplingSettings | None = None) -> None:
        for prompt in prompts:
            for what, given in (("negative", prompt.negative), ("layout", prompt.layout)):
                if given:
                    raise ValueError(f"{self.name} goes on from frames to a sound; leave {what} out")
            check_length(self.name, prompt, self.config.num_frames)
            self._given(prompt)
            if prompt.sound is None:
                raise ValueError(f"{self.name} makes frames to a sound; give it one (--sound FILE)")
            if prompt.fps is not None and prompt.fps != self.fps:
                raise ValueError(
                    f"{self.name} makes {self.fps:g} frames of each second of the sound; leave fps out"
                )

    def notes(self, prompt: Prompt) -> list[str]:
        notes = super().notes(prompt)
        seconds = self._count(prompt) / self.fps
        if prompt.sound is not None and abs(prompt.sound.seconds - seconds) > 0.5 / self.fps:
            rest = "what follows it is silent" if prompt.sound.seconds < seconds else "the rest is not heard"
            notes.append(f"the sound is {prompt.sound.seconds:.1f} s and the video {seconds:.1f} s; {rest}")
        return notes

    @torch.inference_mode()
    def continued(
        self, given: torch.Tensor, sound: torch.Tensor, texts: Sequence[str], seeds: Sequence[int]
    ) -> torch.Tensor:
        """uint8 (B, T, H, W, 3): clips that begin with the frames ``given``, uint8 (B, n, H, W, 3), to
        ``sound``, float32 (B, T, F), see :func:`scenewright.media.mel.mel_frames`."""
        device = self.device
        ids, mask = self.tokenizer.batch(texts, self.config.text.max_tokens)
        # As many numbers for any length, so that a shorter clip is the beginning of a longer one.
        shape = (self.config.num_frames - 1, self.config.latents)
        noise = torch.stack([torch.randn(*shape, generator=keyed_generator(seed, "noise")) for seed in seeds])
        made = self.model.continued(
            ids.to(device),
            mask.to(device),
            frames_to_tensor(given).to(device),
            sound.to(device),
            noise.to(device),
        )
        return tensor_to_frames(made).cpu()

    def _generate_one(self, prompt: Prompt) -> Clip:
        count, sound = self._count(prompt), prompt.sound
        assert sound is not None
        given = np.concatenate([fitted(frame[None], self.native_size) for frame in self._given(prompt)])
        heard = torch.from_numpy(mel_frames(sound, count, self.fps))
        made = self.continued(torch.tensor(given)[None], heard[None], [prompt.text], [prompt.seed])
        facts = {"prompt": prompt.text, "seed": prompt.seed, "model": self.name}
        samples = sound.samples[:, : round(count / self.fps * sound.rate)]
        return Clip(
            frames=fitted(made[0].numpy(), wanted_size(prompt, self.native_size)),
            fps=self.fps,
            audio=Waveform(samples, sound.rate),
            caption=prompt.text or None,
            metadata={**facts, "given_frames": len(given), "model_sha256": self.model_hash},
        )

    def _count(self, prompt: Prompt) -> int:
        return prompt.num_frames or self.config.num_frames

    def _given(self, prompt: Prompt) -> list[np.ndarray]:
        """The first frames. ValueError: there are too few, or others."""
        places = given_places(prompt, self._count(prompt))
        least = self.config.given
        if [at for at, _ in places] != list(range(len(places))) or len(places) < least:
            what, it = ("the first frame", "it") if least == 1 else (f"the first {least} frames", "them")
            raise ValueError(
                f"{self.name} goes on from {what} of a video: give {it}, and none from further on "
                "(--image PICTURE)"
            )
        return [given.frame for _, given in places]


def is_sound_to_sight(family: str) -> bool:
    """Whether networks of a family make frames to a sound. One that is not known does not."""
    return is_of(family, SoundToSight)


def save_sound_to_sight(
    generator: SoundToSightGenerator, folder: Path, dtype: torch.dtype = torch.float16
) -> None:
    """Write a model's folder; every file appears whole or not at all."""
    save_network(generator.model, generator.name, generator.tokenizer, generator.words, folder, dtype)


def load_sound_to_sight(folder: Path, device: str | torch.device = "cpu") -> SoundToSightGenerator:
    """Load a model by its folder.

    Raises:
        ModelError: a file is missing, broken or of something else.
    """
    found = load_network(folder, SoundToSight, "makes frames to a sound")
    return SoundToSightGenerator(found.network.to(device), *found[1:])
