"""Structural similarity (Wang et al. 2004) and its multi-scale form (Wang et al. 2003).

Of two windows with means a, b, variances A, B and covariance C, the similarity is
(2 a b + c1) (2 C + c2) / ((a^2 + b^2 + c1) (A + B + c2)), c1 = (0.01 x 255)^2, c2 = (0.03 x 255)^2; a frame's
is the mean over its windows. Sum and difference s, d of the pictures give all five moments in four filters:
a^2 + b^2 = (E[s]^2 + E[d]^2) / 2, a b = (E[s]^2 - E[d]^2) / 4, and likewise for the squares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from scenewright.config import Config
from scenewright.evaluation.fidelity.pairs import Colors, channels, check_pair
from scenewright.evaluation.opencv import cv2

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


class SsimConvention(Config):
    """``colors``: what is compared; of several channels the mean. ``window``: a Gaussian of ``size`` pixels
    and standard deviation ``sigma``, or ``uniform``. ``border``: ``valid`` has whole windows only,
    ``reflect`` and ``zero`` one for every pixel, filled up so. ``sample``: unbiased variances (n - 1).
    ``downsample``: to about 256 pixels first, as the authors' script does."""

    colors: Colors = "rounded_gray"
    window: Literal["gaussian", "uniform"] = "gaussian"
    size: int = Field(default=11, ge=3)
    sigma: float = 1.5
    border: Literal["valid", "reflect", "zero"] = "valid"
    sample: bool = False
    downsample: bool = False


class MsSsimConvention(Config):
    """``weights``: exponents of the scales, finest first; each scale halves rows and columns. The frame needs
    a whole window at the last."""

    colors: Colors = "rounded_gray"
    weights: tuple[float, ...] = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


#: ``default``: gray, as IQA-PyTorch's of 2004 and the authors' without their downsampling; ``wang2004`` with
#: it; ``rgb`` as common_metrics_on_video_quality; ``torchmetrics`` as that; ``skimage`` as
#: ``structural_similarity`` with a channel axis; ``zero`` as FastVideo.
SSIM: Mapping[str, SsimConvention] = {
    "default": SsimConvention(),
    "wang2004": SsimConvention(downsample=True),
    "rgb": SsimConvention(colors="rgb"),
    "torchmetrics": SsimConvention(colors="rgb", border="reflect"),
    "skimage": SsimConvention(colors="rgb", window="uniform", size=7, sample=True),
    "zero": SsimConvention(colors="rgb", border="zero"),
}

#: ``default``: the authors' five scales; ``rgb`` the same on colours; ``small``: the first
#: three with their weights divided by the sum, for frames from 44 pixels on.
MS_SSIM: Mapping[str, MsSsimConvention] = {
    "default": MsSsimConvention(),
    "rgb": MsSsimConvention(colors="rgb"),
    "small": MsSsimConvention(weights=(0.0711, 0.4530, 0.4759)),
}


def ssim(
    reference: np.ndarray, test: np.ndarray, convention: str | SsimConvention = "default"
) -> tuple[float, np.ndarray]:
    """Similarity of the clip, the mean over frames, and float64 (T,) of each frame; 1 for the same.

    ``reference``, ``test``: uint8 (T, H, W, 3). Raises ValueError where they do not fit, or are smaller than
    a window.
    """
    check_pair(reference, test)
    chosen = SSIM[convention] if isinstance(convention, str) else convention
    _check_size(reference, chosen.size, 1)
    window = _Window(chosen)
    frames = np.array([_ssim(a, b, chosen, window) for a, b in zip(reference, test, strict=True)])
    return float(frames.mean()), frames


def ms_ssim(
    reference: np.ndarray, test: np.ndarray, convention: str | MsSsimConvention = "default"
) -> tuple[float, np.ndarray]:
    """Multi-scale similarity of the clip, the mean over frames, and float64 (T,) of each frame.

    Negative factors, which only inverted pictures have, count as 0. Arguments and errors as :func:`ssim`.
    """
    check_pair(reference, test)
    chosen = MS_SSIM[convention] if isinstance(convention, str) else convention
    _check_size(reference, 11, 2 ** (len(chosen.weights) - 1))
    window = _Window(SsimConvention())
    frames = np.array([_ms_ssim(a, b, chosen, window) for a, b in zip(reference, test, strict=True)])
    return float(frames.mean()), frames


