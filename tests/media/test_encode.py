"""Encoding: what is in the file, what comes back, and that nothing half-written is ever left."""

import json
import os
import subprocess
import sys

import av
import numpy as np
import pytest
from media_files import numbered, numbers_of
from PIL import Image

from scenewright.clip import Clip, Waveform
from scenewright.media import MediaError, decode, decode_audio, encode, encode_audio, mux, probe

METADATA = {
    "prompt": "ein roter Ball, 赤い球 \n 'quoted' \"twice\"",
    "seed": 7,
    "settings": {"steps": [1, 2.5, None]},
}
ALL = [
    ("a.mp4", {}),
    ("a.mov", {}),
    ("a.mp4", {"codec": "av1"}),
    ("a.webm", {}),
    ("a.webm", {"codec": "av1"}),
    ("a.mkv", {"codec": "ffv1"}),
    ("a.gif", {}),
    ("a.webp", {}),
    ("folder", {}),
]


def tone(seconds: float, rate: int = 48_000, frequency: float = 440.0) -> Waveform:
    t = np.arange(int(seconds * rate)) / rate
    return Waveform(
        np.stack([0.4 * np.sin(2 * np.pi * frequency * t), 0.2 * np.sin(2 * np.pi * 2 * frequency * t)]), rate
    )


@pytest.mark.parametrize(("name", "options"), ALL)
@pytest.mark.parametrize("size", [(64, 48), (65, 49), (17, 16)])
def test_frames_size_rate_and_facts_come_back(tmp_path, name, options, size):
    frames = numbered(12, *size)
    clip = Clip(frames, 12.5, caption="a réd ball", metadata=METADATA)
    path = encode(clip, tmp_path / name, metadata={"model": "nano"}, **options)
    back = decode(path)
    assert back.frames.shape == frames.shape
    assert np.abs(back.frames.astype(int) - frames).mean() < 8
    assert numbers_of(back.frames) == list(range(12))
    assert back.fps == pytest.approx(12.5, rel=1e-9)
    assert back.caption == "a réd ball"
    assert dict(back.metadata) == {**METADATA, "model": "nano"}
    info = probe(path)
    assert (info.video.width, info.video.height, info.video.frames) == (*size, 12)
    assert info.duration == pytest.approx(12 / 12.5, abs=0.01)
    assert (info.caption, info.metadata["model"]) == ("a réd ball", "nano")
    assert info.warnings == ()


@pytest.mark.parametrize(("name", "options"), ALL)
def test_frames_that_do_not_change_are_still_frames(tmp_path, name, options):
    """GIF and WebP writers merge equal neighbours; the clip has its length all the same."""
    frames = np.repeat(numbered(3), [1, 5, 2], axis=0)
    back = decode(encode(Clip(frames, 8), tmp_path / name, **options))
    assert numbers_of(back.frames) == [0, 1, 1, 1, 1, 1, 2, 2]
    assert back.fps == pytest.approx(8)
    still = decode(encode(Clip(frames[2:5], 8), tmp_path / f"still-{name}", **options))
    assert numbers_of(still.frames) == [1, 1, 1]


def test_lossless_kinds_are_lossless(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (4, 33, 47, 3)).astype(np.uint8)
    for name, options in [("a.mkv", {"codec": "ffv1"}), ("a.webp", {"quality": 100}), ("folder", {})]:
        assert np.array_equal(decode(encode(Clip(frames, 8), tmp_path / name, **options)).frames, frames), (
            name
        )


def test_mp4_is_what_players_want(tmp_path):
    path = encode(Clip(numbered(10), 24, audio=tone(10 / 24)), tmp_path / "a.mp4")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (1, 1)
        assert (stream.codec_context.color_primaries, stream.codec_context.color_trc) == (1, 1)
        assert stream.average_rate == 24
        assert container.streams.audio[0].codec_context.name == "aac"
        assert json.loads(container.metadata["comment"])["scenewright"]["num_frames"] == 10


def test_padding_repeats_the_edge(tmp_path):
    """What a player without our record shows of an odd size: one more column and row like the last."""
    frames = np.full((3, 33, 31, 3), 40, np.uint8)
    frames[:, -2:], frames[:, :, -2:] = 200, 200
    path = encode(Clip(frames, 8), tmp_path / "a.mp4")
    with av.open(str(path)) as container:
        gray = next(container.decode(video=0)).to_ndarray(format="gray")
    assert gray.shape == (34, 32)
    assert np.abs(gray[-1].astype(int) - gray[-2]).max() < 16
    assert np.abs(gray[:, -1].astype(int) - gray[:, -2]).max() < 16


