import errno
import os

import numpy as np
import pytest

from scenewright.clip import Prompt
from scenewright.generation.loading import save_pipeline
from scenewright.generation.settings import SamplingSettings
from scenewright.media import MediaError, decode, probe
from scenewright.production import default_path, generate, produce, soundtrack

QUICK = SamplingSettings(steps=1)


def test_each_file_is_complete_before_the_next_is_begun(tiny_pipeline, tmp_path):
    prompts = [Prompt(text="a red ball", seed=i) for i in range(3)]
    paths = [tmp_path / "new" / f"{i}.webp" for i in range(3)]
    for index, release in enumerate(produce(tiny_pipeline, prompts, paths, settings=QUICK)):
        assert release.path == paths[index]
        assert decode(paths[index]).metadata["seed"] == index
        assert [p.exists() for p in paths] == [i <= index for i in range(3)]


def test_nothing_is_made_when_one_prompt_cannot_be(tiny_pipeline, tmp_path):
    prompts = [Prompt(text="a red ball"), Prompt(text="a red ball", num_frames=1000)]
    with pytest.raises(ValueError, match="at most"):
        list(produce(tiny_pipeline, prompts, [tmp_path / "a.webp", tmp_path / "b.webp"], settings=QUICK))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_half_file(tiny_pipeline, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(MediaError, match="free some space"):
        list(produce(tiny_pipeline, [Prompt(text="a ball")], [tmp_path / "a.mp4"], settings=QUICK))
    assert not list(tmp_path.iterdir())


def test_the_sound_is_that_of_the_prompts_scene(tiny_pipeline):
    prompt = Prompt(text="a red ball falls", num_frames=8, fps=4)
    clip = tiny_pipeline.generate([prompt], QUICK)[0]
    heard, notes = soundtrack(clip, prompt)
    assert notes == []
    assert heard.audio.seconds == pytest.approx(clip.seconds, abs=1e-3)
    loudness = np.abs(heard.audio.samples).max(0)
    assert loudness.max() > 0.02
    again, _ = soundtrack(clip, prompt)
    np.testing.assert_array_equal(again.audio.samples, heard.audio.samples)
    silent, notes = soundtrack(clip, Prompt(text="the weather is nice"))
    assert silent.audio is None
    assert notes[0].startswith("no sound:")


def test_names_come_from_the_prompt_and_are_never_taken_twice(tmp_path):
    prompt = Prompt(text='A "red" ball/../ rolls; left & ' + "very " * 40 + "far", seed=4)
    path = default_path(prompt, tmp_path, ".mp4")
    assert path.parent == tmp_path
    assert path.name.startswith("a-red-ball-rolls-left-very")
    assert path.name.endswith("-4.mp4")
    assert len(path.name) < 80
    path.write_bytes(b"")
    assert default_path(prompt, tmp_path, ".mp4").name == path.stem + "-2.mp4"
    assert default_path(Prompt(text="赤い球"), tmp_path, ".gif").name == "video-0.gif"


def test_five_lines_of_python(tiny_pipeline, tmp_path):
    save_pipeline(tiny_pipeline, tmp_path / "model")
    clip = generate("a red ball rolls", model=tmp_path / "model", seed=3, settings=QUICK)
    clip.save(tmp_path / "ball.mp4")
    assert probe(tmp_path / "ball.mp4").metadata["prompt"] == "a red ball rolls"
    again = generate(Prompt(text="a red ball rolls", seed=3), model=tmp_path / "model", settings=QUICK)
    np.testing.assert_array_equal(again.frames, clip.frames)
