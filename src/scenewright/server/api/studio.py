"""The studio's built files at ``/``: the page anew each time, what it names by hash for ever."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class StudioFiles(StaticFiles):
    """Paths without a file's ending are pages of the studio, which finds its way itself."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path.startswith("v1/"):
            raise HTTPException(404)
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or "." in path.rpartition("/")[2]:
                raise
            response = await super().get_response("index.html", scope)
        hashed = path.startswith("assets/") and response.status_code in (200, 206, 304)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response


def static_folder() -> Path | None:
    """Where the studio's built files are; None where it is not there or not built."""
    try:
        from scenewright import studio
    except ImportError:
        return None
    folder: Path | None = getattr(studio, "static_folder", lambda: None)()
    return folder


def mount(app: FastAPI, folder: Path | None) -> None:
    """Serve the files at ``/``, behind everything else; nothing where there are none."""
    if folder is not None:
        app.mount("/", StudioFiles(directory=folder, html=True), name="studio")
