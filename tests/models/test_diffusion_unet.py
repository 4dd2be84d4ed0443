"""The U-Net: what reaches its output, what it means by what it paints, and that it learns."""

import numpy as np
import pytest
import torch
from overfitting import SIZES, WORLD, handful, learned
from pydantic import ValidationError

from scenewright.clip import Prompt
from scenewright.config import load_recipe
from scenewright.data.order import BucketsConfig
from scenewright.data.streams import Batches
from scenewright.data.world_source import WorldSource, render_shards
from scenewright.generation.loading import load_generator, load_pipeline, untrained_generator
from scenewright.generation.model_folder import randomised
from scenewright.generation.settings import SamplingSettings
from scenewright.models.diffusion_unet import DiffusionUNet, DiffusionUNetConfig
from scenewright.models.flow_transformer import FlowTransformerConfig
from scenewright.models.noise import variance_preserving
from scenewright.training.config import TrainingRecipe
from scenewright.training.objectives import DiffusionConfig
from scenewright.training.sinks import read_records
from scenewright.training.trainer import Trainer

SMALL = DiffusionUNetConfig(**SIZES, width=16, multipliers=(1, 2), attend_at=8, heads=2)
WORDS = (torch.tensor([[5, 6, 7, 0], [8, 9, 0, 0]]), torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]]).bool())


def lively(config: DiffusionUNetConfig = SMALL) -> DiffusionUNet:
    """With no layer at 0, as training soon has it."""
    torch.manual_seed(0)
    return randomised(DiffusionUNet(config)).eval()


