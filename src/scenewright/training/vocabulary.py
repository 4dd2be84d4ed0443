"""The tokenizer and the word list of the world's training captions."""

from __future__ import annotations

from collections.abc import Iterator

from scenewright.data.world_source import WorldSource, caption
from scenewright.seeds import keyed_seed
from scenewright.text.tokenizer import Tokenizer
from scenewright.world.layout import SamplerConfig
from scenewright.world.splits import known_words

#: Captions the tokenizer is fitted to; enough that every word of the grammar occurs many times.
CORPUS = 20_000


def training_tokenizer(vocabulary: int) -> Tokenizer:
    """A tokenizer fitted to captions of scenes of every difficulty; the same for the same vocabulary."""
    return Tokenizer.train(_corpus(), vocabulary)


def training_words() -> frozenset[str]:
    """Every word that the training captions can have, lower case."""
    return known_words()


def _corpus() -> Iterator[str]:
    source = WorldSource(sampler=SamplerConfig.full())
    for index in range(CORPUS):
        yield caption(source.scene(index), keyed_seed("tokenizer", index))
    yield from sorted(known_words())
