import json

import numpy as np
import pytest

from scenewright.cli.main import main
from scenewright.media import decode

SMALL = ["--size", "32x24", "--fps", "8"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_sentence_is_rendered_with_sound_and_truth(tmp_path, capsys):
    command = ["world", "render", "a red sphere rolls left", "-o", "a.mp4", "--truth", "a.npz", *SMALL]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["scene"]["objects"][0]["shape"] == "sphere"
    clip = decode(tmp_path / "a.mp4")
    assert clip.frames.shape == (16, 24, 32, 3)
    assert clip.audio is not None
    truth = np.load(tmp_path / "a.npz")
    assert truth["masks"].shape == (16, 24, 32)
    assert truth["flow"].shape == (16, 24, 32, 2)
    assert truth["tracks"].shape == (16, 1, 2)
    assert truth["tracks"][-1, 0, 0] < truth["tracks"][0, 0, 0]
    mask = truth["masks"] == 1
    reds = np.asarray(clip.frames)[mask].mean(0)
    assert reds[0] > reds[1] + 30


def test_a_scene_file_goes_round(tmp_path, capsys):
    assert main(["world", "describe", "a blue cube falls", "--seed", "5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["unknown_words"] == []
    assert len(told["phrasings"]) == 5
    (tmp_path / "scene.json").write_text(json.dumps(told["scene"]))
    assert main(["world", "render", "scene.json", "-o", "file.webp", *SMALL]) == 0
    assert main(["world", "render", "a blue cube falls", "--seed", "5", "-o", "text.webp", *SMALL]) == 0
    np.testing.assert_array_equal(decode("file.webp").frames, decode("text.webp").frames)
    capsys.readouterr()
    assert main(["world", "describe", "scene.json", "--phrasings", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_dataset_with_a_contact_sheet(tmp_path, capsys):
    command = ["world", "sample", "-n", "3", "-o", "set", *SMALL, "--num-frames", "4"]
    assert main([*command, "--set", "num_objects=[1,1]", "--set", "shapes=[torus]", "--sheet", "s.png"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "set" / "index.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    assert all(row["scene"]["objects"][0]["shape"] == "torus" for row in rows)
    assert (tmp_path / "s.png").stat().st_size > 1000
    assert main([*command[:-4], "--as", "shards", "-o", "shards", *SMALL, "--num-frames", "4"]) == 0
    assert (tmp_path / "shards" / "shard-00000.npy").is_file()


def test_what_cannot_be_shown_is_told(capsys):
    assert main(["world", "describe", "seven red dragons and a cube"]) == 0
    error = capsys.readouterr().err
    assert "at most 6" in error
    assert "dragons" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["render", "the weather is nice"], "object"),
        (["render", "missing.json"], "missing.json"),
        (["render", "broken.json"], "broken.json is no scene file"),
        (["render", "a cube", "-o", "taken.mp4"], "taken.mp4 exists"),
        (["render", "a cube", "-o", "a.gif", "--audio"], "hold no sound"),
        (["render", "a cube left of a ball, the ball left of the cube"], "contradict"),
        (["sample", "-n", "1", "-o", "x", "--set", "num_object=[1,1]"], "num_objects"),
        (["sample", "-n", "1", "-o", "x", "--set", "still=2"], "still"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path, capsys):
    (tmp_path / "broken.json").write_text('{"objects": []}')
    (tmp_path / "taken.mp4").write_bytes(b"kept")
    assert main(["world", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
    assert (tmp_path / "taken.mp4").read_bytes() == b"kept"
