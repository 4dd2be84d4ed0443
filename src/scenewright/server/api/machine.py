"""``/v1/machine`` and ``/v1/estimates``: what there is to work with, and what a video will take."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from statistics import median
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from scenewright.machine import available_memory, usable_cores
from scenewright.server.api.bodies import body_schema, videos_example
from scenewright.server.api.videos import Reader
from scenewright.server.errors import bad_request, described
from scenewright.server.estimates import PHASES, Estimates
from scenewright.server.forms import body_of
from scenewright.server.planning import plan
from scenewright.server.requests import CreateVideo, Flag
from scenewright.server.services import Services, services_of
from scenewright.server.submitting import asked_of, chosen_model
from scenewright.server.tables import Measurement

router = APIRouter(tags=["machine"])

#: Seconds for which the doctor's findings hold, and that it may take.
_HOLDS, _TAKES = 600.0, 120.0
#: Newest measurements of a model that are summed up.
_NEWEST = 50


class WorkerState(BaseModel):
    """``models``: loaded ones; ``memory``: bytes of their weights. ``host``: told to administrators."""

    id: str
    host: str | None
    device: str
    started_at: float
    seen_at: float
    models: list[str]
    memory: int


class Measured(BaseModel):
    """What videos of a model took on a device: medians of the newest ones. ``frames_per_second``: frames of
    video made in a second of work; ``peak_memory`` in bytes."""

    model: str
    device: str
    videos: int
    seconds: dict[str, float]
    frames_per_second: float | None
    peak_memory: int | None


class Advice(BaseModel):
    """A line of ``scenewright doctor``; ``fix`` is what puts it right."""

    name: str
    state: str
    text: str
    fix: str | None = None


class Machine(BaseModel):
    """Bytes where nothing else is said. ``disk_free``: None for a store that does not tell. ``advice``: None
    until the doctor was asked; ``?advice=true`` asks, which takes some seconds."""

    cores: float
    memory_available: int | None
    disk_free: int | None
    workers: list[WorkerState]
    measurements: list[Measured]
    advice: list[Advice] | None
    started_at: float


class EstimateResult(BaseModel):
    """``known``: whether this machine has made alike videos; without, everything is None. ``seconds``: of the
    work with the model loaded, by phase in ``phases``; ``waits``: seconds until it would begin, by what is
    queued now; ``memory``, ``disk`` in bytes, ``fits`` by what is free now."""

    known: bool
    seconds: float | None = None
    phases: dict[str, float] | None = None
    waits: float | None = None
    memory: int | None = None
    disk: int | None = None
    fits: bool | None = None


class Doctor:
    """Asks ``scenewright doctor`` in a process of its own, as it loads torch, and remembers what it said."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[Advice] | None = None
        self._at = 0.0

    @property
    def found(self) -> list[Advice] | None:
        return self._found

    def ask(self) -> list[Advice] | None:
        with self._lock:
            if self._found is not None and time.monotonic() - self._at < _HOLDS:
                return self._found
            command = [sys.executable, "-m", "scenewright", "doctor", "--json"]
            try:
                result = subprocess.run(command, capture_output=True, text=True, timeout=_TAKES, check=False)
                checks = json.loads(result.stdout)["checks"]
            except (OSError, ValueError, KeyError, subprocess.SubprocessError):
                return self._found
            self._found = [Advice.model_validate({k: c.get(k) for k in Advice.model_fields}) for c in checks]
            self._at = time.monotonic()
            return self._found


_doctor = Doctor()


