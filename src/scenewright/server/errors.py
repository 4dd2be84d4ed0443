"""What an error looks like: OpenAI's ``{"error": {message, type, param, code}}``, whatever failed.

Clients map the HTTP status to their typed exceptions and read ``code`` and ``param`` from the body. Nothing
of the server's inside is told: a fault of the program is logged with the request's id, and the client gets
the id alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as AnyHTTPException

log = logging.getLogger(__name__)

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


class ErrorBody(BaseModel):
    """``type``: the class of the error, by its status. ``param``: the field that is wrong. ``code``: what is
    wrong, for programs."""

    message: str = Field(examples=["seconds = '-1': it must be more than 0"])
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = Field(default=None, examples=["seconds"])
    code: str | None = Field(default=None, examples=["invalid_value"])


class ErrorEnvelope(BaseModel):
    """The body of every answer that is no success."""

    error: ErrorBody


class ApiError(HTTPException):
    """An error for the client: ``status`` is HTTP's, ``message`` one line that says what to do."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.status, self.message, self.code, self.param = status, message, code, param

    def response(self) -> JSONResponse:
        """The answer; where a repetition would fail alike, it says so to OpenAI's client."""
        body = ErrorBody(message=self.message, type=type_of(self.status), param=self.param, code=self.code)
        headers = dict(self.headers or {})
        if self.status == 409:
            headers.setdefault("x-should-retry", "false")
        return JSONResponse(ErrorEnvelope(error=body).model_dump(), self.status, headers)


def bad_request(message: str, param: str | None = None, code: str = "invalid_value") -> ApiError:
    """400: the client can put it right."""
    return ApiError(400, message, code=code, param=param)


def not_found(what: str, name: str, param: str | None = None) -> ApiError:
    """404. The same for what is not there and for what is another user's."""
    return ApiError(404, f"there is no {what} {shortened(name)!r}", code=f"{what}_not_found", param=param)


def type_of(status: int) -> str:
    """The ``type`` of errors with an HTTP status."""
    return _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


def shortened(value: object, most: int = 80) -> str:
    """A text for a message, not longer than ``most`` characters."""
    text = str(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def from_validation(errors: Sequence[Any]) -> ApiError:
    """The first of pydantic's errors in one line, with the field as OpenAI's clients name it."""
    first = errors[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    param = ".".join(place) or None
    kind, message = first["type"], first["msg"].removeprefix("Value error, ")
    if kind == "missing":
        return bad_request(f"{param} is required", param, "missing_required_parameter")
    if kind == "extra_forbidden":
        return bad_request(f"there is no parameter {shortened(param)!r}", param, "unknown_parameter")
    message = message.replace("Input should", "it should", 1)
    if param is None:
        return bad_request(message)
    return bad_request(f"{param} = {shortened(repr(first.get('input')))}: {message}", param)


def install(app: FastAPI) -> None:
    """Makes ``app`` answer every error in the envelope."""

    @app.exception_handler(ApiError)
    async def _ours(request: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return from_validation(error.errors()).response()

    @app.exception_handler(AnyHTTPException)
    async def _http(request: Request, error: AnyHTTPException) -> JSONResponse:
        message = {
            404: f"there is nothing at {shortened(request.url.path)}",
            405: f"{request.url.path} does not take {request.method}",
        }.get(error.status_code, str(error.detail))
        return ApiError(
            error.status_code, message, code=_CODES.get(error.status_code), headers=error.headers
        ).response()

    @app.exception_handler(Exception)
    async def _fault(request: Request, error: Exception) -> JSONResponse:
        return fault(request.scope.get("state", {}).get("request_id", ""), error)


def fault(request_id: str, error: BaseException) -> JSONResponse:
    """The answer to a fault of the program, which is logged."""
    log.error("request %s failed", request_id, exc_info=error)
    message = f"the server failed; its log has more under request {request_id}"
    return ApiError(500, message, code="internal_error").response()


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation, for OpenAPI."""
    texts = {
        400: "A parameter is missing, unknown or wrong.",
        401: "No valid API key or session.",
        403: "The key, the role or the origin of the request does not allow it.",
        404: "There is none, or it is another user's.",
        409: "It conflicts with the state of the video, or with an earlier request of the same key.",
        413: "The body, or a file in it, is too large.",
        415: "The body is of a type that is not read.",
        416: "The range is not within the file.",
        429: "Too many requests, too long a queue, or too much stored.",
        500: "A fault of the server.",
        503: "Not ready.",
    }
    return {status: {"model": ErrorEnvelope, "description": texts[status]} for status in statuses}
