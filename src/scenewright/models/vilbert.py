"""Two streams, of words and of a clip's patches, that look at each other (Lu et al. 2019, "ViLBERT").

It says whether a clip shows what a text says, and learns that beside two tasks of its own: to say masked
words with the clip in sight, and to paint masked patches with the text in sight. How and where the streams
meet can be chosen; one stream for both and two that never meet are among the choices.

B = batch, S = words, P = patches, D = width, Q = values of a patch.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional as F

from scenewright.models.blocks.attention import Attention
from scenewright.models.blocks.feed_forward import SwiGLU
from scenewright.models.blocks.fusion import CompactBilinear, FusionName
from scenewright.models.blocks.norm import RMSNorm
from scenewright.models.blocks.patches import patchify
from scenewright.models.blocks.transformer import TransformerLayer
from scenewright.models.matching import Matched, MatchingConfig, MatchingNetwork
from scenewright.models.text_encoder import TextEncoderConfig, masked_mean


class ViLBERTConfig(MatchingConfig):
    """``patch``: (frames, rows, columns) of the clip that become one vector of ``width``. ``fusion``:

    - ``intermediate``: both streams look at each other in the later half of the layers, as in the paper.
    - ``hierarchical``: they do so in every layer.
    - ``early``: words and patches are one stream from the first layer on.
    - ``late``: the streams never meet; the products of their means are judged.
    - ``bilinear``: they never meet; the compact bilinear product of their means is judged.
    - ``dynamic``: as hierarchical, and a gate that each pair decides mixes it with late.

    ``wrong``: texts of others with which each clip is compared in training. ``masked``: the shares of words
    and of patches that are masked for the two tasks, whose losses have the weight ``tasks``.
    """

    family: Literal["vilbert"] = "vilbert"
    text: TextEncoderConfig = TextEncoderConfig(width=128, layers=1)
    patch: tuple[int, int, int] = (4, 8, 8)
    width: int = Field(default=128, ge=8)
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    fusion: FusionName = "intermediate"
    wrong: int = Field(default=3, ge=1)
    masked: tuple[float, float] = (0.15, 0.3)
    tasks: float = Field(default=0.5, ge=0)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Patches of a clip in (frames, rows, columns)."""
        frames, rows, columns = self.patch
        return self.num_frames // frames, self.height // rows, self.width_pixels // columns

    @model_validator(mode="after")
    def _check(self) -> ViLBERTConfig:
        sizes = (self.num_frames, self.height, self.width_pixels)
        if any(size % part for size, part in zip(sizes, self.patch, strict=True)):
            raise ValueError(f"clips of (frames, rows, columns) {sizes} are no patches of {self.patch}")
        if self.text.width != self.width:
            raise ValueError(
                f"both streams have one width; text.width = {self.text.width} is not {self.width}"
            )
        return self


