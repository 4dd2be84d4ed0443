import numpy as np
import pytest

from scenewright.data.encoded import Encoded, EncodedWriter
from scenewright.data.shards import Shards
from scenewright.data.streams import StreamConfig, batches
from scenewright.data.world_source import WorldSource, render_shards
from scenewright.world.layout import SamplerConfig

SMALL = {
    "sampler": SamplerConfig(num_objects=(1, 1), moving_camera=0),
    "width": 16,
    "height": 16,
    "num_frames": 4,
}
SHAPE = (2, 1, 4, 4)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    root = tmp_path_factory.mktemp("datasets")
    for name, seed, clips in (("a", 1, 5), ("b", 2, 3)):
        render_shards(WorldSource(**SMALL, seed=seed), root / name, clips, shard_size=2)
    return Shards(root / "a"), Shards(root / "b")


def numbers(dataset: Shards, shard: int) -> np.ndarray:
    """Latents that tell which clip they are of."""
    first, count = shard * dataset.info.shard_size, dataset.info.count(shard)
    ids = np.arange(first, first + count, dtype=np.float16) + 10 * (dataset.info.clips == 3)
    return np.broadcast_to(ids[:, None, None, None, None], (count, *SHAPE))


def write(dataset: Shards, folder, shards=None, encoder: str = "e") -> EncodedWriter:
    writer = EncodedWriter(folder, dataset, "latents", encoder, SHAPE)
    for shard in writer.missing() if shards is None else shards:
        writer.write(shard, numbers(dataset, shard))
    return writer


def test_every_clip_has_its_own_latents(datasets, tmp_path):
    write(datasets[0], tmp_path / "a")
    latents = Encoded(tmp_path / "a", datasets[0], "latents")
    assert [latents.values(i).flat[0] for i in range(5)] == [0, 1, 2, 3, 4]
    assert latents.values(4).shape == SHAPE
    assert latents.values(4).dtype == np.float16


def test_a_cache_of_another_dataset_or_half_of_one_is_refused(datasets, tmp_path):
    writer = write(datasets[0], tmp_path / "a", [0, 2])
    with pytest.raises(ValueError, match="a is unfinished: 1 of 3 shards are missing"):
        Encoded(tmp_path / "a", datasets[0], "latents")
    assert writer.missing() == [1]
    write(datasets[0], tmp_path / "a")
    Encoded(tmp_path / "a", datasets[0], "latents")
    with pytest.raises(ValueError, match=r"a holds latents of another dataset than .*b; encode"):
        Encoded(tmp_path / "a", datasets[1], "latents")
    with pytest.raises(ValueError, match="holds something else"):
        EncodedWriter(tmp_path / "a", datasets[0], "latents", "another encoder", SHAPE)
    with pytest.raises(ValueError, match="a holds latents, not texts"):
        Encoded(tmp_path / "a", datasets[0], "texts")
    with pytest.raises(FileNotFoundError, match="holds nothing encoded"):
        Encoded(tmp_path, datasets[0], "latents")
    (tmp_path / "a" / "encoded.json").write_text("{}")
    with pytest.raises(ValueError, match="cannot be read; encode"):
        Encoded(tmp_path / "a", datasets[0], "latents")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_of_latents_has_the_clips_and_captions_of_the_stream_of_frames(datasets, tmp_path, workers):
    for dataset, name in zip(datasets, "ab", strict=True):
        write(dataset, tmp_path / name)
    config = StreamConfig(**SMALL, seed=3, shards=tuple(d.folder for d in datasets))
    cached = config.model_copy(update={"latents": (tmp_path / "a", tmp_path / "b")})
    frames = {d.frames(i).tobytes(): i + 10 * k for k, d in enumerate(datasets) for i in range(len(d))}
    for one, other in zip(batches(config, 3, 0, 5, 0), batches(cached, 3, 0, 5, workers), strict=True):
        assert one.captions == other.captions
        assert one.latents is None
        assert other.frames.shape == (3, 0, 16, 16, 3)
        expected = [frames[clip.numpy().tobytes()] for clip in one.frames]
        assert other.latents[:, 0, 0, 0, 0].tolist() == expected
        assert other.latents.shape == (3, *SHAPE)


def test_every_dataset_needs_its_latents():
    with pytest.raises(ValueError, match="latents has 1 folders and shards 2"):
        StreamConfig(shards=("a", "b"), latents=("c",))
