"""The client for programs that wait."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
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
from scenewright.client.studies import Studies
from scenewright.client.video import Video

T = TypeVar("T")


class Client:
    """A server's videos. Use it in a ``with`` block, or call :meth:`close`.

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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.server = address(server)
        self._http = httpx.Client(
            base_url=self.server, headers=headers_of(api_key), timeout=timeout, transport=transport
        )

    @property
    def studies(self) -> Studies:
        """Asking people about the server's videos."""
        return Studies(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        self._http.close()

    # --------------------------------------------------------------------------------------------- making

    def create(
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
        return self._send(calls.create(prompt, options_of(options), files))

    def remix(self, video_id: str, prompt: str, **options: Any) -> Video:
        """Queue the same with another prompt, and what else is to be different."""
        return self._send(calls.remix(video_id, prompt, options_of(options)))

    def extend(self, video: Given, prompt: str, **options: Any) -> Video:
        """Queue what happens next. ``video``: an id, or a file of one's own by its path or bytes."""
        return self._send(calls.extend(video, prompt, options_of(options)))

    def estimate(self, prompt: str, **options: Any) -> dict[str, Any]:
        """What a video will take on the server's machine."""
        return self._send(calls.estimate(prompt, options_of(options)))

    # -------------------------------------------------------------------------------------------- looking

    def get(self, video_id: str) -> Video:
        """A video as it is now."""
        return self._send(calls.retrieve(video_id))

    def list(self, *, limit: int | None = None, **filters: Any) -> Iterator[Video]:
        """One's videos, the newest first; at most ``limit``. ``filters``: of the API, such as ``status``,
        ``search``, ``tag``, ``order``."""
        after, left = filters.pop("after", None), limit
        while left is None or left > 0:
            size = 100 if left is None else min(100, left)
            videos, more = self._send(calls.page({**filters, "after": after, "limit": size}))
            yield from videos
            if not more or not videos:
                return
            after, left = videos[-1].id, None if left is None else left - len(videos)

    def watch(self, video_id: str) -> Iterator[Video]:
        """A video now and whenever it changes, until it has ended; goes on when the server restarts."""
        last, away_since = -1, None
        while True:
            try:
                with self._stream(f"/v1/videos/{video_id}/events") as lines:
                    away_since = None
                    for name, data in lines:
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
            time.sleep(0.5)

    def wait(self, video_id: str, on_change: OnChange | None = None) -> Video:
        """The video once it is made. VideoFailedError: it failed, was cancelled or deleted."""
        video = self.get(video_id)
        for video in self.watch(video_id):
            if on_change is not None:
                on_change(video)
        return made(video)

    def content(self, video_id: str, variant: Variant = "video") -> bytes:
        """The bytes of a file."""
        with self._opened(f"/v1/videos/{video_id}/content", {"variant": variant}) as response:
            return response.read()

    def download(self, video_id: str, path: str | Path, variant: Variant = "video") -> Path:
        """Write a file; it is there whole or not at all."""
        from scenewright.media.atomic import atomic

        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            self._opened(f"/v1/videos/{video_id}/content", {"variant": variant}) as response,
            atomic(target) as temporary,
            temporary.open("wb") as file,
        ):
            try:
                for piece in response.iter_bytes():
                    file.write(piece)
            except httpx.TransportError as error:
                raise unreachable(self.server, error) from None
        return target

    # ------------------------------------------------------------------------------------------- steering

    def cancel(self, video_id: str) -> Video:
        """At once where it waits, at its next step where it is being made."""
        return self._send(calls.act(video_id, "cancel"))

    def pause(self, video_id: str) -> Video:
        """What is half made is kept."""
        return self._send(calls.act(video_id, "pause"))

    def resume(self, video_id: str) -> Video:
        """Undo a pause."""
        return self._send(calls.act(video_id, "resume"))

    def retry(self, video_id: str) -> Video:
        """Queue a video again that failed or was cancelled."""
        return self._send(calls.act(video_id, "retry"))

    def move(self, video_id: str, before: str | None = None) -> Video:
        """Change one's own order: before another that waits, or to the end."""
        return self._send(calls.move(video_id, before))

    def update(self, video_id: str, *, title: str | None = None, tags: Sequence[str] | None = None) -> Video:
        """Change what is given."""
        return self._send(calls.change(video_id, title, None if tags is None else [*tags]))

    def delete(self, video_id: str) -> None:
        """It can be restored for a while."""
        self._send(calls.delete(video_id))

    def restore(self, video_id: str) -> Video:
        """Undo a deletion."""
        return self._send(calls.act(video_id, "restore"))

    # ----------------------------------------------------------------------------------------- the server

    def models(self) -> Sequence[dict[str, Any]]:
        """What can be asked for, and what each makes."""
        return self._send(calls.listed("/v1/models"))

    def machine(self, *, advice: bool = False) -> dict[str, Any]:
        """What there is to work with; ``advice``: of the doctor, which takes some seconds."""
        return self._send(calls.facts("/v1/machine", {"advice": advice}))

    def account(self) -> dict[str, Any]:
        """Who one is there."""
        return self._send(calls.facts("/v1/account"))

    def parse(self, prompt: str, model: str | None = None) -> dict[str, Any]:
        """How a prompt is understood."""
        return self._send(calls.parse(prompt, model))

    def settings_of(self, file: Given, *, keep: bool = False) -> dict[str, Any]:
        """The settings that a video's file carries; ``keep`` puts it into the library."""
        return self._send(calls.read_file(file, keep=keep))

    # ---------------------------------------------------------------------------------------------- inside

    def _send(self, call: Call[T]) -> T:
        tried = 0
        while True:
            response = None
            try:
                response = self._http.request(call.method, call.path, **arguments(call))
            except httpx.TransportError as error:
                wait = wait_before_retry(call, tried, None)
                if wait is None or isinstance(error, httpx.ConnectError):
                    raise unreachable(self.server, error) from None
            else:
                wait = wait_before_retry(call, tried, response)
                if wait is None:
                    return read(call, response)
            time.sleep(wait)
            tried += 1

    def _opened(self, path: str, params: dict[str, Any] | None = None) -> _Opened:
        return _Opened(self, path, params or {})

    def _stream(self, path: str) -> _Events:
        return _Events(self._opened(path))


class _Opened:
    """An answer that is read as it comes. ServerError and UnreachableServerError when it is entered."""

    def __init__(self, client: Client, path: str, params: dict[str, Any]) -> None:
        self._client = client
        timeout = httpx.Timeout(client._http.timeout.connect, read=60.0)
        self._stream = client._http.stream("GET", path, params=params, timeout=timeout)

    def __enter__(self) -> httpx.Response:
        try:
            response = self._stream.__enter__()
            if not response.is_success:
                response.read()
        except httpx.TransportError as error:
            raise unreachable(self._client.server, error) from None
        try:
            check(response)
        except BaseException:
            self._stream.__exit__(None, None, None)
            raise
        return response

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.__exit__(kind, error, trace)


class _Events:
    """Events as they come; a connection that breaks ends them."""

    def __init__(self, opened: _Opened) -> None:
        self._opened = opened

    def __enter__(self) -> Iterator[tuple[str, Any]]:
        return self._read(self._opened.__enter__())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    @staticmethod
    def _read(response: httpx.Response) -> Iterator[tuple[str, Any]]:
        reader = EventReader()
        try:
            for line in response.iter_lines():
                event = reader.feed(line)
                if event is not None:
                    yield event
        except httpx.TransportError:
            return
