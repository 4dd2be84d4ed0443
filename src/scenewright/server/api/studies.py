"""``/v1/studies``: make, list, look, change, delete what people are asked about videos of the library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from scenewright.evaluation.people.study import Question, StudySettings
from scenewright.server.accounts import LOCAL, Principal, changes
from scenewright.server.api.bodies import Page
from scenewright.server.api.videos import Reader, Writer
from scenewright.server.errors import ApiError, described, not_found
from scenewright.server.paging import Order
from scenewright.server.services import Services, services_of
from scenewright.server.studies import Counts
from scenewright.server.study_requests import ChangeStudy, NewStudy, Rater, made_of
from scenewright.server.tables import StudyRow

router = APIRouter(tags=["studies"])

Naming = Annotated[Rater | None, Query(description="Who answers; counts where there are no accounts.")]


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


class StudyList(Page):
    data: list[StudyObject]


class DeletedStudy(BaseModel):
    id: str
    object: Literal["study.deleted"] = "study.deleted"
    deleted: bool = True


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
    return StudyList.of(_objects(services, principal, page.studies, rater), page.has_more)


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
    managed_study(services, principal, study_id)
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
    managed_study(services, principal, study_id)
    services.studies.delete(study_id)
    return DeletedStudy(id=study_id)


def rater_of(services: Services, principal: Principal, given: str | None) -> str:
    """Who answers: the account, or whoever says so where there are none."""
    if services.settings.accounts:
        return principal.name
    return (given or "").strip() or LOCAL


def manages(principal: Principal, row: StudyRow) -> bool:
    """Whether one may change a study, and see who is who in it."""
    return principal.may("videos:write") and changes(principal) in (None, row.owner_id)


def visible_study(services: Services, principal: Principal, id: str, param: str = "study_id") -> StudyRow:
    """A study that one may look at and answer. ApiError (404): there is none, or it is another's."""
    row = services.studies.get(id)
    if row is None or not (row.shared or principal.owner_id == row.owner_id or manages(principal, row)):
        raise not_found("study", id, param)
    return row


def managed_study(services: Services, principal: Principal, id: str) -> StudyRow:
    """ApiError: 404, or 403 for who may only answer."""
    row = visible_study(services, principal, id)
    if not manages(principal, row):
        raise ApiError(403, "the study is another's; you can only answer it", code="not_yours")
    return row


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
    config, manage = StudySettings.model_validate(row.config), manages(principal, row)
    study = services.studies.opened(row)
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
        wanted=study.wanted(services.studies.answered(row.id)),
        mine=counts.mine,
        manage=manage,
    )
