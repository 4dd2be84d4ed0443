"""``/healthz``, ``/readyz``, ``/metrics``: for whoever looks after the server."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from scenewright.server.errors import ApiError, described
from scenewright.server.security import principal_of
from scenewright.server.services import services_of

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """``workers``: how many gave a sign of life; without any, videos wait."""

    status: Literal["ready"] = "ready"
    database: Literal["ok"] = "ok"
    store: Literal["ok"] = "ok"
    workers: int


@router.get("/healthz", response_model=Health, summary="Whether the process lives")
async def healthz() -> Health:
    """Asks nothing of anything."""
    return Health()


@router.get("/readyz", response_model=Readiness, responses=described(503), summary="Whether it can work")
def readyz(request: Request) -> Readiness:
    """503 where the database or the store does not answer."""
    services = services_of(request)
    try:
        workers = len(services.queue.workers())
    except SQLAlchemyError:
        raise ApiError(503, "the database does not answer", code="not_ready") from None
    try:
        services.store.size("0" * 64)
    except (OSError, ValueError):
        raise ApiError(503, "the store does not answer", code="not_ready") from None
    return Readiness(workers=workers)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus's text."},
        **described(401, 403),
    },
    summary="Numbers for Prometheus",
)
def metrics(request: Request) -> Response:
    """Where there are accounts, for keys with the scope ``admin``."""
    if not principal_of(request).may("admin"):
        raise ApiError(403, "this needs the scope admin", code="insufficient_scope")
    text = services_of(request).metrics.text()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
