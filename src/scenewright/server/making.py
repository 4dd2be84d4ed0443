"""One batch of jobs from the model to the files: what a worker does between two looks at the queue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

import torch
from pydantic import Field
from sqlalchemy.exc import OperationalError

from scenewright.clip import Clip
from scenewright.config import Config
from scenewright.generation.generator import Generator
from scenewright.generation.side_by_side import at_once
from scenewright.media import MediaError
from scenewright.server.claims import Command
from scenewright.server.database import patiently
from scenewright.server.engine import (
    Asked,
    Made,
    Work,
    ask,
    begin,
    measured,
    packed,
    unpacked,
    whole,
    works_in_steps,
    written,
)
from scenewright.server.estimates import Estimates, Outlook, machine_name
from scenewright.server.failures import FAULT, fault, is_out_of_memory, why
from scenewright.server.held import Held
from scenewright.server.jobs import JobQueue
from scenewright.server.loaded import LoadedModels
from scenewright.server.peak import PeakMemory
from scenewright.server.pictures import data_url
from scenewright.server.store import FileStore
from scenewright.server.tables import FACTS, FILES, Job
from scenewright.server.video_request import VideoRequest

T = TypeVar("T")

_STARTS_AGAIN = "this model's videos cannot be kept half-made; it started again"

log = logging.getLogger(__name__)


class Rhythm(Config):
    """Seconds between two looks at what is wanted of the jobs, two reports of progress, two previews and two
    times that the half-made video is kept. Previews and keeping each take ``share`` of the time at most."""

    look: float = 0.1
    report: float = 0.2
    preview: float = 0.5
    keep: float = 5.0
    share: float = Field(default=0.05, gt=0, le=1)


class Halted(Exception):  # noqa: N818
    """Nothing is left to do here."""


class Making(Held):
    """``jobs``: taken by the worker, of one model, and of one way to sample if there are several.
    ``stopping``: the worker is to end; what is half made is kept."""

    def __init__(
        self,
        worker_id: str,
        queue: JobQueue,
        store: FileStore,
        models: LoadedModels,
        jobs: list[Job],
        *,
        rhythm: Rhythm | None = None,
        stopping: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(worker_id, queue, jobs)
        self.store, self.models = store, models
        self.rhythm, self.stopping, self.clock = rhythm or Rhythm(), stopping or threading.Event(), clock
        self.estimates = Estimates(queue, machine_name())
        self.model = jobs[0].model
        self.asked: dict[str, Asked] = {}
        self.places: dict[str, int] = {}
        self.work: Work | None = None
        self.phase = "load"
        self.resumed = self.alone = False
        self.began, self._phase_began = clock(), clock()
        #: When a phase last began or a step ended, by the monotonic clock.
        self.moved = time.monotonic()
        self.seconds: dict[str, float] = {}
        self._due = {
            "look": 0.0,
            "report": 0.0,
            "preview": clock() + self.rhythm.preview,
            "keep": clock() + self.rhythm.keep,
        }
        request = VideoRequest.model_validate(jobs[0].request)
        self.outlook = Outlook(self.estimates, request, models.device)

    def run(self) -> None:
        """Make all of them, or leave them so that another can go on; errors end up in the jobs."""
        try:
            self._run()
        except Halted:
            return
        except Exception as error:
            self._failed(error)
        finally:
            self.work = None

    # ---------------------------------------------------------------------------------------- phases

    def _run(self) -> None:
        self.peak = PeakMemory(self.models.device)
        self._enter("load")
        loaded = self.model in self.models.names
        generator = self.models.get(self.model)
        self.fps = generator.fps
        self._enter("encode")
        if loaded:
            del self.seconds["load"]
        self._prepare(generator)
        if not works_in_steps(generator):
            self._alone()
            self._enter("denoise")
            (asked,) = self.asked.values()
            clips = [whole(generator, asked, self._after_step)]
        else:
            clips = self._in_steps(generator)
        self._enter("export")
        self._look(at_once=True)
        self._write(generator, {id: clips[self.places[id]] for id in self.active}, len(clips))

    def _prepare(self, generator: Generator) -> None:
        """Make the requests ready; what cannot be made fails by itself, and what was made before is given."""
        for id, job in list(self.active.items()):
            request = VideoRequest.model_validate(job.request)
            try:
                asked = ask(self.store, generator, request, job.kind)  # type: ignore[arg-type]
            except ValueError as error:
                self._fail(id, *why(error))
                continue
            if request.cache and self._made_before(job, asked):
                continue
            self.asked[id] = asked
            self._report(id, request_hash=asked.identity, notes=list(asked.notes))
        self._look(at_once=True)
        self.asked = {id: asked for id, asked in self.asked.items() if id in self.active}
        self.places = {id: place for place, id in enumerate(self.asked)}

    def _alone(self) -> None:
        """Let others have all but the first."""
        self.alone = True
        first, *others = self.asked
        self.queue.put_back(self.worker_id, others)
        for id in others:
            self._let_go(id)
        self.asked, self.places = {first: self.asked[first]}, {first: 0}

    def _in_steps(self, generator: Generator) -> list[Clip]:
        asked = list(self.asked.values())
        work = begin(generator, asked)
        assert work is not None
        if len(asked) == 1:
            self._restore(work, next(iter(self.asked)))
        self.work = work
        self._enter("denoise", current_step=work.step, total_steps=work.steps)
        while not work.done:
            work.advance()
            self._after_step(work.step, work.steps)
        self._keep()
        self._enter("decode", preview=None)
        try:
            return work.finish()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        log.warning("decoding takes more memory than there is; it is tried in small tiles")
        self.models.free(keep=self.model)
        for id in self.active:
            self._note(id, "the video was decoded in small tiles, because memory was short")
        return work.finish(tile=True)

    def _restore(self, work: Work, id: str) -> None:
        state = unpacked(self.store.state(id), self.asked[id].identity)
        if state is None:
            return
        try:
            work.restore([state])
        except (ValueError, KeyError, RuntimeError):
            log.warning("%s: what was kept does not fit; it starts again", id)
        else:
            self.resumed = work.step > 0

    def _write(self, generator: Generator, clips: dict[str, Clip], batch: int) -> None:
        """All, of which those are done whose files are there, when one of the others cannot be written."""

        def write(id: str, clip: Clip) -> Made | Exception:
            self.moved = time.monotonic()
            try:
                return written(self.store, generator, self.asked[id], clip)
            except Exception as error:
                return error

        found = self._at_once([partial(write, id, clip) for id, clip in clips.items()])
        self.seconds["export"] = (self.clock() - self._phase_began) / len(clips)
        for (id, clip), made in zip(clips.items(), found, strict=True):
            self._look(at_once=True)
            if isinstance(made, Exception):
                raise made
            if id in self.active:
                self._finish(generator, id, clip, made, batch)

    def _finish(self, generator: Generator, id: str, clip: Clip, made: Made, batch: int) -> None:
        asked, job = self.asked[id], self.active[id]
        files = {name: value for name, value in asdict(made).items() if name != "stored"}
        files["notes"] = list(dict.fromkeys([*job.notes, *made.notes]))
        taken = self.clock() - self.began
        mine = patiently(lambda: self.queue.finish(id, self.worker_id, seconds_taken=taken, **files))
        self._let_go(id)
        if mine:
            self._tolerant(lambda: self.store.drop_state(id))
            if not self.resumed:
                self._tolerant(lambda: self._measure(batch, made.stored, measured(generator, asked, clip)))

    def _made_before(self, job: Job, asked: Asked) -> bool:
        """Give the file of an identical request of the same owner, where there is one."""
        earlier = self.queue.made_before(asked.identity, job.owner_id)
        if earlier is None or earlier.video_hash is None or self.store.size(earlier.video_hash) is None:
            return False
        files = {name: getattr(earlier, name) for name in (*FILES, *FACTS)}
        self.queue.finish(
            job.id,
            self.worker_id,
            **files,
            notes=list(earlier.notes),
            cached_from=earlier.id,
            request_hash=asked.identity,
            seconds_taken=self.clock() - self.began,
        )
        self._let_go(job.id)
        self._tolerant(lambda: self.store.drop_state(job.id))
        return True

    # ---------------------------------------------------------------------------------------- between steps

    def _after_step(self, step: int, steps: int) -> None:
        self.moved = time.monotonic()
        self._look()
        now = self.clock()
        if self.work is not None and now >= self._due["keep"] and step < steps:
            self._keep()
            self._rested("keep", now)
        fields: dict[str, Any] = {"current_step": step, "total_steps": steps}
        if now >= self._due["report"] or step == steps:
            self._due["report"] = now + self.rhythm.report
            fields["eta_seconds"] = self._eta(step, steps)
            previews = self.work is not None and step < steps and now >= self._due["preview"]
            ids = list(self.active)
            shown = self._previews(ids) if previews else [{}] * len(ids)
            self._report_all({id: {**fields, **more} for id, more in zip(ids, shown, strict=True)})
            if previews:
                self._rested("preview", now)

    def _rested(self, what: str, since: float) -> None:
        """The next time after a while, and so that it takes its share of the time at most."""
        now = self.clock()
        self._due[what] = now + max(getattr(self.rhythm, what), (1 / self.rhythm.share - 1) * (now - since))

    def _previews(self, ids: list[str]) -> list[dict[str, str]]:
        """The field of each."""
        work, fps = self.work, [self.asked[id].prompt.fps or self.fps for id in ids]
        assert work is not None

        def show(place: int, speed: float) -> dict[str, str]:
            return {"preview": data_url(work.preview(place), speed)}

        return self._at_once(
            [partial(show, self.places[id], speed) for id, speed in zip(ids, fps, strict=True)]
        )

    def _at_once(self, actions: Sequence[Callable[[], T]]) -> list[T]:
        """Each on some of the CPU's cores; one after the other where a GPU does the work."""
        return at_once(actions, torch.get_num_threads() if self.models.device == "cpu" else 1)

    def _eta(self, step: int, steps: int) -> float | None:
        """Seconds until all is done, by the steps since they began here, and the end by others alike."""
        taken = step - self._first_step
        each = (self.clock() - self._phase_began) / taken
        return each * (steps - step) + (self._ahead("decode") or 0.0)

    def _ahead(self, phase: str, left: float = 1.0) -> float | None:
        ahead = self.outlook.ahead(phase, left)
        return None if ahead is None else ahead * len(self.active)

    def _look(self, *, at_once: bool = False) -> None:
        """Do what is wanted of the jobs. Halted: nothing is left to do."""
        now = self.clock()
        if at_once or self.stopping.is_set() or now >= self._due["look"]:
            self._due["look"] = now + self.rhythm.look
            try:
                wanted = self.queue.commands(self.worker_id, list(self.active))
            except OperationalError as error:
                log.warning("the queue cannot be reached: %s", error.orig)
                wanted = {}
            for id, command in wanted.items():
                self._obey(id, command)
            if self.stopping.is_set() and self.phase not in ("decode", "export"):
                begun, ids = self._keep(), list(self.active)
                patiently(lambda: self.queue.put_back(self.worker_id, ids, begun=begun), seconds=5.0)
                self.active.clear()
        if not self.active:
            raise Halted

    def _obey(self, id: str, command: Command) -> None:
        if command == "cancel":
            patiently(lambda: self.queue.cancelled(id, self.worker_id))
            self._tolerant(lambda: self.store.drop_state(id))
        elif command == "pause":
            lost = not self._keep(id) and self.phase == "denoise"
            if self.work is not None:
                self._report(id, current_step=self.work.step)
            patiently(lambda: self.queue.hold(id, self.worker_id, [_STARTS_AGAIN] if lost else []))
        if command is not None:
            self._let_go(id)

    def _keep(self, *ids: str) -> bool:
        """Keep what there is of these jobs' videos, or of all; whether there was something that could be."""
        if self.work is None:
            return False
        kept = True
        states = self.work.states()
        for id in ids or list(self.active):
            try:
                self.store.keep_state(id, packed(states[self.places[id]], self.asked[id].identity))
            except (OSError, ValueError) as error:
                log.warning("%s: the half-made video could not be kept: %s", id, error)
                kept = False
        return kept

    # ---------------------------------------------------------------------------------------- the queue

    def _enter(self, phase: str, **fields: Any) -> None:
        """The next phase begins; the seconds of the last are noted."""
        now, self.moved = self.clock(), time.monotonic()
        if phase != "load":
            self.seconds[self.phase] = now - self._phase_began
        self.phase, self._phase_began = phase, now
        self._first_step = fields.get("current_step", 0)
        left = 1 - self._first_step / fields["total_steps"] if "total_steps" in fields else 1.0
        fields["eta_seconds"] = self._ahead(phase, left)
        self._report_all({id: {"phase": phase, **fields} for id in self.active})
        if not self.active:
            raise Halted

    def _failed(self, error: Exception) -> None:
        """All that is still to be made fails for one reason, or is tried another way."""
        if is_out_of_memory(error):
            self.work = None
            freed = self.models.free(keep=self.model)
            if len(self.active) > 1 or freed:
                log.warning("memory is short; each video is tried by itself")
                self.queue.put_back(self.worker_id, list(self.active), begun=True)
                self.active.clear()
                return
        code, message, retry = why(error)
        if code == "invalid_request" and not isinstance(error, MediaError):
            # What the user can put right was found before.
            code, message, retry = FAULT, fault(error), True
        if code == FAULT:
            log.exception("the work on %s failed", ", ".join(self.active))
        for id in list(self.active):
            self._fail(id, code, message, retry)

    def _measure(self, batch: int, stored: int, facts: dict[str, Any]) -> None:
        self.estimates.record(
            device=self.models.device,
            batch=batch,
            seconds=dict(self.seconds),
            peak_memory=self.peak.bytes(),
            bytes=stored,
            **facts,
        )
