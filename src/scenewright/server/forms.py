"""Bodies of requests: JSON, and multipart forms with bracketed names as OpenAI's client sends them.

``lora[path]`` is ``{"lora": {"path": ...}}``, ``tags[]`` a list, ``frame_images[][type]`` a list of mappings.
Values of a form are texts; what they mean is for whoever validates them.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from scenewright.server.errors import ApiError, bad_request, shortened

#: The most fields and files of a form, how deep names nest, and bytes of a field that is no file.
MOST_FIELDS, MOST_FILES, MOST_DEPTH, MOST_FIELD_BYTES = 200, 8, 6, 1 << 20
#: Bytes and seconds for which what is too long is still read, so that the client gets to hear of it.
_DRAIN_BYTES, _DRAIN_SECONDS = 64 << 20, 5.0

#: Bytes of JSON that are read at once.
_SHORT = 64 * 1024

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


@asynccontextmanager
async def body_of(request: Request, most_bytes: int) -> AsyncIterator[dict[str, Any]]:
    """The body as a mapping; files in it are :class:`UploadFile`, closed when the block ends.

    Raises:
        ApiError: 413 for more than ``most_bytes``; 415 for a body of another type; 400 for a broken one.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    stream = limited(request, most_bytes)
    if kind == "multipart/form-data":
        items = await _multipart(request.headers, stream)
    elif kind == "application/x-www-form-urlencoded":
        items = await _urlencoded(request.headers, stream)
    elif kind == "application/json" or kind.endswith("+json"):
        content = b"".join([chunk async for chunk in stream])
        # What is long takes long to read, and others are not to wait for it.
        yield parse_json(content) if len(content) < _SHORT else await run_in_threadpool(parse_json, content)
        return
    else:
        raise ApiError(415, "send application/json or multipart/form-data", code="unsupported_media_type")
    try:
        yield nested(items)
    finally:
        for _, value in items:
            if isinstance(value, UploadFile):
                await value.close()


def parse_json(content: bytes) -> dict[str, Any]:
    """A JSON object. Raises an ApiError (400) for anything else."""
    try:
        value = json.loads(content or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise bad_request("the body is not valid JSON", code="invalid_json") from None
    if not isinstance(value, dict):
        raise bad_request("the body must be a JSON object", code="invalid_json")
    return value


def nested(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Mappings and lists from fields with bracketed names; a name that comes twice is a list.

    >>> nested([("prompt", "a ball"), ("lora[path]", "x"), ("tags[]", "a"), ("tags[]", "b")])
    {'prompt': 'a ball', 'lora': {'path': 'x'}, 'tags': ['a', 'b']}
    """
    result: dict[str, Any] = {}
    for name, value in items:
        match = _NAME.fullmatch(name)
        if match is None:
            raise bad_request(f"the field's name {shortened(name)!r} cannot be read", code="invalid_form")
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        if len(path) > MOST_DEPTH:
            raise bad_request(f"the field {shortened(name)!r} is nested too deeply", code="invalid_form")
        _put(result, path, value, name)
    return result


def _put(into: dict[str, Any], path: list[str], value: Any, name: str) -> None:
    key, rest = path[0], path[1:]
    if not rest:
        if key not in into:
            into[key] = value
        elif isinstance(into[key], list):
            into[key].append(value)
        elif isinstance(into[key], dict):
            raise _clash(name)
        else:
            into[key] = [into[key], value]
        return
    if rest[0] == "":
        items = into.setdefault(key, [])
        if not isinstance(items, list):
            raise _clash(name)
        if len(rest) == 1:
            items.append(value)
        else:
            # A key that the last mapping has begins the next one.
            if not items or not isinstance(items[-1], dict) or _has(items[-1], rest[1:]):
                items.append({})
            _put(items[-1], rest[1:], value, name)
        return
    inner = into.setdefault(key, {})
    if not isinstance(inner, dict):
        raise _clash(name)
    _put(inner, rest, value, name)


def _has(mapping: dict[str, Any], path: list[str]) -> bool:
    found: Any = mapping
    for key in path:
        if key == "":
            return False
        if not isinstance(found, dict) or key not in found:
            return False
        found = found[key]
    return True


def _clash(name: str) -> ApiError:
    return bad_request(f"the field {shortened(name)!r} is given in two ways", code="invalid_form")


async def limited(request: Request, most_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body in chunks; ApiError (413) as soon as it is known to be longer than ``most_bytes``."""
    declared = request.headers.get("content-length", "")
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > most_bytes or (declared.isdecimal() and int(declared) > most_bytes):
            await _drain(request)
            raise ApiError(413, f"the body has more than {most_bytes:,} bytes", code="too_large")
        yield chunk


async def _drain(request: Request) -> None:
    """Reads on for a moment: a client that is still sending would see a broken connection, not the error."""
    left, end = _DRAIN_BYTES, time.monotonic() + _DRAIN_SECONDS
    try:
        async for chunk in request.stream():
            left -= len(chunk)
            if left < 0 or time.monotonic() > end:
                return
    except (ClientDisconnect, RuntimeError):
        return


async def _multipart(headers: Headers, stream: AsyncGenerator[bytes, None]) -> list[tuple[str, Any]]:
    parser = MultiPartParser(
        headers, stream, max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES
    )
    try:
        return list((await parser.parse()).multi_items())
    except MultiPartException as error:
        raise bad_request(f"the form cannot be read: {error.message}", code="invalid_form") from None


async def _urlencoded(headers: Headers, stream: AsyncGenerator[bytes, None]) -> list[tuple[str, Any]]:
    try:
        return list((await FormParser(headers, stream, max_fields=MOST_FIELDS).parse()).multi_items())
    except MultiPartException as error:
        raise bad_request(f"the form cannot be read: {error.message}", code="invalid_form") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
