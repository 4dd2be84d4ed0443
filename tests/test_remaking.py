"""Files that say how they were made, and are made again."""

import json

import numpy as np
import pytest
from PIL import Image

from scenewright.cli.main import main
from scenewright.clip import Clip, GivenFrame, Prompt
from scenewright.media import MediaError, decode, encode, probe
from scenewright.remaking import inputs_of, remake_of

FRAME = np.random.default_rng(1).integers(0, 255, (90, 120, 3), dtype=np.uint8)
FACTS = {"prompt": "a ball", "seed": 2, "model": "nano", "model_sha256": "00", "settings": {"steps": 3}}


def clip_of(**facts):
    return Clip(np.zeros((4, 16, 24, 3), np.uint8), 8.0, metadata={**FACTS, **facts})


def run(*args):
    return main([str(arg) for arg in args])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A video made from two pictures, with sound, by the command line."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("first", "last"):
        Image.fromarray(FRAME if name == "first" else FRAME[::-1]).save(folder / f"{name}.png")
    args = ["--image", folder / "first.png", "--last-image", folder / "last.png", "--audio", "--seed", 5]
    args += ["--negative", "it's blue", "--size", "96x64", "--num-frames", 9, "--fps", 10, "--steps", 2]
    args += ["--sampler", "euler", "--flow-shift", 4.5, "-o", folder / "a.mp4"]
    assert run("generate", "a red ball rolls left", *args) == 0
    return folder / "a.mp4"


def test_a_file_is_made_again_to_the_byte(made, tmp_path, capsys):
    assert run("import", made, "-o", tmp_path / "again.mp4") == 0
    assert (tmp_path / "again.mp4").read_bytes() == made.read_bytes()
    assert capsys.readouterr().out.strip() == str(tmp_path / "again.mp4")


def test_the_printed_command_makes_the_same_video(made, tmp_path, capsys):
    import shlex

    assert run("import", made, "--pictures", tmp_path / "inputs", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["notes"] == []
    program, *args = shlex.split(told["command"])
    assert program == "scenewright"
    assert run(*args, "-o", tmp_path / "again.mp4") == 0
    assert (tmp_path / "again.mp4").read_bytes() == made.read_bytes()
    assert [Image.open(path).size for path in told["pictures"]] == [(128, 128)] * 2


def test_a_command_without_its_pictures_says_so(made, capsys):
    assert run("import", made) == 0
    out, err = capsys.readouterr()
    assert out.startswith("scenewright generate 'a red ball rolls left' --negative ")
    assert "--pictures FOLDER" in err


def test_other_weights_are_told(tmp_path, capsys):
    encode(clip_of(), tmp_path / "a.mp4")
    assert run("import", tmp_path / "a.mp4", "-o", tmp_path / "b.mp4") == 0
    assert "nano here has other weights" in capsys.readouterr().err
    assert probe(tmp_path / "b.mp4").metadata["settings"]["steps"] == 3
    assert decode(tmp_path / "b.mp4").frames.shape == (4, 16, 24, 3)


@pytest.mark.parametrize("suffix", ["webm", "gif", "webp", "mkv"])
def test_other_kinds_of_files_say_it_too(tmp_path, suffix):
    facts = inputs_of(Prompt(text="a ball", given=(GivenFrame(-1, FRAME),)), (32, 32))
    remake = remake_of(encode(clip_of(**facts), tmp_path / f"a.{suffix}"))
    assert (remake.prompt.text, remake.prompt.seed, remake.settings) == ("a ball", 2, {"steps": 3})
    assert (remake.prompt.width, remake.prompt.height, remake.prompt.num_frames) == (24, 16, 4)
    assert remake.prompt.given[0].at == -1
    assert remake.prompt.given[0].frame.shape == (32, 32, 3)
    assert remake.exact


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({"extended": {"sha256": "", "num_frames": 3}}, "goes on from is not in it"),
        ({"given_frames": [0]}, "pictures that were given are not in it"),
        ({"inputs": [{"at": 0, "picture": "data:image/webp;base64,AAAA"}]}, "damaged"),
        ({"inputs": [{"at": 0, "picture": "data:image/webp;base64,?"}]}, "damaged"),
        ({"inputs": [{"at": 0, "picture": "https://example.org/x"}]}, "damaged"),
        ({"inputs": ["x"]}, "damaged"),
        ({"feedback": {}}, "drafts"),
        ({"layout": True}, "layout"),
        ({"sound": {}}, "sound"),
    ],
)
def test_what_a_file_does_not_tell_is_said(tmp_path, facts, note):
    remake = remake_of(encode(clip_of(**facts), tmp_path / "a.mp4"))
    assert not remake.exact
    assert note in remake.notes[0]


def test_files_that_say_nothing_or_nonsense_are_refused(tmp_path, capsys):
    plain = encode(clip_of().with_(metadata={}), tmp_path / "plain.mp4")
    with pytest.raises(MediaError, match=r"plain\.mp4 does not say how it was made"):
        remake_of(plain)
    with pytest.raises(MediaError, match=r"damaged .*seed"):
        remake_of(encode(clip_of(seed=-1), tmp_path / "a.mp4"))
    assert run("import", plain) == 2
    assert run("import", plain, "-o", plain) == 2
    assert run("import", plain, "--model", "nano") == 2
    assert run("import", tmp_path / "none.mp4") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 4
