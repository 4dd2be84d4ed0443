"""Sound for videos that have none, from what is seen in them; folders of networks that say what is heard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from scenewright.clip import Clip, frames_to_tensor
from scenewright.generation.network_folder import load_network, save_network
from scenewright.generation.resizing import fitted
from scenewright.models.sight_to_sound import SightToSound, SightToSoundConfig
from scenewright.world.hearing import SoundEvent, events_in, sound_of


@dataclass(eq=False)
class Foley:
    """Says what is heard in clips, and makes it. ``digest``: of its file of weights."""

    model: SightToSound
    name: str = "unnamed"
    digest: str = ""

    def __post_init__(self) -> None:
        self.model.eval()

    @property
    def config(self) -> SightToSoundConfig:
        return self.model.config

    @torch.inference_mode()
    def table(self, frames: np.ndarray) -> np.ndarray:
        """uint8 frames (T, H, W, 3), at the network's frame rate, of any size and number, to a table
        (T, K, 7) whose first two columns are probabilities, see :mod:`scenewright.world.hearing`.

        More frames than the network sees at once are seen in pieces that overlap by half; of each frame that
        counts which the piece says in whose middle it is most.
        """
        config, device = self.config, next(self.model.parameters()).device
        x = torch.tensor(fitted(frames, (config.width_pixels, config.height)))[None]
        size, count = config.num_frames, len(frames)
        starts = [*range(0, max(count - size, 0), max(1, size // 2)), max(count - size, 0)]
        places = np.arange(count)
        centres = np.array([start + (min(size, count) - 1) / 2 for start in starts])
        nearest = np.abs(places[:, None] - centres).argmin(1)
        pieces = [self.model(frames_to_tensor(x[:, s : s + size]).to(device)).tables[0].cpu() for s in starts]
        chosen = [pieces[piece][place - starts[piece]] for place, piece in enumerate(nearest)]
        return torch.stack(chosen).numpy()

    def events(self, clip: Clip) -> list[SoundEvent]:
        """What is heard in a clip, ordered by start. Of one at another frame rate than the network's, the
        frames are seen that are shown at its times."""
        fps = self.config.fps
        times = np.arange(max(1, round(clip.seconds * fps))) / fps
        shown = np.minimum((times * clip.fps + 1e-6).astype(int), len(clip) - 1)
        return events_in(self.table(clip.frames[shown]), fps)

    def sounded(self, clip: Clip, seed: int = 0) -> Clip:
        """The clip with the sound of its events; ``seed`` decides all that is noise in it."""
        return clip.with_(audio=sound_of(self.events(clip), clip.seconds, seed=seed))


def save_foley(foley: Foley, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a model's folder; every file appears whole or not at all."""
    save_network(foley.model, foley.name, None, frozenset(), folder, dtype)


def load_foley(folder: Path, device: str | torch.device = "cpu") -> Foley:
    """Load a model by its folder.

    Raises:
        ModelError: a file is missing, broken or of something else.
    """
    found = load_network(folder, SightToSound, "says what is heard in videos")
    return Foley(found.network.to(device), found.name, found.digest)
