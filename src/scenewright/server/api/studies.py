"""``/v1/studies``: asking people about videos of the library, and what they found."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from scenewright.evaluation.people.answers import Answer, next_task, write_csv
from scenewright.evaluation.people.results import results
from scenewright.evaluation.people.study import Kind, Question, Study, StudySettings
from scenewright.server.accounts import LOCAL, Principal, changes
from scenewright.server.api.content import sent
from scenewright.server.api.videos import Reader, Writer
from scenewright.server.arenas import open_round
from scenewright.server.blinding import covered, covers_of
from scenewright.server.errors import ApiError, bad_request, described, not_found
from scenewright.server.paging import Order
from scenewright.server.services import Services, services_of
from scenewright.server.sniffing import media_type_of
from scenewright.server.studies import AnsweredError, ClosedStudyError, Counts, UnmadeError
from scenewright.server.study_requests import ChangeStudy, NewAnswer, NewStudy, Rater, made_of
from scenewright.server.tables import StudyRow

router = APIRouter(tags=["studies"])

Naming = Annotated[Rater | None, Query(description="Who answers; counts where there are no accounts.")]

_FILE = {"schema": {"type": "string", "format": "binary"}}


class StudyObject(BaseModel):
    """``systems``: ids of videos by label, and ``contestants``: settings by label, are for who manages it
    alone; so are the right answers. ``prompts``: how many there are. ``answers``: given in earnest so far, of
    ``wanted`` (None: as many as come), ``mine`` among them. ``owner``: None where there are no accounts."""

    id: str = Field(examples=["study_0123456789abcdef01234567"])
    object: Literal["study"] = "study"
    kind: Literal["study", "arena"]
    name: str
    title: str
    mode: Literal["crowd", "expert"]
    votes: int
    checks: float
    failures: int
    questions: list[Question]
    systems: dict[str, list[str]] | None
    contestants: dict[str, dict[str, Any]] | None
    prompts: int
    created_at: float
    closed_at: float | None
    shared: bool
    owner: str | None
    answers: int
    wanted: int | None
    mine: int
    manage: bool


class StudyList(BaseModel):
    """A page. ``last_id`` is what to give as ``after`` for the next one."""

    object: Literal["list"] = "list"
    data: list[StudyObject]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool


class DeletedStudy(BaseModel):
    id: str
    object: Literal["study.deleted"] = "study.deleted"
    deleted: bool = True


class StudyTask(BaseModel):
    """What to answer. ``videos``: their paths, by place; nothing tells which system made them."""

    id: str
    kind: Kind
    text: str
    prompt: str
    ties: bool
    scale: int
    choices: list[str]
    videos: list[str]


class NextTask(BaseModel):
    """``done``: how many one has answered; ``task``: None where nothing is left."""

    done: int
    task: StudyTask | None


class Taken(BaseModel):
    """``revealed``: of an arena's round, who made the videos, by place."""

    taken: bool = True
    revealed: list[str] | None = None


@router.post(
    "/v1/studies",
    response_model=StudyObject,
    responses=described(400, 401, 403, 429),
    summary="Make a study or an arena",
)
def create_study(request: Request, body: NewStudy, principal: Writer) -> StudyObject:
    """Of two or more systems, each a list of videos of one's own, matched by their prompts; or an arena of
    contestants, which make their videos when they are asked."""
    services = services_of(request)
    row = made_of(services, principal, body)
    row.created_at = services.studies.now()
    return _one(services, principal, services.studies.add(row))


