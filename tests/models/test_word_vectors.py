"""Vectors of words from a file as a text encoder."""

import numpy as np
import pytest
import torch
from overfitting import SIZES, WORLD

from scenewright.config import ConfigError, load_recipe
from scenewright.generation.loading import load_generator
from scenewright.generation.model_folder import ModelError
from scenewright.models.text_encoder import TextEncoderConfig, build_text_encoder, source_tokenizer
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.trainer import Trainer

WORDS = ["a", "red", "blue", "ball", "cube", "crimson"]
TABLE = np.random.default_rng(3).normal(size=(6, 5)).astype(np.float32)


@pytest.fixture
def file(tmp_path):
    lines = [f"{word} {' '.join(map(repr, row.tolist()))}\n" for word, row in zip(WORDS, TABLE, strict=True)]
    (tmp_path / "vectors.txt").write_text("".join(lines))
    return tmp_path / "vectors.txt"


def config(file, **settings):
    return TextEncoderConfig(kind="vectors", source=str(file), width=8, max_tokens=12, **settings)


@torch.no_grad()
def test_words_have_the_files_vectors_and_others_share_one(file):
    encoder = build_text_encoder(config(file))
    encoder.begin()
    tokenizer = source_tokenizer(encoder.config)
    ids, mask = tokenizer.batch(["a crimson ball", "a puce blob"], 12, pad_to_max=True)
    words, pooled = encoder(ids, mask)
    expected = torch.from_numpy(TABLE[[0, 5, 3]]) @ encoder.project.weight.T + encoder.project.bias
    torch.testing.assert_close(words[0, 1:4], expected)
    torch.testing.assert_close(words[1, 2], words[1, 3])
    assert not torch.allclose(words[1, 1], words[1, 2])
    torch.testing.assert_close(pooled[0], words[0, :5].mean(0))
    alone, _ = encoder(*tokenizer.batch(["a crimson ball"], 12))
    torch.testing.assert_close(alone[0], words[0, :5])


def run_of(file, folder, **text):
    recipe = TrainingRecipe(
        name="read",
        network={
            "family": "encoder-decoder",
            **SIZES,
            "text": config(file, **text),
            "channels": 8,
            "least": 4,
        },
        objective={"name": "regression"},
        stages=(Stage(steps=3, batch=2, data=WORLD),),
        workers=0,
    )
    return Trainer(recipe, folder)


@pytest.mark.parametrize("train", ["none", "all"])
def test_a_run_leaves_them_or_tunes_them_and_needs_the_file_no_more(file, tmp_path, train):
    trainer = run_of(file, tmp_path / "run", train=train)
    assert torch.equal(trainer.model.text_encoder.vectors.weight, torch.from_numpy(TABLE))
    marks = trainer.model.text_encoder.marks.weight.clone()
    trainer.run()
    encoder = trainer.model.text_encoder
    assert torch.equal(encoder.vectors.weight, torch.from_numpy(TABLE)) == (train == "none")
    assert not torch.equal(encoder.marks.weight, marks)
    file.unlink()
    generator = load_generator(tmp_path / "run" / "model")
    assert generator.tokenizer.encode("a crimson puce ball") == [2, 4, 9, 1, 7, 3]
    kept = generator.model.text_encoder.vectors.weight
    if train == "none":
        assert torch.equal(kept, torch.from_numpy(TABLE).half().float())
    (tmp_path / "run" / "model" / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"has tokenizer\.txt and tokenizer\.json; export the model again"):
        load_generator(tmp_path / "run" / "model")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": 2}, "train = 2 of kind = vectors should be none or all"),
        ({"layer": -1}, "layer = -1 does nothing for kind = vectors"),
        ({"source": "nowhere.txt"}, "nowhere.txt cannot be read as word vectors: No such file"),
        ({"source": None}, "kind = vectors needs source: a file of word vectors"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_a_line(file, settings, message):
    text = {"kind": "vectors", "source": str(file)} | settings
    changes = [f"network.text.{k}={v}" for k, v in text.items() if v is not None]
    with pytest.raises(ConfigError, match=message) as error:
        load_recipe(TrainingRecipe, "zoo/aed", changes)
    assert "\n" not in str(error.value)


def test_a_file_that_has_changed_is_told(file):
    encoder = build_text_encoder(config(file))
    file.write_text("red 1 2 3\n")
    with pytest.raises(ValueError, match="has 1 vectors of 3 numbers, not 6 of 5: it has changed"):
        encoder.begin()