def test_gif_loops_with_the_right_times_and_colours(tmp_path):
    colours = np.random.default_rng(2).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    frames = np.stack([np.roll(colours, k, 0).repeat(8, 0).repeat(8, 1) for k in range(8)])
    path = encode(Clip(frames, 15), tmp_path / "a.gif")
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        durations = []
        for number in range(image.n_frames):
            image.seek(number)
            durations.append(image.info["duration"])
    assert set(durations) == {60, 70}
    assert abs(sum(durations) - 8 / 15 * 1000) <= 5
    assert np.array_equal(decode(path).frames, frames), "64 colours fit the palette exactly"


def test_quality_options_do_something(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3)).astype(np.uint8)
    clip = Clip(frames, 8)
    for name, codec in [("a.mp4", "h264"), ("a.webm", "vp9"), ("b.webm", "av1")]:
        sizes = [encode(clip, tmp_path / name, codec=codec, crf=crf).stat().st_size for crf in (10, 45)]
        assert sizes[0] > 1.3 * sizes[1], codec
    sizes = [encode(clip, tmp_path / "a.webp", quality=q).stat().st_size for q in (95, 20)]
    assert sizes[0] > 1.3 * sizes[1]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.xyz", {}, "no known video suffix"),
        ("a.png", {}, "is a folder"),
        ("a.mp4", {"format": "flv"}, "there is no format"),
        ("a.webm", {"codec": "h264"}, "use vp9, av1"),
        ("a.mp4", {"crf": 60}, "0 .best. to 51"),
        ("a.mp4", {"quality": 60}, "video takes crf"),
        ("a.gif", {"crf": 20}, "gif does not have it"),
        ("a.gif", {"quality": 20}, "quality is for webp"),
        ("a.webp", {"quality": 0}, "1 to 100"),
        ("a.webp", {"codec": "vp9"}, "no choice of codec"),
        ("a.mkv", {"codec": "ffv1", "crf": 3}, "lossless"),
        ("missing/a.mp4", {}, "does not exist; create it"),
        ("a.mp4", {"metadata": {"x": object()}}, "plain JSON"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        encode(Clip(numbered(3), 8), tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


class _StopAt(Exception):  # noqa: N818
    pass


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "a.webp", "folder"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, _StopAt])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, name, error):
    path = encode(Clip(numbered(4), 8), tmp_path / name)
    before = decode(path).frames

    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr(av.VideoFrame, "from_ndarray", fail, raising=True) if name.endswith(
        ("mp4", "webm", "gif")
    ) else (monkeypatch.setattr(Image.Image, "save", fail))
    with pytest.raises(error):
        encode(Clip(numbered(9), 8), path)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert np.array_equal(decode(path).frames, before)


