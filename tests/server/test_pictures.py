"""Previews are small whatever they show; thumbnails and sheets show the right frames."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from scenewright.clip import Clip
from scenewright.server.pictures import data_url, spritesheet_of, thumbnail_of


def opened(url: str) -> Image.Image:
    head, _, body = url.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


@pytest.mark.parametrize("size", [(16, 24), (128, 128), (720, 1280)])
@pytest.mark.parametrize("count", [1, 3, 49])
def test_a_preview_of_noise_is_small_and_moves(size, count):
    frames = np.random.default_rng(0).integers(0, 256, (count, *size, 3), dtype=np.uint8)
    url = data_url(frames, 16.0)
    assert len(url) <= 15_000
    picture = opened(url)
    assert max(picture.size) <= 160
    assert picture.n_frames <= count
    assert (picture.n_frames > 1) == (count > 1)


def test_a_preview_lasts_as_long_as_the_video():
    levels = np.linspace(0, 250, 16).astype(np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (16, 64, 64, 3))
    picture = opened(data_url(frames, 8.0))
    shown, seconds = [], 0.0
    for place in range(picture.n_frames):
        picture.seek(place)
        picture.load()
        seconds += picture.info["duration"] / 1000
        shown.append(np.asarray(picture.convert("RGB")).mean())
    assert seconds == pytest.approx(2.0, rel=0.02)
    np.testing.assert_allclose(shown, levels, atol=6)


def test_the_thumbnail_is_the_middle_and_the_sheet_is_read_like_text():
    levels = np.linspace(0, 240, 31).astype(np.uint8)
    clip = Clip(np.broadcast_to(levels[:, None, None, None], (31, 90, 200, 3)).copy(), 8)
    middle = Image.open(io.BytesIO(thumbnail_of(clip)))
    assert middle.size == (200, 90)
    assert np.asarray(middle.convert("L")).mean() == pytest.approx(levels[15], abs=4)
    sheet = Image.open(io.BytesIO(spritesheet_of(clip)))
    assert sheet.size == (4 * 160, 4 * 72)
    cells = np.asarray(sheet.convert("L"), float).reshape(4, 72, 4, 160).mean((1, 3)).ravel()
    np.testing.assert_allclose(cells, levels[::2], atol=6)
    few = Image.open(io.BytesIO(spritesheet_of(Clip(clip.frames[:3], 8))))
    assert few.size == (3 * 160, 72)
