"""Vectors of words from a file, each word by itself: what GloVe and word2vec have learned of it.

B = batch, S = words, D = width, V = dimension of the file's vectors.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from scenewright.models.text_encoder import TextEncoderConfig, TextReader, masked_mean
from scenewright.text.vectors import read_vectors
from scenewright.text.word_tokenizer import FIRST_WORD


class WordVectorReader(TextReader):
    """A learned linear map of every word's vector, and their mean. The marks of begin and end have learned
    vectors, and all words that the file does not have share one."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__(config)
        assert config.architecture is not None
        dimension = int(config.architecture["dimension"])
        self.marks = nn.Embedding(FIRST_WORD, dimension)
        self.vectors = nn.Embedding(config.vocabulary - FIRST_WORD, dimension)
        for table in (self.marks, self.vectors):
            nn.init.normal_(table.weight, std=0.3)
        self.vectors.requires_grad_(config.train == "all")
        self.project = nn.Linear(dimension, config.width)

    def begin(self) -> None:
        config = self.config
        assert config.source is not None
        assert config.words is not None
        table = torch.from_numpy(read_vectors(Path(config.source), config.words).table)
        if table.shape != self.vectors.weight.shape:
            raise ValueError(
                f"{config.source} has {len(table)} vectors of {table.shape[1]} numbers, not "
                f"{self.vectors.num_embeddings} of {self.vectors.embedding_dim}: it has changed"
            )
        with torch.no_grad():
            self.vectors.weight.copy_(table)

    def forward(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        known_BS = ids_BS >= FIRST_WORD
        marks_BSV = self.marks(ids_BS.clamp(max=FIRST_WORD - 1))
        vectors_BSV = self.vectors((ids_BS - FIRST_WORD).clamp(min=0))
        words_BSD = self.project(torch.where(known_BS[..., None], vectors_BSV, marks_BSV))
        return words_BSD, masked_mean(words_BSD, mask_BS)
