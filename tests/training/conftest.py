from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def small_corpus():
    """Fitting the tokenizer to 20,000 captions is slow; a few hundred do here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scenewright.training.vocabulary.CORPUS", 300)
        yield
