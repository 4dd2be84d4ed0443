"""Clips that are made step by step, together, and in two goes."""

import numpy as np
import pytest
import torch

from scenewright.clip import GivenFrame, Prompt
from scenewright.generation.loading import load_pipeline
from scenewright.generation.settings import SamplingSettings

TEXTS = ("a red ball rolls left", "a blue cube jumps", "a green cone falls")
SETTINGS = SamplingSettings(steps=4, guidance_scale=3.0, shift=3.0)


@pytest.fixture(scope="module")
def nano():
    return load_pipeline("nano")


def made(sampling):
    while not sampling.done:
        sampling.advance()
    return sampling.finish()


def difference(a, b):
    return np.abs(a.frames.astype(int) - b.frames.astype(int)).mean()


@pytest.mark.parametrize("sampler", ["euler", "ddpm", "heun", "dpmpp_2m"])
def test_clips_made_together_are_those_made_alone(nano, sampler):
    settings = SETTINGS.changed({"sampler": sampler})
    shown = np.full((128, 128, 3), 90, np.uint8)
    prompts = [Prompt(text=text, seed=seed, num_frames=8) for seed, text in enumerate(TEXTS)]
    prompts[1] = prompts[1].model_copy(update={"given": (GivenFrame(0, shown),), "width": 64, "height": 64})
    prompts[2] = prompts[2].model_copy(update={"negative": "red", "fps": 4.0})
    alone = nano.generate(prompts, settings)
    together = made(nano.begin(prompts, settings))
    for one, other in zip(alone, together, strict=True):
        assert (one.fps, one.caption, one.metadata) == (other.fps, other.caption, other.metadata)
        assert one.frames.shape == other.frames.shape
        assert difference(one, other) < 0.05
    assert difference(alone[0], alone[2]) > 5
    assert (together[1].frames[0] == 90).all()


@pytest.mark.parametrize("sampler", ["ddpm", "dpmpp_2m", "heun"])
@pytest.mark.parametrize("after", [0, 1, 3, 4])
def test_what_was_kept_goes_on_to_the_same_frames(nano, sampler, after):
    settings = SETTINGS.changed({"sampler": sampler})
    prompts = [Prompt(text=text, seed=seed, num_frames=4) for seed, text in enumerate(TEXTS[:2])]
    whole = nano.begin(prompts, settings)
    for _ in range(after):
        whole.advance()
    kept = whole.states()
    later = nano.begin(prompts, settings)
    later.restore(kept)
    assert (later.step, later.steps) == (after, 4)
    for one, other in zip(made(whole), made(later), strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)


def test_what_is_kept_of_one_of_several_goes_on_alone(nano):
    prompts = [Prompt(text=text, seed=seed, num_frames=4) for seed, text in enumerate(TEXTS[:2])]
    both = nano.begin(prompts, SETTINGS)
    both.advance()
    alone = nano.begin(prompts[1:], SETTINGS)
    alone.restore(both.states()[1:])
    assert difference(made(alone)[0], made(both)[1]) < 0.05


def test_what_does_not_fit_is_not_gone_on_with(nano):
    sampling = nano.begin([Prompt(text=TEXTS[0], num_frames=4)], SETTINGS)
    sampling.advance()
    (state,) = sampling.states()
    longer = nano.begin([Prompt(text=TEXTS[0], num_frames=8)], SETTINGS)
    for wrong in (
        [state],
        [],
        [state, state],
        [{**state, "step": torch.tensor(9)}],
        [{"step": state["step"], "z": state["z"]}],
    ):
        with pytest.raises(ValueError, match="what was kept is not of"):
            longer.restore(wrong)
    assert longer.step == 0
    with pytest.raises(ValueError, match="4 of 4 steps are left"):
        longer.finish()


def test_a_preview_comes_closer_to_the_clip(nano):
    sampling = nano.begin([Prompt(text=TEXTS[0], seed=1, num_frames=4)], SETTINGS.changed({"steps": 8}))
    previews = [sampling.preview()]
    while not sampling.done:
        sampling.advance()
        previews.append(sampling.preview())
    (clip,) = sampling.finish()
    away = [np.abs(p.astype(int) - clip.frames).mean() for p in previews]
    assert previews[0].shape == clip.frames.shape
    assert away[0] > 20
    assert away[4] < away[0] / 2
    assert away[-1] == 0


def test_small_tiles_make_nearly_the_same_clip(nano):
    sampling = nano.begin([Prompt(text=TEXTS[0], seed=2)], SETTINGS)
    while not sampling.done:
        sampling.advance()
    whole, tiled = sampling.finish()[0], sampling.finish(tile=True)[0]
    assert 0 < difference(whole, tiled) < 2


def test_clips_of_different_lengths_are_not_made_together(nano):
    prompts = [Prompt(text=TEXTS[0], num_frames=4), Prompt(text=TEXTS[1], num_frames=8)]
    with pytest.raises(ValueError, match="have one length"):
        nano.begin(prompts, SETTINGS)


def test_texts_that_are_kept_are_read_once_and_change_nothing():
    prompts = [Prompt(text=text, num_frames=4) for text in (TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[2])]
    plain, keeping = load_pipeline("nano"), load_pipeline("nano")
    keeping.keep_texts = 2
    read = []
    encode = keeping.model.encode_text
    keeping.model.encode_text = lambda ids, mask: read.append(1) or encode(ids, mask)
    settings = SETTINGS.changed({"steps": 1})
    for one, other in zip(
        plain.generate(prompts, settings), keeping.generate(prompts, settings), strict=True
    ):
        np.testing.assert_array_equal(one.frames, other.frames)
    # The empty text is in use all the time, and stays; the first one was dropped, and is read twice.
    assert len(read) == 5
    keeping.generate(prompts[3:], settings)
    assert len(read) == 5
