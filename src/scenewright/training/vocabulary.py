"""The tokenizer and the word list of training captions: those of the world, or of footage."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from scenewright.data.footage import captions_of
from scenewright.data.streams import StreamConfig, footage_of, parts_of
from scenewright.data.world_source import say
from scenewright.generation.requests import words_of
from scenewright.models.text_encoder import TextEncoderConfig, source_tokenizer
from scenewright.seeds import keyed_seed
from scenewright.text.tokenizer import TextTokenizer, Tokenizer
from scenewright.world.layout import SamplerConfig, sample_description
from scenewright.world.splits import known_words

#: Captions the tokenizer is fitted to; enough that every word of the grammar occurs many times.
CORPUS = 20_000
_DIFFICULT = SamplerConfig(num_objects=(1, 4), moving_camera=0.4, settings=0.4)


def training_tokenizer(vocabulary: int, streams: Sequence[StreamConfig] = ()) -> Tokenizer:
    """A tokenizer fitted to the captions that ``streams`` have: those of footage, and for the world, or
    without any streams, captions of scenes of every difficulty. The same for the same vocabulary and data."""
    world, footage = _sources(streams)
    texts = chain(_corpus(CORPUS) if world else (), (text.lower() for text in footage))
    # Captions of footage may be few: a unigram model would spell their words letter by letter.
    return Tokenizer.train(texts, vocabulary, "bpe" if footage else "unigram")


def tokenizer_for(text: TextEncoderConfig, streams: Sequence[StreamConfig] = ()) -> TextTokenizer:
    """That of a text encoder's source, or one fitted to captions; see :func:`training_tokenizer`."""
    return source_tokenizer(text) or training_tokenizer(text.vocabulary, streams)


def training_words(streams: Sequence[StreamConfig] = ()) -> frozenset[str]:
    """Every word that the captions of ``streams``, as above, can have, lower case."""
    world, footage = _sources(streams)
    words = {word for text in footage for word in words_of(text)}
    return known_words() | words if world else frozenset(words)


def training_captions(count: int) -> list[str]:
    """Captions of scenes of every difficulty."""
    return [_caption(index) for index in range(count)]


def _sources(streams: Sequence[StreamConfig]) -> tuple[bool, list[str]]:
    """Whether the world is among the data, and all captions of footage."""
    parts = [part for stream in streams for part in parts_of(stream)]
    found = [footage_of(part) for part in parts]
    captions = [text for sets in found for shards in sets for text in captions_of(shards)]
    return not found or not all(found), captions


@lru_cache(maxsize=1)
def _corpus(count: int) -> tuple[str, ...]:
    """Captions, and then every word; kept, as runs of one process often begin with the same."""
    return (*training_captions(count), *sorted(known_words()))


def _caption(index: int) -> str:
    seed = keyed_seed("tokenizer", index)
    return say(sample_description(seed, config=_DIFFICULT), seed)
