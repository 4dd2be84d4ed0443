"""Studies and arenas of a server, for both clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenewright.client.calls import Call

if TYPE_CHECKING:
    from scenewright.client.asynchronous import AsyncClient
    from scenewright.client.synchronous import Client

#: A study, a task, a round or results, as the API describes them.
Facts = dict[str, Any]
#: What a rater says: first, second or tie; places, the best first; a number; or a text.
Said = str | int | Sequence[int]


class Studies:
    """``client.studies``. ``rater`` says who answers, where the server has no accounts."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, name: str, systems: Mapping[str, Sequence[str]], **settings: Any) -> Facts:
        """Ask about videos: ``systems`` are ids by label. ``settings``: fields of the API, such as
        ``questions``, ``votes``, ``shared``."""
        return self._client._send(_create({"kind": "study", "name": name, "systems": systems, **settings}))

    def create_arena(self, name: str, contestants: Mapping[str, Facts], **settings: Any) -> Facts:
        """Let settings compete: ``contestants`` are fields of ``create`` by label."""
        body = {"kind": "arena", "name": name, "contestants": contestants, **settings}
        return self._client._send(_create(body))

    def get(self, study_id: str, rater: str | None = None) -> Facts:
        """A study as it is now."""
        return self._client._send(_get(study_id, "", rater))

    def list(self, *, limit: int | None = None, rater: str | None = None) -> Iterator[Facts]:
        """One's own and shared ones, the newest first; at most ``limit``."""
        after, left = None, limit
        while left is None or left > 0:
            studies, more = self._client._send(_page(after, left, rater))
            yield from studies
            if not more or not studies:
                return
            after, left = studies[-1]["id"], None if left is None else left - len(studies)

    def update(
        self,
        study_id: str,
        *,
        title: str | None = None,
        shared: bool | None = None,
        closed: bool | None = None,
    ) -> Facts:
        """Change what is given. A closed study asks nothing and takes no answers."""
        return self._client._send(_change(study_id, {"title": title, "shared": shared, "closed": closed}))

    def delete(self, study_id: str) -> None:
        """For good, with its answers."""
        self._client._send(_delete(study_id))

    def task(self, study_id: str, rater: str | None = None) -> Facts | None:
        """What to answer next; None where nothing is left."""
        return self._client._send(_get(study_id, "/task", rater))["task"]

    def clip(self, path: str) -> bytes:
        """A video of a task or a round, by one of its ``videos``."""
        with self._client._opened(path) as response:
            return response.read()

    def answer(
        self, study_id: str, task: str, answer: Said, *, rater: str | None = None, **seen: float | None
    ) -> Sequence[str] | None:
        """Answer a task. ``seen``: ``seconds``, ``watched``, ``replays``. In an arena, who made the videos,
        by place."""
        return self._client._send(_answer(study_id, task, answer, rater, seen))["revealed"]

    def begin_round(self, study_id: str, prompt: str, rater: str | None = None) -> Facts:
        """Let two contestants make a video; its ``task`` is what to answer."""
        return self._client._send(_begin(study_id, prompt, rater))

    def round(self, study_id: str, task: str) -> Facts:
        """How far a round is."""
        return self._client._send(_get(study_id, f"/rounds/{task}"))

    def wait_for_round(self, study_id: str, task: str, poll: float = 0.5) -> Facts:
        """The round once its videos are made, or it has failed."""
        while True:
            round = self.round(study_id, task)
            if round["status"] in ("completed", "failed"):
                return round
            time.sleep(poll)

    def results(self, study_id: str) -> Facts:
        """What was found so far."""
        return self._client._send(_get(study_id, "/results"))

    def export(self, study_id: str, path: str | Path) -> Path:
        """Write all answers as CSV."""
        return _write(path, self.clip(f"/v1/studies/{study_id}/answers.csv"))


