"""What a video will take, learned from what others took on this machine.

Only videos of the same model on the same kind of device count, the newest most. Denoising goes by steps times
frames (networks work at their own size, whatever the video's), decoding by frames, writing by pixels times
frames. Nothing is guessed: where this machine has not seen a model, there is no estimate.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from statistics import median
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from scenewright.server.claims import Claims
from scenewright.server.order import line
from scenewright.server.tables import Job, Measurement
from scenewright.server.video_request import VideoRequest

PHASES = ("load", "encode", "denoise", "decode", "export")

#: So many of the newest measurements of a model are kept, and so many of them are looked at.
_KEPT, _SEEN = 200, 9


@dataclass(frozen=True)
class Estimate:
    """``seconds`` by phase, in their order; ``load`` only counts where the model is not loaded yet.
    ``peak_memory`` and ``bytes`` (of the files) in bytes."""

    seconds: dict[str, float]
    peak_memory: int | None
    bytes: int

    @property
    def total(self) -> float:
        """Seconds with the model loaded."""
        return sum(value for phase, value in self.seconds.items() if phase != "load")


def machine_name() -> str:
    """What measurements of this machine go by."""
    return platform.node() or "unknown"


class Estimates:
    """``host``: the machine whose measurements count; by default this one and those of the workers."""

    def __init__(self, queue: Claims, host: str | None = None) -> None:
        self.queue, self.host = queue, host

    @property
    def _hosts(self) -> list[str]:
        if self.host is not None:
            return [self.host]
        return [machine_name(), *(worker.host for worker in self.queue.workers())]

    def record(self, **columns: Any) -> None:
        """Keep what a video took; see :class:`.Measurement`."""
        with self.queue.database.write() as session:
            row = Measurement(host=self.host or machine_name(), at=self.queue.now(), **columns)
            session.add(row)
            session.flush()
            same = (Measurement.model == row.model) & (Measurement.host == row.host)
            newest = select(Measurement.id).where(same).order_by(Measurement.id.desc()).limit(_KEPT)
            session.execute(delete(Measurement).where(same, Measurement.id.not_in(newest)))

    def estimate(self, request: VideoRequest, *, device: str | None = None) -> Estimate | None:
        """What a request will take by itself; None where nothing is known. ``device``: such as ``cuda:0``;
        None for any."""
        hosts = self._hosts
        with self.queue.database.read() as session:
            return self._estimate(session, hosts, request, device)

    def waiting(self) -> dict[str, float]:
        """Seconds until each queued job starts, by its id: what is ahead of it, shared by the workers that
        are there. Those with something unknown ahead are left out, and all where there is no worker."""
        workers, hosts = len(self.queue.workers()), self._hosts
        with self.queue.database.read() as session:
            order = line(session)
            running = session.scalars(select(Job).where(Job.status == "running")).all()
            queued = session.execute(select(Job.id, Job.request).where(Job.status == "queued"))
            requests: dict[str, dict[str, Any]] = dict(queued.all())
            known: dict[VideoRequest, float | None] = {}
            free = sorted(self._left(session, hosts, job, known) for job in running)[:workers]
            found: dict[str, float] = {}
            free += [0.0] * (workers - len(free))
            for id in order:
                if not free or min(free) == float("inf"):
                    break
                soonest = min(range(len(free)), key=free.__getitem__)
                found[id] = free[soonest]
                free[soonest] += self._seconds(session, hosts, requests[id], known)
        return found

    def _left(
        self, session: Session, hosts: list[str], job: Job, known: dict[VideoRequest, float | None]
    ) -> float:
        if job.eta_seconds is not None:
            return job.eta_seconds
        return self._seconds(session, hosts, job.request, known)

    def _seconds(
        self,
        session: Session,
        hosts: list[str],
        request: dict[str, Any],
        known: dict[VideoRequest, float | None],
    ) -> float:
        """Infinite where nothing is known. ``known``: what was found before, of requests alike."""
        alike = VideoRequest.model_validate({**request, "prompt": "", "negative_prompt": "", "seed": 0})
        if alike not in known:
            found = self._estimate(session, hosts, alike, None)
            known[alike] = None if found is None else found.total
        seconds = known[alike]
        return float("inf") if seconds is None else seconds

    def _estimate(
        self, session: Session, hosts: list[str], request: VideoRequest, device: str | None
    ) -> Estimate | None:
        same = (Measurement.model == request.model) & Measurement.host.in_(hosts)
        same &= Measurement.kind == ("generate" if request.video is None else "extend")
        if device is not None:
            same &= Measurement.device == device
        newest = select(Measurement).where(same).order_by(Measurement.id.desc())
        rows = session.scalars(newest.limit(_KEPT)).all()
        if not rows:
            return None
        defaults = next(
            (row.defaults for row in rows if row.defaults["fast"] == request.fast), rows[0].defaults
        )
        frames = request.num_frames or defaults["num_frames"]
        width = request.width or defaults["width"]
        height = request.height or defaults["height"]
        steps = request.num_inference_steps or defaults["steps"]
        pixels = width * height * frames
        # Those that were most like it, of the newest.
        near = sorted(rows, key=lambda row: _apart(row, frames, steps, pixels))[:_SEEN]

        def seconds(phase: str, amount: float, amounts: Sequence[float]) -> float:
            scaled = [
                row.seconds[phase] * amount / have
                for row, have in zip(near, amounts, strict=True)
                if phase in row.seconds
            ]
            return median(scaled) if scaled else 0.0

        ones = [1.0] * len(near)
        worked = [float(row.steps * row.num_frames * row.batch) for row in near]
        made = [float(row.num_frames * row.batch) for row in near]
        stored = [float(row.width * row.height * row.num_frames) for row in near]
        found = {
            "load": seconds("load", 1, ones),
            "encode": seconds("encode", 1, ones),
            "denoise": seconds("denoise", steps * frames, worked),
            "decode": seconds("decode", frames, made),
            "export": seconds("export", pixels, stored),
        }
        peaks = [row.peak_memory for row in near if row.peak_memory is not None]
        sizes = [row.bytes * pixels / have for row, have in zip(near, stored, strict=True)]
        return Estimate(found, max(peaks) if peaks else None, round(median(sizes)))


class Outlook:
    """What is left of a video that is being made, by others alike; it is looked up once."""

    def __init__(self, estimates: Estimates, request: VideoRequest, device: str) -> None:
        self._look_up = partial(estimates.estimate, request, device=device)

    @cached_property
    def _known(self) -> Estimate | None:
        return self._look_up()

    def ahead(self, phase: str, left: float = 1.0) -> float | None:
        """Seconds from the beginning of a phase to the end; ``left``: of the steps. None where nothing is
        known."""
        if self._known is None:
            return None
        later, seconds = PHASES[PHASES.index(phase) :], self._known.seconds
        return sum(seconds[name] * (left if name == "denoise" else 1.0) for name in later if name != "load")


def _apart(row: Measurement, frames: int, steps: int, pixels: int) -> float:
    """How unlike a measurement is to what is asked: the ratio of what was worked, 1 for the same."""
    wanted = (steps * frames, pixels)
    have = (row.steps * row.num_frames * row.batch, row.width * row.height * row.num_frames)
    return max(max(a / b, b / a) for a, b in zip(wanted, have, strict=True))
