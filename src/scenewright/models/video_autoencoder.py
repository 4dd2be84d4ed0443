"""A convolutional video autoencoder, causal in time: 8x8 in space and 4x in time by default.

Pixels are cut into blocks of (frames, rows, columns), which become channels (the patch of Agarwal et al.
2025, "Cosmos"); residual blocks of a convolution in space and one in time work on them at one resolution,
and, after each halving of rows and columns, at the next. The decoder is its mirror. What both learn is added
to a cosine code of the blocks that a latent stands for (a shortcut as those of Chen et al. 2024, "Deep
compression autoencoder", of fixed weights), which is what an untrained one gives. Frames come in groups of
``patch[0]``, one latent frame each. A video whose length is no multiple of that begins with a shorter group,
filled up by copies of the first frame: one frame is an image, 1 + 4 k frames are the first one alone and k
groups. A latent frame depends on its own group and those before it, a decoded frame on the latent frames up
to its own.

B = batch, C = colours, T/H/W = frames, rows, columns, Z = latent channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional as F

from scenewright.config import Config
from scenewright.models.blocks.bottlenecks import BottleneckConfig, Code
from scenewright.models.blocks.causal import CausalBlock, TimeCache, blocks_to_channels, channels_to_blocks
from scenewright.models.blocks.cosine import CosineCode
from scenewright.models.blocks.initial import zeros
from scenewright.models.blocks.norm import rms_norm


class VideoAutoencoderConfig(Config):
    """Sizes of the network.

    ``patch``: (frames, rows, columns) of the blocks of pixels. ``widths``: channels at each resolution; each
    but the first halves rows and columns. ``encoder_blocks``, ``decoder_blocks``: residual blocks at each, in
    the order of ``widths``.
    """

    family: Literal["video-autoencoder"] = "video-autoencoder"
    patch: tuple[int, int, int] = (4, 4, 4)
    widths: tuple[int, ...] = Field(default=(128, 256), min_length=1)
    encoder_blocks: tuple[int, ...] = (2, 2)
    decoder_blocks: tuple[int, ...] = (3, 2)
    bottleneck: BottleneckConfig = BottleneckConfig()

    @model_validator(mode="after")
    def _check(self) -> VideoAutoencoderConfig:
        if not len(self.widths) == len(self.encoder_blocks) == len(self.decoder_blocks):
            raise ValueError("widths, encoder_blocks and decoder_blocks need one entry for each resolution")
        if min(self.patch) < 1 or min(self.widths) < 1:
            raise ValueError("patch and widths are positive")
        return self

    @property
    def compression(self) -> tuple[int, int, int]:
        """Pixels to a latent: (frames, rows, columns)."""
        halvings = 2 ** (len(self.widths) - 1)
        return (self.patch[0], self.patch[1] * halvings, self.patch[2] * halvings)

    @property
    def channels(self) -> int:
        """Latent channels."""
        return self.bottleneck.latents

    def grid(self, num_frames: int, height: int, width: int) -> tuple[int, int, int]:
        """(frames, rows, columns) of a clip's latents; ValueError where rows or columns do not divide."""
        t, h, w = self.compression
        for name, size, step in (("height", height, h), ("width", width, w)):
            if size < step or size % step:
                raise ValueError(f"{name} must be a multiple of {step} for this autoencoder, not {size}")
        if num_frames < 1:
            raise ValueError("a clip needs at least one frame")
        return (-(-num_frames // t), height // h, width // w)


class Reconstruction(NamedTuple):
    """``x``: float (B, 3, T, H, W), what the decoder makes of ``code``, whose places are latents."""

    x: torch.Tensor
    code: Code


class VideoAutoencoder(nn.Module):
    """Clips in [-1, 1] to latents of zero mean and unit variance in each channel, and back."""

    Config = VideoAutoencoderConfig

    #: Methods beside ``forward`` that use the weights.
    forward_methods: ClassVar[tuple[str, ...]] = ("encode", "decode", "tokenize")

    latent_mean: torch.Tensor
    latent_std: torch.Tensor
    settled: torch.Tensor

    def __init__(self, config: VideoAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.bottleneck = config.bottleneck.build()
        self.encoder = Encoder(config, self.bottleneck.inputs)
        self.decoder = Decoder(config)
        self.register_buffer("latent_mean", torch.zeros(config.channels))
        self.register_buffer("latent_std", torch.ones(config.channels))
        self.register_buffer("settled", torch.zeros((), dtype=torch.int64))

    def forward(self, x_BCTHW: torch.Tensor, noise_BTHWZ: torch.Tensor | None = None) -> Reconstruction:
        """The way through, as in training. ``noise_BTHWZ``: standard normal, for a sample of Gaussian latents
        instead of their mean."""
        code = self.bottleneck(self.encoder(self._groups(x_BCTHW)), noise_BTHWZ)
        x = self._frames(self.decoder(code.z), x_BCTHW.shape[2])
        return Reconstruction(x, code)

    def encode(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        """float (B, 3, T, H, W) in [-1, 1] to normalised latents float32 (B, Z, T/4, H/8, W/8), T/4 rounded
        up; of Gaussian latents the mean."""
        return self._normalised(self._code(x_BCTHW).z)

    def decode(
        self,
        latents_BZTHW: torch.Tensor,
        num_frames: int | None = None,
        *,
        chunk: int | None = None,
        cache: TimeCache | None = None,
    ) -> torch.Tensor:
        """Normalised latents (B, Z, t, h, w) to a clip (B, 3, T, H, W) in about [-1, 1].

        ``num_frames``: the clip's length; by default whole groups. ``chunk``: so many latent frames at a
        time, which takes less memory and gives the same. ``cache``: of the latents before these, if they go
        on; empty for the first. It is brought up to date.

        Raises:
            ValueError: the latents are not those of so many frames.
        """
        frames = latents_BZTHW.shape[2]
        z_BTHWZ = latents_BZTHW.movedim(1, -1) * self.latent_std + self.latent_mean
        if cache is None and chunk is not None:
            cache = {}
        parts = [self.decoder(part, cache) for part in z_BTHWZ.split(chunk or frames, dim=1)]
        return self._frames(torch.cat(parts, dim=1), num_frames)

    def tokenize(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        """Codes int64 (B, t, h, w) of a clip. ValueError where the latents are continuous."""
        indices = self._code(x_BCTHW).indices
        if indices is None:
            raise ValueError("the latents of this autoencoder are continuous; it has no codes")
        return indices

    def latents_of(self, indices_BTHW: torch.Tensor) -> torch.Tensor:
        """Normalised latents (B, Z, t, h, w) of codes, for :meth:`decode`."""
        return self._normalised(self.bottleneck.vectors(indices_BTHW))

    def statistics(self, code: Code) -> dict[str, torch.Tensor]:
        """Sums over a batch that :meth:`settle` learns from; those of parts of a batch add up."""
        z = code.z.detach().flatten(0, -2).double()
        sums = {"count": z.new_tensor(len(z)), "sum": z.sum(0), "squares": z.square().sum(0)}
        return {**sums, **self.bottleneck.statistics(code)}

    @torch.no_grad()
    def settle(self, sums: Mapping[str, torch.Tensor], spare: torch.Tensor) -> None:
        """After an update: mean and standard deviation of latents follow the batch, and so does a codebook.

        ``sums``: of the whole batch. ``spare``: float (spares, Z), vectors of the batch for dead codes.
        """
        momentum = max(0.01, 10 / (10 + int(self.settled)))
        mean = sums["sum"] / sums["count"]
        square = self.latent_std.double().square() + self.latent_mean.double().square()
        square = torch.lerp(square, sums["squares"] / sums["count"], momentum)
        self.latent_mean.copy_(torch.lerp(self.latent_mean.double(), mean, momentum))
        variance = square - self.latent_mean.double().square()
        self.latent_std.copy_(variance.clamp(min=1e-8).sqrt())
        self.settled += 1
        self.bottleneck.settle(sums, spare)

    def _code(self, x_BCTHW: torch.Tensor) -> Code:
        return self.bottleneck(self.encoder(self._groups(x_BCTHW)))

    def _normalised(self, z_BTHWZ: torch.Tensor) -> torch.Tensor:
        return ((z_BTHWZ - self.latent_mean) / self.latent_std).movedim(-1, 1)

    def _groups(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        """(B, T, H, W, 3), T filled up to whole groups by copies of the first frame."""
        self.config.grid(*x_BCTHW.shape[2:])
        missing = -x_BCTHW.shape[2] % self.config.patch[0]
        x_BTHWC = x_BCTHW.movedim(1, -1)
        return torch.cat((x_BTHWC[:, :1].expand(-1, missing, -1, -1, -1), x_BTHWC), dim=1)

    def _frames(self, x_BTHWC: torch.Tensor, num_frames: int | None) -> torch.Tensor:
        """The inverse of :meth:`_groups`."""
        frames, group = x_BTHWC.shape[1], self.config.patch[0]
        num_frames = frames if num_frames is None else num_frames
        if not frames - group < num_frames <= frames:
            raise ValueError(f"{frames // group} latent frames are no clip of {num_frames} frames")
        return x_BTHWC[:, frames - num_frames :].movedim(-1, 1)


class Level(nn.Module):
    """``count`` residual blocks at one resolution."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(CausalBlock(width) for _ in range(count))

    def forward(self, x_BTHWC: torch.Tensor, cache: TimeCache | None = None) -> torch.Tensor:
        for block in self.blocks:
            x_BTHWC = block(x_BTHWC, cache)
        return x_BTHWC


class Encoder(nn.Module):
    """(B, T, H, W, 3) to (B, t, h, w, ``outputs``), T a multiple of the group."""

    def __init__(self, config: VideoAutoencoderConfig, outputs: int) -> None:
        super().__init__()
        self.patch = config.patch
        self.patch_in = nn.Linear(3 * math.prod(config.patch), config.widths[0])
        self.levels = nn.ModuleList(
            Level(width, count) for width, count in zip(config.widths, config.encoder_blocks, strict=True)
        )
        self.down = nn.ModuleList(
            nn.Linear(4 * fine, coarse)
            for fine, coarse in zip(config.widths, config.widths[1:], strict=False)
        )
        self.out = zeros(nn.Linear(config.widths[-1], outputs))
        self.block, self.shortcut = config.compression, CosineCode(config.compression, config.channels)

    def forward(self, x_BTHWC: torch.Tensor, cache: TimeCache | None = None) -> torch.Tensor:
        code_BTHWZ = self.shortcut.encode(blocks_to_channels(x_BTHWC, self.block))
        x = self.patch_in(blocks_to_channels(x_BTHWC, self.patch))
        for index, level in enumerate(self.levels):
            if index:
                x = self.down[index - 1](blocks_to_channels(x, (1, 2, 2)))
            x = level(x, cache)
        x = self.out(rms_norm(x))
        return x + F.pad(code_BTHWZ, (0, x.shape[-1] - code_BTHWZ.shape[-1]))


class Decoder(nn.Module):
    """(B, t, h, w, Z) to (B, T, H, W, 3)."""

    def __init__(self, config: VideoAutoencoderConfig) -> None:
        super().__init__()
        self.patch = config.patch
        self.into = nn.Linear(config.channels, config.widths[-1])
        self.levels = nn.ModuleList(
            Level(width, count) for width, count in zip(config.widths, config.decoder_blocks, strict=True)
        )
        self.up = nn.ModuleList(
            nn.Linear(coarse, 4 * fine)
            for fine, coarse in zip(config.widths, config.widths[1:], strict=False)
        )
        self.patch_out = zeros(nn.Linear(config.widths[0], 3 * math.prod(config.patch)))
        self.block, self.shortcut = config.compression, CosineCode(config.compression, config.channels)

    def forward(self, z_BTHWZ: torch.Tensor, cache: TimeCache | None = None) -> torch.Tensor:
        code_BTHWC = channels_to_blocks(self.shortcut.decode(z_BTHWZ), self.block)
        x = self.into(z_BTHWZ)
        for index in reversed(range(len(self.levels))):
            x = self.levels[index](x, cache)
            if index:
                x = channels_to_blocks(self.up[index - 1](x), (1, 2, 2))
        x = self.patch_out(rms_norm(x))
        return code_BTHWC + channels_to_blocks(x, self.patch)
