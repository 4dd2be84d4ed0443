"""Decoding: which frames come back, when they are shown, and how they are turned."""

import io
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_files import ffmpeg, numbered, numbers_of, write_stamped

from scenewright.clip import Clip, Waveform
from scenewright.media import MediaError, decode, encode, iter_frames, probe
from scenewright.media.reader import VideoReader
from scenewright.media.source import DEFAULT_LIMITS, opened

GOPS = {
    "long-gop-b-frames": ("libx264", {"g": "250", "bf": "3"}, ".mp4"),
    "short-gop": ("libx264", {"g": "7", "bf": "2"}, ".mp4"),
    "open-gop": ("libx264", {"g": "12", "bf": "3", "x264-params": "open-gop=1"}, ".mkv"),
    "all-intra": ("libx264", {"g": "1"}, ".mp4"),
    "pyramid-transport-stream": ("libx264", {"g": "15", "bf": "4", "b_strategy": "0"}, ".ts"),
    "vp9-alt-ref": (
        "libvpx-vp9",
        {"g": "20", "lag-in-frames": "12", "auto-alt-ref": "1", "b": "0", "crf": "30"},
        ".webm",
    ),
    "av1": ("libsvtav1", {"g": "16", "preset": "12", "crf": "40"}, ".webm"),
    "mpeg4-avi": ("mpeg4", {"g": "10"}, ".avi"),
}


@pytest.fixture(scope="module", params=list(GOPS))
def stream(request, tmp_path_factory):
    """60 numbered frames at 25 frames per second under different group-of-pictures structures."""
    codec, options, suffix = GOPS[request.param]
    path = tmp_path_factory.mktemp("gop") / f"a{suffix}"
    write_stamped(path, numbered(60), list(range(60)), Fraction(1, 25), codec=codec, options=options)
    return path


def test_whole(stream):
    clip = decode(stream)
    assert numbers_of(clip.frames) == list(range(60))
    assert clip.fps == pytest.approx(25)
    assert "frame_times" not in clip.metadata


def test_seeking_is_frame_accurate_for_any_gop(stream):
    """Any subset of frames equals, to the bit, the same frames of a sequential decode."""
    with av.open(str(stream)) as container:
        plain = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    whole = decode(stream).frames
    assert len(whole) == len(plain) == 60
    rng = np.random.default_rng(1)
    for _ in range(6):
        wanted = [int(i) for i in rng.choice(60, 4)]
        assert np.array_equal(decode(stream, frames=wanted).frames, whole[wanted])
    for start, end in [(0, 0.2), (0.52, 1.0), (1.96, 2.4), (2.36, 9)]:
        got = numbers_of(decode(stream, start=start, end=end).frames)
        assert got == [i for i in range(60) if start <= i / 25 + 1e-9 < min(end, 99) - 1e-9]
    assert numbers_of(decode(stream, frames=[-1, 0, -1]).frames) == [59, 0, 59]


def test_streaming_gives_the_same_frames(stream):
    whole = decode(stream).frames
    for start, end in [(0.0, None), (0.8, 1.6), (2.0, None)]:
        streamed = list(iter_frames(stream, start=start, end=end))
        wanted = [i for i in range(60) if start <= i / 25 + 1e-6 and (end is None or i / 25 < end - 1e-6)]
        assert [round(frame.time * 25) for frame in streamed] == wanted
        assert np.array_equal(np.stack([frame.picture for frame in streamed]), whole[wanted])


def test_resampling_shows_what_is_on_screen(stream):
    clip = decode(stream, fps=10)
    assert clip.fps == 10
    assert numbers_of(clip.frames) == [int(np.floor(k / 10 * 25 + 1e-6)) for k in range(24)]
    streamed = [frame.picture for frame in iter_frames(stream, fps=10)]
    assert np.array_equal(np.stack(streamed), clip.frames)
    first = decode(stream, start=1, fps=50, num_frames=5)
    assert numbers_of(first.frames) == [25, 25, 26, 26, 27]


def test_only_what_is_needed_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    write_stamped(path, numbered(200), list(range(200)), Fraction(1, 25), options={"g": "10", "bf": "0"})
    seen = 0
    decoded = VideoReader._decoded

    def counting(self):
        nonlocal seen
        for frame in decoded(self):
            seen += 1
            yield frame

    monkeypatch.setattr(VideoReader, "_decoded", counting)
    assert numbers_of(decode(path, frames=[3, 155]).frames) == [3, 155]
    assert seen <= 1 + 4 + 6
    seen = 0
    probe(path, exact=True)
    assert seen == 1


