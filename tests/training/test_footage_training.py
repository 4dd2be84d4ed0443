"""Training on videos of one's own: words and actions are theirs."""

import json

import numpy as np
import pytest

from scenewright.clip import Clip, Prompt
from scenewright.config import ConfigError, load_recipe
from scenewright.data.footage import Windows, pack, read_index
from scenewright.generation.loading import load_generator
from scenewright.media import encode
from scenewright.training.config import TrainingRecipe
from scenewright.training.trainer import Trainer

SMALL = ("threads=1", "workers=0", "stages.0.batch=2", "stages.0.steps=2", "sample_prompts=[]")
SIZES = ("stages.0.data.width=32", "stages.0.data.height=32", "stages.0.data.num_frames=4")
NETWORK = ("network.height=32", "network.width_pixels=32", "network.num_frames=4")
JUDGES = [
    {"name": "frames", "sees": "frames", "channels": 16, "most": 32},
    {"name": "clips", "actions": 2, "channels": 16, "most": 32},
]
#: What the zoo's recipes need for footage of two actions.
FAMILIES = {
    "moco-gan": ("network.actions=2", "network.channels=32", f"objective.judges={json.dumps(JUDGES)}"),
    "flow": ("network.layers=1", "network.patch=[2,8,8]", "network.width=64"),
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    root = tmp_path_factory.mktemp("own")
    rows = []
    for n, (action, caption) in enumerate((("wave", "A lady waves."), ("bend", "An old man bends"))):
        frames = np.random.default_rng(n).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
        encode(Clip(frames, 8.0), root / f"{n}.mp4")
        rows.append(json.dumps({"file": f"{n}.mp4", "caption": caption, "action": action}))
    (root / "index.jsonl").write_text("\n".join(rows), "utf-8")
    windows = Windows(width=32, height=32, num_frames=4, fps=8)
    index = read_index(root, windows)
    pack(index.footage, windows, root / "packed", actions=index.actions)
    return root / "packed"


def recipe(packed, family: str, *more: str) -> TrainingRecipe:
    changes = [*SMALL, *SIZES, *NETWORK, *FAMILIES[family], f"stages.0.data.shards=[{packed}]", *more]
    return load_recipe(TrainingRecipe, f"zoo/{family}", changes)


@pytest.mark.parametrize("family", FAMILIES)
def test_words_are_those_of_the_captions(family, packed, tmp_path):
    Trainer(recipe(packed, family), tmp_path / "run").run()
    generator = load_generator(tmp_path / "run" / "model")
    assert generator.words == {"a", "lady", "waves", "an", "old", "man", "bends"}
    assert generator.notes(Prompt(text="an old lady waves")) == []
    (told,) = generator.notes(Prompt(text="a red ball waves"))
    assert '"red", "ball"' in told
    # Words of the captions are whole, however few captions there are.
    assert generator.tokenizer.pieces("an old man waves") == ["", "an", "old", "man", "waves", ""]
    (clip,) = generator.generate([Prompt(text="a lady waves")])
    assert clip.frames.shape == (4, 32, 32, 3)


def test_as_many_actions_as_the_footage_has(packed, tmp_path):
    judges = [{**judge, "actions": 3} if "actions" in judge else judge for judge in JUDGES]
    wrong = recipe(packed, "moco-gan", "network.actions=3", f"objective.judges={json.dumps(judges)}")
    with pytest.raises((ConfigError, ValueError), match=r"network\.actions = 3: the data tells 2 actions"):
        Trainer(wrong, tmp_path / "run")
