"""Text-conditioned flow transformer that predicts the clean clip from a noisy one.

The clip, pixels or latents, is cut into patches of (frames, rows, columns); a narrow linear bottleneck
embeds each patch (Li & He 2025, "Back to basics: let denoising generative models denoise"), transformer
blocks with adaptive RMS norm (Peebles & Xie 2023) attend to each other and to the words, and a linear layer
paints each patch of the clean clip. A network may also take frames that are given, a layout, and how far a
step of sampling goes; layers for these begin as zeros, so that a network trained without goes on with them.

B = batch, C = channels, T/H/W = frames, rows, columns, L = patches, D = width, S = words, E = text width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.config import Config
from scenewright.models.blocks.attention import Attention, KeyValueCache
from scenewright.models.blocks.feed_forward import SwiGLU
from scenewright.models.blocks.initial import zeros
from scenewright.models.blocks.norm import RMSNorm
from scenewright.models.blocks.patches import patchify, unpatchify
from scenewright.models.blocks.positions import grid_coordinates, rotary_angles, sinusoid
from scenewright.models.blocks.regularisation import BranchDropout, linear_depth_rates
from scenewright.models.denoiser import Denoiser
from scenewright.models.layout import LayoutConfig, LayoutEmbedding, seen_from_patches
from scenewright.models.text_encoder import TextEncoderConfig, build_text_encoder

#: Of what is given of a clip: its colours, and whether a pixel is known.
GIVEN_CHANNELS = 4


class FlowTransformerConfig(Config):
    """Sizes of the network and of the clips it is made for.

    ``channels`` is 3 for pixels; a latent tokenizer sets its own number. ``patch`` is (frames, rows,
    columns); ``bottleneck`` the rank of the patch embedding. ``num_frames``, ``height`` and ``width_pixels``
    count what the network sees: pixels, or latents. ``dropout``, and ``stochastic_depth`` at the last block,
    work in training only: see :class:`.blocks.regularisation.BranchDropout`.

    ``given_frames``: 0 for a network that sees the text alone; one that also takes frames that are given says
    how many of them stand behind each that it sees, and ``given_pixels`` how many rows and columns: 1 and 1
    for pixels, 4 and 8 for latents of 4x8x8 pixels. Given frames are pixels in both.
    ``spans``: whether it takes the length of a sampling step, and so can be trained to make long ones.
    ``layout``: for a network that takes layouts, what they have. ``modulation_rank``: 0 for whole matrices
    from noise level and text to the blocks' scales, shifts and gates; else their rank, to save parameters.
    """

    family: Literal["flow-transformer"] = "flow-transformer"
    channels: int = 3
    patch: tuple[int, int, int] = (4, 16, 16)
    bottleneck: int = 128
    width: int = 256
    layers: int = 8
    heads: int = 4
    mlp_ratio: float = 8 / 3
    dropout: float = Field(default=0.0, ge=0, lt=1)
    stochastic_depth: float = Field(default=0.0, ge=0, lt=1)
    given_frames: int = Field(default=0, ge=0)
    given_pixels: int = Field(default=1, ge=1)
    spans: bool = False
    layout: LayoutConfig | None = None
    modulation_rank: int = Field(default=0, ge=0)
    text: TextEncoderConfig = TextEncoderConfig()
    num_frames: int = 16
    height: int = 128
    width_pixels: int = 128
    fps: float = 8.0

    #: What its last layer paints.
    prediction: ClassVar[Literal["clean"]] = "clean"

    @model_validator(mode="after")
    def _check(self) -> FlowTransformerConfig:
        self.grid(self.num_frames, self.height, self.width_pixels)
        if self.layout is not None and self.layout.num_frames * self.patch[0] % self.num_frames:
            raise ValueError(
                f"layout.num_frames = {self.layout.num_frames} do not share out over "
                f"{self.num_frames // self.patch[0]} patches in time"
            )
        return self

    @property
    def given_patch(self) -> tuple[int, int, int]:
        """The patch in (frames, rows, columns) of the clip itself."""
        frames, rows, columns = self.patch
        return (frames * self.given_frames, rows * self.given_pixels, columns * self.given_pixels)

    @property
    def layout_frames(self) -> int:
        """Frames of a layout to a patch."""
        assert self.layout is not None
        return self.layout.num_frames * self.patch[0] // self.num_frames

    def grid(self, num_frames: int, height: int, width: int) -> tuple[int, int, int]:
        """Token grid of a clip; ValueError where the clip is no whole number of patches."""
        for name, size, patch in zip(
            ("frames", "height", "width"), (num_frames, height, width), self.patch, strict=True
        ):
            if size < patch or size % patch:
                raise ValueError(f"{name} must be a multiple of {patch} for this model, not {size}")
        return (num_frames // self.patch[0], height // self.patch[1], width // self.patch[2])


class FlowTransformer(Denoiser):
    """Predicts the clean clip x from z = (1 - sigma) x + sigma noise, sigma in [0, 1], and the text.

    What ``scenewright.training.parallel`` needs to know is declared here, in patterns of module names: ``*``
    stands for any text without a dot, ``**`` for any text.
    """

    Config = FlowTransformerConfig

    #: The ``nn.ModuleList`` that pipeline stages share out: x = block(x, ...), shape and dtype kept.
    pipeline_blocks: ClassVar[str] = "blocks"
    #: How linear layers are split over processes: "columns" by their outputs, "packed_columns" the same for
    #: two matrices in one, "rows" by their inputs; "heads": a norm that runs on some of the heads.
    tensor_parallel_plan: ClassVar[Mapping[str, str]] = {
        "**attention.query": "columns",
        "**attention.key_value": "packed_columns",
        "**attention.query_norm": "heads",
        "**attention.key_norm": "heads",
        "**attention.out": "rows",
        "**.mlp.gate_up": "packed_columns",
        "**.mlp.down": "rows",
    }
    #: Inputs to split over tokens, as (position of the argument, dimension of the tokens).
    context_parallel_inputs: Mapping[str, tuple[int, int]] = {
        "patch_in": (0, 1),
        "position": (0, 0),
        "blocks.*": (4, 0),
    }
    #: The modules whose outputs are put together again, and the dimension of their tokens.
    context_parallel_outputs: ClassVar[Mapping[str, int]] = {"patch_out": 1}
    #: The attention that looks across all tokens.
    context_parallel_attention: ClassVar[tuple[str, ...]] = ("blocks.*.attention",)

    @property
    def repeated_blocks(self) -> tuple[str, ...]:
        """Modules that are alike and run one after the other: sharded, compiled and recomputed one by one."""
        reads = ("text_encoder.layers.*",) if self.config.text.kind == "transformer" else ()
        return ("blocks.*", *reads)

    def __init__(self, config: FlowTransformerConfig) -> None:
        super().__init__()
        self.config = config
        patch_width = config.channels * config.patch[0] * config.patch[1] * config.patch[2]
        width = config.width
        self.text_encoder = build_text_encoder(config.text)
        self.patch_in = nn.Sequential(
            nn.Linear(patch_width, config.bottleneck, bias=False), nn.Linear(config.bottleneck, width)
        )
        if config.given_frames:
            given_width = GIVEN_CHANNELS * math.prod(config.given_patch)
            self.given_in = nn.Sequential(
                nn.Linear(given_width, config.bottleneck, bias=False),
                zeros(nn.Linear(config.bottleneck, width, bias=False)),
            )
            self.context_parallel_inputs = {**self.context_parallel_inputs, "given_in": (0, 1)}
        if config.layout is not None:
            self.layout_in = LayoutEmbedding(config.layout, config.layout_frames, width, config.bottleneck)
            self.context_parallel_inputs = {**self.context_parallel_inputs, "layout_in": (0, 1)}
        if config.spans:
            # No bias: a span of 0 changes nothing.
            self.span = nn.Sequential(
                nn.Linear(256, width, bias=False), nn.SiLU(), zeros(nn.Linear(width, width, bias=False))
            )
        self.position = nn.Linear(3 * _POSITION_FEATURES, width, bias=False)
        self.timestep = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.pooled_text = nn.Linear(config.text.width, width)
        self.blocks = nn.ModuleList(
            Block(
                width,
                config.heads,
                int(config.mlp_ratio * width),
                config.text.width,
                BranchDropout(config.dropout, depth),
                config.modulation_rank,
            )
            for depth in linear_depth_rates(config.stochastic_depth, config.layers)
        )
        self.out_norm = RMSNorm(width, eps=1e-6, elementwise_affine=False)
        self.out_modulation = zeros(nn.Linear(width, 2 * width))
        self.patch_out = zeros(nn.Linear(width, patch_width))

    def forward(
        self,
        z_BCTHW: torch.Tensor,
        sigma_B: torch.Tensor,
        words_BSE: torch.Tensor,
        pooled_BE: torch.Tensor,
        mask_BS: torch.Tensor,
        given_BGTHW: torch.Tensor | None = None,
        span_B: torch.Tensor | None = None,
        layout_BNF: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The predicted clean clip, shaped as ``z_BCTHW``. ``sigma_B``: float noise levels in [0, 1].

        ``given_BGTHW``: float (B, 4, frames, rows, columns) of the clip itself, the pixels that are known of
        it, 0 elsewhere, and a channel that is 1 where they are; None where nothing is. ``span_B``: float, how
        much the noise level falls in the sampling step that the prediction is for: the step goes along the
        straight line to the predicted clip. None, or 0, for the expected clip, which is right for infinitely
        short steps. ``layout_BNF``: float features of layouts, see :class:`.layout.LayoutConfig`; all 0 for a
        clip without one.

        Raises:
            ValueError: frames, spans or layouts for a network that takes none.
        """
        grid = self.config.grid(*z_BCTHW.shape[2:])
        x_BLD = self.patch_in(patchify(z_BCTHW, grid, self.config.patch))
        if given_BGTHW is not None:
            if not self.config.given_frames:
                raise ValueError("this network takes no given frames (network.given_frames = 0)")
            x_BLD = x_BLD + self.given_in(patchify(given_BGTHW, grid, self.config.given_patch))
        if layout_BNF is not None:
            if self.config.layout is None:
                raise ValueError("this network takes no layouts (network.layout is not set)")
            seen = seen_from_patches(layout_BNF, self.config.layout, grid, self.config.layout_frames)
            x_BLD = x_BLD + self.layout_in(seen, layout_BNF)
        coordinates = grid_coordinates(grid, z_BCTHW.device)
        x_BLD = x_BLD + self.position(position_features(coordinates).to(x_BLD.dtype))
        rotation = rotary_angles(coordinates, self.config.width // self.config.heads)
        condition_BD = self.timestep(sinusoid(sigma_B * 1000.0, 256).to(x_BLD.dtype))
        if span_B is not None:
            if not self.config.spans:
                raise ValueError("this network takes no spans (network.spans = false)")
            features_B = sinusoid(span_B * 1000.0, 256) - sinusoid(torch.zeros_like(span_B), 256)
            condition_BD = condition_BD + self.span(features_B.to(x_BLD.dtype))
        condition_BD = nn.functional.silu(condition_BD + self.pooled_text(pooled_BE))
        for block in self.blocks:
            x_BLD = block(x_BLD, condition_BD, words_BSE, mask_BS, rotation)
        scale, shift = self.out_modulation(condition_BD)[:, None].chunk(2, dim=-1)
        x_BLP = self.patch_out(self.out_norm(x_BLD) * (1 + scale) + shift)
        return unpatchify(x_BLP, grid, self.config.patch)


class Block(nn.Module):
    """Self-attention, cross-attention to the words, feed-forward; adaptive norm, gates start at 0."""

    def __init__(
        self, width: int, heads: int, hidden: int, text_width: int, drop: BranchDropout, rank: int = 0
    ) -> None:
        super().__init__()
        self.drop = drop
        self.norm = RMSNorm(width, eps=1e-6, elementwise_affine=False)
        self.attention = Attention(width, heads)
        self.cross_norm = RMSNorm(width, eps=1e-6)
        self.cross_attention = Attention(width, heads, context_width=text_width)
        self.mlp = SwiGLU(width, hidden)
        self.modulation: nn.Module = zeros(nn.Linear(width, 6 * width))
        if rank:
            self.modulation = nn.Sequential(
                nn.Linear(width, rank, bias=False), zeros(nn.Linear(rank, 6 * width))
            )
        nn.init.zeros_(self.cross_attention.out.weight)

    def forward(
        self,
        x_BLD: torch.Tensor,
        condition: torch.Tensor,
        words_BSE: torch.Tensor,
        mask_BS: torch.Tensor,
        rotation: torch.Tensor | None,
        seen: torch.Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> torch.Tensor:
        """``condition``: (B, D), or (B, F, D) where parts of the tokens, of equal length, have their own.
        ``seen``: bool (1, L, S), True where a token sees another; None for all. ``cache``: of earlier tokens,
        which are seen, too."""
        modulation = of_tokens(self.modulation(condition), x_BLD.shape[1])
        scale_a, shift_a, gate_a, scale_m, shift_m, gate_m = modulation.chunk(6, dim=-1)
        h_BLD = self.norm(x_BLD) * (1 + scale_a) + shift_a
        h_BLD = self.attention(h_BLD, mask_BS=seen, rotation=rotation, cache=cache)
        x_BLD = x_BLD + self.drop(gate_a * h_BLD)
        x_BLD = x_BLD + self.drop(self.cross_attention(self.cross_norm(x_BLD), words_BSE, mask_BS))
        h_BLD = self.norm(x_BLD) * (1 + scale_m) + shift_m
        return x_BLD + self.drop(gate_m * self.mlp(h_BLD))


def of_tokens(values: torch.Tensor, tokens: int) -> torch.Tensor:
    """What all tokens share, (B, D), or parts of them, (B, F, D): as what goes with (B, L, D)."""
    if values.ndim == 2:
        return values[:, None]
    return values.repeat_interleave(tokens // values.shape[1], 1)


_POSITION_FEATURES = 32


def position_features(coordinates_L3: torch.Tensor) -> torch.Tensor:
    """(L, 3) to (L, 96)."""
    return sinusoid(coordinates_L3, _POSITION_FEATURES, max_period=64.0).flatten(-2)