class _Maps(NamedTuple):
    """Of every window: similarity of means, and of structure (contrast and correlation)."""

    luminance: np.ndarray
    structure: np.ndarray


class _Window:
    """The mean over a window around every pixel."""

    def __init__(self, convention: SsimConvention) -> None:
        size = convention.size
        if convention.window == "uniform":
            line = np.full(size, 1 / size)
        else:
            line = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * convention.sigma**2))
            line /= line.sum()
        self.line = line.astype(np.float32)
        self.margin = size // 2 if convention.border == "valid" else 0
        reflect = convention.border != "zero"
        self.border = cv2().BORDER_REFLECT_101 if reflect else cv2().BORDER_CONSTANT
        self.unbiased = size**2 / (size**2 - 1) if convention.sample else 1.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        found = cv2().sepFilter2D(x, cv2().CV_32F, self.line, self.line, borderType=self.border)
        m = self.margin
        return found[m:-m, m:-m] if m else found

    def compare(self, x: np.ndarray, y: np.ndarray) -> _Maps:
        # About 0, where squares lose less of single precision.
        total, difference = x + y - np.float32(255), x - y
        mean_s, mean_d = self(total), self(difference)
        var_s = (self(total * total) - mean_s * mean_s) * np.float32(self.unbiased)
        var_d = (self(difference * difference) - mean_d * mean_d) * np.float32(self.unbiased)
        mean_s = mean_s + np.float32(255)
        ss, dd = mean_s * mean_s, mean_d * mean_d
        luminance = ((ss - dd) / 2 + np.float32(C1)) / ((ss + dd) / 2 + np.float32(C1))
        structure = ((var_s - var_d) / 2 + np.float32(C2)) / ((var_s + var_d) / 2 + np.float32(C2))
        return _Maps(luminance, structure)


def _ssim(a: np.ndarray, b: np.ndarray, convention: SsimConvention, window: _Window) -> float:
    found = []
    for x, y in zip(channels(a, convention.colors), channels(b, convention.colors), strict=True):
        if convention.downsample:
            x, y = _to_about_256(x), _to_about_256(y)
        maps = window.compare(x, y)
        found.append(float((maps.luminance * maps.structure).mean(dtype=np.float64)))
    return float(np.mean(found))


def _ms_ssim(a: np.ndarray, b: np.ndarray, convention: MsSsimConvention, window: _Window) -> float:
    found = []
    for x, y in zip(channels(a, convention.colors), channels(b, convention.colors), strict=True):
        product = 1.0
        for scale, weight in enumerate(convention.weights):
            if scale:
                x, y = _halved(x), _halved(y)
            maps = window.compare(x, y)
            last = scale == len(convention.weights) - 1
            values = maps.luminance * maps.structure if last else maps.structure
            product *= max(0.0, float(values.mean(dtype=np.float64))) ** weight
        found.append(product)
    return float(np.mean(found))


def _halved(x: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels; an odd last row or column is left out."""
    rows, columns = x.shape[0] // 2, x.shape[1] // 2
    return cv2().resize(x[: 2 * rows, : 2 * columns], (columns, rows), interpolation=cv2().INTER_AREA)


def _to_about_256(x: np.ndarray) -> np.ndarray:
    """Means over n x n pixels around every n-th pixel, n the shorter side over 256, rounded."""
    n = max(1, round(min(x.shape) / 256))
    if n == 1:
        return x
    mean = cv2().blur(x, (n, n), borderType=cv2().BORDER_REFLECT)
    return np.ascontiguousarray(mean[::n, ::n])


def _check_size(frames: np.ndarray, size: int, scale: int) -> None:
    height, width = frames.shape[1:3]
    if min(height, width) // scale < size:
        raise ValueError(
            f"frames of {width}x{height} are too small for this convention, which needs {size * scale} "
            "pixels a side"
        )
