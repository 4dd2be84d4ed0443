"""Readers of texts, trained along with the model that they condition, or begun with what was learned
elsewhere; any model takes any of them.

B = batch, S = tokens, D = width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_serializer, model_validator
from torch import nn

from scenewright.config import Config
from scenewright.models.blocks.norm import RMSNorm
from scenewright.models.blocks.transformer import TransformerLayer
from scenewright.text.pretrained import PretrainedTokenizer, describe
from scenewright.text.tokenizer import TextTokenizer
from scenewright.text.vectors import read_vectors
from scenewright.text.word_tokenizer import FIRST_WORD, WordTokenizer

#: Fields that only text encoders with a ``source`` have, and the kinds that take them.
_OF_SOURCES = {
    "source": ("vectors", "pretrained"),
    "train": ("vectors", "pretrained"),
    "architecture": ("vectors", "pretrained"),
    "words": ("vectors",),
    "layer": ("pretrained",),
    "unknown": ("pretrained",),
}


class TextEncoderConfig(Config):
    """``kind``: ``transformer``, a small bidirectional one over sub-word tokens; ``lstm``, ``layers`` of long
    short-term memory in both directions; ``bag``, the tokens' vectors alone, in no order. ``heads`` are the
    transformer's. Two begin with what was learned elsewhere, from ``source``:

    - ``vectors``: a file of word vectors (GloVe, word2vec), of which the first ``words`` are kept.
    - ``pretrained``: a language model for ``transformers``, a folder or a name on the hub. ``layer`` counts
      its hidden states from the end: -1 is its output, with its last norm; -2 what goes into its last layer;
      and so on to the vectors that go into the first.

    ``train``: what goes on learning of it: ``none``; ``all``; or, of a language model, a number: so many
    layers below the hidden state, with the norm behind the last. Their ``vocabulary``, the language model's
    ``layers`` and ``unknown``, the id that stands for what is hidden, and ``architecture``, what a model's
    folder must tell of the source, are read from it.
    """

    kind: Literal["transformer", "lstm", "bag", "vectors", "pretrained"] = "transformer"
    vocabulary: int = 1024
    width: int = 256
    layers: int = 3
    heads: int = 4
    max_tokens: int = 64
    source: str | None = None
    words: int | None = Field(default=None, ge=1)
    layer: int | None = Field(default=None, le=-1)
    train: Literal["none", "all"] | Annotated[int, Field(ge=1)] | None = None
    unknown: int | None = Field(default=None, ge=0)
    architecture: dict[str, Any] | None = None

    @property
    def unknown_id(self) -> int:
        """The id that stands for a word that is not known, or is hidden."""
        return 1 if self.unknown is None else self.unknown

    @model_serializer(mode="wrap")
    def _without_the_usual(self, dump: Any) -> dict[str, Any]:
        # Models that were made before there were other kinds are known by a hash of what this gives.
        data: dict[str, Any] = dump(self)
        if self.kind == "transformer":
            data.pop("kind", None)
        for name, kinds in _OF_SOURCES.items():
            if self.kind not in kinds:
                data.pop(name, None)
        return data

    @model_validator(mode="before")
    @classmethod
    def _read_source(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        kind = data.get("kind", "transformer")
        for name, kinds in _OF_SOURCES.items():
            if data.get(name) is not None and kind not in kinds:
                raise ValueError(f"{name} = {data[name]!r} does nothing for kind = {kind}; leave it out")
        source = data.get("source")
        if kind not in _OF_SOURCES["source"]:
            return data
        if not isinstance(source, str | Path) or not str(source):
            what = "a file of word vectors" if kind == "vectors" else "a folder, or a name on the hub"
            raise ValueError(f"kind = {kind} needs source: {what}")
        chosen = {k: v for k, v in data.items() if v is not None} | {"source": str(source)}
        chosen.setdefault("train", "none")
        chosen.setdefault(*(("words", 50_000) if kind == "vectors" else ("layer", -1)))
        if "architecture" not in chosen:
            chosen |= _of_vectors(chosen) if kind == "vectors" else _of_language_model(chosen)
        return chosen

    @model_validator(mode="after")
    def _check(self) -> TextEncoderConfig:
        if self.kind == "lstm" and self.width % 2:
            raise ValueError(f"an LSTM reads in two directions, so width = {self.width} must be even")
        if self.kind == "vectors" and self.train not in ("none", "all"):
            raise ValueError(f"train = {self.train} of kind = vectors should be none or all")
        if self.kind == "pretrained":
            assert self.layer is not None
            below = self.layers + 1 + self.layer
            if below < 0:
                raise ValueError(
                    f"layer = {self.layer}: {self.source} has {self.layers} layers; choose from -1 to "
                    f"{-self.layers - 1}, the vectors that go into the first"
                )
            if isinstance(self.train, int) and self.train > below:
                raise ValueError(
                    f"train = {self.train}: {below} layers of {self.source} are below layer = {self.layer}; "
                    "train fewer, or all"
                )
        return self


def _of_vectors(data: Mapping[str, Any]) -> dict[str, Any]:
    found = read_vectors(Path(data["source"]), int(data["words"]))
    return {
        "vocabulary": FIRST_WORD + len(found.words),
        "architecture": {"dimension": found.table.shape[1]},
    }


def _of_language_model(data: Mapping[str, Any]) -> dict[str, Any]:
    found = describe(data["source"])
    most, asked = (
        found.most_tokens,
        data.get("max_tokens", TextEncoderConfig.model_fields["max_tokens"].default),
    )
    if most is not None and asked > most:
        raise ValueError(f"max_tokens = {asked}: {data['source']} reads at most {most} tokens")
    return {
        "vocabulary": found.vocabulary,
        "layers": found.layers,
        "unknown": found.unknown,
        "architecture": found.architecture,
    }


class TextReader(nn.Module):
    """A network from ids int64 (B, S) and mask bool (B, S), True on tokens and on at least one a row, to the
    vectors of the tokens (B, S, D) and of the whole text (B, D)."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.config = config

    def begin(self) -> None:
        """Take over what was learned elsewhere, from the source. ValueError, in one line, where it is not
        there or is another one than the configuration tells of."""


