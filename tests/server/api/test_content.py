"""Files: whole, in ranges, not again where the client has them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from running_server import Running
from scenewright.server.api.content import byte_range

CONTENT = b"\0\0\0\x18ftypmp42" + bytes(range(200)) * 20


@pytest.fixture
def video(server: Running) -> str:
    made: str = server.create()["id"]
    server.finish(made, CONTENT)
    return f"/v1/videos/{made}/content"


def test_the_whole_file(server: Running, video: str) -> None:
    answer = server.client.get(video)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["etag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["content-disposition"].startswith('inline; filename="a-red-ball-rolls-left-')
    head = server.client.head(video)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(CONTENT))
    attached = server.client.get(f"{video}?download=true").headers["content-disposition"]
    assert attached.startswith("attachment")


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=100-", 100, None),
        ("bytes=-7", -7, None),
        ("bytes=5-999999", 5, None),
        ("bytes=0-", 0, None),
    ],
)
def test_a_range(server: Running, video: str, header: str, start: int, end: int | None) -> None:
    answer = server.client.get(video, headers={"Range": header})
    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    unit, _, told = answer.headers["content-range"].partition(" ")
    bounds, _, size = told.partition("/")
    first, last = map(int, bounds.split("-"))
    assert (unit, int(size)) == ("bytes", len(CONTENT))
    assert CONTENT[first : last + 1] == answer.content


def test_a_range_that_cannot_be_met(server: Running, video: str) -> None:
    answer = server.client.get(video, headers={"Range": f"bytes={len(CONTENT)}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert answer.json()["error"]["code"] == "range_not_satisfiable"


def test_what_the_client_has_is_not_sent(server: Running, video: str) -> None:
    etag = server.client.get(video).headers["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}'):
        answer = server.client.get(video, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
    # A range of another file than the client has is the whole of this one.
    other = server.client.get(video, headers={"Range": "bytes=0-9", "If-Range": '"x"'})
    assert (other.status_code, other.content) == (200, CONTENT)


def test_nothing_to_download(server: Running) -> None:
    waiting = server.create()["id"]
    assert server.client.get(f"/v1/videos/{waiting}/content").status_code == 409
    server.client.post(f"/v1/videos/{waiting}/cancel")
    assert server.client.get(f"/v1/videos/{waiting}/content").status_code == 404
    lost = server.create()["id"]
    server.finish(lost, CONTENT)
    server.services.store.delete(hashlib.sha256(CONTENT).hexdigest())
    assert server.client.get(f"/v1/videos/{lost}/content").json()["error"]["code"] == "no_content"


@given(st.text("0123456789-, =bytesx", max_size=20), st.integers(0, 50))
def test_any_header_gives_a_range_within_the_file(text: str, size: int) -> None:
    bounds = byte_range(f"bytes={text}", size)
    assert bounds is None or 0 <= bounds[0] <= bounds[1] <= size
