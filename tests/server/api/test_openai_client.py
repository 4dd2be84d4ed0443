"""OpenAI's own client against the server: whatever it does must work, and fail with its typed exceptions."""

from __future__ import annotations

import asyncio
import base64
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from running_server import working
from scenewright.media import decode

openai = pytest.importorskip("openai", reason="the conformance suite needs the openai client")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def client(server: Any) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as made:
            yield made


def _picture() -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.full((32, 48, 3), 200, np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def test_create_gives_a_queued_video(client: Any) -> None:
    video = client.videos.create(prompt="a red ball rolls left", model="nano", seconds="4", size="1280x720")
    assert video.object == "video"
    assert (video.status, video.progress, video.error) == ("queued", 0, None)
    assert (video.model, video.seconds, video.size) == ("nano", "4", "1280x720")
    assert video.prompt == "a red ball rolls left"
    assert isinstance(video.created_at, int)
    assert video.completed_at is None


def test_extra_fields_arrive_in_brackets(client: Any) -> None:
    extra = {
        "seed": 7,
        "negative_prompt": "cubes",
        "tags": ["a", "b c"],
        "num_inference_steps": 6,
        "cache": False,
    }
    video = client.videos.create(prompt="a red ball", extra_body=extra)
    assert (video.seed, video.negative_prompt, video.tags) == (7, "cubes", ["a", "b c"])
    assert video.num_inference_steps == 6
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.create(prompt="a ball", extra_body={"lora": {"path": "x", "scale": 1}})
    assert refused.value.param == "lora"
    assert refused.value.code == "unsupported_parameter"


def test_a_reference_is_a_file_or_a_url(client: Any, server: Any) -> None:
    by_file = client.videos.create(prompt="a ball", input_reference=("ball.png", _picture(), "image/png"))
    assert by_file.input_reference.startswith("file_")
    url = f"data:image/png;base64,{base64.b64encode(_picture()).decode()}"
    by_url = client.videos.create(prompt="a ball", extra_body={"input_reference": {"image_url": url}})
    assert by_url.input_reference == by_file.input_reference
    again = {"input_reference": {"file_id": by_file.input_reference}}
    assert client.videos.create(prompt="a ball", extra_body=again).input_reference == by_file.input_reference
    stored = server.services.store.read(by_file.input_reference.removeprefix("file_"))
    assert b"".join(stored) == _picture()


def test_retrieve_poll_and_download(client: Any, server: Any, tmp_path: Path) -> None:
    video = client.videos.create(prompt="a red ball")
    raw = client.videos.with_raw_response.retrieve(video.id)
    assert int(raw.headers["openai-poll-after-ms"]) > 0
    with pytest.raises(openai.ConflictError) as early:
        client.videos.download_content(video.id)
    assert early.value.code == "not_ready"
    server.finish(video.id, b"\0\0\0\x18ftypmp42" + b"x" * 5000)
    done = client.videos.poll(video.id, poll_interval_ms=10)
    assert (done.status, done.progress) == ("completed", 100)
    assert done.completed_at >= done.created_at
    content = client.videos.download_content(video.id)
    assert content.response.headers["content-type"] == "video/mp4"
    content.write_to_file(tmp_path / "ball.mp4")
    assert (tmp_path / "ball.mp4").read_bytes() == b"\0\0\0\x18ftypmp42" + b"x" * 5000
    with pytest.raises(openai.ConflictError):
        client.videos.download_content(video.id, variant="thumbnail")


def test_list_pages_through_everything(client: Any) -> None:
    made = [client.videos.create(prompt=f"ball {n}").id for n in range(5)]
    page = client.videos.list(limit=2)
    assert [video.id for video in page.data] == made[:2:-1]
    assert page.has_more
    assert page.last_id == made[3]
    assert [video.id for video in client.videos.list(limit=2)] == made[::-1]
    assert [video.id for video in client.videos.list(limit=3, order="asc")] == made
    after = client.videos.list(after=made[1], order="asc")
    assert [video.id for video in after.data] == made[2:]


def test_delete_says_so_and_hides_it(client: Any) -> None:
    video = client.videos.create(prompt="a ball")
    gone = client.videos.delete(video.id)
    assert (gone.id, gone.deleted, gone.object) == (video.id, True, "video.deleted")
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(video.id)


def test_remix_keeps_everything_but_the_prompt(client: Any) -> None:
    extra = {"seed": 5, "guidance_scale": 2.5}
    first = client.videos.create(prompt="a red ball", size="256x128", extra_body=extra)
    remixed = client.videos.remix(first.id, prompt="a blue ball")
    assert (remixed.prompt, remixed.remixed_from_video_id) == ("a blue ball", first.id)
    assert (remixed.seed, remixed.guidance_scale, remixed.size) == (5, 2.5, "256x128")
    with pytest.raises(openai.NotFoundError):
        client.videos.remix("video_0", prompt="a blue ball")


def test_extend_takes_a_file(client: Any, video_file: bytes) -> None:
    extended = client.videos.extend(
        prompt="it bounces", seconds="4", video=("ball.mp4", video_file, "video/mp4")
    )
    assert extended.kind == "extend"
    assert extended.num_frames == 32
    with pytest.raises(openai.BadRequestError) as broken:
        client.videos.extend(prompt="it bounces", seconds="4", video=("ball.mp4", b"no video", "video/mp4"))
    assert (broken.value.code, broken.value.param) == ("invalid_media", "video")


def test_what_no_model_can_is_a_typed_error(client: Any, video_file: bytes) -> None:
    file = ("ball.mp4", video_file, "video/mp4")
    with pytest.raises(openai.BadRequestError) as edit:
        client.videos.edit(prompt="make it blue", video=file)
    assert edit.value.code == "unsupported_operation"
    with pytest.raises(openai.BadRequestError) as character:
        client.videos.create_character(name="Bob", video=file)
    assert character.value.code == "unsupported_operation"
    with pytest.raises(openai.NotFoundError):
        client.videos.get_character("char_1")


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"model": "sora-2"}, "NotFoundError", "model"),
        ({"seconds": "0"}, "BadRequestError", "seconds"),
        ({"size": "big"}, "BadRequestError", "size"),
        ({"size": "9000x9000"}, "BadRequestError", "size"),
        ({"extra_body": {"num_frames": 17}}, "BadRequestError", "num_frames"),
        ({"extra_body": {"fps": "nan"}}, "BadRequestError", "fps"),
        ({"extra_body": {"seed": -1}}, "BadRequestError", "seed"),
        ({"extra_body": {"unheard": 1}}, "BadRequestError", "unheard"),
        ({"model": "zoo/oracle", "extra_body": {"fast": True}}, "BadRequestError", "fast"),
        ({"extra_body": {"sampler": "magic"}}, "BadRequestError", "sampler"),
        ({"extra_body": {"guidance_scale": 1, "negative_prompt": "x"}}, "BadRequestError", "negative_prompt"),
        ({"model": "zoo/oracle", "extra_body": {"flow_shift": 2}}, "BadRequestError", "flow_shift"),
        ({"model": "zoo/oracle", "input_reference": _picture()}, "BadRequestError", "input_reference"),
        ({"input_reference": b"no picture"}, "BadRequestError", "input_reference"),
        ({"prompt": " "}, "BadRequestError", "prompt"),
        ({"prompt": "x" * 5000}, "BadRequestError", "prompt"),
    ],
)
def test_wrong_fields_are_named(client: Any, fields: dict[str, Any], error: str, param: str) -> None:
    with pytest.raises(getattr(openai, error)) as refused:
        client.videos.create(**{"prompt": "a ball", **fields})
    assert refused.value.param == param
    assert refused.value.code
    assert "\n" not in refused.value.message
    assert client.videos.list().data == []


