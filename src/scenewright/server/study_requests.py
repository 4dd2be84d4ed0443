"""What a study is made with, and what is said in it: bodies, and studies from them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictInt, StrictStr, ValidationError
from sqlalchemy import select

from scenewright.evaluation.people.study import Question, Study, StudySettings
from scenewright.server.accounts import Principal, changes
from scenewright.server.errors import ApiError, bad_request, from_validation, shortened
from scenewright.server.planning import plan
from scenewright.server.requests import MOST_PROMPT, Body, Choices, Flag, Options, Title
from scenewright.server.services import Services
from scenewright.server.studies import clips_of
from scenewright.server.submitting import chosen_model
from scenewright.server.tables import Job, StudyRow

#: Characters of an answer, and systems of a study.
MOST_WORDS, MOST_SHOWN = 4000, 20

#: A study of more tasks is not asked in one.
MOST_TASKS = 10_000

Label = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f|]*[^\s\x00-\x1f\x7f|]$")]
VideoId = Annotated[str, Field(min_length=1, max_length=80, examples=["video_0123456789abcdef01234567"])]
Videos = Annotated[list[VideoId], Field(min_length=1, max_length=1000)]
Rater = Annotated[str, Field(max_length=200)]
StudyTitle = Annotated[Title, Field(min_length=1)]


def _said(value: Any) -> Any:
    """What no task takes is refused in one place, and not for each type that it could be."""
    items = value if isinstance(value, list) else [value]
    kinds = (int,) if isinstance(value, list) else (int, str)
    if any(isinstance(item, bool) or not isinstance(item, kinds) for item in items):
        raise ValueError("it should be a text, a whole number or a list of these numbers")
    if isinstance(value, str | list) and len(value) > (MOST_WORDS if isinstance(value, str) else MOST_SHOWN):
        raise ValueError("it is too long")
    return value


Said = Annotated[
    Annotated[StrictStr, Field(max_length=MOST_WORDS)]
    | StrictInt
    | Annotated[list[StrictInt], Field(max_length=MOST_SHOWN)],
    BeforeValidator(_said),
]


class NewStudy(Body):
    """``systems``: by label, completed videos of one's own, for a study; the first of a prompt is shown with
    the first of the others, and so on. ``contestants``: by label, how each makes its videos, for an arena,
    which asks one question of kind compare, and shares and checks no tasks. ``mode``: a ``crowd`` shares the
    tasks, ``votes`` on each; of ``expert`` raters everyone answers all. ``checks``: share of the tasks that
    only see whether the rater is there; ``failures``: how many of them may go wrong. ``shared``: whether
    every account may answer."""

    kind: Literal["study", "arena"] = "study"
    name: str = Field(min_length=1, max_length=80, pattern=r"\S", examples=["nano-steps"])
    title: StudyTitle | None = None
    questions: list[Question] = Field(default_factory=lambda: [Question()], min_length=1, max_length=20)
    mode: Literal["crowd", "expert"] = "crowd"
    votes: int = Field(default=3, ge=1, le=1000)
    checks: float = Field(default=0.1, ge=0, le=0.5)
    failures: int = Field(default=0, ge=0, le=1000)
    shared: Flag = False
    systems: dict[Label, Videos] | None = Field(default=None, min_length=1, max_length=MOST_SHOWN)
    contestants: dict[Label, Choices] | None = Field(default=None, min_length=2, max_length=MOST_SHOWN)


class ChangeStudy(Body):
    """What is left out stays. ``closed``: a closed study asks nothing and takes no answers."""

    title: StudyTitle | None = None
    shared: Flag | None = None
    closed: Flag | None = None


class NewRound(Body):
    """``rater``: who will vote; counts where there are no accounts."""

    prompt: str = Field(min_length=1, max_length=MOST_PROMPT, examples=["a red ball rolls left"])
    rater: Rater | None = None


class NewAnswer(Body):
    """``answer``: first, second or tie; places, the best first; a number; or a text. ``rater``: counts where
    there are no accounts. ``seconds`` since it was shown, ``watched`` of playing, ``replays``: how often
    a clip was started again."""

    task: str = Field(min_length=1, max_length=40)
    answer: Said
    rater: Rater | None = None
    seconds: float | None = Field(default=None, ge=0, le=1e6, allow_inf_nan=False)
    watched: float | None = Field(default=None, ge=0, le=1e6, allow_inf_nan=False)
    replays: int | None = Field(default=None, ge=0, le=1_000_000)


def made_of(services: Services, principal: Principal, body: NewStudy) -> StudyRow:
    """The row of a new study. ApiError (400): it cannot be asked."""
    if body.kind == "arena":
        return _arena(services, principal, body)
    if body.contestants is not None:
        raise bad_request("contestants are for kind = arena", "contestants")
    if body.systems is None:
        raise bad_request("systems is required", "systems", "missing_required_parameter")
    row = _row(principal, body)
    row.systems = {
        label: [[job.request["prompt"], job.id] for job in _own(services, principal, label, ids)]
        for label, ids in body.systems.items()
    }
    _check(row, StudySettings.model_validate(row.config))
    return row


def _arena(services: Services, principal: Principal, body: NewStudy) -> StudyRow:
    for name in ("systems", "mode", "votes", "checks", "failures"):
        if name in body.model_fields_set:
            raise bad_request(f"{name} does nothing for kind = arena; leave it out", name)
    if body.contestants is None:
        raise bad_request("contestants is required", "contestants", "missing_required_parameter")
    if [question.kind for question in body.questions] != ["compare"]:
        raise bad_request("an arena asks one question of kind compare", "questions")
    row = _row(principal, body, votes=1, checks=0.0)
    try:
        StudySettings.model_validate(row.config).check_systems(body.contestants)
    except ValueError as error:
        raise bad_request(str(error), "contestants") from None
    limits = services.settings.limits
    for label, choices in body.contestants.items():
        try:
            model, facts = chosen_model(services, choices.model)
            plan(options_of(choices, 0), "a red ball", facts, limits, model=model)
        except ApiError as error:
            param = f"contestants.{label}.{error.param}" if error.param else f"contestants.{label}"
            raise bad_request(error.message, param, error.code or "invalid_value") from None
    # The server's own model is noted: another server's may be another.
    row.contestants = {
        label: {
            "model": services.settings.default_model,
            **choices.model_dump(exclude_unset=True, exclude_none=True),
        }
        for label, choices in body.contestants.items()
    }
    return row


def options_of(choices: Choices, seed: int, **more: Any) -> Options:
    """What ``POST /v1/videos`` would be asked for."""
    return Options(**choices.model_dump(), seed=seed, **more)


def _row(principal: Principal, body: NewStudy, **settings: Any) -> StudyRow:
    given = body.model_dump(include={"name", "title", "questions", "mode", "votes", "checks", "failures"})
    given = {**{name: value for name, value in given.items() if value is not None}, **settings}
    try:
        config = StudySettings.model_validate({**given, "seed": secrets.randbits(53)})
    except ValidationError as error:
        raise from_validation(error.errors()) from None
    return StudyRow(
        id=f"study_{secrets.token_hex(12)}",
        owner_id=principal.owner_id,
        kind=body.kind,
        config=config.model_dump(mode="json"),
        systems=None,
        contestants=None,
        salt=secrets.token_hex(16),
        shared=body.shared,
        created_at=0.0,
        closed_at=None,
    )


def _own(services: Services, principal: Principal, label: str, ids: Sequence[str]) -> list[Job]:
    param, owner = f"systems.{label}", changes(principal)
    if len(set(ids)) < len(ids):
        raise bad_request("a video is named twice", param)
    with services.database.read() as session:
        found = {job.id: job for job in session.scalars(select(Job).where(Job.id.in_(ids)))}
    for id in ids:
        job = found.get(id)
        if job is None or owner not in (None, job.owner_id) or job.deleted_at is not None or job.hidden:
            raise bad_request(f"there is no video {shortened(id)!r} of yours", param, "video_not_found")
        if job.status != "completed" or job.video_hash is None:
            raise bad_request(f"the video {id} is not completed", param, "wrong_status")
    return [found[id] for id in ids]


def _check(row: StudyRow, config: StudySettings) -> None:
    clips = clips_of(row)
    try:
        config.check_systems(clips)
    except ValueError as error:
        raise bad_request(str(error), "systems") from None
    items = Study(config, clips).items
    if not items:
        raise bad_request("the systems have no prompt in common", "systems")
    for question in config.questions:
        if unknown := sorted(set(question.right) - {prompt for prompt, _ in items}):
            raise bad_request(f"right = {shortened(unknown[0])!r} is no prompt of the videos", "questions")
    if (count := config.count(len(clips), len(items))) > MOST_TASKS:
        raise bad_request(f"these are {count:,} tasks, and {MOST_TASKS:,} at most; ask for less", "votes")
