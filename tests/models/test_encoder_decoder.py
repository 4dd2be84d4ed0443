"""Encoder-decoder networks: what they compute, what they learn by heart, and how they are used."""

import shutil

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from overfitting import SIZES, WORLD, handful, learned
from PIL import Image

from scenewright.cli.attention import attention as attention_command
from scenewright.cli.generate import generate as generate_command
from scenewright.clip import Prompt
from scenewright.config import load_recipe
from scenewright.data.streams import StreamConfig
from scenewright.evaluation.systems import ModelSystem
from scenewright.generation.direct import load_direct
from scenewright.generation.loading import ModelError, load_generator, load_pipeline, untrained_generator
from scenewright.generation.model_folder import SHIPPED
from scenewright.models.blocks.conv_lstm import ConvLSTMCell
from scenewright.models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training.callbacks.validation import ValidationConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.objectives import FlowMatchingConfig, RegressionConfig
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.schedules import ScheduleConfig

TEXT = TextEncoderConfig(kind="lstm", vocabulary=400, width=32, layers=1)
SMALL = EncoderDecoderConfig(text=TEXT, num_frames=4, height=16, width_pixels=24, channels=8, least=4)


def test_a_cell_on_maps_of_one_pixel_is_an_lstm():
    cell, ours = torch.nn.LSTMCell(5, 7), ConvLSTMCell(5, 7, kernel=1)
    with torch.no_grad():
        weights = torch.cat([cell.weight_ih, cell.weight_hh], 1)
        bias = cell.bias_ih + cell.bias_hh
        # PyTorch's order of gates is take, forget, new, give.
        order = [slice(7 * n, 7 * n + 7) for n in (0, 1, 3, 2)]
        ours.gates.weight.copy_(torch.cat([weights[part] for part in order])[..., None, None])
        ours.gates.bias.copy_(torch.cat([bias[part] for part in order]))
    x, hidden, memory = torch.randn(3, 5), torch.randn(3, 7), torch.randn(3, 7)
    found = ours(x[..., None, None], (hidden[..., None, None], memory[..., None, None]))
    for a, b in zip(found, cell(x, (hidden, memory)), strict=True):
        torch.testing.assert_close(a[..., 0, 0], b)


@pytest.mark.parametrize("attention", [False, True])
def test_padding_and_what_else_is_in_a_batch_change_nothing(attention):
    torch.manual_seed(0)
    network = EncoderDecoder(SMALL.model_copy(update={"attention": attention})).eval()
    ids = torch.randint(1, 400, (2, 6))
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    noise = torch.zeros(2, 0)
    both = network(ids, mask, noise).clips
    assert both.shape == (2, 3, 4, 16, 24)
    short = network(ids[1:, :4], mask[1:, :4], noise[1:]).clips
    torch.testing.assert_close(short, both[1:], rtol=1e-4, atol=1e-5)


def test_attention_is_a_mean_of_the_words_that_are_there():
    torch.manual_seed(0)
    network = EncoderDecoder(SMALL.model_copy(update={"attention": True}))
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    network(torch.randint(1, 400, (2, 5)), mask, torch.zeros(2, 0))
    maps = network.attention_maps
    assert maps.shape == (2, 5, 4, 1, 1)
    torch.testing.assert_close(maps.sum(1), torch.ones(2, 4, 1, 1))
    assert (maps[1, 3:] == 0).all()


