"""Files that are broken, hostile or lie: a clear result, or one clear line."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from media_files import ffmpeg, numbered, numbers_of
from PIL import Image

from scenewright.clip import Clip, Waveform
from scenewright.media import (
    Limits,
    MediaError,
    decode,
    decode_audio,
    encode,
    encode_audio,
    iter_frames,
    probe,
    thumbnail,
)

MP4 = "a.mp4"


def refused(call, *arguments, match, **options):
    """The one line of the MediaError that ``call`` raises."""
    with pytest.raises(MediaError, match=match) as caught:
        call(*arguments, **options)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "the file is empty"),
        (b"Dear diary,\ntoday I filmed a ball.\n", "a text file"),
        (b"<!DOCTYPE html><html><title>404</title></html>", "a web page"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n", "a playlist"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "a text file"),
        (bytes(range(256)) * 40, "not a video, sound or picture"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "not a picture that can be read"),
        (b"GIF89a\x10", "not a picture that can be read"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 4000, "without its index"),
    ],
)
@pytest.mark.parametrize("call", [probe, decode, decode_audio, lambda p: list(iter_frames(p))])
def test_what_is_no_video(tmp_path, content, match, call):
    path = tmp_path / MP4
    path.write_bytes(content)
    if call is decode_audio and "picture that" in match:
        match = "not a|no sound"
    line = refused(call, path, match=match)
    assert MP4 in line


def test_places_without_a_file(tmp_path):
    refused(decode, tmp_path / "none.mp4", match="there is no such file")
    refused(decode, tmp_path, match="holds no pictures")
    os.mkfifo(tmp_path / "pipe.mp4")
    refused(decode, tmp_path / "pipe.mp4", match="not a regular file")
    refused(decode, "nosuch://bucket/a.mp4", match="cannot be opened")
    with pytest.raises(TypeError, match="not int"):
        decode(3)  # type: ignore[arg-type]


def test_sound_only(tmp_path):
    path = encode_audio(Waveform(np.zeros((1, 24_000)), 48_000), tmp_path / "a.m4a")
    info = probe(path)
    assert info.video is None
    assert (info.audio.codec, info.audio.rate, info.audio.channels) == ("aac", 48_000, 1)
    assert info.duration == pytest.approx(0.5, abs=0.03)
    refused(decode, path, match="sound but no video; read it with decode_audio")
    silent = encode(Clip(numbered(3), 8), tmp_path / MP4)
    refused(decode_audio, silent, match="no sound in it")


def test_cover_art_is_no_video(tmp_path):
    Image.new("RGB", (32, 32), (255, 0, 0)).save(tmp_path / "cover.png")
    path = tmp_path / "song.m4a"
    tone = ("-f", "lavfi", "-i", "sine=duration=0.5")
    ffmpeg(
        *tone,
        "-i",
        tmp_path / "cover.png",
        "-map",
        "0",
        "-map",
        "1",
        "-c:v",
        "copy",
        "-disposition:v",
        "attached_pic",
        path,
    )
    assert probe(path).video is None
    refused(decode, path, match="sound but no video")


def busy(count: int) -> np.ndarray:
    """Numbered frames with noise in their lower half, so that every frame takes bytes."""
    frames = numbered(count)
    frames[:, 40:] = np.random.default_rng(0).integers(0, 256, frames[:, 40:].shape)
    return frames


def test_an_mp4_cut_off_before_its_index(tmp_path):
    path = tmp_path / "cut.mp4"
    ffmpeg("-i", encode(Clip(busy(40), 8), tmp_path / "whole.mp4"), "-c", "copy", "-movflags", "0", path)
    path.write_bytes(path.read_bytes()[:-2000])
    for call in (probe, decode):
        refused(
            call, path, match="without its index .the moov atom.: the recording or the download was cut off"
        )


def test_an_mp4_cut_off_behind_its_index(tmp_path):
    whole = encode(Clip(busy(40), 8), tmp_path / "whole.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    refused(
        decode,
        path,
        match=r"cut off: \d+ of its 40 frames are there; get the file again, or pass damaged='keep'",
    )
    kept = decode(path, damaged="keep")
    assert 10 < len(kept) < 40
    assert numbers_of(kept.frames) == list(range(len(kept)))
    assert "cut off" in kept.metadata["damage"]
    assert any("cut off" in warning for warning in probe(path).warnings)
    assert numbers_of(decode(path, end=1.0, damaged="keep").frames) == list(range(8))
    seen = []
    with pytest.raises(MediaError):
        seen.extend(iter_frames(path))
    yielded = []
    try:
        for frame in iter_frames(path):
            yielded.append(frame)
    except MediaError:
        pass
    assert len(yielded) > 10


@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_a_webm_cut_off(tmp_path, suffix):
    whole = encode(Clip(busy(40), 8), tmp_path / f"whole{suffix}").read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: len(whole) // 2])
    kept = decode(path, damaged="keep")
    assert 4 < len(kept) < 40
    times = kept.metadata.get("frame_times", np.arange(len(kept)) / 8)
    assert numbers_of(kept.frames) == np.round(np.array(times) * 8).astype(int).tolist()
    for warnings in (kept.metadata["warnings"], probe(path).warnings):
        assert any("says 5.00 s" in warning for warning in warnings)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_cut_off(tmp_path, suffix):
    whole = encode(Clip(busy(20), 8), tmp_path / f"whole{suffix}").read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: len(whole) // 2])
    try:
        kept = decode(path, damaged="keep")
    except MediaError as error:
        assert "cut" in str(error)  # noqa: PT017
    else:
        assert len(kept) < 20
        assert numbers_of(kept.frames) == list(range(len(kept)))
        refused(decode, path, match="damaged behind|is damaged")


def test_a_hole_in_the_middle(tmp_path):
    path = encode(Clip(busy(40), 8), tmp_path / MP4)
    data = bytearray(path.read_bytes())
    middle = (data.index(b"mdat") + len(data)) // 2
    data[middle : middle + 800] = os.urandom(800)
    path.write_bytes(data)
    refused(decode, path, match="damaged data")
    kept = decode(path, damaged="keep")
    assert numbers_of(kept.frames[:5]) == list(range(5))
    assert numbers_of(decode(path, end=0.5).frames) == [0, 1, 2, 3], "before the damage nothing is wrong"


def test_an_avi_whose_header_says_1000_frames(tmp_path):
    path = tmp_path / "lies.avi"
    ffmpeg("-i", encode(Clip(numbered(12), 8), tmp_path / MP4), "-c:v", "mpeg4", "-q:v", "2", path)
    data = bytearray(path.read_bytes())
    for at in (data.index(b"avih") + 8 + 16, data.index(b"strh") + 8 + 32):
        assert struct.unpack_from("<I", data, at)[0] == 12
        struct.pack_into("<I", data, at, 1000)
    path.write_bytes(data)
    assert numbers_of(decode(path).frames) == list(range(12))
    info = probe(path, exact=True)
    assert (info.video.frames, info.video.frames_exact) == (12, True)
    assert info.duration == pytest.approx(1.5)
    assert any("says 1000 frames, the file holds 12" in warning for warning in info.warnings)


def test_an_mkv_whose_header_says_an_hour(tmp_path):
    path = encode(Clip(numbered(12), 8), tmp_path / "lies.mkv")
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3
    assert struct.unpack_from(">d", data, at)[0] == 1500
    struct.pack_into(">d", data, at, 3_600_000)
    path.write_bytes(data)
    clip = decode(path)
    assert (len(clip), clip.fps) == (12, pytest.approx(8))
    info = probe(path)
    assert info.duration == pytest.approx(1.5)
    assert any("its header says 3600.00 s" in warning for warning in info.warnings)


def test_an_mp4_whose_header_says_an_hour(tmp_path):
    path = encode(Clip(numbered(12), 8), tmp_path / "lies.mp4")
    data = bytearray(path.read_bytes())
    for atom, offset in ((b"mvhd", 20), (b"mdhd", 20)):
        struct.pack_into(">I", data, data.index(atom) + offset, 3600 * 16384)
    path.write_bytes(data)
    clip = decode(path)
    assert (len(clip), clip.fps) == (12, pytest.approx(8))
    assert probe(path).duration == pytest.approx(1.5)


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def test_decompression_bombs_are_refused_before_decoding(tmp_path):
    refused(decode, png_header(60_000, 60_000), match="too large to be safe|over the limit")
    refused(decode, png_header(9_000, 9_000), match="over the limit of 67108864 pixels")
    path = encode(Clip(numbered(40), 8), tmp_path / MP4)
    small = Limits(max_pixels=64 * 40)
    refused(decode, path, match="64x48 are over the limit of 2560 pixels", limits=small)
    refused(probe, path, match="over the limit", limits=small)
    few = Limits(max_bytes=64 * 48 * 3 * 10)
    refused(decode, path, match="40 frames of 64x48 need", limits=few)
    assert len(decode(path, limits=few, num_frames=10)) == 10
    assert len(decode(path, limits=few, size=(32, 24))) == 40
    refused(decode, path, match="more than 20 frames", limits=Limits(max_frames=20))
    gif = encode(Clip(numbered(40), 8), tmp_path / "a.gif")
    refused(decode, gif, match="40 frames are over the limit of 20", limits=Limits(max_frames=20))
    sound = encode_audio(Waveform(np.zeros((2, 96_000)), 48_000), tmp_path / "a.wav")
    refused(decode_audio, sound, match="sound is over the limit", limits=Limits(max_bytes=100_000))


def test_streaming_needs_memory_for_a_few_frames_only(tmp_path):
    import tracemalloc

    path = encode(Clip(np.repeat(numbered(100, 320, 240), 1, 0), 25), tmp_path / MP4)
    tracemalloc.start()
    count = sum(1 for _ in iter_frames(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100
    assert peak < 12 * 320 * 240 * 3


def test_names_that_look_like_protocols_are_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encode(Clip(numbered(3), 8), tmp_path / MP4)
    os.rename(MP4, "concat:x.mp4")
    assert len(decode("concat:x.mp4")) == 3
    refused(decode, "concat:a.mp4|b.mp4", match="no such file")


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.mkv", "a.gif", "a.webp"])
def test_random_damage_never_surprises(tmp_path, name):
    """40 damaged copies each: a clip, or a MediaError; never another exception."""
    clip = Clip(busy(8), 8, audio=Waveform(np.zeros((1, 48_000)), 48_000), caption="x", metadata={"a": 1})
    data = encode(clip, tmp_path / name).read_bytes()
    rng = np.random.default_rng(5)
    outcomes = {"clip": 0, "error": 0}
    for _ in range(40):
        damaged = bytearray(data[: int(rng.integers(len(data) // 2, len(data) + 1))])
        for at in rng.integers(0, min(len(damaged), 3000), int(rng.integers(1, 12))):
            damaged[at] = int(rng.integers(256))
        try:
            probe(bytes(damaged))
            decode(bytes(damaged), damaged="keep", limits=Limits(max_bytes=2**28))
            outcomes["clip"] += 1
        except MediaError as error:
            assert "\n" not in str(error)  # noqa: PT017
            outcomes["error"] += 1
    assert sum(outcomes.values()) == 40


def test_a_file_object_is_left_open(tmp_path):
    for name in ("a.mp4", "a.gif"):
        file = io.BytesIO(encode(Clip(numbered(3), 8), tmp_path / name).read_bytes())
        assert thumbnail(file, 16).size == (16, 12)
        assert not file.closed
