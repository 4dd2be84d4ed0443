import json
from dataclasses import replace

import numpy as np
import pytest

from scenewright.cli.main import main
from scenewright.generation.loading import save_pipeline
from scenewright.generation.settings import SamplingSettings
from scenewright.media import decode, probe, save_image


@pytest.fixture(scope="module")
def model(tiny_pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "tiny"
    save_pipeline(tiny_pipeline, folder)
    return str(folder)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_sentence_becomes_a_file_that_says_how_it_was_made(model, tmp_path, capsys):
    assert main(["generate", "a red ball rolls", "--model", model, "--seed", "3", "--steps", "2"]) == 0
    path = tmp_path / "a-red-ball-rolls-3.mp4"
    assert capsys.readouterr().out.startswith("a-red-ball-rolls-3.mp4")
    clip = decode(path)
    assert clip.frames.shape == (8, 16, 24, 3)
    told = probe(path).metadata
    assert told["prompt"] == "a red ball rolls"
    assert told["seed"] == 3
    assert told["settings"]["steps"] == 2
    assert len(told["model_sha256"]) == 64


def test_a_name_that_ends_in_a_slash_is_a_folder(model, tmp_path):
    command = ["generate", "a ball", "--model", model, "--steps", "1", "-o", "new/"]
    assert main(command) == main(command) == 0
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["a-ball-0-2.mp4", "a-ball-0.mp4"]


def test_a_name_that_is_taken_is_never_overwritten_unasked(model, tmp_path, capsys):
    command = ["generate", "a ball", "--model", model, "--steps", "1"]
    assert main(command) == main(command) == 0
    assert sorted(p.name for p in tmp_path.glob("*.mp4")) == ["a-ball-0-2.mp4", "a-ball-0.mp4"]
    before = (tmp_path / "a-ball-0.mp4").read_bytes()
    assert main([*command, "-o", "a-ball-0.mp4", "--seed", "4"]) == 2
    assert "a-ball-0.mp4 exists" in capsys.readouterr().err
    assert (tmp_path / "a-ball-0.mp4").read_bytes() == before
    assert main([*command, "-o", "a-ball-0.mp4", "--seed", "4", "--overwrite"]) == 0
    assert (tmp_path / "a-ball-0.mp4").read_bytes() != before


@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif", "webp", "png"])
def test_every_format_holds_the_same_video(model, tmp_path, suffix):
    target = f"ball.{suffix}"
    assert main(["generate", "a red ball", "--model", model, "--steps", "1", "-o", target]) == 0
    clip = decode(tmp_path / ("ball" if suffix == "png" else target))
    assert len(clip) == 8
    assert clip.metadata["prompt"] == "a red ball"


def test_many_prompts_and_seeds_from_a_file_with_json(model, tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("a red ball\n\na blue cube falls\n")
    command = ["generate", "--prompts", "prompts.txt", "--model", model, "--steps", "1", "--batch", "2"]
    assert main([*command, "-o", "out", "--json", "--format", "webp"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["prompt"], row["seed"]) for row in rows] == [
        ("a red ball", 0),
        ("a red ball", 1),
        ("a blue cube falls", 0),
        ("a blue cube falls", 1),
    ]
    for row in rows:
        assert (tmp_path / row["path"]).is_file()
        assert (row["width"], row["height"]) == (24, 16)


def test_batches_and_single_runs_make_the_same_frames(model, tmp_path):
    base = ["generate", "a red ball", "--model", model, "--steps", "2", "--format", "webp"]
    assert main([*base, "--batch", "3", "-o", "many"]) == 0
    assert main([*base, "--seed", "2", "-o", "one.webp"]) == 0
    frames = [decode(tmp_path / p).frames for p in ("many/a-red-ball-2.webp", "one.webp")]
    np.testing.assert_array_equal(*frames)


def test_size_length_rate_and_sound(model, tmp_path, capsys):
    command = ["generate", "a red ball bounces", "--model", model, "--steps", "1", "-o", "b.mp4"]
    assert main([*command, "--size", "48x32", "--num-frames", "4", "--fps", "4", "--audio"]) == 0
    clip = decode(tmp_path / "b.mp4")
    assert clip.frames.shape == (4, 32, 48, 3)
    assert clip.fps == 4
    assert clip.audio is not None
    assert np.abs(clip.audio.samples).max() > 0.01
    assert "resized to 48x32" in capsys.readouterr().err


def test_unknown_words_are_named(model, capsys):
    assert main(["generate", "a red dragon", "--model", model, "--steps", "1"]) == 0
    assert '"dragon"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one prompt"),
        (["a", "--prompts", "p.txt"], "p.txt"),
        (["  "], "the prompt is empty"),
        (["a", "--size", "12"], "is no size"),
        (["a", "--size", "9000x9000"], "from 1 to 8192"),
        (["a", "--steps", "0"], "--steps"),
        (["a", "--sampler", "eulr"], "there is no sampler 'eulr'"),
        (["a", "--num-frames", "99"], "at most 8 frames"),
        (["a", "-o", "a.avi"], "cannot write .avi"),
        (["a", "--negative", "b", "--guidance-scale", "1"], "negative prompt does nothing"),
        (["a", "-o", "a.gif", "--audio"], "hold no sound"),
        (["a", "--modle", "x"], "--model"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(model, arguments, message, tmp_path, capsys):
    assert main(["generate", *arguments, "--model", model]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_unknown_model_is_one_line(capsys):
    assert main(["generate", "a ball", "--model", "nnano"]) == 2
    assert "there is no model 'nnano'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def taught(given_pipeline, tmp_path_factory):
    """A model that takes given frames and long steps."""
    folder = tmp_path_factory.mktemp("model") / "taught"
    fast = SamplingSettings(steps=2, sampler="shortcut", guidance_scale=1)
    save_pipeline(replace(given_pipeline, fast=fast), folder)
    return str(folder)


def picture(path, seed: int) -> np.ndarray:
    frame = np.random.default_rng(seed).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    save_image(frame, path)
    return frame


def test_pictures_are_the_first_and_the_last_frame(taught, tmp_path):
    first, last = picture(tmp_path / "first.png", 1), picture(tmp_path / "last.png", 2)
    command = ["generate", "a ball", "--model", taught, "--image", "first.png", "--last-image", "last.png"]
    assert main([*command, "-o", "made.png"]) == 0
    clip = decode(tmp_path / "made")
    assert np.array_equal(clip.frames[0], first)
    assert np.array_equal(clip.frames[-1], last)
    assert clip.metadata["given_frames"] == [0, 7]


def test_a_video_goes_on(taught, tmp_path, capsys):
    assert main(["generate", "a ball", "--model", taught, "-o", "one.png"]) == 0
    assert (
        main(
            [
                "generate",
                "a cube",
                "--model",
                taught,
                "--extend",
                "one",
                "-o",
                "more.png",
                "--num-frames",
                "9",
            ]
        )
        == 0
    )
    one, more = decode(tmp_path / "one"), decode(tmp_path / "more")
    assert len(more) == len(one) + 9
    assert np.array_equal(more.frames[: len(one)], one.frames)


def test_fast_uses_the_settings_for_few_steps(taught, model, capsys):
    assert main(["generate", "a ball", "--model", taught, "--fast", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["settings"]["sampler"] == "shortcut"
    assert record["settings"]["steps"] == 2
    assert main(["generate", "a ball", "--model", model, "--fast"]) == 2
    assert "tiny has not learned to make videos in few steps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "none.png"], "'none.png' does not exist"),
        (["--image", "text.png"], "text.png: this is a text file"),
        (["--image", "first.png"], "tiny was not trained with given frames"),
        (["--extend", "first.png"], "tiny was not trained with given frames"),
        (["--extend", "first.png", "--image", "first.png"], "--extend goes without --image"),
    ],
)
def test_pictures_that_cannot_be_used_are_refused(model, tmp_path, arguments, message, capsys):
    picture(tmp_path / "first.png", 1)
    (tmp_path / "text.png").write_text("no picture")
    assert main(["generate", "a ball", "--model", model, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("*.mp4"))
