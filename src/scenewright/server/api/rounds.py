"""``/v1/studies/{id}/rounds``: what two contestants of an arena make of a prompt, to be voted on blind."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from scenewright.server.api.answering import address_of
from scenewright.server.api.studies import rater_of, visible_study
from scenewright.server.api.videos import Reader, Writer
from scenewright.server.arenas import begin_round, state_of
from scenewright.server.errors import ApiError, described, not_found
from scenewright.server.services import Services, services_of
from scenewright.server.studies import ClosedStudyError
from scenewright.server.study_requests import NewRound
from scenewright.server.tables import StudyRound, StudyRow

router = APIRouter(tags=["studies"])


class Round(BaseModel):
    """``task``: what an answer names. ``progress``: per cent of both videos together. ``videos``: their paths
    by place, once both are made. ``revealed``: who made them, once one has voted. ``error``: why there is
    nothing to vote on."""

    task: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int = Field(ge=0, le=100)
    eta_seconds: float | None
    videos: list[str]
    kind: Literal["compare"] = "compare"
    text: str
    ties: bool
    prompt: str
    error: str | None
    revealed: list[str] | None


@router.post(
    "/v1/studies/{study_id}/rounds",
    response_model=Round,
    responses=described(400, 401, 403, 404, 409, 429),
    summary="Let two contestants make a video",
)
async def create_round(request: Request, study_id: str, body: NewRound, principal: Writer) -> Round:
    """Of one prompt with one seed. The two with the fewest rounds are drawn, each on either side as often as
    the other. The videos are one's own, and in the library once one has voted."""
    services = services_of(request)
    study = await run_in_threadpool(visible_study, services, principal, study_id)
    rater = rater_of(services, principal, body.rater)
    try:
        round = await begin_round(request, principal, study, body.prompt, rater)
    except ClosedStudyError as error:
        raise ApiError(409, str(error), code="study_closed") from None
    return await run_in_threadpool(_round, services, study, round)


@router.get(
    "/v1/studies/{study_id}/rounds/{task}",
    response_model=Round,
    responses=described(400, 401, 403, 404, 429),
    summary="Look at a round",
)
def retrieve_round(request: Request, study_id: str, task: str, principal: Reader) -> Round:
    """One's own."""
    services = services_of(request)
    study = visible_study(services, principal, study_id)
    with services.database.read() as session:
        own = (StudyRound.study_id == study_id) & (StudyRound.owner_id == principal.owner_id)
        round = session.scalar(select(StudyRound).where(own, StudyRound.id == task))
    if round is None:
        raise not_found("task", task, "task")
    return _round(services, study, round)


def _round(services: Services, study: StudyRow, round: StudyRound) -> Round:
    state = state_of(services, round)
    question = study.config["questions"][0]
    return Round(
        task=round.id,
        status=state.status,
        progress=state.progress,
        eta_seconds=state.eta_seconds,
        videos=[address_of(study.id, round.id, place) for place in range(2)]
        if state.status == "completed"
        else [],
        text=question["text"],
        ties=question["ties"],
        prompt=round.prompt,
        error="one of the videos could not be made, or was deleted" if state.status == "failed" else None,
        revealed=list(round.shown) if state.voted else None,
    )
