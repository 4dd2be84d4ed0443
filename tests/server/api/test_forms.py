"""Bodies: bracketed forms, OpenRouter's names, limits while they come."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from running_server import Running, running
from scenewright.server.errors import ApiError
from scenewright.server.forms import nested, parse_json
from scenewright.server.requests import in_our_names
from scenewright.server.settings import Limits, ServerSettings

NAMES = st.text("abcdef", min_size=1, max_size=4)
VALUES: Any = st.recursive(
    st.text(max_size=5),
    lambda inner: (
        st.lists(st.text(max_size=3), min_size=1, max_size=3)
        | st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def _fields(name: str, value: Any) -> list[tuple[str, str]]:
    """As OpenAI's client flattens what is nested."""
    if isinstance(value, dict):
        return [field for key, inner in value.items() for field in _fields(f"{name}[{key}]", inner)]
    if isinstance(value, list):
        return [(f"{name}[]", item) for item in value]
    return [(name, value)]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # other work may slow it down
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_forms_are_read_back_as_they_were_meant(body: dict[str, Any]) -> None:
    assert nested(field for name, value in body.items() for field in _fields(name, value)) == body


def test_lists_of_mappings_begin_anew_where_a_key_comes_again() -> None:
    fields = [("a[][x]", "1"), ("a[][y]", "2"), ("a[][x]", "3"), ("tags", "p"), ("tags", "q")]
    assert nested(fields) == {"a": [{"x": "1", "y": "2"}, {"x": "3"}], "tags": ["p", "q"]}


@pytest.mark.parametrize(
    "fields",
    [
        [("a", "1"), ("a[b]", "2")],
        [("a[b]", "2"), ("a", "1")],
        [("a[b]", "2"), ("a[]", "1")],
        [("a[", "1")],
        [("", "1")],
        [("a" + "[b]" * 20, "1")],
    ],
)
def test_forms_that_contradict_themselves_are_refused(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(ApiError) as refused:
        nested(fields)
    assert refused.value.code == "invalid_form"


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(ApiError):
        parse_json(content)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"duration": 4}, {"seconds": 4}),
        ({"resolution": "720p"}, {"size": "1280x720"}),
        ({"resolution": "480p", "aspect_ratio": "9:16"}, {"size": "480x854"}),
        ({"aspect_ratio": "1:1"}, {"size": "720x720"}),
        ({"resolution": "640x360"}, {"size": "640x360"}),
        ({"generate_audio": True}, {"audio": True}),
        (
            {"frame_images": [{"type": "image_url", "image_url": {"url": "u"}, "frame_type": "last_frame"}]},
            {"last_frame": {"image_url": {"url": "u"}}},
        ),
    ],
)
def test_names_of_openrouter(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    assert in_our_names({"prompt": "x", **theirs}) == {"prompt": "x", **ours}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"duration": 4, "seconds": 4}, "duration"),
        ({"resolution": "9p"}, "resolution"),
        ({"aspect_ratio": "0:1"}, "aspect_ratio"),
        ({"frame_images": [{"frame_type": "middle"}]}, "frame_images"),
        ({"frame_images": "x"}, "frame_images"),
        ({"input_references": []}, "input_references"),
    ],
)
def test_names_of_openrouter_that_mean_nothing_are_refused(body: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as refused:
        in_our_names(body)
    assert refused.value.param == param


def test_a_request_of_openrouter_is_taken(server: Running) -> None:
    video = server.create(duration=1, aspect_ratio="1:1", resolution="480p", seed=4)
    assert (video["seconds"], video["size"], video["seed"]) == ("1", "480x480", 4)
    assert video["polling_url"].endswith(f"/v1/videos/{video['id']}")
    assert video["unsigned_urls"] == []
    assert server.client.get(video["polling_url"]).json()["id"] == video["id"]


def test_giant_uploads_are_refused_while_they_come(settings: ServerSettings) -> None:
    small = settings.model_copy(update={"limits": Limits(upload_bytes=100_000)})
    with running(small) as server:
        declared = server.client.post(
            "/v1/videos", data={"prompt": "x"}, files={"input_reference": b"x" * 300_000}
        )
        assert declared.status_code == 413
        assert declared.json()["error"]["code"] == "too_large"

        def endless() -> Any:
            for _ in range(500):
                yield b"x" * 1000

        headers = {"Content-Type": "application/json"}
        assert server.client.post("/v1/videos", content=endless(), headers=headers).status_code == 413
        # Bodies that hold no files have a limit of their own.
        video = server.create()
        long = server.client.patch(f"/v1/videos/{video['id']}", json={"title": "x" * 2_000_000})
        assert long.status_code == 413
        assert len(server.queue.list().jobs) == 1


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "text/plain"}, b"x", 415),
        ({}, b"x", 415),
        ({"Content-Type": "multipart/form-data"}, b"x", 400),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"no form", 400),
        ({"Content-Type": "application/json"}, b"", 400),
    ],
)
def test_bodies_that_cannot_be_read(
    server: Running, headers: dict[str, str], content: bytes, status: int
) -> None:
    answer = httpx.post(f"{server.url}/v1/videos", content=content, headers=headers)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
