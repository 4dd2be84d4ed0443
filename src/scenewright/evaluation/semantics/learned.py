"""How well a text and a clip agree, as a network learned it: both as features, all products of these by
compact bilinear pooling, and a linear judgement of the products.

Of the world alone: its words, and the features of the package's 3-D network.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from scenewright.config import Config
from scenewright.evaluation.semantics.pooling import CompactBilinear


class AgreementConfig(Config):
    """``buckets``: of words and pairs of neighbouring words; ``text``, ``video``: features of each;
    ``pooled``: numbers of the compact product."""

    buckets: int = 2048
    text: int = 96
    video: int = 128
    pooled: int = 4096


class Agreement(nn.Module):
    """Texts and features float32 (B, ``video``) to logits (B,): above 0, they agree.

    The products are made even by signed square roots and to length 1 (Gao et al. 2016).
    """

    center: torch.Tensor
    scale: torch.Tensor

    def __init__(self, config: AgreementConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.EmbeddingBag(config.buckets, config.text, mode="mean")
        self.video = nn.Linear(config.video, config.video)
        self.pooling = CompactBilinear(config.text, config.video, config.pooled)
        self.judge = nn.Linear(config.pooled, 1)
        self.register_buffer("center", torch.zeros(config.video))
        self.register_buffer("scale", torch.ones(config.video))

    def forward(self, texts: Sequence[str], features_BD: torch.Tensor) -> torch.Tensor:
        ids = [words_of(text, self.config.buckets) for text in texts]
        offsets = torch.tensor([0, *(len(row) for row in ids)][:-1]).cumsum(0)
        said = self.words(torch.tensor([i for row in ids for i in row]), offsets)
        seen = torch.tanh(self.video((features_BD - self.center) / self.scale))
        products = self.pooling(F.normalize(said, dim=1), F.normalize(seen, dim=1))
        even = products.sign() * (products.abs() + 1e-8).sqrt()
        return self.judge(F.normalize(even, dim=1))[:, 0]


def words_of(text: str, buckets: int) -> list[int]:
    """Buckets of the words and of the pairs of neighbouring words of a text; never empty."""
    words = re.findall(r"[a-z0-9]+", text.lower()) or [""]
    pairs = [f"{a} {b}" for a, b in pairwise(words)]
    return [zlib.crc32(part.encode()) % buckets for part in (*words, *pairs)]


@lru_cache(maxsize=1)
def load_agreement(folder: Path | None = None) -> Agreement:
    """The network of the package, in evaluation mode. FileNotFoundError where its weights are missing."""
    from safetensors.torch import load_file

    from scenewright.evaluation.recognition.weights import WEIGHTS

    file = (folder or WEIGHTS) / "agreement.safetensors"
    if not file.is_file():
        raise FileNotFoundError(f"there is no {file}; reinstall scenewright or train it")
    network = Agreement(AgreementConfig())
    state = {name: w.float() if w.is_floating_point() else w for name, w in load_file(file).items()}
    network.load_state_dict(state)
    return network.eval()
