"""Thumbnails, film strips and contact sheets: what is where on the page."""

import numpy as np
import pytest
from media_files import numbered
from PIL import Image, ImageFont

from scenewright.clip import Clip
from scenewright.media import MediaError, contact_sheet, decode, encode, film_strip, save_image, thumbnail
from scenewright.media.sheets import _wrap


def flat(colour, count=4, width=120, height=100):
    return Clip(np.full((count, height, width, 3), colour, np.uint8), 8)


def places_of(sheet, colour):
    """Bounding box (left, top, right, bottom), exclusive at the end, of one colour on a page."""
    ys, xs = np.nonzero((np.asarray(sheet) == colour).all(-1))
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def test_thumbnail_is_the_middle_frame_at_the_asked_size(tmp_path):
    frames = np.stack([np.full((60, 90, 3), 20 * k, np.uint8) for k in range(9)])
    path = encode(Clip(frames, 8), tmp_path / "a.mkv", codec="ffv1")
    for source in (Clip(frames, 8), path):
        image = thumbnail(source, 30)
        assert image.size == (30, 20)
        assert np.unique(np.asarray(image)).tolist() == [80]
    assert thumbnail(Clip(frames, 8), 500).size == (90, 60)
    with pytest.raises(ValueError, match="at least 1 pixel"):
        thumbnail(path, 0)


def test_film_strip_shows_frames_from_first_to_last():
    frames = np.stack([np.full((20, 30, 3), 10 * k, np.uint8) for k in range(17)])
    strip = np.asarray(film_strip(Clip(frames, 8), 5, gap=3))
    assert strip.shape == (20, 5 * 30 + 4 * 3, 3)
    assert [int(strip[10, 33 * k + 15, 0]) for k in range(5)] == [0, 40, 80, 120, 160]
    assert (strip[:, 30:33] == 255).all()
    assert film_strip(frames, 50).width == 17 * 32 - 2
    assert film_strip(Clip(frames, 8), 2, height=40).size == (2 * 60 + 2, 40)


def test_sheet_lays_clips_out_in_rows():
    colours = [(200, 10, 10), (10, 200, 10), (10, 10, 200), (200, 10, 200), (10, 200, 200)]
    sheet = contact_sheet([flat(c) for c in colours], ["one", "two", "three", "four", "five"], columns=2)
    boxes = [places_of(sheet, c) for c in colours]
    assert all((right - left, bottom - top) == (120, 100) for left, top, right, bottom in boxes)
    lefts, tops = [b[0] for b in boxes], [b[1] for b in boxes]
    assert lefts[0] == lefts[2] == lefts[4] < lefts[1] == lefts[3]
    assert tops[0] == tops[1] < tops[2] == tops[3] < tops[4]


def test_captions_are_written_below_and_the_page_grows_with_them():
    blank = contact_sheet([flat((9, 9, 200))], [""])
    short = contact_sheet([flat((9, 9, 200))], ["a ball"])
    long = contact_sheet([flat((9, 9, 200))], ["a large red metal sphere rolls behind a cube " * 3])
    assert blank.width == short.width == long.width
    assert blank.height < short.height < long.height
    bottom = places_of(short, (9, 9, 200))[3]
    ink = np.asarray(short.convert("L"))[bottom + 4 : -20, 26:-26]
    assert (ink < 120).sum() > 30
    own = contact_sheet([flat((9, 9, 200)).with_(caption="a ball")])
    assert np.array_equal(np.asarray(own), np.asarray(short))


def test_several_frames_of_each_clip_and_a_title():
    frames = np.stack([np.full((100, 100, 3), 25 * k, np.uint8) for k in range(9)])
    plain = contact_sheet([Clip(frames, 8)], frames_per_clip=3)
    row = np.asarray(plain)[60, :, 0]
    for level in (0, 100, 200):
        assert (row == level).sum() >= 100
    titled = contact_sheet([Clip(frames, 8)], frames_per_clip=3, title="Nine greys")
    assert titled.height > plain.height


def test_small_clips_are_enlarged_and_kinds_can_be_mixed():
    small = np.zeros((16, 16, 3), np.uint8)
    small[:, 8:] = (255, 0, 0)
    sheet = contact_sheet([small, Image.fromarray(small), small[None], Clip(small[None], 1)], columns=4)
    left, top, right, bottom = places_of(sheet.crop((0, 0, sheet.width // 4, sheet.height)), (255, 0, 0))
    assert (right - left, bottom - top) == (48, 96)


def test_lines_are_no_wider_than_the_cell():
    font = ImageFont.load_default(14)
    text = "short words and anextraordinarilylongwordthatmustbebroken, then a\nnew line"
    for width in (40, 90, 200):
        lines = _wrap(text, font, width)
        assert all(font.getlength(line) <= width for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "at least one clip"),
        (([flat((0, 0, 0))], ["a", "b"]), "2 captions for 1 clips"),
        (([np.zeros((4, 4), np.float32)],), "uint8"),
    ],
)
def test_sheets_that_cannot_be_made(arguments, message):
    with pytest.raises(ValueError, match=message):
        contact_sheet(*arguments)
    with pytest.raises(ValueError, match="at least 1"):
        contact_sheet([flat((0, 0, 0))], columns=0)


@pytest.mark.parametrize(("suffix", "most"), [(".png", 0), (".jpg", 4), (".webp", 4)])
def test_save_image(tmp_path, suffix, most):
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:10], picture[10:] = (200, 30, 60), (20, 130, 60)
    path = save_image(picture, tmp_path / f"a{suffix}")
    back = decode(path).frames
    assert back.shape == (1, 20, 30, 3)
    assert np.abs(back[0, 2:8].astype(int) - picture[2:8]).max() <= most
    with pytest.raises(MediaError, match="one of these suffixes"):
        save_image(picture, tmp_path / "a.bmp")


def test_pictures_of_a_folder_come_in_natural_order(tmp_path):
    for number, frame in enumerate(numbered(12)):
        save_image(frame, tmp_path / f"shot{number + 1}.png")
    from media_files import numbers_of

    clip = decode(tmp_path)
    assert numbers_of(clip.frames) == list(range(12))
    assert clip.fps == 25
