"""Rounds of an arena: two contestants make a video of one prompt with one seed, and nobody sees who is who
until somebody has voted."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fastapi import Request
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from scenewright.evaluation.people.arena import draw
from scenewright.server.accounts import Principal
from scenewright.server.errors import ApiError, bad_request
from scenewright.server.estimates import Estimates
from scenewright.server.jobs import new_id
from scenewright.server.planning import SEEDS, plan
from scenewright.server.requests import Choices, Options
from scenewright.server.services import Services, services_of
from scenewright.server.studies import ClosedStudyError
from scenewright.server.study_requests import options_of
from scenewright.server.submitting import admit, chosen_model, submit
from scenewright.server.tables import Job, StudyAnswer, StudyRound, StudyRow
from scenewright.server.video_request import VideoRequest
from scenewright.server.videos import progress_of

_CHANCE = random.SystemRandom()


@dataclass(frozen=True)
class RoundState:
    """``progress``: per cent of both videos together; one by one they would tell who takes more steps.
    ``eta_seconds``: until both are made, None where it cannot be told. ``voted``: whether its asker has."""

    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    eta_seconds: float | None
    voted: bool


async def begin_round(
    request: Request, principal: Principal, study: StudyRow, prompt: str, rater: str
) -> StudyRound:
    """Draw two contestants and queue a video of each.

    Raises:
        ApiError: 409 where the arena is closed or a contestant cannot be any more, else as for a video.
    """
    services = services_of(request)
    if study.kind != "arena":
        raise bad_request("rounds are for an arena; a study has its tasks", "study_id")
    seed = secrets.randbelow(SEEDS)
    planned = {label: _planned(services, study, label, prompt, seed) for label in study.contestants or {}}
    options = next(iter(planned.values()))[0]
    await admit(services, principal, options, jobs=2)
    round = await run_in_threadpool(_drawn, services, principal, study.id, list(planned), prompt, rater)
    # In an order that has nothing to do with the sides.
    for place in _CHANCE.sample(range(2), 2):
        options, wanted = planned[round.shown[place]]
        await submit(request, principal, options, wanted, id=round.videos[place], hidden=True)
    return round


def state_of(services: Services, round: StudyRound) -> RoundState:
    """How far a round is. What cannot be made is hidden no longer."""
    with services.database.read() as session:
        voted = session.get(StudyAnswer, (round.study_id, round.id, round.rater)) is not None
        jobs = list(session.scalars(select(Job).where(Job.id.in_(round.videos))))
    there = [job for job in jobs if job.deleted_at is None and job.status not in ("failed", "cancelled")]
    if len(there) < len(round.videos) and not _beginning(services, round, jobs):
        if any(job.hidden for job in jobs):
            with services.database.write() as session:
                services.queue.reveal(session, round.videos)
            services.watcher.hurry()
        return RoundState("failed", 0, None, voted)
    progress = sum(progress_of(job) for job in there) // len(round.videos)
    if len(there) == len(round.videos) and all(job.status == "completed" for job in there):
        return RoundState("completed", 100, 0.0, voted)
    waits = all(job.status in ("queued", "paused") for job in there)
    eta = _eta(services, there) if len(there) == len(round.videos) else None
    return RoundState("queued" if waits else "in_progress", progress, eta, voted)


def open_round(services: Services, study: StudyRow, rater: str) -> StudyRound | None:
    """The oldest round of a rater's whose videos are made and wait for a vote."""
    voted = select(StudyAnswer.task).where(StudyAnswer.study_id == study.id, StudyAnswer.rater == rater)
    own = (StudyRound.study_id == study.id) & (StudyRound.rater == rater) & StudyRound.id.not_in(voted)
    with services.database.read() as session:
        rounds = session.scalars(select(StudyRound).where(own).order_by(StudyRound.created_at)).all()
    return next((round for round in rounds if state_of(services, round).status == "completed"), None)


def _planned(
    services: Services, study: StudyRow, label: str, prompt: str, seed: int
) -> tuple[Options, VideoRequest]:
    choices = Choices.model_validate((study.contestants or {})[label])
    options = options_of(choices, seed, tags=[f"arena {study.config['name']}"[:60]])
    try:
        model, facts = chosen_model(services, options.model)
        limits = services.settings.limits
        return options, plan(options, prompt, facts, limits, model=model)
    except ApiError as error:
        if error.param == "prompt":
            raise
        message = f"the contestant {label} cannot make videos here any more: {error.message}"
        raise ApiError(409, message, code="contestant_unavailable") from None


def _drawn(
    services: Services, principal: Principal, id: str, labels: Sequence[str], prompt: str, rater: str
) -> StudyRound:
    with services.database.write() as session:
        study = session.get(StudyRow, id, with_for_update=True)
        if study is None or study.closed_at is not None:
            raise ClosedStudyError("the arena is closed; it has no more rounds")
        earlier = session.scalars(select(StudyRound).where(StudyRound.study_id == id))
        round = StudyRound(
            id=secrets.token_hex(8),
            study_id=id,
            owner_id=principal.owner_id,
            rater=rater,
            prompt=prompt,
            shown=list(draw(labels, [row.shown for row in earlier], _CHANCE)),
            videos=[new_id(), new_id()],
            created_at=services.queue.now(),
        )
        session.add(round)
    return round


def _beginning(services: Services, round: StudyRound, jobs: Sequence[Job]) -> bool:
    """Whether videos are missing because they are only just being queued."""
    return len(jobs) < len(round.videos) and services.queue.now() - round.created_at < 10.0


def _eta(services: Services, jobs: Sequence[Job]) -> float | None:
    """The later one's, by what others took on this machine."""
    estimates, times = Estimates(services.queue), list[float]()
    starts = estimates.waiting() if any(job.status == "queued" for job in jobs) else {}
    for job in jobs:
        if job.status == "completed":
            continue
        if job.status == "running" and job.eta_seconds is not None:
            times.append(job.eta_seconds)
            continue
        found = estimates.estimate(VideoRequest.model_validate(job.request))
        if found is None or (job.status == "queued" and job.id not in starts) or job.status == "paused":
            return None
        times.append(found.total + starts.get(job.id, 0.0))
    return max(times, default=0.0)