def test_models_can_be_listed(client: Any) -> None:
    models = {model.id: model for model in client.models.list()}
    assert {"nano", "zoo/oracle"} <= set(models)
    assert models["nano"].owned_by == "scenewright"
    assert client.models.retrieve("nano").native_width == 128
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("sora-2")


def test_wrong_keys_are_authentication_errors(accounts_server: Any, key_of: Any) -> None:
    with openai.OpenAI(base_url=f"{accounts_server.url}/v1", api_key="sk-wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            stranger.videos.create(prompt="a ball")
        assert refused.value.code == "invalid_api_key"
    key = key_of("eve", scopes=("videos:read",))["Authorization"].removeprefix("Bearer ")
    with openai.OpenAI(base_url=f"{accounts_server.url}/v1", api_key=key, max_retries=0) as reader:
        assert reader.videos.list().data == []
        with pytest.raises(openai.PermissionDeniedError):
            reader.videos.create(prompt="a ball")


def test_the_asynchronous_client_works_alike(server: Any) -> None:
    async def flow() -> None:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0) as client:
            video = await client.videos.create(prompt="a ball", input_reference=_picture())
            assert (await client.videos.retrieve(video.id)).status == "queued"
            assert [v.id async for v in client.videos.list(limit=1)] == [video.id]
            remixed = await client.videos.remix(video.id, prompt="a cube")
            assert remixed.remixed_from_video_id == video.id
            await asyncio.to_thread(server.finish, video.id, b"\0\0\0\x18ftypmp42xxxx")
            done = await client.videos.poll(video.id, poll_interval_ms=10)
            content = await client.videos.download_content(done.id)
            assert (await content.aread()).endswith(b"xxxx")
            assert (await client.videos.delete(video.id)).deleted
            with pytest.raises(openai.NotFoundError):
                await client.videos.retrieve(video.id)

    asyncio.run(flow())


