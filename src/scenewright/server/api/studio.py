"""The studio's built files at ``/``: the page anew each time, what it names by hash for ever."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from scenewright.studio import static_folder

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_ANEW = {"Cache-Control": "no-cache"}


class _Assets(StaticFiles):
    """Files whose names are hashes of what is in them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code in (200, 206, 304):
            response.headers.update(_FOR_EVER)
        return response


def mount(app: FastAPI, folder: Path | None) -> None:
    """Serve the files, each at its own path, so that every other path is the API's to answer; nothing where
    there are none. ``folder``: of other files than the package's."""
    folder = folder or static_folder()
    if folder is None:
        return
    app.mount("/assets", _Assets(directory=folder / "assets"), name="assets")
    for file in sorted(folder.iterdir()):
        if file.is_file():
            _serve(app, f"/{file.name}", file)
    _serve(app, "/", folder / "index.html")


def _serve(app: FastAPI, path: str, file: Path) -> None:
    async def answer(request: Request) -> Response:
        return FileResponse(file, headers=_ANEW)

    app.add_route(path, answer, methods=["GET", "HEAD"], include_in_schema=False)
