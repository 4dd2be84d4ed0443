import subprocess
import sys

import numpy as np
import pytest

from scenewright.clip import Prompt
from scenewright.generation.loading import ModelError, load_pipeline, save_pipeline
from scenewright.generation.settings import SamplingSettings


def test_a_clip_does_not_depend_on_what_else_is_made(tiny_pipeline):
    prompts = [Prompt(text=f"a {c} ball rolls", seed=s) for c in ("red", "blue") for s in (0, 7)]
    together = tiny_pipeline.generate(prompts)
    for prompt, clip in zip(prompts, together, strict=True):
        np.testing.assert_array_equal(clip.frames, tiny_pipeline.generate([prompt])[0].frames)
    backwards = tiny_pipeline.generate(prompts[::-1])[::-1]
    for a, b in zip(together, backwards, strict=True):
        np.testing.assert_array_equal(a.frames, b.frames)


def test_seed_text_negative_and_every_setting_change_the_clip(tiny_pipeline):
    base = Prompt(text="a red ball rolls", seed=1)
    settings = SamplingSettings(steps=5)
    frames = tiny_pipeline.generate([base], settings)[0].frames
    prompts = [
        base.model_copy(update={"seed": 2}),
        base.model_copy(update={"text": "a blue cube falls"}),
        base.model_copy(update={"negative": "a blue cube"}),
    ]
    variants = [
        {"steps": 6},
        {"sampler": "euler"},
        {"sampler": "heun"},
        {"guidance_scale": 1.5},
        {"guidance_interval": (0.5, 0.9)},
        {"shift": 2.0},
    ]
    others = [tiny_pipeline.generate([prompt], settings)[0].frames for prompt in prompts]
    others += [tiny_pipeline.generate([base], settings.model_copy(update=v))[0].frames for v in variants]
    for other in others:
        assert (other != frames).any()


def test_size_length_and_rate_are_what_was_asked(tiny_pipeline):
    plain, small, wide, short = tiny_pipeline.generate(
        [
            Prompt(text="a ball"),
            Prompt(text="a ball", width=12),
            Prompt(text="a ball", width=50, height=10),
            Prompt(text="a ball", num_frames=3, fps=12),
        ]
    )
    assert plain.frames.shape == (8, 16, 24, 3)
    assert plain.fps == 8
    assert small.frames.shape == (8, 8, 12, 3)
    assert wide.frames.shape == (8, 10, 50, 3)
    assert short.frames.shape == (3, 16, 24, 3)
    assert short.fps == 12


def test_progress_counts_the_steps_of_every_prompt(tiny_pipeline):
    seen = []
    tiny_pipeline.generate([Prompt(text="a"), Prompt(text="b")], progress=lambda *step: seen.append(step))
    assert seen == [(i, step, 3) for i in range(2) for step in (1, 2, 3)]


@pytest.mark.parametrize(
    ("prompt", "settings", "message"),
    [
        (Prompt(text="  "), {}, "the prompt is empty"),
        (Prompt(text="a ball", num_frames=9), {}, "at most 8 frames, not 9"),
        (Prompt(text="a ball", negative="blue"), {"guidance_scale": 1.0}, "negative prompt does nothing"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_made(tiny_pipeline, prompt, settings, message):
    made = []
    with pytest.raises(ValueError, match=message):
        tiny_pipeline.generate(
            [Prompt(text="a ball"), prompt], SamplingSettings(steps=2, **settings), lambda *s: made.append(s)
        )
    assert not made


def test_unknown_words_and_resizing_are_told(tiny_pipeline):
    notes = tiny_pipeline.notes(Prompt(text="A red DRAGON rolls, dragon!", width=48, height=32))
    assert len(notes) == 2
    assert '"dragon"' in notes[0]
    assert "red" not in notes[0]
    assert "48x32" in notes[1]
    assert tiny_pipeline.notes(Prompt(text="a red ball rolls")) == []


def test_a_saved_folder_makes_the_same_video_in_another_process(tiny_pipeline, tmp_path):
    import torch

    save_pipeline(tiny_pipeline, tmp_path / "model", dtype=torch.float32)
    loaded = load_pipeline(tmp_path / "model")
    prompt = Prompt(text="a red ball rolls", seed=5)
    frames = tiny_pipeline.generate([prompt])[0].frames
    np.testing.assert_array_equal(loaded.generate([prompt])[0].frames, frames)
    assert len(loaded.model_hash) == 64
    assert loaded.unknown_words("a dragon") == ["dragon"]
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.model",
        "words.txt",
    ]
    code = (
        "import sys, numpy as np; from scenewright.clip import Prompt;"
        "from scenewright.generation.loading import load_pipeline;"
        "p = Prompt(text='a red ball rolls', seed=5);"
        "np.save(sys.argv[2], load_pipeline(sys.argv[1]).generate([p])[0].frames)"
    )
    out = tmp_path / "frames.npy"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model"), str(out)], check=True)
    np.testing.assert_array_equal(np.load(out), frames)


def test_broken_model_folders_say_what_is_wrong(tiny_pipeline, tmp_path):
    with pytest.raises(ModelError, match="there is no model 'nanoo'"):
        load_pipeline("nanoo")
    folder = tmp_path / "model"
    save_pipeline(tiny_pipeline, folder)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="is broken"):
        load_pipeline(folder)
    weights.unlink()
    with pytest.raises(ModelError, match="has no model"):
        load_pipeline(folder)
    weights.write_bytes(whole)
    (folder / "tokenizer.model").write_bytes(b"no tokenizer")
    with pytest.raises(ModelError, match="no readable tokenizer"):
        load_pipeline(folder)
    (folder / "config.json").write_text('{"name": "x", "netwrok": {}}')
    with pytest.raises(ModelError, match="netwrok"):
        load_pipeline(folder)
