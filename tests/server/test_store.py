"""Files on the disk, in memory and in S3 (moto's server)."""

import errno
import hashlib
import os

import pytest

from scenewright.media import MediaError
from scenewright.server.store import FileStore

CONTENT = bytes(range(256)) * 5000
HASH = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(params=["disk", "memory", "s3", "moving"])
def store(request, tmp_path):
    if request.param == "disk":
        return FileStore(tmp_path / "files")
    if request.param == "memory":
        return FileStore(f"memory://{tmp_path.name}")
    if request.param == "moving":
        # As on file systems that show a file while it is written.
        made = FileStore(f"memory://{tmp_path.name}-moving")
        made._direct = False
        return made
    return FileStore(f"s3://bucket/{tmp_path.name}", **request.getfixturevalue("s3"))


def test_files_are_kept_by_what_is_in_them(store, tmp_path):
    file = tmp_path / "video.mp4"
    file.write_bytes(CONTENT)
    assert store.size(HASH) is None
    with pytest.raises(FileNotFoundError):
        store.read(HASH)
    assert store.put_file(file, "video/mp4") == HASH
    assert store.put_bytes(CONTENT, "video/mp4") == HASH
    assert store.size(HASH) == len(CONTENT)
    assert b"".join(store.read(HASH)) == CONTENT
    assert b"".join(store.read(HASH, 700_000)) == CONTENT[700_000:]
    assert b"".join(store.read(HASH, 3, 1_000_003)) == CONTENT[3:1_000_003]
    assert b"".join(store.read(HASH, 5, 9**9)) == CONTENT[5:]
    assert list(store.read(HASH, 4, 4)) == []
    with store.as_file(HASH) as path:
        assert path.read_bytes() == CONTENT
    local = store.local_path(HASH)
    assert (local is not None) == store.local
    store.delete(HASH)
    store.delete(HASH)
    assert store.size(HASH) is None


def test_half_made_videos_are_kept_by_their_job(store):
    assert store.states() == []
    assert store.state("video_1") is None
    store.keep_state("video_1", b"first")
    store.keep_state("video_1", b"second")
    store.keep_state("video_2", b"")
    assert store.state("video_1") == b"second"
    assert store.state("video_2") == b""
    assert store.states() == ["video_1", "video_2"]
    store.drop_state("video_1")
    store.drop_state("video_1")
    assert store.state("video_1") is None
    assert store.states() == ["video_2"]


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 200])
def test_a_damaged_state_is_none(store, damage):
    store.keep_state("video_1", b"a" * 168)
    store.files.pipe_file(f"{store.root}/states/video_1", damage)
    assert store.state("video_1") is None


def test_a_type_goes_with_a_file_in_s3(s3):
    import s3fs

    store = FileStore("s3://bucket/types", **s3)
    hash = store.put_bytes(b"RIFF", "image/webp")
    info = s3fs.S3FileSystem(**s3).info(f"bucket/types/blobs/{hash[:2]}/{hash}")
    assert info["ContentType"] == "image/webp"


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    store = FileStore(tmp_path / "files")
    store.keep_state("video_1", b"what was there")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(MediaError, match="No space left"):
        store.put_bytes(CONTENT, "video/mp4")
    with pytest.raises(MediaError, match="No space left"):
        store.keep_state("video_1", b"new")
    assert store.size(HASH) is None
    assert store.state("video_1") == b"what was there"
    assert sorted(p.name for p in (tmp_path / "files").rglob("*") if p.is_file()) == ["video_1"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "ab", "G" * 64, "a" * 63 + "/"])
def test_only_hashes_and_ids_are_names(tmp_path, name):
    store = FileStore(tmp_path)
    for method in (store.size, store.read, store.delete, store.local_path):
        with pytest.raises(ValueError, match="no SHA-256"):
            method(name)
    if name not in ("ab", "G" * 64):
        with pytest.raises(ValueError, match="no id"):
            store.state(name)


def test_an_unknown_store_is_refused():
    with pytest.raises(ValueError, match="nonsense"):
        FileStore("nonsense://bucket")
