"""Bodies that several operations share: of requests that may be a form or JSON, and of pages of lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body gives the same video; with another body, an error 409.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[A-Za-z0-9._:/+=-]+$"},
}

videos_example = {
    "prompt": "a large red metal sphere rolls left",
    "model": "nano",
    "seconds": "2",
    "size": "128x128",
    "seed": 7,
}


class Page(BaseModel):
    """One page of a list."""

    object: Literal["list"] = "list"
    data: Sequence[Any]
    first_id: str | None = None
    last_id: str | None = Field(default=None, description="What to give as `after` for the next page.")
    has_more: bool

    @classmethod
    def of(cls, data: Sequence[Any], has_more: bool) -> Self:
        first, last = (data[0].id, data[-1].id) if data else (None, None)
        return cls(data=data, first_id=first, last_id=last, has_more=has_more)


def body_schema(
    kind: type[BaseModel],
    files: tuple[str, ...] = (),
    example: dict[str, Any] | None = None,
    *,
    repeatable: bool = False,
) -> dict[str, Any]:
    """For ``openapi_extra``: ``kind`` as JSON, and as a form in which ``files`` are files. ``repeatable``:
    whether the operation takes an ``Idempotency-Key``."""
    as_json = _inlined(kind.model_json_schema())
    form = {**as_json, "properties": dict(as_json["properties"])}
    for name in files:
        form["properties"][name] = {
            "type": "string",
            "format": "binary",
            "description": as_json["properties"].get(name, {}).get("description", "A file."),
        }
    content: dict[str, Any] = {
        "application/json": {"schema": as_json},
        "multipart/form-data": {"schema": form},
    }
    if example is not None:
        content["application/json"]["example"] = example
    described: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    if repeatable:
        described["parameters"] = [_KEY]
    return described


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions where they are used: OpenAPI has another place for them."""
    definitions = schema.pop("$defs", {})

    def inline(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return inline(definitions[value["$ref"].rpartition("/")[2]])
            return {key: inline(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [inline(inner) for inner in value]
        return value

    inlined: dict[str, Any] = inline(schema)
    return inlined