@router.get(
    "/v1/studies",
    response_model=StudyList,
    responses=described(400, 401, 403, 404, 429),
    summary="List studies",
)
def list_studies(
    request: Request,
    principal: Reader,
    after: Annotated[str | None, Query(max_length=80, description="The id that the page follows.")] = None,
    before: Annotated[str | None, Query(max_length=80, description="The id that the page ends at.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Order = "desc",
    rater: Naming = None,
) -> StudyList:
    """One's own and those that others share, the newest first unless ``order`` says otherwise."""
    services = services_of(request)
    for name, id in (("after", after), ("before", before)):
        if id is not None:
            visible_study(services, principal, id, name)
    page = services.studies.list(principal.owner_id, after=after, before=before, limit=limit, order=order)
    data = _objects(services, principal, page.studies, rater)
    return StudyList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=page.has_more,
    )


@router.get(
    "/v1/studies/{study_id}",
    response_model=StudyObject,
    responses=described(400, 401, 403, 404, 429),
    summary="Look at a study",
)
def retrieve_study(request: Request, study_id: str, principal: Reader, rater: Naming = None) -> StudyObject:
    services = services_of(request)
    return _one(services, principal, visible_study(services, principal, study_id), rater)


@router.patch(
    "/v1/studies/{study_id}",
    response_model=StudyObject,
    responses=described(400, 401, 403, 404, 429),
    summary="Change a study's title, share it, close it",
)
def change_study(request: Request, study_id: str, body: ChangeStudy, principal: Writer) -> StudyObject:
    """A closed study can be opened again."""
    services = services_of(request)
    _managed(services, principal, study_id)
    row = services.studies.change(study_id, title=body.title, shared=body.shared, closed=body.closed)
    if row is None:
        raise not_found("study", study_id, "study_id")
    return _one(services, principal, row)


@router.delete(
    "/v1/studies/{study_id}",
    response_model=DeletedStudy,
    responses=described(401, 403, 404, 429),
    summary="Delete a study",
)
def delete_study(request: Request, study_id: str, principal: Writer) -> DeletedStudy:
    """For good, with its answers; its videos stay."""
    services = services_of(request)
    _managed(services, principal, study_id)
    services.studies.delete(study_id)
    return DeletedStudy(id=study_id)


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
    if not _manages(principal, row):
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
    row = _managed(services, principal, study_id)
    out = io.StringIO(newline="")
    write_csv(services.studies.opened(row), services.studies.answers(study_id), out)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", row.config["name"]).strip("-.") or "study"
    headers = {"Content-Disposition": f'attachment; filename="{name}-answers.csv"'}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def rater_of(services: Services, principal: Principal, given: str | None) -> str:
    """Who answers: the account, or whoever says so where there are none."""
    if services.settings.accounts:
        return principal.name
    return (given or "").strip() or LOCAL


def address_of(study_id: str, task: str, place: int) -> str:
    """The path of a task's video."""
    return f"/v1/studies/{study_id}/tasks/{task}/videos/{place}"


def _manages(principal: Principal, row: StudyRow) -> bool:
    return principal.may("videos:write") and changes(principal) in (None, row.owner_id)


def visible_study(services: Services, principal: Principal, id: str, param: str = "study_id") -> StudyRow:
    """A study that one may look at and answer. ApiError (404): there is none, or it is another's."""
    row = services.studies.get(id)
    if row is None or not (row.shared or principal.owner_id == row.owner_id or _manages(principal, row)):
        raise not_found("study", id, param)
    return row


def _managed(services: Services, principal: Principal, id: str) -> StudyRow:
    """ApiError: 404, or 403 for who may only answer."""
    row = visible_study(services, principal, id)
    if not _manages(principal, row):
        raise ApiError(403, "the study is another's; you can only answer it", code="not_yours")
    return row


def _without_names(answers: Sequence[Answer]) -> list[Answer]:
    names = {rater: f"rater {i}" for i, rater in enumerate(dict.fromkeys(a.rater for a in answers), 1)}
    return [Answer(a.task, names[a.rater], a.answer, a.seconds, a.watched, a.replays, a.at) for a in answers]


def _one(services: Services, principal: Principal, row: StudyRow, rater: str | None = None) -> StudyObject:
    return _objects(services, principal, [row], rater)[0]


def _objects(
    services: Services, principal: Principal, rows: Sequence[StudyRow], rater: str | None
) -> list[StudyObject]:
    who = rater_of(services, principal, rater)
    counts = services.studies.counts([row.id for row in rows], who)
    names = services.studies.owners(rows)
    return [_object(services, principal, row, counts[row.id], names.get(row.owner_id)) for row in rows]


def _object(
    services: Services, principal: Principal, row: StudyRow, counts: Counts, owner: str | None
) -> StudyObject:
    config, manage = StudySettings.model_validate(row.config), _manages(principal, row)
    study = services.studies.opened(row)
    answered = {answer.task for answer in services.studies.answers(row.id)}
    questions = config.questions if manage else [q.model_copy(update={"right": {}}) for q in config.questions]
    systems = None
    if manage and row.systems is not None:
        systems = {label: [video for _, video in videos] for label, videos in row.systems.items()}
    return StudyObject(
        id=row.id,
        kind="arena" if row.kind == "arena" else "study",
        name=config.name,
        title=config.title,
        mode=config.mode,
        votes=config.votes,
        checks=config.checks,
        failures=config.failures,
        questions=list(questions),
        systems=systems,
        contestants=row.contestants if manage else None,
        prompts=len({task.prompt for task in study.tasks.values()}),
        created_at=row.created_at,
        closed_at=row.closed_at,
        shared=row.shared,
        owner=owner,
        answers=counts.answers,
        wanted=study.wanted(answered),
        mine=counts.mine,
        manage=manage,
    )
