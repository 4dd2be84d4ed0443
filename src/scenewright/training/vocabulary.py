"""The tokenizer and the word list of the world's training captions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from scenewright.data.world_source import say
from scenewright.models.text_encoder import TextEncoderConfig, source_tokenizer
from scenewright.seeds import keyed_seed
from scenewright.text.tokenizer import TextTokenizer, Tokenizer
from scenewright.world.layout import SamplerConfig, sample_description
from scenewright.world.splits import known_words

#: Captions the tokenizer is fitted to; enough that every word of the grammar occurs many times.
CORPUS = 20_000


def training_tokenizer(vocabulary: int) -> Tokenizer:
    """A tokenizer fitted to captions of scenes of every difficulty; the same for the same vocabulary."""
    return Tokenizer.train(_corpus(), vocabulary)


def tokenizer_for(text: TextEncoderConfig) -> TextTokenizer:
    """That of a text encoder's source, or one fitted to captions."""
    return source_tokenizer(text) or training_tokenizer(text.vocabulary)


def training_words() -> frozenset[str]:
    """Every word that the training captions can have, lower case."""
    return known_words()


def training_captions(count: int) -> list[str]:
    """Captions of scenes of every difficulty."""
    return list(islice(_corpus(), count))


def _corpus() -> Iterator[str]:
    config = SamplerConfig(num_objects=(1, 4), moving_camera=0.4, settings=0.4)
    for index in range(CORPUS):
        seed = keyed_seed("tokenizer", index)
        yield say(sample_description(seed, config=config), seed)
    yield from sorted(known_words())
