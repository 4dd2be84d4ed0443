"""A trained video autoencoder: clips to latents and back; its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError

from scenewright.clip import frames_to_tensor, tensor_to_frames
from scenewright.config import Config, fingerprint, validation_summary
from scenewright.generation.model_folder import (
    AUTOENCODER,
    SHIPPED,
    ModelError,
    digest_of,
    load_weights,
    replacing,
    save_weights,
)
from scenewright.models.blocks.causal import TimeCache
from scenewright.models.tiling import tiled
from scenewright.models.video_autoencoder import VideoAutoencoder, VideoAutoencoderConfig

#: Latents (frames x rows x columns) that are decoded at once; of longer clips, a few frames at a time.
AT_ONCE = 16 * 32 * 32

#: Pictures of more rows or columns of latents than this are decoded in tiles of it, which overlap by so many;
#: then those for little memory.
TILE, OVERLAP = 64, 8
SMALL_TILE, SMALL_OVERLAP = 8, 4


class AutoencoderCard(Config):
    """The contents of ``config.json``."""

    family: Literal["video-autoencoder"]
    name: str
    network: VideoAutoencoderConfig


@dataclass(eq=False)
class Autoencoder:
    """A network with what it needs to be used. Each clip is encoded and decoded by itself, so that the result
    does not depend on what else is asked for."""

    network: VideoAutoencoder
    name: str = "unnamed"

    def __post_init__(self) -> None:
        self.network.eval()

    @property
    def device(self) -> torch.device:
        return self.network.latent_mean.device

    @property
    def config(self) -> VideoAutoencoderConfig:
        return self.network.config

    @cached_property
    def hash(self) -> str:
        """SHA-256 (64 hexadecimal digits) of sizes and weights."""
        return self._digest("")

    @cached_property
    def encoder_hash(self) -> str:
        """The same of all that decides the latents of a clip: without the decoder's weights."""
        return self._digest("decoder.")

    def _digest(self, without: str) -> str:
        return digest_of(self.network, fingerprint(self.config).encode(), without=without)

    @torch.inference_mode()
    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """uint8 (B, T, H, W, 3) to latents float16 (B, Z, t, h, w), on the CPU."""
        latents = [self.network.encode(frames_to_tensor(clip[None]).to(self.device)) for clip in frames]
        return torch.cat(latents).to("cpu", torch.float16)

    @torch.inference_mode()
    def decode(
        self, latents: torch.Tensor, num_frames: int | None = None, *, small: bool = False
    ) -> torch.Tensor:
        """Latents (B, Z, t, h, w) to uint8 (B, T, H, W, 3), on the CPU.

        ``num_frames``: see :meth:`.VideoAutoencoder.decode`. Long clips are decoded piece by piece, which
        changes nothing; large pictures in tiles that are blended where they overlap. ``small``: one frame of
        latents at a time, in small tiles, for little memory.
        """
        latents = latents.to(self.device, torch.float32)
        _, _, frames, rows, columns = latents.shape
        tile, overlap = (SMALL_TILE, SMALL_OVERLAP) if small else (TILE, OVERLAP)
        chunk = 1 if small else max(1, AT_ONCE // (min(rows, tile) * min(columns, tile)))

        def decode(part: torch.Tensor) -> torch.Tensor:
            return self.network.decode(part, num_frames, chunk=chunk if chunk < frames else None)

        _, height, width = self.config.compression
        clips = [tiled(decode, clip[None], tile, overlap, (height, width)) for clip in latents]
        return tensor_to_frames(torch.cat(clips)).cpu()

    def decode_next(self, latents: torch.Tensor, cache: TimeCache) -> torch.Tensor:
        """Latents (1, Z, t, h, w) that follow those that ``cache`` is of, which begins empty and is brought
        up to date, to uint8 (1, T, H, W, 3), on the CPU. Large pictures are decoded whole."""
        latents = latents.to(self.device, torch.float32)
        return tensor_to_frames(self.network.decode(latents, cache=cache)).cpu()

    def reconstruct(self, frames: torch.Tensor) -> torch.Tensor:
        """uint8 (B, T, H, W, 3), there and back."""
        return self.decode(self.encode(frames), frames.shape[1])


def save_autoencoder(autoencoder: Autoencoder, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a folder with ``config.json`` and ``model.safetensors``."""
    card = AutoencoderCard(
        family="video-autoencoder", name=autoencoder.name, network=autoencoder.network.config
    )
    with replacing(folder) as new:
        save_weights(autoencoder.network, new, dtype)
        (new / "config.json").write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n", "utf-8")


def load_autoencoder(folder: str | Path, device: str | torch.device = "cpu") -> Autoencoder:
    """Load a video autoencoder: by its folder, or by the name of a model of the package that has one.

    Raises:
        ModelError: there is none, or a file is missing, broken or of something else.
    """
    folder = _find(Path(folder))
    card = read_autoencoder_card(folder)
    network = VideoAutoencoder(card.network)
    load_weights(network, folder)
    return Autoencoder(network.to(device), card.name)


def read_autoencoder_card(folder: Path) -> AutoencoderCard:
    """The name and sizes of an autoencoder, without its weights. Errors as :func:`load_autoencoder`."""
    file = _find(folder) / "config.json"
    try:
        return AutoencoderCard.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise ModelError(
            f"{folder} holds no video autoencoder: it has no config.json; train one with the recipe "
            "video-autoencoder"
        ) from None
    except ValidationError as error:
        summary = validation_summary(error, AutoencoderCard)
        raise ModelError(f"{file} is of no video autoencoder: {summary}") from None


def _find(folder: Path) -> Path:
    shipped = SHIPPED / folder / AUTOENCODER
    return shipped if not folder.exists() and len(folder.parts) == 1 and shipped.is_dir() else folder
