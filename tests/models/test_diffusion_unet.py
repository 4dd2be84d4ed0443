"""The U-Net: what reaches its output, what it means by what it paints, and that it learns."""

import pytest
import torch
from overfitting import SIZES, handful, learned
from pydantic import ValidationError

from scenewright.clip import Prompt
from scenewright.generation.loading import load_pipeline, untrained_generator
from scenewright.generation.model_folder import randomised
from scenewright.generation.settings import SamplingSettings
from scenewright.models.diffusion_unet import DiffusionUNet, DiffusionUNetConfig
from scenewright.models.noise import variance_preserving
from scenewright.training.objectives import DiffusionConfig

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


def test_learns_four_clips_by_heart(tmp_path):
    data = handful(tmp_path)
    seen = learned(
        tmp_path,
        data,
        steps=400,
        network=SMALL,
        objective=DiffusionConfig(shift=2.0, min_snr=5.0),
        optimizer={"name": "adamw", "lr": 3e-3},
        schedule={"warmup": 20, "decay_fraction": 0.5},
        sampling=SamplingSettings(steps=8, sampler="ddim", schedule="cosine", guidance_scale=1.0, shift=2.0),
    )
    assert seen["colour"] == 1.0, seen
    assert seen["shape"] >= 0.75, seen
    folder = tmp_path / "run" / "model"
    pipeline = load_pipeline(folder)
    assert isinstance(pipeline.model, DiffusionUNet)
    ask = [Prompt(text="a red cube", num_frames=1, seed=3)]
    picture = pipeline.generate(ask)[0]
    assert picture.frames.shape == (1, 32, 32, 3)
    assert (untrained_generator(folder, 1).generate(ask)[0].frames != picture.frames).any()
