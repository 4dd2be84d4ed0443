"""The deep attentional multimodal similarity model for clips (Xu et al. 2018, "AttnGAN"): texts and clips in
one space, matched as wholes and word by word with the places of a clip.

B = batch of clips, B' = texts, S = words, D = width of the text, E = width of the common space, L = places.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from scenewright.models.blocks.convolution import conv, group_norm
from scenewright.models.matching import Matched, MatchingConfig, MatchingNetwork, contrast
from scenewright.models.text_encoder import TextEncoderConfig


class DAMSMConfig(MatchingConfig):
    """``common``: width of the space that texts and clips share. ``channels``: of the first layer that sees
    clips, doubled behind each. The paper's three sharpnesses: of the attention to places (``attention``), of
    the best words among all (``best_words``), and of the choice within a batch (``choice``)."""

    family: Literal["damsm"] = "damsm"
    text: TextEncoderConfig = TextEncoderConfig(kind="lstm", width=128, layers=1)
    common: int = Field(default=128, ge=8)
    channels: int = Field(default=24, ge=8)
    attention: float = Field(default=4.0, gt=0)
    best_words: float = Field(default=5.0, gt=0)
    choice: float = Field(default=10.0, gt=0)


class DAMSM(MatchingNetwork):
    """Clips and texts to vectors of places and words, and of wholes."""

    Config = DAMSMConfig

    def __init__(self, config: DAMSMConfig) -> None:
        super().__init__(config)
        self.config: DAMSMConfig = config
        width, channels = config.text.width, config.channels
        sizes = [3, channels, 2 * channels, 4 * channels, 8 * channels]
        layers: list[nn.Module] = []
        for index, (inside, out) in enumerate(pairwise(sizes)):
            # Rows and columns are halved four times; frames twice, if there are so many.
            in_time = 2 if 1 <= index <= 2 and config.num_frames >= 4**index else 1
            kernel = (4 if in_time == 2 else 3, 4, 4)
            layers += [conv(3, inside, out, kernel, (in_time, 2, 2)), group_norm(out), nn.SiLU()]
        self.see = nn.Sequential(*layers)
        self.place = nn.Conv3d(sizes[-1], config.common, 1)
        self.whole = nn.Linear(sizes[-1], config.common)
        self.word = nn.Linear(width, config.common)
        self.sentence = nn.Linear(width, config.common)

    def clip_vectors(self, clips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, L, E) of the places and (B, E) of the wholes."""
        h = self.see(clips)
        return self.place(h).flatten(2).mT, self.whole(h.mean((2, 3, 4)))

    def text_vectors(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B', S, E) of the words and (B', E) of the wholes."""
        words, pooled = self.text_encoder(ids_BS, mask_BS)
        return self.word(words), self.sentence(pooled)

    def both_scores(
        self, ids_BS: torch.Tensor, mask_BS: torch.Tensor, clips: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Similarities (B, B') of wholes, and of words with places; times ``choice``, they are logits."""
        places, clip = self.clip_vectors(clips)
        words, sentence = self.text_vectors(ids_BS, mask_BS)
        whole = F.normalize(clip.float(), dim=-1) @ F.normalize(sentence.float(), dim=-1).T
        config = self.config
        return whole, word_similarity(places, words, mask_BS, config.attention, config.best_words)

    def scores(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor, clips: torch.Tensor) -> torch.Tensor:
        whole, by_words = self.both_scores(ids_BS, mask_BS, clips)
        return self.config.choice * (whole + by_words)

    def forward(
        self, ids_BS: torch.Tensor, mask_BS: torch.Tensor, clips: torch.Tensor, alike_BB: torch.Tensor
    ) -> Matched:
        whole, by_words = (self.config.choice * s for s in self.both_scores(ids_BS, mask_BS, clips))
        right = ((whole + by_words).argmax(1) == torch.arange(len(clips), device=clips.device)).float().mean()
        return Matched(contrast(whole, alike_BB) + contrast(by_words, alike_BB), right.item())


def word_similarity(
    places_BLE: torch.Tensor,
    words_BSE: torch.Tensor,
    mask_BS: torch.Tensor,
    attention: float = 4.0,
    best_words: float = 5.0,
) -> torch.Tensor:
    """(B, B'): how well the words of each text are found in the places of each clip, equations 7 to 10.

    Products of places and words become weights among the words at each place, and these, sharpened by
    ``attention``, weights of places for each word; a word's similarity is the cosine with the mean of the
    places by these weights. The text's is the logarithm of the mean of exp(``best_words`` cosine), divided by
    it: between the mean and the best of them. (The paper has the sum, by which long texts would match
    better.) Padding counts nowhere.
    """
    products = torch.einsum("ble,cse->bcsl", places_BLE.float(), words_BSE.float())
    mask = mask_BS[None, :, :, None]
    among_words = products.masked_fill(~mask, float("-inf")).softmax(2)
    weights = (attention * among_words).softmax(-1)
    context = torch.einsum("bcsl,ble->bcse", weights, places_BLE.float())
    cosine = F.cosine_similarity(context, words_BSE.float()[None], dim=-1)
    spread = (best_words * cosine).masked_fill(~mask_BS[None], float("-inf")).logsumexp(-1)
    return (spread - mask_BS.sum(-1).float().log()) / best_words
