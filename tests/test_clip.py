"""Clip, Waveform and Prompt: what they refuse, what they guarantee, and the tensor convention."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from scenewright.clip import Clip, Prompt, Waveform, frames_to_tensor, tensor_to_frames


def frames(count=3, height=4, width=6):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "bad",
    [
        frames().astype(np.float32),
        frames()[0],
        frames()[..., :1],
        frames()[:0],
        frames()[:, :0],
    ],
)
def test_frames_of_another_kind_are_refused(bad):
    with pytest.raises(ValueError, match=r"uint8|at least one frame"):
        Clip(bad, 8)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(fps):
    with pytest.raises(ValueError, match="fps must be a positive number"):
        Clip(frames(), fps)


def test_sizes_and_length():
    clip = Clip(frames(12), 8)
    assert (len(clip), clip.width, clip.height, clip.seconds) == (12, 6, 4, 1.5)


def test_a_clip_cannot_be_changed_in_place():
    data = frames()
    facts = {"seed": 1}
    clip = Clip(data, 8, metadata=facts)
    with pytest.raises(ValueError, match="read-only"):
        clip.frames[0, 0, 0] = 1
    with pytest.raises(TypeError):
        clip.metadata["seed"] = 2  # type: ignore[index]
    with pytest.raises(AttributeError):
        clip.fps = 3  # type: ignore[misc]
    facts["seed"] = 2
    assert clip.metadata["seed"] == 1
    data[0, 0, 0, 0] = data[0, 0, 0, 0]
    changed = clip.with_(caption="a ball")
    assert (clip.caption, changed.caption, changed.metadata["seed"]) == (None, "a ball", 1)


def test_waveforms():
    sound = Waveform(np.zeros((2, 24_000)), 48_000)
    assert sound.samples.dtype == np.float32
    assert sound.seconds == 0.5
    with pytest.raises(ValueError, match=r"\(channels, samples\)"):
        Waveform(np.zeros(10), 48_000)
    with pytest.raises(ValueError, match="sample rate must be positive"):
        Waveform(np.zeros((1, 10)), 0)


def test_every_level_survives_the_tensor_convention():
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    clip = Clip(ramp, 8)
    x = clip.to_tensor()
    assert tuple(x.shape) == (3, 1, 16, 16)
    assert (float(x.min()), float(x.max())) == (-1.0, 1.0)
    assert np.array_equal(Clip.from_tensor(x, 8).frames, ramp)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_floats_are_rounded_and_clipped_as_numpy_would(values):
    import torch

    x = torch.tensor(values).reshape(3, 1, 1, 1)
    want = np.clip(np.round((x.numpy() + np.float32(1)) * np.float32(127.5)), 0, 255).astype(np.uint8)
    assert np.array_equal(tensor_to_frames(x).numpy()[0, 0, 0], want.reshape(3))


def test_batches_convert_like_single_clips():
    import torch

    batch = torch.from_numpy(np.stack([frames(), frames()[::-1]]))
    x = frames_to_tensor(batch)
    assert tuple(x.shape) == (2, 3, 3, 4, 6)
    for clip, one in zip(batch, x, strict=True):
        assert torch.equal(one, Clip(clip.numpy(), 8).to_tensor())
    assert torch.equal(tensor_to_frames(x), batch)


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"width": 0}, {"num_frames": 0}, {"fps": 0}, {"guidance": 3}, {"seed": 2**63}]
)
def test_prompts_refuse_what_makes_no_sense(wrong):
    with pytest.raises(ValidationError):
        Prompt(text="a ball", **wrong)


def test_importing_the_types_and_media_loads_no_torch():
    program = "import sys, scenewright, scenewright.clip, scenewright.media; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
