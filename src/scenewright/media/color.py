"""YUV and RGB: the matrix and the range are always stated, never left to a converter's default.

A stream says which matrix (BT.601, BT.709, …) and which range (limited: luma 16 to 235; full: 0 to 255) its
numbers are in. Where it does not say, the matrix is taken from the size, as players do: BT.709 for high
definition, else BT.601; the range is limited unless the pixel format says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

#: ITU-T H.273 matrix coefficients to names.
MATRIX_NAMES = {
    0: "rgb",
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020",
    10: "bt2020",
    14: "ictcp",
}
#: Names to what swscale calls them (its SWS_CS constants).
_SWS_MATRIX = {"bt709": 1, "fcc": 4, "bt601": 5, "smpte240m": 7, "bt2020": 9}
#: H.273 transfer characteristics whose pictures need tone mapping to look right on an ordinary screen.
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}

_EXACT = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)


@dataclass(frozen=True)
class ColorCoding:
    """How a stream's numbers mean colours. ``matrix``: a name of :data:`MATRIX_NAMES`; ``range``: ``limited``
    or ``full``; ``matrix_guessed``: the file does not say, and the size decided."""

    matrix: str
    range: str
    matrix_guessed: bool = False


def coding_of(frame: av.VideoFrame) -> ColorCoding:
    """The colour coding of a decoded frame, guessed from its size where it is not tagged."""
    if frame.format.is_rgb or frame.format.has_palette:
        return ColorCoding("rgb", "full")
    name = frame.format.name
    if name.startswith("yuvj") or (name.startswith("gray") and frame.color_range != ColorRange.MPEG):
        color_range = "full"
    else:
        color_range = "full" if frame.color_range == ColorRange.JPEG else "limited"
    matrix = MATRIX_NAMES.get(frame.colorspace)
    if matrix is None or matrix == "rgb":
        high_definition = frame.width >= 1280 or frame.height > 576
        return ColorCoding("bt709" if high_definition else "bt601", color_range, matrix_guessed=True)
    return ColorCoding(matrix, color_range)


class ToRGB:
    """Converts decoded frames to uint8 ``(H, W, 3)`` RGB arrays. Reuse one for a whole stream."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        coding = coding_of(frame)
        if coding.matrix == "rgb":
            rgb = self._reformatter.reformat(frame, format="rgb24", interpolation=_EXACT)
        else:
            matrix = _SWS_MATRIX.get(coding.matrix, _SWS_MATRIX["bt709"])
            rgb = self._reformatter.reformat(
                frame,
                format="rgb24",
                src_colorspace=matrix,
                dst_colorspace=matrix,
                src_color_range=ColorRange.JPEG if coding.range == "full" else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG,
                interpolation=_EXACT,
            )
        return np.asarray(rgb.to_ndarray(), dtype=np.uint8)


class FromRGB:
    """Converts uint8 ``(H, W, 3)`` RGB arrays to frames of ``pixel_format``; YUV is BT.709 limited."""

    def __init__(self, pixel_format: str) -> None:
        self.pixel_format = pixel_format
        self._reformatter = VideoReformatter()

    def __call__(self, picture: np.ndarray) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        if self.pixel_format == "rgb24":
            return frame
        if not self.pixel_format.startswith("yuv"):
            return self._reformatter.reformat(frame, format=self.pixel_format, interpolation=_EXACT)
        result = self._reformatter.reformat(
            frame,
            format=self.pixel_format,
            src_colorspace=_SWS_MATRIX["bt709"],
            dst_colorspace=_SWS_MATRIX["bt709"],
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=_EXACT,
        )
        tag_bt709(result)
        return result


def tag_bt709(target: av.VideoFrame | av.video.codeccontext.VideoCodecContext) -> None:
    """Marks a frame or an encoder as BT.709 limited (matrix, primaries and transfer)."""
    target.colorspace = 1
    target.color_primaries = 1
    target.color_trc = 1
    target.color_range = ColorRange.MPEG
