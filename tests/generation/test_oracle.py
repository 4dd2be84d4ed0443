"""The oracle: what it makes is what the text says, at any size, and what it cannot do is said in one line."""

import numpy as np
import pytest

from scenewright import generate
from scenewright.clip import GivenFrame, Prompt
from scenewright.evaluation.run import read_and_score
from scenewright.evaluation.suites import load_suite
from scenewright.evaluation.systems import WorldSystem, find_system
from scenewright.generation.loading import load_generator
from scenewright.generation.oracle import Oracle
from scenewright.media import probe
from scenewright.production import produce


def test_the_exact_reader_finds_what_was_said():
    prompts = load_suite("world-core").select(("single",), 12).prompts
    texts = [p.text for p in prompts]
    clips = load_generator("zoo/oracle").generate([Prompt(text=p.text, seed=p.seed) for p in prompts])
    found = read_and_score(texts, [clip.frames for clip in clips])
    for name in ("colour", "shape"):
        assert np.mean([right for items in found for right in items[name]]) > 0.9


def test_any_size_and_length_and_the_same_for_the_same_seed():
    prompt = Prompt(text="a red ball rolls left", seed=3, width=96, num_frames=21, fps=12)
    clip = generate(prompt, model="zoo/oracle")
    assert clip.frames.shape == (21, 96, 96, 3)
    assert clip.fps == 12
    assert clip.metadata["model"] == "oracle"
    again, other = (Oracle().generate([prompt.model_copy(update={"seed": s})])[0] for s in (3, 4))
    np.testing.assert_array_equal(again.frames, clip.frames)
    assert (other.frames != clip.frames).any()


def test_clips_do_not_depend_on_what_else_is_asked_for():
    prompts = [
        Prompt(text="a red ball"),
        Prompt(text="two blue cubes", width=48),
        Prompt(text="a cone", seed=9),
    ]
    told: list[tuple[int, int, int]] = []
    together = Oracle((64, 64), 4).generate(prompts, progress=lambda *at: told.append(at))
    for prompt, clip in zip(prompts, together, strict=True):
        np.testing.assert_array_equal(clip.frames, Oracle((64, 64), 4).generate([prompt])[0].frames)
    assert sorted(told) == [(0, 1, 1), (1, 1, 1), (2, 1, 1)]


def test_it_is_what_evaluation_calls_the_world():
    prompts = load_suite("world-core").select(("single",), 2).prompts
    assert isinstance(find_system("zoo/oracle"), WorldSystem)
    ours = Oracle((64, 64), 4).generate([Prompt(text=p.text, seed=p.seed + 5) for p in prompts])
    for own, world in zip(ours, WorldSystem(64, 64, 4).clips(prompts, 5), strict=True):
        np.testing.assert_array_equal(own.frames, world.frames)
    assert Oracle((64, 64)).identity != Oracle((64, 32)).identity


def test_its_files_have_the_sound_of_what_is_seen(tmp_path):
    prompt = Prompt(text="a red ball bounces", seed=1, width=48, height=48)
    list(produce(Oracle(), [prompt], [tmp_path / "a.mp4"], audio=True))
    assert probe(tmp_path / "a.mp4").audio is not None


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(text="a knight rides home"), "names no object"),
        (Prompt(text="a red ball", negative="blue"), "leave negative out"),
        (Prompt(text="a red ball", given=(GivenFrame(0, np.zeros((8, 8, 3), np.uint8)),)), "leave given out"),
    ],
)
def test_what_it_cannot_make(prompt, message):
    with pytest.raises(ValueError, match=message):
        Oracle().generate([prompt])


def test_there_is_nothing_to_sample_or_to_go_on_from(tmp_path):
    assert Oracle().recommended(changes={"steps": None}) is None
    with pytest.raises(ValueError, match="leave guidance-scale, steps out"):
        Oracle().recommended(changes={"guidance_scale": 3.0, "steps": 4})
    with pytest.raises(ValueError, match="leave fast out"):
        Oracle().recommended(fast=True)
    clip = Oracle((32, 32), 4).generate([Prompt(text="a red ball")])[0]
    with pytest.raises(ValueError, match="goes on from no video"):
        list(produce(Oracle(), [Prompt(text="a red ball")], [tmp_path / "b.mp4"], before=clip))
