"""Requests: what is refused, which can share a batch, which are the same."""

import pytest
from pydantic import ValidationError

from scenewright.server.video_request import VideoRequest, request_of

BASE = {"prompt": "a ball", "seed": 1}
CHANGES = {
    "prompt": "a cube",
    "negative_prompt": "red",
    "model": "other",
    "seed": 2,
    "width": 64,
    "height": 64,
    "num_frames": 8,
    "fps": 4.0,
    "num_inference_steps": 3,
    "guidance_scale": 2.0,
    "flow_shift": 2.0,
    "sampler": "euler",
    "fast": True,
    "input_reference": "0" * 64,
    "last_frame": "1" * 64,
    "video": "2" * 64,
    "audio": True,
    "format": "webm",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"seed": 2**63},
        {"width": 0},
        {"fps": 0},
        {"num_inference_steps": 1001},
        {"guidance_scale": -1},
        {"input_reference": "../x"},
        {"video": "G" * 64},
        {"format": "gif"},
        {"lora": {"path": "x"}},
        {"nonsense": 1},
    ],
)
def test_what_is_out_of_range_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        VideoRequest(**{**BASE, **wrong})
    with pytest.raises(ValidationError, match="seed"):
        VideoRequest(prompt="a ball")


@pytest.mark.parametrize("field", CHANGES)
def test_every_field_but_the_cache_makes_another_video(field):
    assert set(CHANGES) | {"lora", "cache"} == set(VideoRequest.model_fields)
    base, other = VideoRequest(**BASE), VideoRequest(**{**BASE, field: CHANGES[field]})
    assert base.identity("generate") != other.identity("generate")


def test_the_kind_and_the_model_belong_to_the_identity():
    base = VideoRequest(**BASE)
    assert base.identity("generate") == VideoRequest(**BASE, cache=False).identity("generate")
    assert base.identity("generate") != base.identity("extend")
    assert base.identity("generate", "a") != base.identity("generate", "b")
    assert len(base.identity("generate")) == 64


@pytest.mark.parametrize("field", CHANGES)
def test_a_batch_shares_what_decides_the_shape_and_the_steps(field):
    base, other = VideoRequest(**BASE), VideoRequest(**{**BASE, field: CHANGES[field]})
    shared = {"prompt", "negative_prompt", "seed", "width", "height", "fps", "audio", "format"}
    assert (base.batch_key("generate") == other.batch_key("generate")) == (field in shared)
    if field in ("input_reference", "last_frame", "video"):
        assert other.batch_key("generate") is None
    assert base.batch_key("extend") is None


def test_a_file_of_the_command_line_tells_its_request():
    metadata = {
        "prompt": "a ball",
        "negative_prompt": "red",
        "seed": 7,
        "model": "nano",
        "settings": {"steps": 5, "sampler": "euler", "guidance_scale": 2.0, "shift": 3.0},
    }
    request = request_of(metadata, width=64)
    assert request == VideoRequest(
        prompt="a ball",
        negative_prompt="red",
        seed=7,
        num_inference_steps=5,
        sampler="euler",
        guidance_scale=2.0,
        flow_shift=3.0,
        width=64,
    )
    assert request_of({"prompt": "a ball", "model": "zoo/oracle"}).num_inference_steps is None
    for nothing in ({}, {"prompt": 3, "model": "nano"}, {"prompt": "a ball"}):
        with pytest.raises(ValueError, match="does not say how it was made"):
            request_of(nothing)