def build_text_encoder(config: TextEncoderConfig) -> TextReader:
    """With fresh weights; :meth:`TextReader.begin` takes over those of a source."""
    # Not above: they are readers, too.
    from scenewright.models.pretrained_text import PretrainedTextReader
    from scenewright.models.word_vectors import WordVectorReader

    kinds: dict[str, type[TextReader]] = {
        "transformer": TextEncoder,
        "lstm": LSTMTextEncoder,
        "bag": BagOfWords,
        "vectors": WordVectorReader,
        "pretrained": PretrainedTextReader,
    }
    return kinds[config.kind](config)


def begin_text_encoders(network: nn.Module) -> None:
    """:meth:`TextReader.begin` of every one in a network."""
    for module in network.modules():
        if isinstance(module, TextReader):
            module.begin()


def source_tokenizer(config: TextEncoderConfig) -> TextTokenizer | None:
    """The tokenizer that a source brings along; None for text encoders that begin with nothing."""
    if config.source is None:
        return None
    if config.kind == "vectors":
        assert config.words is not None
        return WordTokenizer(read_vectors(Path(config.source), config.words).words)
    return PretrainedTokenizer.of(config.source)


class BagOfWords(TextReader):
    """Every token's own vector, and their mean: what is said, whatever the order."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__(config)
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        nn.init.normal_(self.tokens.weight, std=0.3)

    def forward(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        words_BSD = self.tokens(ids_BS)
        return words_BSD, masked_mean(words_BSD, mask_BS)


class LSTMTextEncoder(TextReader):
    """Outputs of the last layer for the tokens; its last states in both directions for the text."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__(config)
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        nn.init.normal_(self.tokens.weight, std=0.3)
        self.reader = nn.LSTM(
            config.width, config.width // 2, config.layers, batch_first=True, bidirectional=True
        )

    def forward(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.tokens(ids_BS), mask_BS.sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, (last, _) = self.reader(packed)
        words_BSD, _ = nn.utils.rnn.pad_packed_sequence(
            outputs, batch_first=True, total_length=ids_BS.shape[1]
        )
        return words_BSD, torch.cat([last[-2], last[-1]], -1)


class TextEncoder(TextReader):
    """A transformer: token ids to one vector a token and one for the whole text."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__(config)
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Parameter(torch.randn(config.max_tokens, config.width) * 0.02)
        self.layers = nn.ModuleList(
            TransformerLayer(config.width, config.heads) for _ in range(config.layers)
        )
        self.norm = RMSNorm(config.width, eps=1e-6)
        nn.init.normal_(self.tokens.weight, std=0.02 * 8)

    def forward(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``ids_BS``: int64. ``mask_BS``: bool, True on tokens, False on padding; at least one True a row.

        Returns the token vectors (B, S, D) and their masked mean (B, D).
        """
        x_BSD = self.tokens(ids_BS) + self.positions[: ids_BS.shape[1]]
        for layer in self.layers:
            x_BSD = layer(x_BSD, mask_BS)
        x_BSD = self.norm(x_BSD)
        return x_BSD, masked_mean(x_BSD, mask_BS)


def by_length(
    encode: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x_BS: torch.Tensor,
    mask_BS: torch.Tensor,
    groups: int = 4,
) -> torch.Tensor:
    """``encode(x, mask)``, (B, S, D), in groups of rows that are about as long, each cut to its longest: most
    texts are half as long as the longest of a batch. Behind the ends of the texts of a group are zeros."""
    lengths = mask_BS.sum(1)
    order = lengths.argsort()
    parts = []
    for rows in order.chunk(groups):
        most = int(lengths[rows].max())
        y_BSD = encode(x_BS[rows, :most], mask_BS[rows, :most])
        parts.append(nn.functional.pad(y_BSD, (0, 0, 0, x_BS.shape[1] - most)))
    return torch.cat(parts)[order.argsort()]


def masked_mean(x_BSD: torch.Tensor, mask_BS: torch.Tensor) -> torch.Tensor:
    """The mean (B, D) of the vectors where the mask is True."""
    weights = mask_BS[..., None].to(x_BSD.dtype)
    return (x_BSD * weights).sum(1) / weights.sum(1)
