"""The app: all operations, what every request passes, and what runs beside them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from scenewright.server import errors
from scenewright.server.api import (
    account,
    actions,
    answering,
    content,
    derived,
    health,
    imports,
    machine,
    models,
    prompts,
    rounds,
    streams,
    studies,
    studio,
    videos,
)
from scenewright.server.guard import Guard
from scenewright.server.security import bearer, cookie
from scenewright.server.services import Services
from scenewright.server.settings import ServerSettings

log = logging.getLogger(__name__)

#: What is spelled out comes before what any id fits.
_MODULES = (
    derived, imports, streams, content, actions, videos, studies, answering, rounds,
    models, machine, prompts, account,
)  # fmt: skip

#: Seconds between two times that old uploads are removed.
_TIDY_EVERY = 3600.0

_DESCRIPTION = """Videos from sentences. `/v1/videos` is what OpenAI's clients speak; fields and paths beyond
it are additions, so that such clients need no change. JSON and forms are taken alike, and OpenRouter's names
for fields too. Every error is `{"error": {"message", "type", "param", "code"}}`."""


def create_app(settings: ServerSettings, *, studio_folder: Path | None = None) -> FastAPI:
    """The ASGI app of a server. ``studio_folder``: the studio's built files; the package's own by default.

    Raises:
        ValueError: the database, the store or a model cannot be used.
    """
    return app_of(Services.open(settings), studio_folder=studio_folder)


def app_of(services: Services, *, studio_folder: Path | None = None) -> FastAPI:
    """The same with services that are open already; the app closes them when it ends."""
    app = FastAPI(
        title="Scenewright",
        summary="Text-to-video, by the protocol of OpenAI's videos.",
        description=_DESCRIPTION,
        version=version("scenewright"),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,  # their pages need scripts of another host
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.services = services
    app.openapi = partial(_described, app)  # type: ignore[method-assign]
    services.metrics.watch(services.queue, lambda: len(services.watcher))
    errors.install(app)
    app.include_router(health.router)
    known = [Depends(bearer), Depends(cookie)]
    for module in _MODULES:
        app.include_router(module.router, dependencies=known)
    studio.mount(app, studio_folder)
    app.add_middleware(Guard, services=services)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    beside = [asyncio.create_task(services.deliverer.run()), asyncio.create_task(_tidy(services))]
    try:
        yield
    finally:
        services.watcher.close()
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        services.close()


async def _tidy(services: Services) -> None:
    """Now and then, remove what was given and is not used."""
    while True:
        try:
            await run_in_threadpool(services.uploads.tidy)
        except Exception:  # the next time may go better
            log.exception("old uploads could not be removed")
        await asyncio.sleep(_TIDY_EVERY)


def _described(app: FastAPI) -> dict[str, Any]:
    """In OpenAPI, without the answers of FastAPI's own that are never given: errors are in the envelope."""
    if app.openapi_schema is None:
        described = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            license_info=app.license_info,
            routes=app.routes,
        )
        for operations in described["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            described["components"]["schemas"].pop(name, None)
        app.openapi_schema = described
    return app.openapi_schema


def _operation_id(route: APIRoute) -> str:
    return route.name