@router.get("/v1/machine", response_model=Machine, responses=described(400, 401, 403, 429))
def machine(
    request: Request,
    principal: Reader,
    advice: Annotated[Flag, Query(description="Ask the doctor, unless that was done lately.")] = False,
) -> Machine:
    """Cores, memory, disk, the workers, and what videos took here so far."""
    services = services_of(request)
    workers = [
        WorkerState(
            id=worker.id,
            host=worker.host if principal.is_admin else None,
            device=worker.device,
            started_at=worker.started_at,
            seen_at=worker.seen_at,
            models=list(worker.models),
            memory=worker.memory,
        )
        for worker in services.queue.workers()
    ]
    return Machine(
        cores=usable_cores(),
        memory_available=available_memory(),
        disk_free=services.store.free(),
        workers=workers,
        measurements=_measured(services),
        advice=_doctor.ask() if advice else _doctor.found,
        started_at=services.started,
    )


@router.post(
    "/v1/estimates",
    response_model=EstimateResult,
    responses=described(400, 401, 403, 404, 413, 415, 429),
    openapi_extra=body_schema(CreateVideo, (), videos_example),
    summary="Say what a video will take",
)
async def estimate(request: Request, principal: Reader) -> EstimateResult:
    """Takes a body of ``POST /v1/videos``; errors are the same, so that it also says what is wrong with it.
    Pictures in it are not looked at."""
    services = services_of(request)
    async with body_of(request, services.settings.limits.upload_bytes) as body:
        asked = asked_of(body)
        if asked.files:
            raise bad_request("an estimate takes no files; leave it out", next(iter(asked.files)))
    options = asked.checked(CreateVideo)
    model, facts = chosen_model(services, options.model)
    given = [name for name in ("input_reference", "last_frame") if getattr(options, name) is not None]
    inputs = dict.fromkeys(given, "0" * 64)
    limits = services.settings.limits
    wanted = plan(options, options.prompt, facts, limits, model=model, inputs=inputs)
    estimates = Estimates(services.queue)
    found = await run_in_threadpool(estimates.estimate, wanted)
    if found is None:
        return EstimateResult(known=False)
    waiting = await run_in_threadpool(estimates.waiting)
    free, disk = available_memory(), services.store.free()
    fits = None if free is None or found.peak_memory is None else free >= found.peak_memory
    if fits and disk is not None:
        fits = disk >= found.bytes
    return EstimateResult(
        known=True,
        seconds=round(found.total, 3),
        phases={phase: round(found.seconds[phase], 3) for phase in PHASES if phase in found.seconds},
        waits=_waits(services, waiting),
        memory=found.peak_memory,
        disk=found.bytes,
        fits=fits,
    )


def _waits(services: Services, waiting: dict[str, float]) -> float | None:
    """Seconds until what is queued now has begun: then it is a new one's turn."""
    positions = services.queue.queue_positions()
    if not positions:
        return 0.0 if services.queue.workers() else None
    return round(max(waiting.values()), 3) if len(waiting) == len(positions) else None


def _measured(services: Services) -> list[Measured]:
    with services.database.read() as session:
        pairs = session.execute(select(Measurement.model, Measurement.device).distinct()).all()
        found = []
        for model, device in sorted((row.model, row.device) for row in pairs):
            same = (Measurement.model == model) & (Measurement.device == device)
            query = select(Measurement).where(same).order_by(Measurement.id.desc()).limit(_NEWEST)
            found.append(_summed(model, device, list(session.scalars(query))))
    return found


def _summed(model: str, device: str, rows: list[Any]) -> Measured:
    seconds = {
        phase: round(median(row.seconds[phase] for row in rows if phase in row.seconds), 3)
        for phase in PHASES
        if any(phase in row.seconds for row in rows)
    }
    speeds = [
        row.num_frames * row.batch / worked
        for row in rows
        if (worked := sum(value for phase, value in row.seconds.items() if phase != "load")) > 0
    ]
    peaks = [row.peak_memory for row in rows if row.peak_memory is not None]
    return Measured(
        model=model,
        device=device,
        videos=len(rows),
        seconds=seconds,
        frames_per_second=round(median(speeds), 2) if speeds else None,
        peak_memory=max(peaks) if peaks else None,
    )
