"""Frames at another size."""

from __future__ import annotations

import numpy as np

from scenewright.clip import Prompt


def wanted_size(prompt: Prompt, native: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the result; one given side keeps the model's aspect ratio."""
    width, height = native
    if prompt.width and prompt.height:
        return prompt.width, prompt.height
    if prompt.width:
        return prompt.width, max(1, round(prompt.width * height / width))
    if prompt.height:
        return max(1, round(prompt.height * width / height)), prompt.height
    return native


def fitted(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (T, H, W, 3) at (width, height): cropped centrally to the new aspect ratio, then resampled
    (Lanczos)."""
    from PIL import Image

    _, height, width, _ = frames.shape
    if size == (width, height):
        return frames
    scale = min(width / size[0], height / size[1])
    crop_w, crop_h = scale * size[0], scale * size[1]
    left, top = (width - crop_w) / 2, (height - crop_h) / 2
    box = (left, top, left + crop_w, top + crop_h)
    return np.stack(
        [
            np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS, box=box))
            for frame in frames
        ]
    )
