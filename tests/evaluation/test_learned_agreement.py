"""The learned agreement of text and clip: that it learns, and what the shipped one knows."""

import numpy as np
import pytest
import torch

from scenewright.evaluation.reader.data import SEED_OFFSETS
from scenewright.evaluation.semantics import entails
from scenewright.evaluation.semantics.learned import Agreement, AgreementConfig, load_agreement, words_of
from scenewright.evaluation.semantics.learned_training import changed, check, pairs, seen, train
from scenewright.world.describing import description_of
from scenewright.world.parser import parse


def test_words_and_their_neighbours_have_buckets():
    assert words_of("A red ball.", 64) == words_of("a RED ball", 64)
    assert len(words_of("a red ball", 64)) == 5
    assert words_of("red blue", 4096) != words_of("blue red", 4096)
    assert words_of("", 64)
    assert max(words_of("a red ball rolls left", 16)) < 16


def test_what_is_changed_is_no_longer_true():
    rng = np.random.default_rng(0)
    texts = ("a red ball rolls left", "a blue cube and a green cone", "a black torus spins clockwise")
    for text in texts * 10:
        description = parse(text).description
        other = changed(description, rng)
        assert other != description
        assert entails(description, other) == "contradicted", other


def test_it_learns_pairs_by_heart_and_its_judgement_is_linear_in_the_products():
    torch.manual_seed(0)
    descriptions = [parse(f"a {c} {s}").description for c in ("red", "blue") for s in ("cube", "cone")]
    features = torch.eye(4, 16)
    network = train(descriptions, features, steps=150)
    rng = np.random.default_rng(5)
    texts, clips, truth = pairs(descriptions, [0, 1, 2, 3] * 8, rng)
    with torch.inference_mode():
        right = (network(texts, features[clips]) > 0).float() == truth
    assert right.float().mean() > 0.95


def test_texts_are_judged_one_by_one_as_in_a_batch():
    torch.manual_seed(0)
    network = Agreement(AgreementConfig(video=16)).eval()
    texts, features = ["a red ball", "two blue cubes roll left", ""], torch.randn(3, 16)
    with torch.inference_mode():
        whole = network(texts, features)
        single = torch.cat([network([text], row[None]) for text, row in zip(texts, features, strict=True)])
    assert torch.allclose(whole, single, atol=2e-3)  # roots of what rounding leaves of 0


def test_the_shipped_one_prefers_true_sentences():
    """On scenes that training never has: over the sentence of another scene, and over a false word."""
    scenes, features = seen(range(SEED_OFFSETS["test"], SEED_OFFSETS["test"] + 96))
    found = check(load_agreement(), [description_of(scene) for scene in scenes], features)
    assert found["another"] >= 0.8
    assert found["changed"] >= 0.6


def test_missing_weights_are_a_clear_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="reinstall scenewright"):
        load_agreement(tmp_path)