class CoAttentionLayer(nn.Module):
    """Each stream's places look at the other's; then a feed-forward network, each after a norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(RMSNorm(width, eps=1e-6) for _ in range(4))
        self.words_look = Attention(width, heads, width)
        self.patches_look = Attention(width, heads, width)
        self.mlps = nn.ModuleList(SwiGLU(width, 8 * width // 3) for _ in range(2))

    def forward(
        self, words_BSD: torch.Tensor, patches_BPD: torch.Tensor, mask_BS: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        words, patches = self.norms[0](words_BSD), self.norms[1](patches_BPD)
        words_BSD = words_BSD + self.words_look(words, patches)
        patches_BPD = patches_BPD + self.patches_look(patches, words, mask_BS)
        return (
            words_BSD + self.mlps[0](self.norms[2](words_BSD)),
            patches_BPD + self.mlps[1](self.norms[3](patches_BPD)),
        )


class ViLBERT(MatchingNetwork):
    """Pairs of a text and a clip to the logit that they belong together."""

    Config = ViLBERTConfig

    def __init__(self, config: ViLBERTConfig) -> None:
        super().__init__(config)
        self.config: ViLBERTConfig = config
        width, values = config.width, 3 * config.patch[0] * config.patch[1] * config.patch[2]
        frames, rows, columns = config.grid
        self.patches_in = nn.Linear(values, width)
        self.places = nn.Parameter(torch.randn(frames * rows * columns, width) * 0.02)
        self.kinds = nn.Parameter(torch.randn(2, width) * 0.02)
        self.unknown_word = nn.Parameter(torch.randn(width) * 0.1)
        self.unknown_patch = nn.Parameter(torch.randn(width) * 0.1)
        layers, heads = range(config.layers), config.heads
        met = {"intermediate": layers[len(layers) // 2 :], "hierarchical": layers, "dynamic": layers}
        self.meets = set(met.get(config.fusion, ()))
        own = [] if config.fusion == "early" else layers
        self.words_own = nn.ModuleList(TransformerLayer(width, heads) for _ in own)
        self.patches_own = nn.ModuleList(TransformerLayer(width, heads) for _ in own)
        self.together = nn.ModuleDict({str(n): CoAttentionLayer(width, heads) for n in sorted(self.meets)})
        self.one_stream = nn.ModuleList(TransformerLayer(width, heads) for _ in layers if not len(own))
        self.norms = nn.ModuleList(RMSNorm(width, eps=1e-6) for _ in range(2))
        self.product = CompactBilinear(width, width, 1024) if config.fusion == "bilinear" else None
        inside = 1024 if self.product is not None else width
        self.judge = nn.Sequential(nn.Linear(inside, width), nn.SiLU(), nn.Linear(width, 1))
        self.gate = nn.Linear(2 * width, 2) if config.fusion == "dynamic" else None
        self.say = nn.Linear(width, config.text.vocabulary)
        self.paint = nn.Linear(width, values)

    def streams(
        self, words_BSD: torch.Tensor, patches_BPD: torch.Tensor, mask_BS: torch.Tensor, apart: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both streams behind the last layer. ``apart``: they do not meet."""
        words, patches = words_BSD + self.kinds[0], patches_BPD + self.kinds[1] + self.places
        if len(self.one_stream):
            both = torch.cat([words, patches], 1)
            mask = F.pad(mask_BS, (0, patches.shape[1]), value=True)
            for layer in self.one_stream:
                both = layer(both, mask)
            words, patches = both.split([words.shape[1], patches.shape[1]], 1)
        for index, (of_words, of_patches) in enumerate(zip(self.words_own, self.patches_own, strict=True)):
            words, patches = of_words(words, mask_BS), of_patches(patches)
            if index in self.meets and not apart:
                words, patches = self.together[str(index)](words, patches, mask_BS)
        return self.norms[0](words), self.norms[1](patches)

    def pairs(
        self, words_BSD: torch.Tensor, patches_BPD: torch.Tensor, mask_BS: torch.Tensor
    ) -> torch.Tensor:
        """Logits (B,) of texts and clips, one by one."""
        text, clip = self._means(words_BSD, patches_BPD, mask_BS)
        if self.product is not None:
            joint = self.product(text, clip) * self.product.sketch**0.5
        else:
            joint = text * clip
        if self.gate is not None:
            shares = self.gate(torch.cat([text, clip], -1)).softmax(-1)
            apart = self._means(words_BSD, patches_BPD, mask_BS, apart=True)
            joint = shares[:, :1] * joint + shares[:, 1:] * apart[0] * apart[1]
        return self.judge(joint)[:, 0]

    def scores(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor, clips: torch.Tensor) -> torch.Tensor:
        words, patches = self.text_encoder(ids_BS, mask_BS)[0], self.patches_in(self._patches(clips))
        rows = [self.pairs(words, one.expand(len(words), -1, -1), mask_BS) for one in patches]
        return torch.stack(rows)

    def forward(
        self, ids_BS: torch.Tensor, mask_BS: torch.Tensor, clips: torch.Tensor, alike_BB: torch.Tensor
    ) -> Matched:
        values = self._patches(clips)
        words, patches = self.text_encoder(ids_BS, mask_BS)[0], self.patches_in(values)
        count = len(clips)
        wrong = min(self.config.wrong, count - 1)
        logits = [self.pairs(words, patches, mask_BS)]
        own = torch.arange(count, device=clips.device)
        for step in range(1, wrong + 1):
            other = self.pairs(words.roll(step, 0), patches, mask_BS.roll(step, 0))
            logits.append(other.masked_fill(alike_BB[own, own.roll(step)], float("-inf")))
        choices = torch.stack(logits, 1).float()
        loss = F.cross_entropy(choices, torch.zeros_like(own)) + F.softplus(-choices[:, 0]).mean()
        if self.config.tasks and self.training:
            loss = loss + self.config.tasks * self._tasks(ids_BS, words, mask_BS, values, patches)
        return Matched(loss, (choices.argmax(1) == 0).float().mean().item())

    def _tasks(
        self,
        ids_BS: torch.Tensor,
        words: torch.Tensor,
        mask_BS: torch.Tensor,
        values: torch.Tensor,
        patches: torch.Tensor,
    ) -> torch.Tensor:
        """The loss of saying masked words beside the whole clip, and painting masked patches beside the
        text."""
        shares = self.config.masked
        hidden = (torch.rand(mask_BS.shape, device=words.device) < shares[0]) & mask_BS
        # The text encoder has seen what is masked here; the ids are read anew, without it.
        blind = ids_BS.masked_fill(hidden, self.config.text.unknown_id)
        seen = torch.where(hidden[..., None], self.unknown_word, self.text_encoder(blind, mask_BS)[0])
        said, _ = self.streams(seen, patches, mask_BS)
        losses = F.cross_entropy(self.say(said).float().transpose(1, 2), ids_BS, reduction="none")
        saying = (losses * hidden).sum() / hidden.sum().clamp(min=1)
        covered = torch.rand(patches.shape[:2], device=patches.device) < shares[1]
        _, painted = self.streams(
            words, torch.where(covered[..., None], self.unknown_patch, patches), mask_BS
        )
        errors = (self.paint(painted).float() - values).square().mean(-1)
        return saying + (errors * covered).sum() / covered.sum().clamp(min=1)

    def _means(
        self, words: torch.Tensor, patches: torch.Tensor, mask_BS: torch.Tensor, apart: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        words, patches = self.streams(words, patches, mask_BS, apart)
        return masked_mean(words, mask_BS), patches.mean(1)

    def _patches(self, clips: torch.Tensor) -> torch.Tensor:
        return patchify(clips, self.config.grid, self.config.patch)