def clip(frames: int = 4) -> torch.Tensor:
    return torch.randn(2, 3, frames, 32, 32, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def predict(network: DiffusionUNet, z: torch.Tensor, sigma: float = 0.6, ids=WORDS) -> torch.Tensor:
    text = network.encode_text(*ids)
    return network(z, torch.full((len(z),), sigma), *text, ids[1])


def test_text_noise_level_and_all_frames_reach_every_place():
    network, z = lively(), clip()
    plain = predict(network, z)
    assert plain.shape == z.shape
    other_words = (WORDS[0].flip(0), WORDS[1])
    assert (predict(network, z, ids=other_words) - plain).abs().amax((0, 1)).min() > 0
    assert (predict(network, z, 0.61) - plain).abs().amax((0, 1)).min() > 0
    changed = z.clone()
    changed[:, :, 0] += 1
    assert ((predict(network, changed) - plain).abs().amax((0, 1, 3, 4)) > 0).all()


def test_padding_of_texts_changes_nothing():
    network, z = lively(), clip()
    longer = tuple(torch.nn.functional.pad(t, (0, 5)) for t in WORDS)
    torch.testing.assert_close(predict(network, z, ids=longer), predict(network, z), atol=1e-5, rtol=1e-5)


def test_what_is_painted_means_one_clip():
    """alpha x + s noise = z' must hold between the clip and the noise that a prediction means."""
    sigma = torch.tensor([0.6])
    alpha, s = (float(v) for v in variance_preserving(sigma))
    z = clip()
    painted = {}
    for prediction in ("clean", "noise", "v"):
        network = lively(SMALL.model_copy(update={"prediction": prediction}))
        painted[prediction] = predict(network, z)
    same = painted["clean"]  # the same weights paint the same, whatever is meant by it
    z_there = z * (alpha + s)
    torch.testing.assert_close(painted["noise"], (z_there - s * same) / alpha, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(painted["v"], alpha * z_there - s * same, atol=1e-4, rtol=1e-4)


def test_the_noise_of_a_clip_is_read_back_as_the_clip():
    """A network that paints the true noise, or the true v, means the true clip."""
    x, noise, sigma = clip(), torch.randn_like(clip()), 0.7
    z = torch.lerp(x, noise, sigma)
    alpha, s = (v[0] for v in variance_preserving(torch.tensor([sigma])))
    for prediction, truth in (("noise", noise), ("v", alpha * noise - s * x), ("clean", x)):
        network = lively(SMALL.model_copy(update={"prediction": prediction}))
        network._painted = lambda *_, truth=truth: truth
        torch.testing.assert_close(predict(network, z, sigma), x, atol=1e-4, rtol=1e-4)


def test_pictures_are_clips_of_one_frame():
    network = lively()
    picture = clip()[:, :, :1]
    assert predict(network, picture).shape == picture.shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 30}, "height must be a multiple of 4"),
        ({"width": 12, "heads": 4}, "24 channels do not share out over 4 heads"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        DiffusionUNetConfig.model_validate({**SMALL.model_dump(), **change})


@pytest.mark.parametrize("name", ["flow", "causal-flow", "diffusion"])
def test_recipes_of_the_zoo_take_a_step_and_open_again(name, tmp_path):
    small = ["stages.0.steps=1", "stages.0.batch=2", "workers=0", "sample_prompts=[]", "sampling.steps=1"]
    recipe = load_recipe(TrainingRecipe, f"zoo/{name}", small)
    Trainer(recipe, tmp_path / "run").run()
    made = load_generator(tmp_path / "run" / "model")
    assert made.model.config.family == recipe.network.family
    assert made.generate([Prompt(text="a red cube")])[0].frames.shape == (16, 64, 64, 3)


@pytest.mark.parametrize(
    ("network", "objective", "message"),
    [
        (SMALL, {"name": "diffusion_forcing"}, "trains other families, not a diffusion-unet"),
        (
            SMALL,
            {"name": "flow_matching", "given": {}},
            "network.given_frames and objective.given go together",
        ),
        (SMALL, {"name": "few_steps"}, "network.spans and objective.name = few_steps go together"),
    ],
)
def test_objectives_that_do_not_fit_are_refused(network, objective, message):
    stages = ({"steps": 1, "batch": 1, "data": WORLD},)
    with pytest.raises(ValidationError, match=message):
        TrainingRecipe.model_validate(
            {"name": "u", "network": network, "objective": objective, "stages": stages}
        )


def test_any_objective_trains_any_network(tmp_path):
    """The U-Net by flow matching, the flow transformer by diffusion: a loss falls in both."""
    transformer = FlowTransformerConfig(**SIZES, patch=(2, 8, 8), bottleneck=64, width=64, layers=2, heads=2)
    data = handful(tmp_path)
    for name, network, objective in (
        ("unet", SMALL, {"name": "flow_matching"}),
        ("transformer", transformer, {"name": "diffusion", "shift": 4.0}),
    ):
        recipe = TrainingRecipe.model_validate(
            {
                "name": name,
                "network": network,
                "objective": objective,
                "stages": ({"steps": 40, "batch": 4, "data": data},),
                "optimizer": {"name": "adamw", "lr": 3e-3},
                "workers": 0,
                "log_every": 1,
            }
        )
        Trainer(recipe, tmp_path / name).run()
        losses = [line["mse"] for line in read_records(tmp_path / name / "log.jsonl") if "mse" in line]
        assert sum(losses[-8:]) < 0.5 * sum(losses[:8]), name


def test_learns_pictures_beside_clips(tmp_path):
    """What is shown in pictures only is made as a picture, by the network that makes the clips."""
    handful(tmp_path)
    pictures = WorldSource(
        **{n: getattr(WORLD, n) for n in WorldSource.model_fields} | {"num_frames": 1, "seed": 9}
    )
    render_shards(pictures, tmp_path / "pictures", 2, shard_size=2)
    data = WORLD.model_copy(
        update={
            "shards": (tmp_path / "clips", tmp_path / "pictures"),
            "order": BucketsConfig(name="buckets"),
        }
    )
    recipe = TrainingRecipe.model_validate(
        {
            "name": "joint",
            "network": SMALL,
            "objective": {"name": "diffusion", "shift": 4.0},
            "stages": ({"steps": 240, "batch": 4, "data": data},),
            "optimizer": {"name": "adamw", "lr": 4e-3},
            "schedule": {"warmup": 20, "decay_fraction": 0.5},
            "sampling": {
                "steps": 8,
                "sampler": "ddim",
                "schedule": "cosine",
                "guidance_scale": 1,
                "shift": 4,
            },
            "ema_decay": 0.95,
            "workers": 0,
            "log_every": 1,
        }
    )
    Trainer(recipe, tmp_path / "run").run()
    lines = [line for line in read_records(tmp_path / "run" / "log.jsonl") if "loss" in line]
    assert {line["frames"] for line in lines} == {1, 4}
    made = load_generator(tmp_path / "run" / "model")
    shown = Batches(WORLD.model_copy(update={"shards": (tmp_path / "pictures",), "num_frames": 1}), 2)[0]
    found = made.generate([Prompt(text=text, num_frames=1) for text in shown.captions])
    truth = shown.frames.numpy().astype(float)
    errors = np.array([[np.abs(clip.frames - frames).mean() for frames in truth] for clip in found])
    assert (errors.argmin(1) == np.arange(2)).all(), errors


def test_learns_four_clips_by_heart(tmp_path):
    enough = {"colour": 1.0, "shape": 0.75}
    seen = learned(
        tmp_path,
        handful(tmp_path),
        steps=400,
        enough=enough,
        network=SMALL,
        objective=DiffusionConfig(shift=6.0),
        optimizer={"name": "adamw", "lr": 4e-3},
        schedule={"warmup": 20, "decay_fraction": 0.5},
        sampling=SamplingSettings(steps=8, sampler="ddim", schedule="cosine", guidance_scale=1.0, shift=6.0),
    )
    assert all(seen[fact] >= least for fact, least in enough.items()), seen
    folder = tmp_path / "run" / "model"
    pipeline = load_pipeline(folder)
    assert isinstance(pipeline.model, DiffusionUNet)
    ask = [Prompt(text="a red cube", num_frames=1, seed=3)]
    picture = pipeline.generate(ask)[0]
    assert picture.frames.shape == (1, 32, 32, 3)
    assert (untrained_generator(folder, 1).generate(ask)[0].frames != picture.frames).any()