def test_a_full_disk_leaves_nothing(tmp_path):
    """A process that may write 20 kB a file stands for a full disk."""
    program = """
import resource, signal, sys
import numpy as np
from scenewright.clip import Clip
from scenewright.media import MediaError, encode
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
clip = Clip(np.random.default_rng(0).integers(0, 256, (12, 96, 96, 3)).astype(np.uint8), 8)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for name in ("a.mp4", "a.webm", "a.gif", "a.webp", "folder"):
    try:
        encode(clip, sys.argv[1] + "/" + name)
    except MediaError as error:
        print(error)
"""
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    lines = result.stdout.splitlines()
    assert len(lines) == 5, result.stderr
    assert all("cannot be written" in line for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_a_sequence_replaces_its_folder_but_never_a_file(tmp_path):
    folder = encode(Clip(numbered(9), 8, audio=tone(1)), tmp_path / "frames")
    assert (folder / "audio.wav").is_file()
    encode(Clip(numbered(3), 8), folder)
    assert sorted(p.name for p in folder.iterdir()) == [f"frame-{n:05d}.png" for n in range(3)]
    (tmp_path / "note").write_text("mine")
    with pytest.raises(MediaError, match="is a file"):
        encode(Clip(numbered(3), 8), tmp_path / "note")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("mine")
    with pytest.raises(MediaError, match="holds other files"):
        encode(Clip(numbered(3), 8), tmp_path / "letters")
    assert (tmp_path / "letters" / "dear.txt").read_text() == "mine"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm", ".mkv"])
@pytest.mark.parametrize("rate", [48_000, 22_050, 44_100])
def test_sound_goes_round(tmp_path, suffix, rate):
    sound = tone(1.5, rate)
    back = decode(encode(Clip(numbered(12), 8, audio=sound), tmp_path / f"a{suffix}")).audio
    assert back.samples.shape[0] == 2
    assert back.seconds == pytest.approx(1.5, abs=0.001)
    spectrum = np.abs(np.fft.rfft(back.samples * np.hanning(back.samples.shape[1])))
    peaks = spectrum.argmax(1) / back.seconds
    assert peaks == pytest.approx([440, 880], abs=2)
    middle = back.samples[:, back.rate // 2 : back.rate]
    assert np.sqrt((middle**2).mean(1)) == pytest.approx([0.4 / 2**0.5, 0.2 / 2**0.5], rel=0.05)


@pytest.mark.parametrize(
    ("suffix", "most"), [(".wav", 2e-5), (".flac", 2e-5), (".m4a", 0.02), (".ogg", 0.03), (".opus", 0.03)]
)
def test_sound_files(tmp_path, suffix, most):
    sound = tone(1.0)
    path = encode_audio(sound, tmp_path / f"a{suffix}")
    back = decode_audio(path)
    assert back.rate == 48_000
    count = sound.samples.shape[1]
    assert np.abs(back.samples[:, :count] - sound.samples).max() < most
    part = decode_audio(path, start=0.25, end=0.5)
    assert part.seconds == pytest.approx(0.25, abs=1e-4)
    assert np.abs(part.samples - sound.samples[:, 12_000:24_000]).max() < most + 0.01


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
@pytest.mark.parametrize("suffix", [".wav", ".m4a", ".flac"])
def test_channels_keep_their_places(tmp_path, channels, suffix):
    t = np.arange(24_000) / 48_000
    samples = np.stack([0.3 * np.sin(2 * np.pi * 100 * (k + 1) * t) for k in range(channels)])
    back = decode_audio(encode_audio(Waveform(samples, 48_000), tmp_path / f"a{suffix}"))
    assert back.samples.shape[0] == channels
    for k in range(channels):
        # AAC keeps only the lowest frequencies of the low-frequency channel.
        if (channels, suffix, k) not in {(6, ".m4a", 3), (8, ".m4a", 3)}:
            peak = np.abs(np.fft.rfft(back.samples[k, :24_000])).argmax() * 2
            assert peak == pytest.approx(100 * (k + 1), abs=2), k


def test_wav_is_read_by_the_standard_library(tmp_path):
    import wave

    sound = tone(0.5)
    with wave.open(str(encode_audio(sound, tmp_path / "a.wav"))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 48_000, 2)
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T
    assert np.abs(data / 32768 - sound.samples).max() < 2e-5


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_mux_does_not_touch_the_pictures(tmp_path, suffix):
    silent = encode(Clip(numbered(16), 8, caption="counting"), tmp_path / "silent.mp4")
    out = mux(silent, tone(5), tmp_path / f"loud{suffix}")

    def packets(path):
        with av.open(str(path)) as container:
            return [bytes(p) for p in container.demux(video=0) if p.size]

    assert packets(out) == packets(silent)
    back = decode(out)
    assert numbers_of(back.frames) == list(range(16))
    assert back.caption == "counting"
    assert back.audio.seconds == pytest.approx(2.0, abs=0.001)
    encode_audio(tone(1, frequency=1000), tmp_path / "other.wav")
    again = decode(mux(out, tmp_path / "other.wav", tmp_path / "again.mp4")).audio
    assert np.abs(np.fft.rfft(again.samples[0])).argmax() / again.seconds == pytest.approx(1000, abs=2)


def test_mux_keeps_the_rotation(tmp_path):
    from fractions import Fraction

    from media_files import write_stamped

    write_stamped(tmp_path / "turned.mp4", numbered(8), list(range(8)), Fraction(1, 25), rotation=90)
    out = mux(tmp_path / "turned.mp4", tone(1), tmp_path / "loud.mp4")
    assert probe(out).video.rotation == probe(tmp_path / "turned.mp4").video.rotation != 0


def test_mux_says_what_does_not_fit(tmp_path):
    path = encode(Clip(numbered(4), 8), tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="webm cannot hold h264"):
        mux(path, tone(1), tmp_path / "a.webm")
    with pytest.raises(MediaError, match="gif holds no sound"):
        mux(path, tone(1), tmp_path / "a.gif")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
@pytest.mark.parametrize("width", [64, 130])
def test_the_same_frames_give_the_same_file(tmp_path, suffix, width):
    rng, (t, y, x) = np.random.default_rng(0), np.mgrid[:16, :48, :width]
    ball = ((x - 4 * t - 12) ** 2 + (y - 20 - t) ** 2 < 100)[..., None]
    frames = np.where(ball, np.array([220, 40, 30]), np.stack([x, y + 60, x + y], axis=-1))
    clip = Clip(frames.astype(np.uint8), 8.0)
    files = set()
    for _ in range(8):
        other = [rng.bytes(int(rng.integers(3_000_000))) for _ in range(9)]
        del other  # what is left in memory is of no account
        files.add(encode(clip, tmp_path / f"a.{suffix}").read_bytes())
    assert len(files) == 1


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no policies of scheduling")
def test_av1_leaves_the_thread_as_it_was(tmp_path):
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    encode(Clip(np.zeros((4, 64, 64, 3), np.uint8), 8), tmp_path / "a.mp4", codec="av1")
    found = os.sched_getscheduler(0)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    assert found == os.SCHED_OTHER
