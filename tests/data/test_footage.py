"""Folders of videos as training data: what is cut out of them, and what streams make of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from scenewright.cli.main import main
from scenewright.clip import Clip
from scenewright.data.footage import Windows, caption_of, captions_of, pack, read_index
from scenewright.data.shards import Shards
from scenewright.data.streams import MixturePart, StreamConfig, actions_of, batches
from scenewright.data.world_source import WorldSource, render_shards
from scenewright.media import decode, encode
from scenewright.world.layout import SamplerConfig
from scenewright.world.scene import ACTIONS

WINDOWS = Windows(width=16, height=16, num_frames=4, fps=12.5, stride=2)
#: Name, frames, action, who.
VIDEOS = (("a", 20, "wave", 1), ("a-mirrored", 20, "wave", 1), ("b", 15, "bend", 2), ("c", 6, "bend", 2))


def video(number: int, frames: int, size: tuple[int, int] = (16, 16)) -> Clip:
    """A bright column moves to the right over a colour of its own."""
    picture = np.full((frames, size[1], size[0], 3), (60 * number, 90, 200 - 40 * number), np.uint8)
    for t in range(frames):
        picture[t, :, t % size[0]] = 255
    return Clip(picture, 25.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("footage")
    lines = []
    for number, (name, frames, action, who) in enumerate(VIDEOS):
        encode(video(number, frames), root / f"{name}.mp4", crf=1)
        row = {"file": f"{name}.mp4", "caption": f"person {who} does {action}", "action": action, "who": who}
        lines.append(json.dumps(row))
    (root / "index.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return root


@pytest.fixture(scope="module")
def packed(folder, tmp_path_factory) -> Path:
    found = read_index(folder, WINDOWS)
    made = tmp_path_factory.mktemp("packed") / "all"
    assert pack(found.footage, WINDOWS, made, actions=found.actions, shard_size=3) == 4 + 4 + 2
    return made


def test_windows_are_every_second_frame_from_every_second_of_those(folder, packed):
    shards = Shards(packed)
    at = 0
    for name, frames, action, who in VIDEOS[:3]:
        second = decode(folder / f"{name}.mp4").frames[: frames - frames % 2 : 2]
        for start in range(0, len(second) - 4 + 1, 2):
            np.testing.assert_array_equal(shards.frames(at), second[start : start + 4])
            row = shards.row(at)
            assert row["file"] == f"{name}.mp4"
            assert row["start"] == pytest.approx(start / 12.5)
            assert (row["captions"], row["action"]) == ([f"person {who} does {action}"], action)
            assert row["about"] == {"who": who}
            at += 1
    assert at == len(shards) == 10
    assert shards.info.actions == ("bend", "wave")


def test_what_cannot_be_used_is_left_out_with_the_reason(folder, tmp_path):
    rows = (folder / "index.jsonl").read_text("utf-8")
    (folder / "broken.mp4").write_bytes(b"no video")
    more = [{"file": name, "caption": "x"} for name in ("broken.mp4", "gone.mp4")]
    try:
        (folder / "index.jsonl").write_text(rows + "".join(json.dumps(r) + "\n" for r in more), "utf-8")
        found = read_index(folder, WINDOWS)
    finally:
        (folder / "index.jsonl").write_text(rows, "utf-8")
    assert [video.name for video in found.footage] == ["a.mp4", "a-mirrored.mp4", "b.mp4"]
    assert set(found.left_out) == {"c.mp4", "broken.mp4", "gone.mp4"}
    assert found.left_out["c.mp4"] == "it has 3 frames at 12.5 fps, not 4"
    assert "no such file" in found.left_out["gone.mp4"]


def test_parts_are_chosen_by_what_the_index_says_and_number_actions_alike(folder):
    held_out = read_index(folder, WINDOWS, only={"who": ["2"]})
    rest = read_index(folder, WINDOWS, without={"who": ["2"]})
    assert [video.name for video in held_out.footage] == ["b.mp4"]
    assert [video.name for video in rest.footage] == ["a.mp4", "a-mirrored.mp4"]
    assert held_out.actions == rest.actions == ("bend", "wave")
    with pytest.raises(ValueError, match="no line has person; there are file, caption, action, who"):
        read_index(folder, WINDOWS, only={"person": ["2"]})
    with pytest.raises(ValueError, match="no video of it can be used"):
        read_index(folder, WINDOWS, only={"who": ["9"]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is no folder of footage: it has no index.jsonl"),
        ("{", "line 1: not JSON"),
        ('{"file": "a.mp4"}', "line 1: a line needs file, and caption or captions"),
        ("[]", "line 1: a line needs file"),
        ("\n", "has no lines"),
    ],
)
def test_an_index_that_is_none_is_refused(text, message, tmp_path):
    if text is not None:
        (tmp_path / "index.jsonl").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        read_index(tmp_path, WINDOWS)


def test_wide_videos_are_cropped_to_their_middle(tmp_path):
    clip = video(1, 8, (64, 16))
    clip = clip.with_(frames=np.repeat(clip.frames[:1], 8, 0))
    frames = np.array(clip.frames)
    frames[:, :, :24], frames[:, :, 40:] = (255, 0, 0), (0, 0, 255)
    frames[:, :, 24:40] = (0, 255, 0)
    encode(clip.with_(frames=frames), tmp_path / "wide.mp4", crf=1)
    (tmp_path / "index.jsonl").write_text('{"file": "wide.mp4", "captions": ["wide"]}', "utf-8")
    windows = Windows(width=8, height=8, num_frames=2, fps=25)
    (found,) = read_index(tmp_path, windows).footage
    middle = found.frames()[:, 2:-2, 2:-2].astype(int)
    assert middle.shape == (8, 4, 4, 3)
    assert np.abs(middle - (0, 255, 0)).max() < 25


def test_a_run_that_was_stopped_goes_on_and_other_clips_are_refused(folder, packed, tmp_path):
    found = read_index(folder, WINDOWS)
    lost = packed / "shard-00001.npy"
    before = lost.read_bytes()
    lost.unlink()
    done: list[int] = []
    pack(found.footage, WINDOWS, packed, actions=found.actions, shard_size=3, on_done=done.append)
    assert done == [7, 3]
    assert lost.read_bytes() == before
    other = WINDOWS.model_copy(update={"stride": 1})
    with pytest.raises(ValueError, match="holds another dataset"):
        pack(found.footage, other, packed, actions=found.actions, shard_size=3)


def stream(packed: Path, **changes) -> StreamConfig:
    sizes = {"width": 16, "height": 16, "num_frames": 4, "fps": 12.5}
    return StreamConfig.model_validate({**sizes, "shards": [packed], **changes})


def test_streams_tell_captions_and_actions(packed):
    config = stream(packed, facts=("actions",))
    (batch,) = batches(config, 10, 0, 1, workers=0)
    assert actions_of(config) == ("bend", "wave")
    told = {(caption, int(action)) for caption, action in zip(batch.captions, batch.actions, strict=True)}
    assert told == {("person 1 does wave", 1), ("person 2 does bend", 0)}
    every = {Shards(packed).frames(i).tobytes() for i in range(10)}
    assert {frames.numpy().tobytes() for frames in batch.frames} == every


def test_strata_of_actions(packed):
    config = stream(packed, order={"name": "stratified", "column": "action", "shares": "equal"})
    for batch in batches(config, 4, 0, 5, workers=0):
        assert sorted(batch.captions) == ["person 1 does wave"] * 2 + ["person 2 does bend"] * 2


def test_one_of_several_captions_is_chosen_anew(tmp_path):
    encode(video(1, 8), tmp_path / "a.mp4")
    (tmp_path / "index.jsonl").write_text('{"file": "a.mp4", "captions": ["one", "two", "three"]}', "utf-8")
    found = read_index(tmp_path, WINDOWS)
    pack(found.footage, WINDOWS, tmp_path / "packed")
    shards = Shards(tmp_path / "packed")
    assert set(captions_of(shards)) == {"one", "two", "three"}
    assert {caption_of(shards, 0, seed) for seed in range(9)} == {"one", "two", "three"}
    said = {b.captions[0] for b in batches(stream(tmp_path / "packed"), 1, 0, 30, workers=0)}
    assert said == {"one", "two", "three"}
    with pytest.raises(ValueError, match=r"does not say the action of a\.mp4; leave out data\.facts"):
        next(batches(stream(tmp_path / "packed", facts=("actions",)), 1, 0, 1, workers=0))


def test_what_nobody_knows_of_footage_is_refused(packed, tmp_path):
    for asked in ({"facts": ("things",)}, {"layouts": "beside"}):
        with pytest.raises(ValueError, match="holds footage; where its things are and what they sound like"):
            next(batches(stream(packed, **asked), 2, 0, 1, workers=0))
    with pytest.raises(ValueError, match=r"holds clips of 12\.5 frames a second; set data\.fps to that"):
        next(batches(stream(packed, fps=8.0), 2, 0, 1, workers=0))
    sampler = SamplerConfig(num_objects=(1, 1), moving_camera=0)
    render_shards(
        WorldSource(sampler=sampler, width=16, height=16, num_frames=4), tmp_path / "world", 2, shard_size=2
    )
    with pytest.raises(ValueError, match="hold clips of other kinds or actions; put them into a mixture"):
        next(batches(stream(packed, shards=[packed, tmp_path / "world"]), 2, 0, 1, workers=0))
    world = StreamConfig(
        width=16, height=16, num_frames=4, shards=(tmp_path / "world",), facts=("actions",), sampler=sampler
    )
    assert actions_of(world) == ACTIONS
    parts = tuple(MixturePart(data=data) for data in (stream(packed, facts=("actions",)), world))
    mixed = StreamConfig(width=16, height=16, num_frames=4, mixture=parts, facts=("actions",))
    with pytest.raises(ValueError, match="tell other actions apart"):
        next(batches(mixed, 2, 0, 1, workers=0))
    # Without actions they go together.
    parts = tuple(MixturePart(data=part.data.model_copy(update={"facts": ()})) for part in parts)
    mixed = StreamConfig(width=16, height=16, num_frames=4, mixture=parts)
    texts = {text for batch in batches(mixed, 4, 0, 3, workers=0) for text in batch.captions}
    assert any(text.startswith("person") for text in texts)
    assert any(not text.startswith("person") for text in texts)


def test_datasets_of_scenes_say_what_they_said_before_there_was_footage(packed, tmp_path):
    source = WorldSource(width=8, height=8, num_frames=2)
    render_shards(source, tmp_path / "world", 1)
    keys = {"clips", "shard_size", "num_frames", "height", "width", "fps", "fingerprint"}
    assert set(json.loads((tmp_path / "world" / "dataset.json").read_text())) == keys
    assert set(json.loads((packed / "dataset.json").read_text())) == {*keys, "holds", "actions"}


def test_the_command(folder, tmp_path, capsys):
    where = str(tmp_path / "out")
    options = ["--size", "16x16", "--num-frames", "4", "--fps", "12.5", "--stride", "2"]
    assert main(["data", "pack", str(folder), "-o", where, *options, "--without", "who=1,3", "--json"]) == 0
    told = capsys.readouterr()
    facts = json.loads(told.out)
    assert (facts["clips"], facts["videos"], facts["actions"]) == (2, 1, ["bend", "wave"])
    assert "c.mp4 is left out: it has 3 frames" in told.err
    assert {Shards(Path(where)).row(i)["file"] for i in range(2)} == {"b.mp4"}
    assert main(["data", "pack", str(folder), "-o", where, "--only", "who"]) == 2
    assert "write KEY=VALUE" in capsys.readouterr().err
