"""Mean squared error and peak signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from scenewright.config import Config
from scenewright.evaluation.fidelity.pairs import Colors, channels, check_pair
from scenewright.evaluation.opencv import cv2


class PsnrConvention(Config):
    """``colors``: what is compared. ``pool``: ``clip`` takes one ratio from the mean squared error of the
    whole clip, ``frames`` the mean of the frames' ratios, which bad frames pull down less. ``limit``: dB of
    frames, or a clip, that are the same, and the most that is given."""

    colors: Colors = "rgb"
    pool: Literal["clip", "frames"] = "clip"
    limit: float = 100.0


#: ``default``, and what others use: ``frames`` as FastVideo and common_metrics_on_video_quality; ``vmaf`` as
#: libvmaf does for 8 bits, up to how the luma is made; ``skimage`` as ``peak_signal_noise_ratio``.
PSNR: Mapping[str, PsnrConvention] = {
    "default": PsnrConvention(),
    "frames": PsnrConvention(pool="frames"),
    "vmaf": PsnrConvention(colors="luma", pool="frames", limit=60.0),
    "skimage": PsnrConvention(limit=float("inf")),
}

#: Conventions of :func:`mse`: the colours.
MSE: Mapping[str, Colors] = {"default": "rgb", "luma": "luma"}


def mse(reference: np.ndarray, test: np.ndarray, convention: str = "default") -> np.ndarray:
    """Mean squared error of each frame; float64 (T,), in squares of 1/255 of the range.

    ``reference``, ``test``: uint8 (T, H, W, 3). Raises ValueError where they do not fit.
    """
    check_pair(reference, test)
    colors = MSE[convention]
    return np.array([_squared_error(a, b, colors) for a, b in zip(reference, test, strict=True)])


def psnr(
    reference: np.ndarray, test: np.ndarray, convention: str | PsnrConvention = "default"
) -> tuple[float, np.ndarray]:
    """10 log10(255^2 / mean squared error), in dB: of the clip, and float64 (T,) of each frame.

    ``reference``, ``test``: uint8 (T, H, W, 3). Raises ValueError where they do not fit.
    """
    check_pair(reference, test)
    chosen = PSNR[convention] if isinstance(convention, str) else convention
    pairs = zip(reference, test, strict=True)
    errors = np.array([_squared_error(a, b, chosen.colors) for a, b in pairs])
    frames = decibels(errors, chosen.limit)
    if chosen.pool == "frames":
        return float(frames.mean()), frames
    return float(decibels(errors.mean(), chosen.limit)), frames


def _squared_error(a: np.ndarray, b: np.ndarray, colors: Colors) -> float:
    if colors == "rgb":
        return float(cv2().norm(a, b, cv2().NORM_L2SQR)) / a.size
    pairs = zip(channels(a, colors), channels(b, colors), strict=True)
    found = [cv2().norm(x, y, cv2().NORM_L2SQR) for x, y in pairs]
    return float(np.mean(found)) / (a.shape[0] * a.shape[1])


def decibels(error: np.ndarray | np.floating | float, limit: float) -> np.ndarray:
    """10 log10(255^2 / error) of mean squared errors, at most ``limit``; infinite only where that is."""
    with np.errstate(divide="ignore"):
        return np.minimum(10 * np.log10(255.0**2 / np.asarray(error, np.float64)), limit)
