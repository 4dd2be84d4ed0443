"""Colours: the numbers in the planes against the equations of BT.601 and BT.709, and the whole way round."""

import numpy as np
import pytest
from media_files import ffmpeg, write_flat_yuv

from scenewright.clip import Clip
from scenewright.media import decode, encode, probe

LUMA = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114)}


def rgb_of(yuv: np.ndarray, matrix: str, full: bool) -> np.ndarray:
    """ITU-R BT.709-6 and BT.601-7, inverse of items 3.2 to 3.4: 8-bit YUV to 8-bit RGB."""
    y, u, v = yuv.astype(float).T
    y, u, v = (
        (y / 255, (u - 128) / 255, (v - 128) / 255)
        if full
        else ((y - 16) / 219, (u - 128) / 224, (v - 128) / 224)
    )
    kr, kb = LUMA[matrix]
    r, b = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.round(255 * np.stack([r, g, b], -1)), 0, 255)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", ["bt709", "bt601"])
def test_planes_become_the_rgb_of_the_standard(tmp_path, matrix, full):
    rng = np.random.default_rng(3)
    yuv = np.stack([rng.integers(16, 236, 12), rng.integers(40, 216, 12), rng.integers(40, 216, 12)], -1)
    path = tmp_path / "flat.mp4"
    write_flat_yuv(
        path, [tuple(int(n) for n in row) for row in yuv], {"bt709": 1, "bt601": 6}[matrix], 2 if full else 1
    )
    frames = decode(path).frames
    assert np.ptp(frames, axis=(1, 2)).max() == 0
    assert np.abs(frames[:, 0, 0].astype(float) - rgb_of(yuv, matrix, full)).max() <= 1
    video = probe(path).video
    assert (video.color_matrix, video.color_range, video.color_matrix_guessed) == (
        matrix,
        "full" if full else "limited",
        False,
    )


@pytest.mark.parametrize(("size", "matrix"), [((32, 32), "bt601"), ((1280, 720), "bt709")])
def test_an_untagged_matrix_goes_by_the_size(tmp_path, size, matrix):
    path = tmp_path / "untagged.mkv"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        f"color=red:size={size[0]}x{size[1]}:rate=5:duration=0.2,format=yuv420p",
        "-c:v",
        "ffv1",
        path,
    )
    video = probe(path).video
    assert (video.color_matrix, video.color_matrix_guessed) == (matrix, True)


@pytest.mark.parametrize(
    ("name", "options", "most"),
    [
        ("a.mp4", {}, 2),
        ("a.mov", {}, 2),
        ("a.mp4", {"codec": "av1"}, 2),
        ("a.webm", {}, 2),
        ("a.webm", {"codec": "av1"}, 2),
        ("a.mkv", {"codec": "ffv1"}, 0),
        ("a.gif", {}, 0),
        ("a.webp", {"quality": 100}, 0),
        ("folder", {}, 0),
    ],
)
def test_a_test_pattern_comes_back_within_two_levels(tmp_path, name, options, most):
    """The 75 % and 100 % colour bars and a grey ramp as flat patches of 32x32, at the default quality."""
    bars = [(c >> 2 & 1, c >> 1 & 1, c & 1) for c in range(8)]
    patches = np.array([[255 * b for b in bar] for bar in bars] + [[191 * b for b in bar] for bar in bars])
    patches = np.concatenate([patches, np.linspace(0, 255, 8).round()[:, None].repeat(3, 1)])
    picture = patches.reshape(3, 8, 3).astype(np.uint8).repeat(32, 0).repeat(32, 1)
    encode(Clip(np.stack([picture] * 5), 8), tmp_path / name, **options)
    frames = decode(tmp_path / name).frames
    inner = frames.reshape(5, 3, 32, 8, 32, 3)[:, :, 8:24, :, 8:24]
    want = patches.reshape(1, 3, 1, 8, 1, 3)
    assert np.abs(inner.astype(int) - want).max() <= most


def test_another_decoder_sees_the_same_colours(tmp_path):
    """What encode writes, the ffmpeg program reads back as the same RGB: the tags say what the data are."""
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (2, 4, 3)).astype(np.uint8)
    picture = patches.repeat(32, 0).repeat(32, 1)
    path = encode(Clip(np.stack([picture] * 3), 8), tmp_path / "a.mp4")
    raw = ffmpeg(
        "-i",
        path,
        "-f",
        "rawvideo",
        "-vf",
        "scale=in_color_matrix=auto:flags=accurate_rnd+full_chroma_int",
        "-pix_fmt",
        "rgb24",
        "-",
    )
    theirs = np.frombuffer(raw, np.uint8).reshape(3, 64, 128, 3)
    centres = theirs[:, 16::32, 16::32].astype(int)
    assert np.abs(centres - patches).max() <= 3


def test_transparency_is_laid_over_white(tmp_path):
    from PIL import Image

    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 4, 8))
    image.save(tmp_path / "half.png")
    frame = decode(tmp_path / "half.png").frames[0]
    assert frame[4, 1].tolist() == [0, 0, 255]
    assert frame[4, 6].tolist() == [255, 255, 255]
