"""Where a sentence says what."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenewright.world.lexicon import token_places, tokenize
from scenewright.world.spans import locate, unknown_words

TEXT = "A large red ball rolls left, then the ball bumps into a small blue shiny-metal cube. A dragon spins."


def test_each_entity_is_found_where_it_is_said() -> None:
    ball, cube, *_ = locate(TEXT).entities
    assert [TEXT[a:b] for a, b in ball.mentions] == ["A large red ball", "the ball"]
    assert [TEXT[a:b] for a, b in cube.mentions] == ["a small blue shiny-metal cube"]
    said = {name: TEXT[a:b] for name, (a, b) in cube.attributes.items()}
    assert said == {"size": "small", "color": "blue", "material": "shiny-metal", "shape": "cube"}


def test_events_point_to_their_verbs() -> None:
    found = [(event.kind, span and TEXT[slice(*span)]) for event, span in locate(TEXT).events]
    assert found == [("roll", "rolls"), ("collide", "bumps into"), ("spin", "spins")]


def test_unknown_words_are_marked_where_they_stand() -> None:
    assert [(word, TEXT[slice(*span)]) for word, span in locate(TEXT).unknown] == [("dragon", "dragon")]
    known = frozenset(word for word in tokenize(TEXT) if word != "bumps")
    assert [TEXT[slice(*span)] for _, span in unknown_words(TEXT, known)] == ["bumps"]
    assert unknown_words(TEXT, frozenset()) == []


@pytest.mark.parametrize("text", ["ﬁne cafe\u0301 BALL\u2019s", "İstanbul ½ ball", "a\u0301\u0301 b"])
def test_places_are_of_the_text_as_it_was_written(text: str) -> None:
    tokens, places = tokenize(text), token_places(text)
    assert len(tokens) == len(places)
    for token, (start, end) in zip(tokens, places, strict=True):
        assert tokenize(text[start:end])[0].startswith(token) or token in tokenize(text[start:end])


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_places_are_in_order_and_within_the_text(text: str) -> None:
    places = token_places(text)
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert places == sorted(places)