def test_evenly_spread_frames_include_both_ends(tmp_path):
    path = encode(Clip(numbered(33), 8), tmp_path / "a.mp4")
    clip = decode(path, num_frames=5)
    assert numbers_of(clip.frames) == [0, 8, 16, 24, 32]
    assert clip.fps == pytest.approx(1)
    assert numbers_of(decode(path, num_frames=1).frames) == [16]
    assert numbers_of(decode(path, start=1, end=2, num_frames=8).frames) == list(range(8, 16))


def test_a_range_shorter_than_a_frame_is_the_frame_on_screen(tmp_path):
    path = encode(Clip(numbered(8), 4), tmp_path / "a.mp4")
    assert numbers_of(decode(path, start=0.6, end=0.7).frames) == [2]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_frame_rate(tmp_path, suffix):
    """Each frame is on screen from its own time: exact times without fps, on-screen frames with it."""
    milliseconds = [0, 40, 80, 500, 540, 1000, 1040, 1500]
    path = tmp_path / f"vfr{suffix}"
    write_stamped(path, numbered(8), milliseconds, Fraction(1, 1000), options={"bf": "2"})
    clip = decode(path)
    assert numbers_of(clip.frames) == list(range(8))
    assert np.allclose(clip.metadata["frame_times"], np.array(milliseconds) / 1000, atol=1e-3)
    assert probe(path).video.variable_frame_rate
    steady = decode(path, fps=10, end=1.5)
    want = [max(i for i, at in enumerate(milliseconds) if at <= 100 * k + 1) for k in range(15)]
    assert numbers_of(steady.frames) == want
    assert [int(numbers_of(f.picture[None])[0]) for f in iter_frames(path, fps=10, end=1.5)] == want
    assert "frame_times" not in steady.metadata


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(12), Fraction(25, 2)]
)
@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_odd_frame_rates_are_not_taken_for_variable(tmp_path, rate, suffix):
    path = encode(Clip(numbered(20), float(rate)), tmp_path / f"a{suffix}")
    clip = decode(path)
    assert clip.fps == pytest.approx(float(rate), rel=1e-6)
    assert numbers_of(clip.frames) == list(range(20))
    assert not probe(path).video.variable_frame_rate


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("flip", [False, True])
def test_rotation_flags_turn_the_picture_as_ffmpeg_does(tmp_path, degrees, flip):
    corners = np.zeros((3, 32, 64, 3), np.uint8)
    corners[:, :16, :32], corners[:, :16, 32:] = (255, 0, 0), (0, 255, 0)
    corners[:, 16:, :32], corners[:, 16:, 32:] = (0, 0, 255), (255, 255, 255)
    plain, turned = encode(Clip(corners, 8), tmp_path / "plain.mp4"), tmp_path / "turned.mp4"
    flips = ["-display_hflip"] if flip else []
    ffmpeg("-display_rotation", str(degrees), *flips, "-i", plain, "-c", "copy", turned)
    ours = decode(turned).frames
    raw = ffmpeg("-i", turned, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    theirs = np.frombuffer(raw, np.uint8).reshape(ours.shape)
    assert np.abs(ours.astype(int) - theirs).mean() < 6
    video = probe(turned).video
    assert (video.width, video.height) == ((64, 32) if degrees == 180 else (32, 64))
    assert (video.stored_width, video.stored_height) == (64, 32)
    if not flip:
        assert video.rotation == (360 - degrees) % 360


def test_pixels_become_square(tmp_path):
    path = tmp_path / "wide.mp4"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=64x48:rate=5:duration=0.4",
        "-vf",
        "setsar=3/2",
        "-pix_fmt",
        "yuv420p",
        path,
    )
    assert decode(path).frames.shape == (2, 48, 96, 3)
    video = probe(path).video
    assert (video.width, video.height, video.stored_width) == (96, 48, 64)
    assert video.sample_aspect_ratio == Fraction(3, 2)


def test_a_changing_picture_size_is_scaled_and_said(tmp_path):
    for name, size in (("a", "64x48"), ("b", "96x80")):
        source = f"testsrc=size={size}:rate=5:duration=0.4"
        ffmpeg("-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", tmp_path / f"{name}.h264")
    clip = decode((tmp_path / "a.h264").read_bytes() + (tmp_path / "b.h264").read_bytes())
    assert clip.frames.shape == (4, 48, 64, 3)
    assert any("size changes" in warning for warning in clip.metadata["warnings"])


