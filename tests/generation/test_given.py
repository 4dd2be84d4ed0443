from dataclasses import replace

import numpy as np
import pytest
import torch

from scenewright.clip import Clip, GivenFrame, Prompt
from scenewright.generation.autoencoder import Autoencoder
from scenewright.generation.extending import extend, pieces
from scenewright.generation.given import given_input, held, settled_frames
from scenewright.generation.loading import load_pipeline, save_pipeline
from scenewright.generation.resizing import fitted
from scenewright.generation.settings import SamplingSettings
from scenewright.models.blocks.bottlenecks import BottleneckConfig
from scenewright.models.video_autoencoder import VideoAutoencoder, VideoAutoencoderConfig


@pytest.fixture(scope="module")
def latent_pipeline(with_network):
    torch.manual_seed(4)
    autoencoder = VideoAutoencoder(
        VideoAutoencoderConfig(
            patch=(4, 2, 2), widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1, 1),
            bottleneck=BottleneckConfig(channels=4),
        )
    )  # fmt: skip
    sizes = {"channels": 4, "patch": (1, 2, 2), "num_frames": 4, "height": 4, "width_pixels": 6}
    return with_network(Autoencoder(autoencoder), given_frames=4, given_pixels=4, **sizes)


def picture(seed: int, height: int = 16, width: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


FRAMES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 8, 8, 8, 3), dtype=np.uint8))
KNOWN = torch.tensor([[1, 1, 1, 1, 0, 1, 0, 0], [0] * 8]).bool()


def test_pixels_of_unknown_frames_play_no_part():
    seen = given_input(FRAMES, KNOWN)
    assert seen.shape == (2, 4, 8, 8, 8)
    torch.testing.assert_close(seen[0, :3, 5], FRAMES[0, 5].movedim(-1, 0) / 127.5 - 1)
    assert not seen[0, :, 4].any()
    assert not seen[1].any()
    assert torch.equal(seen[:, 3, :, 0, 0].bool(), KNOWN)
    others = torch.where(KNOWN[:, :, None, None, None], FRAMES, 255 - FRAMES)
    assert torch.equal(given_input(others, KNOWN), seen)


def test_a_group_is_settled_when_all_of_it_is_known():
    assert settled_frames(KNOWN, 4).tolist() == [[True, False], [False, False]]


def test_the_nearest_known_frame_is_held():
    known = torch.tensor([[0, 1, 0, 0, 0, 1, 0, 0], [0] * 7 + [1]]).bool()
    places = [[1, 1, 1, 1, 5, 5, 5, 5], [7] * 8]
    expected = torch.stack([FRAMES[row, places[row]] for row in range(2)])
    assert torch.equal(held(FRAMES, known), expected)


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "shortcut"])
def test_given_frames_are_kept_and_decide_the_others(given_pipeline, sampler):
    scale = 1.0 if sampler == "shortcut" else 2.0
    settings = SamplingSettings(steps=3, sampler=sampler, guidance_scale=scale)

    def made(*given: GivenFrame) -> np.ndarray:
        prompt = Prompt(text="a red ball", seed=5, given=given)
        return given_pipeline.generate([prompt], settings)[0].frames

    first, last = GivenFrame(0, picture(1)), GivenFrame(-1, picture(2))
    both, other = made(first, last), made(GivenFrame(0, picture(3)), last)
    assert np.array_equal(both[0], picture(1))
    assert np.array_equal(both[7], picture(2))
    assert (both[1:7] != other[1:7]).any()
    assert (made()[1:] != made(first)[1:]).any()


def test_latent_models_keep_them_too(latent_pipeline):
    given = tuple(GivenFrame(at, picture(at)) for at in (0, 1, 2, 3, 15))
    clip = latent_pipeline.generate([Prompt(text="a red ball", given=given)])[0]
    assert clip.frames.shape == (16, 16, 24, 3)
    for frame in given:
        assert np.array_equal(clip.frames[frame.at], frame.frame)
    assert clip.metadata["given_frames"] == [0, 1, 2, 3, 15]


def test_pictures_of_any_size_are_fitted(given_pipeline):
    large = picture(6, 64, 64)
    clip = given_pipeline.generate([Prompt(text="a ball", given=(GivenFrame(2, large),), num_frames=3)])[0]
    assert len(clip) == 3
    assert np.array_equal(clip.frames[2], fitted(large[None], (24, 16))[0])


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ((8,), "place 8 of a video of 8 frames"),
        ((-9,), "place -9"),
        ((7, -1), "two frames are given for place 7"),
        (range(8), "all 8 frames are given"),
    ],
)
def test_places_that_do_not_exist_are_refused(given_pipeline, places, message):
    given = tuple(GivenFrame(at, picture(0)) for at in places)
    with pytest.raises(ValueError, match=message):
        given_pipeline.check([Prompt(text="a ball", given=given)])


def test_models_refuse_what_they_were_not_trained_for(tiny_pipeline, given_pipeline):
    with pytest.raises(ValueError, match="tiny was not trained with given frames"):
        tiny_pipeline.check([Prompt(text="a ball", given=(GivenFrame(0, picture(0)),))])
    long_steps = SamplingSettings(sampler="shortcut", guidance_scale=1)
    with pytest.raises(ValueError, match="has not learned the long steps"):
        tiny_pipeline.check([Prompt(text="a ball")], long_steps)
    given_pipeline.check([Prompt(text="a ball")], long_steps)
    with pytest.raises(ValueError, match="guidance learned in"):
        SamplingSettings(sampler="shortcut", guidance_scale=2)
    with pytest.raises(ValueError, match="uint8"):
        GivenFrame(0, np.zeros((4, 4, 3)))


def test_the_folder_of_a_model_keeps_its_settings_for_few_steps(given_pipeline, tmp_path):
    taught = replace(given_pipeline, fast=SamplingSettings(steps=4, sampler="shortcut", guidance_scale=1))
    save_pipeline(taught, tmp_path / "model", torch.float32)
    loaded = load_pipeline(tmp_path / "model")
    assert loaded.fast == taught.fast
    prompt = Prompt(text="a ball", given=(GivenFrame(0, picture(0)),))
    same = [p.generate([prompt], p.fast)[0].frames for p in (taught, loaded)]
    assert np.array_equal(*same)


@pytest.mark.parametrize(
    ("frames", "new", "plan"),
    [(20, None, [(4, 4)]), (2, None, [(2, 6)]), (1, 9, [(1, 7), (4, 2)]), (20, 10, [(4, 4), (4, 4), (4, 2)])],
)
def test_pieces_go_on_from_half_a_clip(given_pipeline, frames, new, plan):
    assert pieces(given_pipeline, frames, new) == plan


def test_an_extended_clip_begins_as_it_was_and_goes_on(given_pipeline):
    clip = Clip(np.stack([picture(i) for i in range(6)]), 8)
    steps = []
    prompt = Prompt(text="a red ball", num_frames=9)
    longer = extend(given_pipeline, clip, prompt, progress=lambda part, step, _: steps.append((part, step)))
    assert longer.frames.shape == (15, 16, 24, 3)
    assert np.array_equal(longer.frames[:6], clip.frames)
    assert steps == [(part, step) for part in range(3) for step in (1, 2, 3)]
    first = given_pipeline.generate(
        [Prompt(text="a red ball", given=tuple(GivenFrame(i, f) for i, f in enumerate(clip.frames[2:])))]
    )[0]
    assert np.array_equal(longer.frames[6:10], first.frames[4:])
    small = extend(given_pipeline, clip, Prompt(text="a red ball", width=12))
    assert small.frames.shape == (10, 8, 12, 3)
