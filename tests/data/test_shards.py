import json

import numpy as np
import pytest

from scenewright.data.shards import Shards, ShardsInfo, ShardWriter

INFO = ShardsInfo(clips=5, shard_size=2, num_frames=3, height=4, width=6, fps=8.0, fingerprint="f" * 64)


def frames(shard: int) -> np.ndarray:
    return np.random.default_rng(shard).integers(0, 256, (INFO.count(shard), 3, 4, 6, 3), dtype=np.uint8)


def rows(shard: int) -> list[dict]:
    return [{"clip": 2 * shard + i} for i in range(INFO.count(shard))]


def test_clips_come_back_in_order(tmp_path):
    writer = ShardWriter(tmp_path / "set", INFO)
    assert writer.missing() == [0, 1, 2]
    for shard in (2, 0, 1):
        writer.write(shard, frames(shard), rows(shard))
    shards = Shards(tmp_path / "set")
    assert len(shards) == 5
    for index in range(5):
        np.testing.assert_array_equal(shards.frames(index), frames(index // 2)[index % 2])
        assert shards.row(index) == {"clip": index}


def test_an_interrupted_dataset_goes_on_and_is_not_read_before_it_is_whole(tmp_path):
    writer = ShardWriter(tmp_path / "set", INFO)
    writer.write(0, frames(0), rows(0))
    with pytest.raises(ValueError, match="unfinished: 2 of 3 shards"):
        Shards(tmp_path / "set")
    again = ShardWriter(tmp_path / "set", INFO)
    assert again.missing() == [1, 2]
    # Frames without their rows are a shard that was cut off: it is made again.
    np.save(tmp_path / "set" / "shard-00001.npy", frames(1)[:1])
    assert ShardWriter(tmp_path / "set", INFO).missing() == [1, 2]


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    writer = ShardWriter(tmp_path / "set", INFO)
    with pytest.raises(TypeError):
        writer.write(0, frames(0), [{"not json": object()}, {}])
    assert writer.missing() == [0, 1, 2]
    assert not list((tmp_path / "set").glob(".*"))


def test_another_dataset_in_the_folder_is_refused(tmp_path):
    ShardWriter(tmp_path / "set", INFO)
    with pytest.raises(ValueError, match="another dataset"):
        ShardWriter(tmp_path / "set", INFO.model_copy(update={"fingerprint": "0" * 64}))
    with pytest.raises(FileNotFoundError, match="has no dataset"):
        Shards(tmp_path)
    assert json.loads((tmp_path / "set" / "dataset.json").read_text())["clips"] == 5