def test_scaling_is_antialiased_bicubic(tmp_path):
    from PIL import Image

    frames = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3)).astype(np.uint8)
    path = encode(Clip(frames, 8), tmp_path / "a.mkv", codec="ffv1")
    small = decode(path, size=(30, 20)).frames
    want = np.stack(
        [np.asarray(Image.fromarray(f).resize((30, 20), Image.Resampling.BICUBIC)) for f in frames]
    )
    assert np.array_equal(small, want)


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "file", "url"])
@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_every_kind_of_source(tmp_path, kind, suffix):
    path = encode(Clip(numbered(6), 8), tmp_path / f"a{suffix}")
    if kind == "url":
        fsspec = pytest.importorskip("fsspec")
        fsspec.filesystem("memory").pipe(f"/clips/a{suffix}", path.read_bytes())
        source = f"memory://clips/a{suffix}"
    else:
        source = {
            "path": path,
            "text": str(path),
            "bytes": path.read_bytes(),
            "file": io.BytesIO(path.read_bytes()),
        }[kind]
    for _ in range(2):
        assert numbers_of(decode(source).frames) == list(range(6))
    assert numbers_of(decode(source, frames=[4]).frames) == [4]


def test_the_sound_keeps_to_its_pictures(tmp_path):
    """A click at 1.25 s is at 0.25 s of what is read from 1 s on."""
    rate = 48_000
    samples = np.zeros((1, 2 * rate), np.float32)
    samples[0, int(1.25 * rate) : int(1.25 * rate) + 200] = 0.8
    clip = Clip(numbered(16), 8, audio=Waveform(samples, rate))
    for suffix in (".mp4", ".webm"):
        path = encode(clip, tmp_path / f"a{suffix}")
        for start in (0.0, 1.0):
            sound = decode(path, start=start).audio
            onset = int(np.argmax(np.abs(sound.samples[0]) > 0.3)) / sound.rate
            assert onset == pytest.approx(1.25 - start, abs=0.003)
            assert sound.seconds <= 2 - start + 1e-6
    assert decode(path, audio=False).audio is None
    assert decode(path, frames=[1]).audio is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": -1}, "start must be"),
        ({"start": 1, "end": 1}, "must come after"),
        ({"num_frames": 0}, "num_frames must"),
        ({"fps": 0}, "fps must"),
        ({"frames": []}, "at least one index"),
        ({"frames": [0], "fps": 3}, "leave out"),
        ({"size": (0, 4)}, "size must"),
        ({"damaged": "ignore"}, "damaged must"),
        ({"frames": [16]}, "there is no frame 16"),
        ({"num_frames": 17}, "fewer than num_frames=17"),
        ({"start": 2.0}, "it ends at 2.000 s"),
        ({"fps": 8, "num_frames": 17}, "there are 2.00 s"),
    ],
)
def test_arguments_that_cannot_be_met(tmp_path, arguments, message):
    path = encode(Clip(numbered(16), 8), tmp_path / "a.mp4")
    with pytest.raises(ValueError, match=message):
        decode(path, **arguments)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.floats(1, 60))
def test_resampling_a_timeline_matches_a_linear_search(gaps, fps):
    from scenewright.media.decode import _resample_plan
    from scenewright.media.reader import make_timeline

    times = np.concatenate([[0], np.cumsum(gaps)[:-1]]) / 1000
    line = make_timeline(times, gaps[-1] / 1000, 1e-6, [])
    plan = _resample_plan("x", line, 0.0, line.end, None, fps)
    for k, index in enumerate(plan.indices):
        shown = [i for i, at in enumerate(times) if at <= k / fps + line.tolerance]
        assert index == shown[-1]


DATA = Path(os.environ.get("SCENEWRIGHT_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
REAL = [
    "reference-clips/*.mp4",
    "reference-clips/*.avi",
    "web-clips/*.mp4",
    "human-actions-original/*bend.avi",
]


@pytest.mark.skipif(not DATA.is_dir(), reason="no real footage here (SCENEWRIGHT_DATA)")
def test_real_footage():
    """Frames found by seeking in other people's files are those of a plain sequential decode."""
    files = [next(iter(sorted(DATA.glob(pattern))), None) for pattern in REAL]
    assert any(files), f"{DATA} holds none of {REAL}"
    for path in filter(None, files):
        info = probe(path, exact=True)
        count = info.video.frames
        wanted = sorted({count // 3, count // 2, count - 1})
        got = decode(path, frames=wanted)
        with opened(path) as file:
            reader = VideoReader(file, DEFAULT_LIMITS)
            last = {}
            for number, (_, picture) in enumerate(reader.play(0.0)):
                if number in wanted:
                    last[number] = picture
            reader.close()
        assert number + 1 == count, path
        assert np.array_equal(got.frames, np.stack([last[i] for i in wanted])), path
        assert got.frames.shape[1:] == (info.video.height, info.video.width, 3)


def test_media_errors_are_value_errors():
    assert issubclass(MediaError, ValueError)