NETWORK = EncoderDecoderConfig(**SIZES, channels=48, least=24, scale=4, attention=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run on a handful of clips, and what of their captions is seen in what it makes."""
    folder = tmp_path_factory.mktemp("drawn")
    found = learned(
        folder,
        handful(folder),
        250,
        network=NETWORK,
        objective=RegressionConfig(),
        optimizer=OptimizerConfig(name="adamw", lr=4e-3),
        schedule=ScheduleConfig(warmup=10, decay_fraction=0.4),
        sample_prompts=("a red cube",),
    )
    return folder / "run", found


def test_it_learns_a_handful_of_clips(trained):
    """By heart, until the exact measure says that what was said is seen."""
    run, found = trained
    assert found["colour"] >= 0.66, found
    assert found["shape"] >= 0.75, found
    assert list(run.rglob("*.png"))


def test_it_is_used_as_any_model(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = str(trained[0] / "model")
    done = CliRunner().invoke(
        generate_command, ["a red ball", "--model", folder, "--seed", "2", "--size", "48x48", "-o", "a.mp4"]
    )
    assert done.exit_code == 0, done.output
    assert "one video of a text, whatever the seed" in done.output
    assert "resized to 48x48" in done.output
    with pytest.raises(ModelError, match="of the family encoder-decoder, which makes no clip in steps"):
        load_pipeline(folder)
    with pytest.raises(ModelError, match="of no network that makes a clip at once"):
        load_direct(SHIPPED / "nano")
    with pytest.raises(ModelError, match="it has no config"):
        load_direct(tmp_path)
    model = load_generator(folder)
    with pytest.raises(ValueError, match="leave steps out"):
        model.recommended(changes={"steps": 4})
    with pytest.raises(ValueError, match="at most 4 frames, not 9"):
        model.generate([Prompt(text="a red ball", num_frames=9)])
    floor = untrained_generator(folder, 1)
    assert floor.identity != model.identity
    assert ModelSystem(folder).key != ModelSystem(folder, untrained=True).key


def test_a_model_of_the_zoo_is_the_one_that_was_trained_here(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="has not been trained here: scenewright train zoo/aed makes"):
        load_generator("zoo/aed")
    shutil.copytree(trained[0] / "model", tmp_path / "runs" / "zoo" / "aed" / "model")
    assert load_generator("zoo/aed").identity == load_generator(trained[0] / "model").identity
    with pytest.raises(ModelError, match="there is no model 'zoo/ade'"):
        load_generator("zoo/ade")


def test_what_it_looks_at_is_drawn(trained, tmp_path):
    folder = str(trained[0] / "model")
    sheet = tmp_path / "looked.png"
    done = CliRunner().invoke(attention_command, ["a red cube", "--model", folder, "-o", str(sheet)])
    assert done.exit_code == 0, done.output
    assert Image.open(sheet).size == (860, 320)
    clip, maps = load_generator(folder).attention(Prompt(text="a red cube"))
    assert "".join(piece for piece, _ in maps) == "aredcube"
    np.testing.assert_allclose(sum(weights for _, weights in maps), 1, rtol=1e-4)
    assert all(weights.shape == (len(clip.frames), 1, 1) for _, weights in maps)
    for model in ("nano", "zoo/oracle"):
        refused = CliRunner().invoke(attention_command, ["a red cube", "--model", model, "-o", str(sheet)])
        assert refused.exit_code == 2, refused.output
        assert "looks at no single words" in refused.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": FlowMatchingConfig()}, "is trained by objective.name = adversarial or regression"),
        ({"autoencoder": "nano"}, "autoencoder does nothing for a network of the family encoder-decoder"),
        ({"stages": (Stage(steps=1, batch=1, data=StreamConfig()),)}, "the network is for"),
        (
            {"stages": (Stage(steps=1, batch=1, data=WORLD.model_copy(update={"facts": ("things",)})),)},
            "nothing here uses data.facts",
        ),
        ({"validation": ValidationConfig(data=StreamConfig())}, "the network is for"),
    ],
)
def test_recipes_that_do_not_fit(change, message):
    fits = {"name": "drawn", "network": NETWORK, "objective": RegressionConfig()}
    stages = (Stage(steps=1, batch=1, data=WORLD),)
    TrainingRecipe(**{**fits, "stages": stages})
    with pytest.raises(ValueError, match=message):
        TrainingRecipe(**{**fits, "stages": stages, **change})


@pytest.mark.parametrize("name", ["seq2seq", "aed"])
def test_the_recipes_of_the_zoo(name):
    found = load_recipe(TrainingRecipe, f"zoo/{name}")
    assert found.network.attention == (name == "aed")
    assert found.objective.name == "regression"
