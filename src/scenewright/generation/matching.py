"""Networks that say how well clips and texts match, with what they need to be used; their folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from scenewright.clip import frames_to_tensor
from scenewright.generation.network_folder import load_network, save_network
from scenewright.models.direct import shrunk
from scenewright.models.matching import MatchingNetwork
from scenewright.text.tokenizer import TextTokenizer


@dataclass(eq=False)
class Agreement:
    """How well clips are of texts. ``words``: those of its training captions; ``digest``: of its file of
    weights."""

    model: MatchingNetwork
    tokenizer: TextTokenizer
    words: frozenset[str] = frozenset()
    name: str = "unnamed"
    digest: str = ""

    def __post_init__(self) -> None:
        self.model.eval()

    @torch.inference_mode()
    def scores(self, clips: Sequence[Any], texts: Sequence[str]) -> torch.Tensor:
        """Logits float32 (clips, texts). ``clips``: uint8 arrays (T, H, W, 3); of other sizes than the
        network's they are resized, and frames are chosen evenly."""
        clips_BCTHW = (frames_to_tensor(torch.tensor(frames)[None]) for frames in clips)
        return torch.cat([self.logits(x_BCTHW, texts).cpu() for x_BCTHW in clips_BCTHW])

    def logits(self, x_BCTHW: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
        """The same of clips float in [-1, 1] that are all of one size; gradients pass to them."""
        ids, mask = self._read(texts)
        return self.model.scores(ids, mask, self._fitted(x_BCTHW.to(ids.device))).float()

    def certainty(self, x_BCTHW: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
        """(B,): the logarithm of how likely it is that a clip is of the first of the texts and not of one of
        the others: 0 where that is certain. Gradients pass to the clips."""
        return self.logits(x_BCTHW, texts).log_softmax(1)[:, 0]

    def loss(self, clips: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
        """How far clips float (B, 3, T, H, W) in [-1, 1] are from matching their texts, among those of all;
        gradients pass to the clips only."""
        ids, mask = self._read(texts)
        self.model.requires_grad_(False).to(clips.device)
        alike = torch.tensor([[a == b for b in texts] for a in texts], device=clips.device)
        return self.model(ids.to(clips.device), mask.to(clips.device), self._shrunk(clips), alike).loss

    def _shrunk(self, clips: torch.Tensor) -> torch.Tensor:
        config = self.model.config
        return shrunk(clips, (config.num_frames, config.height, config.width_pixels))

    def _read(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        device = next(self.model.parameters()).device
        ids, mask = self.tokenizer.batch(texts, self.model.config.text.max_tokens)
        return ids.to(device), mask.to(device)

    def _fitted(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        config = self.model.config
        size = (config.num_frames, config.height, config.width_pixels)
        at = torch.linspace(0, x_BCTHW.shape[2] - 1, config.num_frames).round().long()
        x_BCTHW = x_BCTHW[:, :, at]
        if x_BCTHW.shape[2:] == size:
            return x_BCTHW
        frames = x_BCTHW.movedim(2, 1).flatten(0, 1)
        frames = F.interpolate(frames, size[1:], mode="bilinear", antialias=True, align_corners=False)
        return frames.unflatten(0, (-1, config.num_frames)).movedim(1, 2)


def save_agreement(agreement: Agreement, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a model's folder; every file appears whole or not at all."""
    save_network(agreement.model, agreement.name, agreement.tokenizer, agreement.words, folder, dtype)


def load_agreement(folder: Path, device: str | torch.device = "cpu") -> Agreement:
    """Load a network that matches clips and texts by its folder.

    Raises:
        ModelError: a file is missing, broken or of something else.
    """
    found = load_network(folder, MatchingNetwork, "matches clips and texts")
    return Agreement(found.network.to(device), *found[1:])
