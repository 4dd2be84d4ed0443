import numpy as np
import pytest

from scenewright.data.streams import StreamConfig, batches
from scenewright.data.world_source import WorldSource, caption, render_shards, render_videos
from scenewright.world.layout import SamplerConfig
from scenewright.world.scene import Scene
from scenewright.world.splits import is_train, split_of

SMALL = {
    "sampler": SamplerConfig(num_objects=(1, 1), moving_camera=0),
    "width": 16,
    "height": 16,
    "num_frames": 4,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("shards")
    for name, seed, clips in (("a", 1, 5), ("b", 2, 3)):
        render_shards(WorldSource(**SMALL, seed=seed), root / name, clips, shard_size=2)
    return root / "a", root / "b"


def drain(config: StreamConfig, batch: int, start: int, stop: int, workers: int = 0) -> list:
    return [(b.frames.numpy(), b.captions) for b in batches(config, batch, start, stop, workers)]


def same(one: list, other: list) -> None:
    assert len(one) == len(other)
    for (frames_a, captions_a), (frames_b, captions_b) in zip(one, other, strict=True):
        np.testing.assert_array_equal(frames_a, frames_b)
        assert captions_a == captions_b


@pytest.mark.parametrize("kind", ["world", "shards"])
def test_a_stream_can_be_entered_anywhere_with_any_number_of_workers(kind, folders):
    config = StreamConfig(**SMALL, seed=3, shards=folders if kind == "shards" else ())
    whole = drain(config, 2, 0, 6)
    same(whole[3:], drain(config, 2, 3, 6))
    same(whole, drain(config, 2, 0, 6, workers=2))
    other = drain(config.model_copy(update={"seed": 4}), 2, 0, 6)
    assert any((a[0] != b[0]).any() for a, b in zip(whole, other, strict=True))


def test_every_clip_of_the_shards_occurs_once_an_epoch_in_a_new_order_with_new_captions(folders):
    config = StreamConfig(**SMALL, shards=folders)
    first, second = (drain(config, 8, epoch, epoch + 1)[0] for epoch in (0, 1))
    keys = [[clip.tobytes() for clip in frames] for frames, _ in (first, second)]
    assert len(set(keys[0])) == 8
    assert set(keys[0]) == set(keys[1])
    assert keys[0] != keys[1]
    assert set(first[1]) != set(second[1])


def test_shards_of_another_size_are_refused(folders):
    with pytest.raises(ValueError, match=r"holds clips of .*; the recipe asks for \(4, 16, 32\)"):
        drain(StreamConfig(**{**SMALL, "width": 32}, shards=folders), 2, 0, 1)


def test_training_sources_never_show_what_is_held_out():
    config = SamplerConfig(num_objects=(1, 3))
    train, everything = WorldSource(sampler=config), WorldSource(sampler=config, split="all")
    assert all(is_train(train.scene(i)) for i in range(60))
    assert any(split_of(everything.scene(i)) != "train" for i in range(60))


def test_captions_say_the_usual_setting_rarely_and_the_unusual_often():
    scene = WorldSource(**SMALL).scene(0)
    plain = scene.model_copy(update={"ground": "plain", "sky": "clear", "time": "noon"})
    night = plain.model_copy(update={"time": "night"})

    def share(scene: Scene, word: str) -> float:
        return sum(word in caption(scene, seed) for seed in range(300)) / 300

    assert share(plain, "noon") + share(plain, "midday") < 0.2
    assert share(night, "night") > 0.5


def test_videos_are_written_with_an_index_and_resumed(tmp_path):
    source = WorldSource(**SMALL)
    render_videos(source, tmp_path / "set", 2)
    files = sorted(p.name for p in (tmp_path / "set").iterdir())
    assert files == ["clip-000000.mp4", "clip-000001.mp4", "index.jsonl", "source.json"]
    before = (tmp_path / "set" / "clip-000000.mp4").stat().st_mtime_ns
    done = []
    render_videos(source, tmp_path / "set", 3, on_done=done.append)
    assert sum(done) == 3
    assert (tmp_path / "set" / "clip-000000.mp4").stat().st_mtime_ns == before
    assert len((tmp_path / "set" / "index.jsonl").read_text().splitlines()) == 3
    with pytest.raises(ValueError, match="other settings"):
        render_videos(source.model_copy(update={"seed": 9}), tmp_path / "set", 2)
