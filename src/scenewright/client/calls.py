"""What clients ask for, apart from how it is sent: one request each, and how to read its answer."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from scenewright.client.video import Video

T = TypeVar("T")

#: A picture or video: where it is on this machine, its bytes, or a http(s) or data URL.
Given = str | Path | bytes

Variant = Literal["video", "thumbnail", "spritesheet"]


@dataclass(frozen=True)
class Call(Generic[T]):
    """``read``: makes the result of the answer's JSON. ``repeatable``: whether it may be sent again after a
    lost connection."""

    method: str
    path: str
    read: Callable[[Any], T]
    json: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] | None = None
    files: Mapping[str, tuple[str, bytes]] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False


def create(prompt: str, options: Mapping[str, Any], files: Mapping[str, Given | None]) -> Call[Video]:
    return _submission("/v1/videos", {"prompt": prompt, **options}, files)


def remix(video_id: str, prompt: str, options: Mapping[str, Any]) -> Call[Video]:
    return _submission(f"/v1/videos/{video_id}/remix", {"prompt": prompt, **options}, {})


def extend(video: Given, prompt: str, options: Mapping[str, Any]) -> Call[Video]:
    """``video``: an id of one on the server, or a file of one's own."""
    body = {"prompt": prompt, **options}
    if isinstance(video, str) and video.startswith("video_") and not Path(video).exists():
        return _submission("/v1/videos/extensions", {**body, "video": {"id": video}}, {})
    return _submission("/v1/videos/extensions", body, {"video": video})


def retrieve(video_id: str) -> Call[Video]:
    return Call("GET", f"/v1/videos/{video_id}", Video.model_validate, repeatable=True)


def page(filters: Mapping[str, Any]) -> Call[tuple[list[Video], bool]]:
    """Videos and whether there are more after them."""

    def read(answer: Any) -> tuple[list[Video], bool]:
        return [Video.model_validate(video) for video in answer["data"]], bool(answer["has_more"])

    params = {name: _text(value) for name, value in filters.items() if value is not None}
    return Call("GET", "/v1/videos", read, params=params, repeatable=True)


def change(video_id: str, title: str | None, tags: list[str] | None) -> Call[Video]:
    body = {name: value for name, value in (("title", title), ("tags", tags)) if value is not None}
    return Call("PATCH", f"/v1/videos/{video_id}", Video.model_validate, json=body, repeatable=True)


def delete(video_id: str) -> Call[None]:
    return Call("DELETE", f"/v1/videos/{video_id}", lambda _: None)


def act(video_id: str, action: Literal["cancel", "pause", "resume", "retry", "restore"]) -> Call[Video]:
    return Call("POST", f"/v1/videos/{video_id}/{action}", Video.model_validate)


def move(video_id: str, before: str | None) -> Call[Video]:
    body = {"before": before}
    return Call("POST", f"/v1/videos/{video_id}/move", Video.model_validate, json=body)


def listed(path: str) -> Call[list[dict[str, Any]]]:
    return Call("GET", path, lambda answer: list(answer["data"]), repeatable=True)


def facts(path: str, params: Mapping[str, Any] | None = None) -> Call[dict[str, Any]]:
    given = {name: _text(value) for name, value in (params or {}).items()}
    return Call("GET", path, dict, params=given, repeatable=True)


def estimate(prompt: str, options: Mapping[str, Any]) -> Call[dict[str, Any]]:
    body = {"prompt": prompt, **_given(options)}
    return Call("POST", "/v1/estimates", dict, json=body, repeatable=True)


def parse(prompt: str, model: str | None) -> Call[dict[str, Any]]:
    body = {"prompt": prompt, **({} if model is None else {"model": model})}
    return Call("POST", "/v1/prompts/parse", dict, json=body, repeatable=True)


def read_file(file: Given, *, keep: bool) -> Call[dict[str, Any]]:
    params = {"keep": _text(keep)}
    return Call("POST", "/v1/videos/import", dict, params=params, data={}, files={"file": _file(file)})


def _submission(path: str, body: Mapping[str, Any], given: Mapping[str, Given | None]) -> Call[Video]:
    """A key of its own makes a submission repeatable: the server takes it once."""
    body = _given(body)
    key = body.pop("idempotency_key", None) or secrets.token_hex(16)
    files = {}
    for name, value in given.items():
        if isinstance(value, str) and value.startswith(("http://", "https://", "data:")):
            body[name] = {"image_url": value}
        elif value is not None:
            files[name] = _file(value)
    headers = {"Idempotency-Key": str(key)}
    if not files:
        return Call("POST", path, Video.model_validate, json=body, headers=headers, repeatable=True)
    form = {name: _field(value) for name, value in body.items()}
    form = {f"{name}[]" if isinstance(value, list) else name: value for name, value in form.items()}
    return Call("POST", path, Video.model_validate, data=form, files=files, headers=headers, repeatable=True)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _file(given: Given) -> tuple[str, bytes]:
    if isinstance(given, bytes):
        return "file", given
    path = Path(given)
    return path.name, path.read_bytes()


def _field(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_text(item) for item in value]
    return json.dumps(value) if isinstance(value, dict) else _text(value)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, list | tuple) else str(value)
