"""Encoder-decoder networks: what they compute, what they learn by heart, and how they are used."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from scenewright.cli.generate import generate as generate_command
from scenewright.clip import Prompt
from scenewright.config import load_recipe
from scenewright.data.streams import Batches, StreamConfig
from scenewright.data.world_source import WorldSource, render_shards
from scenewright.evaluation.run import read_and_score
from scenewright.evaluation.systems import ModelSystem
from scenewright.generation.direct import load_direct
from scenewright.generation.loading import ModelError, load_generator, load_pipeline, untrained_generator
from scenewright.generation.model_folder import SHIPPED
from scenewright.models.blocks.conv_lstm import ConvLSTMCell
from scenewright.models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.objectives import FlowMatchingConfig, RegressionConfig
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.schedules import ScheduleConfig
from scenewright.training.trainer import Trainer
from scenewright.world.layout import SamplerConfig

TEXT = TextEncoderConfig(vocabulary=400, width=32, layers=1, heads=1)
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
    both = network(*network.encode_text(ids, mask), mask, noise)
    assert both.shape == (2, 3, 4, 16, 24)
    short = network(*network.encode_text(ids[1:, :4], mask[1:, :4]), mask[1:, :4], noise[1:])
    torch.testing.assert_close(short, both[1:], rtol=1e-4, atol=1e-5)


def test_attention_is_a_mean_of_the_words_that_are_there():
    torch.manual_seed(0)
    network = EncoderDecoder(SMALL.model_copy(update={"attention": True}))
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    network(*network.encode_text(torch.randint(1, 400, (2, 5)), mask), mask, torch.zeros(2, 0))
    maps = network.attention_maps
    assert maps.shape == (2, 4, 5)
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 4))
    assert (maps[1, :, 3:] == 0).all()


WORLD = StreamConfig(
    sampler=SamplerConfig(
        num_objects=(1, 1), sizes=("large",), materials={"matte": 1.0}, moving_camera=0, settings=0, still=1.0
    ),
    width=64,
    height=64,
    num_frames=4,
    fps=4.0,
)


def recipe(data: StreamConfig, **changes) -> TrainingRecipe:
    network = EncoderDecoderConfig(text=TEXT, num_frames=4, channels=32, least=16, attention=True)
    return TrainingRecipe(
        **{
            "name": "drawn",
            "network": network,
            "stages": (Stage(steps=320, batch=6, data=data),),
            "objective": RegressionConfig(),
            "optimizer": OptimizerConfig(name="adamw", lr=4e-3),
            "schedule": ScheduleConfig(warmup=10, decay_fraction=0.4),
            "ema_decay": 0.95,
            "sample_prompts": ("a red cube",),
            "sample_every": 320,
            "workers": 0,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on six clips that are shown again and again, and the captions of its last batch."""
    folder = tmp_path_factory.mktemp("drawn")
    source = WorldSource(**{name: getattr(WORLD, name) for name in WorldSource.model_fields})
    render_shards(source, folder / "clips", 6, shard_size=6)
    data = WORLD.model_copy(update={"shards": (folder / "clips",)})
    Trainer(recipe(data), folder / "run").run()
    return folder / "run", Batches(data, 6)[319].captions


def test_it_learns_a_handful_of_clips(trained):
    """By heart, until the exact measure says that what was said is seen."""
    run, captions = trained
    clips = load_generator(run / "model").generate([Prompt(text=text) for text in captions])
    found = read_and_score(list(captions), [clip.frames for clip in clips])
    for name, least in (("colour", 0.8), ("shape", 0.65)):
        right = [value for facts in found for value in facts[name]]
        assert np.mean(right) >= least, name
    assert list(run.rglob("*.png"))


def test_it_is_used_as_any_model(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = str(trained[0] / "model")
    done = CliRunner().invoke(
        generate_command, ["a red ball", "--model", folder, "--seed", "2", "--size", "32x32", "-o", "a.mp4"]
    )
    assert done.exit_code == 0, done.output
    assert "one video of a text, whatever the seed" in done.output
    assert "resized to 32x32" in done.output
    with pytest.raises(ModelError, match="of the family encoder-decoder; here a flow-transformer"):
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": FlowMatchingConfig()}, "is trained by objective.name = regression"),
        ({"autoencoder": "nano"}, "autoencoder does nothing for a network of the family encoder-decoder"),
        ({"stages": (Stage(steps=1, batch=1, data=StreamConfig()),)}, "the network makes"),
    ],
)
def test_recipes_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        recipe(WORLD, **change)


@pytest.mark.parametrize("name", ["seq2seq", "aed"])
def test_the_recipes_of_the_zoo(name):
    found = load_recipe(TrainingRecipe, f"zoo/{name}")
    assert found.network.attention == (name == "aed")
    assert found.objective.name == "regression"