@pytest.fixture(scope="module")
def worker_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with (
        working(tmp_path_factory.mktemp("server")) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as made,
    ):
        yield made


FEW = {"num_inference_steps": 2, "num_frames": 8, "seed": 3}


def test_a_video_is_made_polled_and_downloaded(worker_client: Any, tmp_path: Path) -> None:
    video = worker_client.videos.create_and_poll(
        prompt="a red ball rolls left", extra_body=FEW, poll_interval_ms=50
    )
    assert (video.status, video.progress, video.error) == ("completed", 100, None)
    worker_client.videos.download_content(video.id).write_to_file(tmp_path / "ball.mp4")
    clip = decode(tmp_path / "ball.mp4")
    assert (len(clip), f"{clip.width}x{clip.height}", f"{clip.seconds:g}") == (8, video.size, video.seconds)
    for variant in ("thumbnail", "spritesheet"):
        content = worker_client.videos.download_content(video.id, variant=variant)
        assert Image.open(io.BytesIO(content.read())).format == "WEBP"
    remixed = worker_client.videos.remix(video.id, prompt="a blue ball rolls left")
    remixed = worker_client.videos.poll(remixed.id, poll_interval_ms=50)
    assert (remixed.status, remixed.seed, remixed.num_frames) == ("completed", 3, 8)
    first = worker_client.videos.download_content(video.id).read()
    extended = worker_client.videos.extend(
        prompt="it bounces", seconds="4", video=("ball.mp4", first, "video/mp4"),
        extra_body={"num_inference_steps": 2, "fps": 2},
    )  # fmt: skip
    extended = worker_client.videos.poll(extended.id, poll_interval_ms=50)
    assert (extended.status, extended.num_frames) == ("completed", 16)


def test_a_video_shows_the_picture_it_was_given(worker_client: Any) -> None:
    video = worker_client.videos.create_and_poll(
        prompt="a red ball", input_reference=_picture(), extra_body=FEW, poll_interval_ms=50
    )
    content = worker_client.videos.download_content(video.id).read()
    assert decode(content, frames=[0]).frames.mean() == pytest.approx(200, abs=8)


def test_a_video_that_fails_carries_its_error(worker_client: Any) -> None:
    video = worker_client.videos.create_and_poll(
        prompt="qwerty uiop", model="zoo/oracle", poll_interval_ms=50
    )
    assert video.status == "failed"
    assert video.error.code == "invalid_request"
    assert "names no object" in video.error.message
