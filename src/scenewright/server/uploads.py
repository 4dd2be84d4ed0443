"""Files that clients give: checked to be what they should be, kept in the store, remembered as theirs."""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, String, cast, delete, select
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from scenewright.server.database import Database
from scenewright.server.errors import ApiError, bad_request
from scenewright.server.references import UnreachableError, fetch
from scenewright.server.requests import Reference
from scenewright.server.settings import Limits
from scenewright.server.sniffing import media_type_of
from scenewright.server.store import FileStore
from scenewright.server.tables import Job, Upload

if TYPE_CHECKING:
    from scenewright.media import MediaInfo

_SUFFIXES = {
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "image/gif": ".gif",
    "image/webp": ".webp",
}

#: Formats of pictures that are taken, by Pillow's names.
PICTURES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
}


class Uploads:
    """``loopback``: whether URLs may name this machine, where only its own users can reach the server."""

    def __init__(self, database: Database, store: FileStore, limits: Limits, *, loopback: bool) -> None:
        self.database, self.store, self.limits, self.loopback = database, store, limits, loopback

    async def picture(self, owner_id: str, given: UploadFile | Reference, param: str) -> str:
        """The hash of a picture. ApiError: it is none, too large, cannot be fetched or is another's."""
        if isinstance(given, Reference) and given.file_id is not None:
            return await run_in_threadpool(self.own, owner_id, given.file_id, param)
        content = await self._content(given, param)
        media_type = await run_in_threadpool(self.checked_picture, content, param)
        return await run_in_threadpool(self.keep, owner_id, content, media_type)

    async def video(self, owner_id: str, given: UploadFile, param: str = "video") -> str:
        """The hash of a video. ApiError: it is none, or too large."""
        content = await self._content(given, param)
        return await run_in_threadpool(self._keep_video, owner_id, content, param)

    def own(self, owner_id: str, file_id: str, param: str) -> str:
        """The hash of a file that its user gave before. ApiError (404): there is no such."""
        digest = file_id.removeprefix("file_")
        with self.database.read() as session:
            mine = (Upload.hash == digest) & (Upload.owner_id == owner_id)
            if session.scalar(select(Upload.id).where(mine)) is None:
                raise ApiError(404, "there is no such file of yours", code="file_not_found", param=param)
        return digest

    def tidy(self, keep: float = 7 * 86400.0) -> int:
        """Forget files that were given so many seconds ago and that no video uses; how many."""
        old = Upload.created_at < time.time() - keep
        with self.database.read() as session:
            found = session.scalars(select(Upload.hash).where(old).distinct()).all()
        return sum(self._forget(digest, old) for digest in found)

    def _forget(self, digest: str, old: ColumnElement[bool]) -> bool:
        used = cast(Job.request, String).contains(digest)
        with self.database.write() as session:
            if session.scalar(select(Job.id).where(used).limit(1)) is not None:
                return False
            session.execute(delete(Upload).where(old, Upload.hash == digest))
            if session.scalar(select(Upload.id).where(Upload.hash == digest)) is not None:
                return False
            # Nobody can begin to use it before this is committed.
            self.store.delete(digest)
        return True

    async def _content(self, given: UploadFile | Reference, param: str) -> bytes:
        if isinstance(given, UploadFile):
            return await given.read()
        assert given.image_url is not None
        try:
            fetched = await fetch(
                given.image_url, most_bytes=self.limits.upload_bytes, loopback=self.loopback
            )
        except UnreachableError as error:
            raise bad_request(str(error), param, "invalid_url") from None
        return fetched.content

    def checked_picture(self, content: bytes, param: str) -> str:
        """Its media type. ApiError (400): it is no picture, or too large."""
        from PIL import Image, UnidentifiedImageError

        if not content:
            raise bad_request("the file is empty", param, "invalid_media")
        try:
            with Image.open(io.BytesIO(content), formats=list(PICTURES)) as image:
                width, height = image.size
                if width * height > self.limits.reference_pixels:
                    raise bad_request(
                        f"the picture has more than {self.limits.reference_pixels:,} pixels",
                        param,
                        "invalid_media",
                    )
                image.load()
                return PICTURES[image.format or "PNG"]
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise bad_request(
                "the file is no picture that can be read; send PNG, JPEG, WebP or GIF", param, "invalid_media"
            ) from None

    def _keep_video(self, owner_id: str, content: bytes, param: str) -> str:
        checked_video(content, param)
        return self.keep(owner_id, content, media_type_of(content[:64]) or "video/mp4")

    def keep(self, owner_id: str, content: bytes, media_type: str) -> str:
        """The hash of a file that is its owner's from now on."""
        digest = self.store.put_bytes(content, media_type)
        with self.database.write() as session:
            mine = (Upload.hash == digest) & (Upload.owner_id == owner_id)
            if session.scalar(select(Upload.id).where(mine)) is None:
                session.add(
                    Upload(
                        hash=digest,
                        owner_id=owner_id,
                        media_type=media_type,
                        bytes=len(content),
                        created_at=time.time(),
                    )
                )
        return digest


def checked_video(content: bytes, param: str) -> MediaInfo:
    """What a video is. ApiError (400): it is none. Only containers that hold a video themselves are opened:
    a playlist would name files of the server, or of its network."""
    from scenewright.media import MediaError, probe

    kind = media_type_of(content[:64]) or ""
    found: MediaInfo | None = None
    if kind.startswith("video/") or kind in ("image/gif", "image/webp"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"given{_SUFFIXES[kind]}"
            path.write_bytes(content)
            try:
                found = probe(path)
            except (MediaError, OSError, ValueError):
                found = None
    if found is None or found.video is None:
        raise bad_request("the file is no video that can be read", param, "invalid_media")
    return found
