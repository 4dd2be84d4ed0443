"""The client for programs that do other things meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from scenewright.client import calls
from scenewright.client.calls import Call, Given, Variant
from scenewright.client.errors import UnreachableServerError
from scenewright.client.sending import (
    AWAY,
    DEFAULT_SERVER,
    EventReader,
    OnChange,
    address,
    arguments,
    check,
    headers_of,
    made,
    options_of,
    read,
    unreachable,
    wait_before_retry,
)
from scenewright.client.studies import AsyncStudies
from scenewright.client.video import Video

T = TypeVar("T")


class AsyncClient:
    """A server's videos. Use it in an ``async with`` block, or await :meth:`close`.

    ``api_key``: from SCENEWRIGHT_API_KEY where left out; a server without accounts asks for none.
    ``timeout``: seconds until an answer begins. All methods raise :class:`.ServerError` where the server
    refuses, and :class:`.UnreachableServerError` where there is none.
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.server = address(server)
        self._http = httpx.AsyncClient(
            base_url=self.server, headers=headers_of(api_key), timeout=timeout, transport=transport
        )

    @property
    def studies(self) -> AsyncStudies:
        """Asking people about the server's videos."""
        return AsyncStudies(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        await self._http.aclose()

    # --------------------------------------------------------------------------------------------- making

    async def create(
        self,
        prompt: str,
        *,
        input_reference: Given | None = None,
        last_frame: Given | None = None,
        **options: Any,
    ) -> Video:
        """Queue a video. ``input_reference``, ``last_frame``: pictures it begins and ends with, as a path,
        bytes or URL. ``options``: fields of the API, such as ``model``, ``seconds``, ``size``, ``seed``."""
        files = {"input_reference": input_reference, "last_frame": last_frame}
        return await self._send(calls.create(prompt, options_of(options), files))

    async def remix(self, video_id: str, prompt: str, **options: Any) -> Video:
        """Queue the same with another prompt, and what else is to be different."""
        return await self._send(calls.remix(video_id, prompt, options_of(options)))

    async def extend(self, video: Given, prompt: str, **options: Any) -> Video:
        """Queue what happens next. ``video``: an id, or a file of one's own by its path or bytes."""
        return await self._send(calls.extend(video, prompt, options_of(options)))

    async def estimate(self, prompt: str, **options: Any) -> dict[str, Any]:
        """What a video will take on the server's machine."""
        return await self._send(calls.estimate(prompt, options_of(options)))

    # -------------------------------------------------------------------------------------------- looking

    async def get(self, video_id: str) -> Video:
        """A video as it is now."""
        return await self._send(calls.retrieve(video_id))

    async def list(self, *, limit: int | None = None, **filters: Any) -> AsyncIterator[Video]:
        """One's videos, the newest first; at most ``limit``. ``filters``: of the API, such as ``status``,
        ``search``, ``tag``, ``order``."""
        after, left = filters.pop("after", None), limit
        while left is None or left > 0:
            size = 100 if left is None else min(100, left)
            videos, more = await self._send(calls.page({**filters, "after": after, "limit": size}))
            for video in videos:
                yield video
            if not more or not videos:
                return
            after, left = videos[-1].id, None if left is None else left - len(videos)

    async def watch(self, video_id: str) -> AsyncIterator[Video]:
        """A video now and whenever it changes, until it has ended; goes on when the server restarts."""
        last, away_since = -1, None
        while True:
            try:
                async with self._stream(f"/v1/videos/{video_id}/events") as lines:
                    away_since = None
                    async for name, data in lines:
                        if name == "deleted":
                            return
                        if name == "video" and data.get("version", 0) != last:
                            last = data.get("version", 0)
                            video = Video.model_validate(data)
                            yield video
                            if video.ended:
                                return
            except UnreachableServerError:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > AWAY:
                    raise
            await asyncio.sleep(0.5)

    async def wait(self, video_id: str, on_change: OnChange | None = None) -> Video:
        """The video once it is made. VideoFailedError: it failed, was cancelled or deleted."""
        video = await self.get(video_id)
        async for video in self.watch(video_id):
            if on_change is not None:
                on_change(video)
        return made(video)

    async def content(self, video_id: str, variant: Variant = "video") -> bytes:
        """The bytes of a file."""
        async with self._opened(f"/v1/videos/{video_id}/content", {"variant": variant}) as response:
            return await response.aread()

    async def download(self, video_id: str, path: str | Path, variant: Variant = "video") -> Path:
        """Write a file; it is there whole or not at all."""
        from scenewright.media.atomic import atomic

        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        async with self._opened(f"/v1/videos/{video_id}/content", {"variant": variant}) as response:
            with atomic(target) as temporary, temporary.open("wb") as file:
                try:
                    async for piece in response.aiter_bytes():
                        file.write(piece)
                except httpx.TransportError as error:
                    raise unreachable(self.server, error) from None
        return target

    # ------------------------------------------------------------------------------------------- steering

    async def cancel(self, video_id: str) -> Video:
        """At once where it waits, at its next step where it is being made."""
        return await self._send(calls.act(video_id, "cancel"))

    async def pause(self, video_id: str) -> Video:
        """What is half made is kept."""
        return await self._send(calls.act(video_id, "pause"))

    async def resume(self, video_id: str) -> Video:
        """Undo a pause."""
        return await self._send(calls.act(video_id, "resume"))

    async def retry(self, video_id: str) -> Video:
        """Queue a video again that failed or was cancelled."""
        return await self._send(calls.act(video_id, "retry"))

    async def move(self, video_id: str, before: str | None = None) -> Video:
        """Change one's own order: before another that waits, or to the end."""
        return await self._send(calls.move(video_id, before))

    async def update(
        self, video_id: str, *, title: str | None = None, tags: Sequence[str] | None = None
    ) -> Video:
        """Change what is given."""
        return await self._send(calls.change(video_id, title, None if tags is None else [*tags]))

    async def delete(self, video_id: str) -> None:
        """It can be restored for a while."""
        await self._send(calls.delete(video_id))

    async def restore(self, video_id: str) -> Video:
        """Undo a deletion."""
        return await self._send(calls.act(video_id, "restore"))

    # ----------------------------------------------------------------------------------------- the server

    async def models(self) -> Sequence[dict[str, Any]]:
        """What can be asked for, and what each makes."""
        return await self._send(calls.listed("/v1/models"))

    async def machine(self, *, advice: bool = False) -> dict[str, Any]:
        """What there is to work with; ``advice``: of the doctor, which takes some seconds."""
        return await self._send(calls.facts("/v1/machine", {"advice": advice}))

    async def account(self) -> dict[str, Any]:
        """Who one is there."""
        return await self._send(calls.facts("/v1/account"))

    async def parse(self, prompt: str, model: str | None = None) -> dict[str, Any]:
        """How a prompt is understood."""
        return await self._send(calls.parse(prompt, model))

    async def settings_of(self, file: Given, *, keep: bool = False) -> dict[str, Any]:
        """The settings that a video's file carries; ``keep`` puts it into the library."""
        return await self._send(calls.read_file(file, keep=keep))

    # ---------------------------------------------------------------------------------------------- inside

    async def _send(self, call: Call[T]) -> T:
        tried = 0
        while True:
            response = None
            try:
                response = await self._http.request(call.method, call.path, **arguments(call))
            except httpx.TransportError as error:
                wait = wait_before_retry(call, tried, None)
                if wait is None or isinstance(error, httpx.ConnectError):
                    raise unreachable(self.server, error) from None
            else:
                wait = wait_before_retry(call, tried, response)
                if wait is None:
                    return read(call, response)
            await asyncio.sleep(wait)
            tried += 1

    def _opened(self, path: str, params: dict[str, Any] | None = None) -> _Opened:
        return _Opened(self, path, params or {})

    def _stream(self, path: str) -> _Events:
        return _Events(self._opened(path))


class _Opened:
    """An answer that is read as it comes. ServerError and UnreachableServerError when it is entered."""

    def __init__(self, client: AsyncClient, path: str, params: dict[str, Any]) -> None:
        self._client = client
        timeout = httpx.Timeout(client._http.timeout.connect, read=60.0)
        self._stream = client._http.stream("GET", path, params=params, timeout=timeout)

    async def __aenter__(self) -> httpx.Response:
        try:
            response = await self._stream.__aenter__()
            if not response.is_success:
                await response.aread()
        except httpx.TransportError as error:
            raise unreachable(self._client.server, error) from None
        try:
            check(response)
        except BaseException:
            await self._stream.__aexit__(None, None, None)
            raise
        return response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, trace)


class _Events:
    """Events as they come; a connection that breaks ends them."""

    def __init__(self, opened: _Opened) -> None:
        self._opened = opened

    async def __aenter__(self) -> AsyncIterator[tuple[str, Any]]:
        return self._read(await self._opened.__aenter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.__aexit__(kind, error, trace)

    @staticmethod
    async def _read(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
        reader = EventReader()
        try:
            async for line in response.aiter_lines():
                event = reader.feed(line)
                if event is not None:
                    yield event
        except httpx.TransportError:
            return