class AsyncStudies:
    """The same to await."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def create(self, name: str, systems: Mapping[str, Sequence[str]], **settings: Any) -> Facts:
        """Ask about videos: ``systems`` are ids by label. ``settings``: fields of the API, such as
        ``questions``, ``votes``, ``shared``."""
        body = {"kind": "study", "name": name, "systems": systems, **settings}
        return await self._client._send(_create(body))

    async def create_arena(self, name: str, contestants: Mapping[str, Facts], **settings: Any) -> Facts:
        """Let settings compete: ``contestants`` are fields of ``create`` by label."""
        body = {"kind": "arena", "name": name, "contestants": contestants, **settings}
        return await self._client._send(_create(body))

    async def get(self, study_id: str, rater: str | None = None) -> Facts:
        """A study as it is now."""
        return await self._client._send(_get(study_id, "", rater))

    async def list(self, *, limit: int | None = None, rater: str | None = None) -> AsyncIterator[Facts]:
        """One's own and shared ones, the newest first; at most ``limit``."""
        after, left = None, limit
        while left is None or left > 0:
            studies, more = await self._client._send(_page(after, left, rater))
            for study in studies:
                yield study
            if not more or not studies:
                return
            after, left = studies[-1]["id"], None if left is None else left - len(studies)

    async def update(
        self,
        study_id: str,
        *,
        title: str | None = None,
        shared: bool | None = None,
        closed: bool | None = None,
    ) -> Facts:
        """Change what is given. A closed study asks nothing and takes no answers."""
        changes = {"title": title, "shared": shared, "closed": closed}
        return await self._client._send(_change(study_id, changes))

    async def delete(self, study_id: str) -> None:
        """For good, with its answers."""
        await self._client._send(_delete(study_id))

    async def task(self, study_id: str, rater: str | None = None) -> Facts | None:
        """What to answer next; None where nothing is left."""
        return (await self._client._send(_get(study_id, "/task", rater)))["task"]

    async def clip(self, path: str) -> bytes:
        """A video of a task or a round, by one of its ``videos``."""
        async with self._client._opened(path) as response:
            return await response.aread()

    async def answer(
        self, study_id: str, task: str, answer: Said, *, rater: str | None = None, **seen: float | None
    ) -> Sequence[str] | None:
        """Answer a task. ``seen``: ``seconds``, ``watched``, ``replays``. In an arena, who made the videos,
        by place."""
        return (await self._client._send(_answer(study_id, task, answer, rater, seen)))["revealed"]

    async def begin_round(self, study_id: str, prompt: str, rater: str | None = None) -> Facts:
        """Let two contestants make a video; its ``task`` is what to answer."""
        return await self._client._send(_begin(study_id, prompt, rater))

    async def round(self, study_id: str, task: str) -> Facts:
        """How far a round is."""
        return await self._client._send(_get(study_id, f"/rounds/{task}"))

    async def wait_for_round(self, study_id: str, task: str, poll: float = 0.5) -> Facts:
        """The round once its videos are made, or it has failed."""
        while True:
            round = await self.round(study_id, task)
            if round["status"] in ("completed", "failed"):
                return round
            await asyncio.sleep(poll)

    async def results(self, study_id: str) -> Facts:
        """What was found so far."""
        return await self._client._send(_get(study_id, "/results"))

    async def export(self, study_id: str, path: str | Path) -> Path:
        """Write all answers as CSV."""
        return _write(path, await self.clip(f"/v1/studies/{study_id}/answers.csv"))


def _create(body: Facts) -> Call[Facts]:
    return Call("POST", "/v1/studies", dict, json=body)


def _get(study_id: str, what: str, rater: str | None = None) -> Call[Facts]:
    params = {} if rater is None else {"rater": rater}
    return Call("GET", f"/v1/studies/{study_id}{what}", dict, params=params, repeatable=True)


def _page(after: str | None, left: int | None, rater: str | None) -> Call[tuple[list[Facts], bool]]:
    given = {"after": after, "limit": 100 if left is None else min(100, left), "rater": rater}
    params = {name: value for name, value in given.items() if value is not None}

    def read(answer: Any) -> tuple[list[Facts], bool]:
        return list(answer["data"]), bool(answer["has_more"])

    return Call("GET", "/v1/studies", read, params=params, repeatable=True)


def _change(study_id: str, changes: Facts) -> Call[Facts]:
    body = {name: value for name, value in changes.items() if value is not None}
    return Call("PATCH", f"/v1/studies/{study_id}", dict, json=body, repeatable=True)


def _delete(study_id: str) -> Call[None]:
    return Call("DELETE", f"/v1/studies/{study_id}", lambda _: None)


def _answer(
    study_id: str, task: str, answer: Said, rater: str | None, seen: Mapping[str, float | None]
) -> Call[Facts]:
    said = answer if isinstance(answer, str | int) else list(answer)
    body = {"task": task, "answer": said, "rater": rater, **seen}
    return Call("POST", f"/v1/studies/{study_id}/answers", dict, json=body)


def _begin(study_id: str, prompt: str, rater: str | None) -> Call[Facts]:
    return Call("POST", f"/v1/studies/{study_id}/rounds", dict, json={"prompt": prompt, "rater": rater})


def _write(path: str | Path, content: bytes) -> Path:
    from scenewright.media.atomic import atomic

    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic(target) as temporary:
        temporary.write_bytes(content)
    return target
