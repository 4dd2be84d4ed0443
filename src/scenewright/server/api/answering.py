"""``/v1/studies/{id}``: what to answer, what was answered, and what follows from it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from scenewright.evaluation.people.answers import Answer, next_task, write_csv
from scenewright.evaluation.people.results import results
from scenewright.evaluation.people.study import Kind, Study
from scenewright.server.api.content import sent
from scenewright.server.api.studies import Naming, managed_study, manages, rater_of, visible_study
from scenewright.server.api.videos import Reader
from scenewright.server.arenas import open_round
from scenewright.server.blinding import covered, covers_of
from scenewright.server.errors import ApiError, bad_request, described, not_found
from scenewright.server.services import services_of
from scenewright.server.sniffing import media_type_of
from scenewright.server.studies import AnsweredError, ClosedStudyError, UnmadeError
from scenewright.server.study_requests import NewAnswer

router = APIRouter(tags=["studies"])

_FILE = {"schema": {"type": "string", "format": "binary"}}


class StudyTask(BaseModel):
    """What to answer. ``videos``: their paths, by place; nothing tells which system made them. ``check``:
    what to say to a task that only sees whether the rater is there."""

    id: str
    kind: Kind
    text: str
    prompt: str
    ties: bool
    scale: int
    choices: list[str]
    check: Literal["first", "second"] | None
    videos: list[str]


class NextTask(BaseModel):
    """``done``: how many one has answered; ``task``: None where nothing is left."""

    done: int
    task: StudyTask | None


class Taken(BaseModel):
    """``revealed``: of an arena's round, who made the videos, by place."""

    taken: bool = True
    revealed: list[str] | None = None


@router.get(
    "/v1/studies/{study_id}/task",
    response_model=NextTask,
    responses=described(400, 401, 403, 404, 429),
    summary="What to answer next",
)
def study_task(request: Request, study_id: str, principal: Reader, rater: Naming = None) -> NextTask:
    """Now and then a task that says what to answer: whoever gets it wrong is left out of the results. Of an
    arena, one's oldest round whose videos are made."""
    services = services_of(request)
    row = visible_study(services, principal, study_id)
    who = rater_of(services, principal, rater)
    answers = services.studies.answers(study_id)
    done = sum(answer.rater == who for answer in answers)
    study, task = services.studies.opened(row), None
    if row.closed_at is None and isinstance(study, Study):
        task = next_task(study, answers, who)
    elif row.closed_at is None:
        round = open_round(services, row, who)
        task = None if round is None else study.find(round.id)
    if task is None:
        return NextTask(done=done, task=None)
    shown = study.shown(task, partial(address_of, study_id, task.id))
    return NextTask(done=done, task=StudyTask.model_validate(shown))


@router.head("/v1/studies/{study_id}/tasks/{task}/videos/{place}", include_in_schema=False)
@router.get(
    "/v1/studies/{study_id}/tasks/{task}/videos/{place}",
    response_class=Response,
    responses={
        200: {"description": "The file.", "content": {"video/mp4": _FILE, "video/webm": _FILE}},
        206: {"description": "The range of it.", "content": {"video/mp4": _FILE, "video/webm": _FILE}},
        304: {"description": "The client has it."},
        **described(400, 401, 403, 404, 409, 416, 429),
    },
    summary="Download a video of a task",
)
def study_video(request: Request, study_id: str, task: str, place: int, principal: Reader) -> Response:
    """Nothing in the answer tells which video it is, and nothing in the file how it was made."""
    services = services_of(request)
    row = visible_study(services, principal, study_id)
    try:
        video = services.studies.video(row, task, place, principal.owner_id)
    except UnmadeError as error:
        raise ApiError(409, str(error), code="not_ready") from None
    except LookupError:
        raise not_found("task", f"{task}, place {place}", "task") from None
    job = services.queue.get(video)
    digest = job.video_hash if job is not None and job.deleted_at is None else None
    size = None if digest is None else services.store.size(digest)
    if digest is None or size is None:
        raise ApiError(404, "the video of this task was deleted", code="no_content")
    read = partial(services.store.read, digest)
    media_type = media_type_of(b"".join(read(0, 64))) or "application/octet-stream"
    headers = {
        "ETag": f'"{task}-{place}"',
        "Cache-Control": "private, max-age=3600",
        "Content-Disposition": "inline",
    }
    return sent(request, covered(read, covers_of(read, size)), size, media_type, headers)


@router.post(
    "/v1/studies/{study_id}/answers",
    response_model=Taken,
    responses=described(400, 401, 403, 404, 409, 429),
    summary="Answer a task",
)
def answer_task(request: Request, study_id: str, body: NewAnswer, principal: Reader) -> Taken:
    """An answer that is given again takes the place of the first, but for a vote in an arena."""
    services = services_of(request)
    row = visible_study(services, principal, study_id)
    rater = rater_of(services, principal, body.rater)
    answer = Answer(body.task, rater, body.answer, body.seconds, body.watched, body.replays)
    try:
        task = services.studies.answer(study_id, answer)
    except ClosedStudyError as error:
        raise ApiError(409, str(error), code="study_closed") from None
    except AnsweredError as error:
        raise ApiError(409, str(error), code="answered_already", param="task") from None
    except UnmadeError as error:
        raise ApiError(409, str(error), code="not_ready", param="task") from None
    except LookupError:
        raise not_found("task", body.task, "task") from None
    except ValueError as error:
        raise bad_request(str(error), "answer") from None
    if row.kind != "arena":
        return Taken()
    services.watcher.hurry()
    return Taken(revealed=list(task.shown))


@router.get(
    "/v1/studies/{study_id}/results",
    response_model=dict[str, Any],
    responses=described(401, 403, 404, 429),
    summary="What a study found",
)
def study_results(request: Request, study_id: str, principal: Reader) -> Response:
    """For who manages it at any time; for everyone who may answer it once it is closed, without the names of
    raters."""
    services = services_of(request)
    row = visible_study(services, principal, study_id)
    answers: Sequence[Answer] = services.studies.answers(study_id)
    if not manages(principal, row):
        if row.closed_at is None:
            raise ApiError(403, "results are told when the study is closed", code="study_open")
        answers = _without_names(answers)
    found = results(services.studies.opened(row), answers)
    return Response(json.dumps(found, allow_nan=False), media_type="application/json")


@router.get(
    "/v1/studies/{study_id}/answers.csv",
    response_class=Response,
    responses={
        200: {"description": "The answers.", "content": {"text/csv": {"schema": {"type": "string"}}}},
        **described(401, 403, 404, 429),
    },
    summary="Download all answers",
)
def study_answers(request: Request, study_id: str, principal: Reader) -> Response:
    """As ``scenewright study export`` writes them, with the systems that were shown; for who manages it."""
    services = services_of(request)
    row = managed_study(services, principal, study_id)
    out = io.StringIO(newline="")
    write_csv(services.studies.opened(row), services.studies.answers(study_id), out)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", row.config["name"]).strip("-.") or "study"
    headers = {"Content-Disposition": f'attachment; filename="{name}-answers.csv"'}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def address_of(study_id: str, task: str, place: int) -> str:
    """The path of a task's video."""
    return f"/v1/studies/{study_id}/tasks/{task}/videos/{place}"


def _without_names(answers: Sequence[Answer]) -> list[Answer]:
    names = {rater: f"rater {i}" for i, rater in enumerate(dict.fromkeys(a.rater for a in answers), 1)}
    return [Answer(a.task, names[a.rater], a.answer, a.seconds, a.watched, a.replays, a.at) for a in answers]
