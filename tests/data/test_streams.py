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


@pytest.fixture(scope="module")
def mixed_folders(tmp_path_factory, folders):
    """Clips of (4, 16, 16), of (8, 16, 16), and wide ones of (4, 8, 32)."""
    root = tmp_path_factory.mktemp("mixed")
    for name, sizes, clips in (("long", {"num_frames": 8}, 4), ("wide", {"height": 8, "width": 32}, 3)):
        render_shards(WorldSource(**{**SMALL, **sizes}, seed=7), root / name, clips, shard_size=2)
    return folders[0], root / "long", root / "wide"


def bucketed(folders, **changes) -> StreamConfig:
    sizes = {"num_frames": 8, "height": 16, "width": 32, "sampler": SMALL["sampler"]}
    return StreamConfig(**sizes, shards=folders, order={"name": "buckets", **changes})


def test_buckets_give_batches_of_one_shape_and_every_clip_once_an_epoch(mixed_folders):
    # As many clips as cost what one of the largest size does: 4 of the short, 2 of the long, 4 of the wide.
    epoch = list(batches(bucketed(mixed_folders), 1, 0, 5, workers=0))
    shapes = sorted((len(b.captions), *b.frames.shape[1:4]) for b in epoch)
    assert shapes == [(1, 4, 16, 16), (2, 8, 16, 16), (2, 8, 16, 16), (3, 4, 8, 32), (4, 4, 16, 16)]
    assert len({clip.numpy().tobytes() for b in epoch for clip in b.frames}) == 12
    assert all(b.weights is None and b.whole == len(b.captions) for b in epoch)
    assert [b.notes["frames"] for b in epoch] == [b.frames.shape[1] for b in epoch]
    same(
        [(b.frames.numpy(), b.captions) for b in epoch[2:]],
        drain(bucketed(mixed_folders), 1, 2, 5, workers=1),
    )


def test_processes_have_equal_shapes_and_repeats_have_no_weight(mixed_folders):
    ranks = [list(batches(bucketed(mixed_folders), 2, 0, 3, 0, rank=rank, ranks=2)) for rank in (0, 1)]
    seen = []
    for one, other in zip(*ranks, strict=True):
        assert one.frames.shape == other.frames.shape
        assert one.whole == other.whole == 2 * len(one.captions)
        assert (one.rows.stop, other.rows.stop) == (other.rows.start, one.whole)
        weights = [b.weights for b in (one, other)]
        if weights[0] is not None:
            weights = [w.tolist() for w in weights]
            assert sum(map(sum, weights)) == pytest.approx(one.whole)
        else:
            weights = [[1.0] * len(one.captions)] * 2
        for b, w in zip((one, other), weights, strict=True):
            seen += [c.numpy().tobytes() for c, weight in zip(b.frames, w, strict=True) if weight]
    assert len(seen) == len(set(seen)) == 12


def test_buckets_that_do_not_fit_are_refused(mixed_folders):
    small = bucketed(mixed_folders).model_copy(update={"width": 16})
    with pytest.raises(ValueError, match=r"wide: width = 32 is more than data.width of the recipe"):
        drain(small, 2, 0, 1)
    with pytest.raises(ValueError, match=r"augment.frames gives clips one length"):
        bucketed(mixed_folders).model_validate(
            {**bucketed(mixed_folders).model_dump(), "augment": {"frames": 4}}
        )
