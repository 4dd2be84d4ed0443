"""Studies of the library's videos: kept in the queue's database, asked and judged by the package's own code
for studies, :mod:`scenewright.evaluation.people`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from scenewright.evaluation.people.answers import Answer
from scenewright.evaluation.people.study import CHECK, Study, StudySettings, Survey, Task
from scenewright.server.database import Database
from scenewright.server.paging import Order, page_of
from scenewright.server.tables import Job, StudyAnswer, StudyRow, User


class ClosedStudyError(ValueError):
    """An answer to a study that takes none any more."""


class AnsweredError(ValueError):
    """An answer to what the rater has answered from another side."""


class StudyPage(NamedTuple):
    """Part of a list, and whether there is more after it."""

    studies: list[StudyRow]
    has_more: bool


@dataclass(frozen=True)
class Counts:
    """Answers in earnest: of all, and of one rater."""

    answers: int
    mine: int


class Studies:
    """``clock``: seconds since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database, self.now = database, clock

    def add(self, row: StudyRow) -> StudyRow:
        with self.database.write() as session:
            session.add(row)
        return row

    def get(self, id: str) -> StudyRow | None:
        with self.database.read() as session:
            return session.get(StudyRow, id)

    def list(
        self,
        owner_id: str,
        *,
        after: str | None = None,
        before: str | None = None,
        limit: int = 20,
        order: Order = "desc",
    ) -> StudyPage:
        """Someone's own and what others share, by when they were made. ``after`` and ``before`` are ids;
        nothing is left out where there is no such study."""
        seen = [or_(StudyRow.owner_id == owner_id, StudyRow.shared.is_(True))]
        columns = (StudyRow.created_at, StudyRow.id)
        with self.database.read() as session:
            first, last = (None if id is None else session.get(StudyRow, id) for id in (after, before))
            found = page_of(
                session, StudyRow, columns, seen, after=first, before=last, limit=limit, order=order
            )
        return StudyPage(*found)

    def change(
        self, id: str, *, title: str | None = None, shared: bool | None = None, closed: bool | None = None
    ) -> StudyRow | None:
        """Change what is given; the study as it is then."""
        with self.database.write() as session:
            row = session.get(StudyRow, id, with_for_update=True)
            if row is not None:
                if title is not None:
                    row.config = {**row.config, "title": title}
                if shared is not None:
                    row.shared = shared
                if closed is not None:
                    row.closed_at = (row.closed_at or self.now()) if closed else None
        return row

    def delete(self, id: str) -> None:
        """For good, with its answers."""
        with self.database.write() as session:
            session.get(StudyRow, id, with_for_update=True)
            session.execute(delete(StudyAnswer).where(StudyAnswer.study_id == id))
            session.execute(delete(StudyRow).where(StudyRow.id == id))

    def opened(self, row: StudyRow) -> Survey:
        """The study to ask and to judge."""
        with self.database.read() as session:
            return self._opened(session, row)

    def answers(self, id: str) -> Sequence[Answer]:
        """All, the oldest first."""
        with self.database.read() as session:
            return _answers(session, id)

    def counts(self, ids: Sequence[str], rater: str) -> dict[str, Counts]:
        """By study."""
        earnest = StudyAnswer.study_id.in_(ids) & StudyAnswer.task.not_like(f"{CHECK}%")
        mine = func.count().filter(StudyAnswer.rater == rater)
        query = select(StudyAnswer.study_id, func.count(), mine).where(earnest)
        with self.database.read() as session:
            rows = session.execute(query.group_by(StudyAnswer.study_id)).all()
        found = {id: Counts(all, own) for id, all, own in rows}
        return {id: found.get(id, Counts(0, 0)) for id in ids}

    def owners(self, rows: Sequence[StudyRow]) -> Mapping[str, str]:
        """Names by the ids of users."""
        ids = {row.owner_id for row in rows}
        with self.database.read() as session:
            return {
                id: name for id, name in session.execute(select(User.id, User.name).where(User.id.in_(ids)))
            }

    def answer(self, id: str, answer: Answer) -> Task:
        """Keep an answer; one that the same rater gives again takes the place of the first. The task that it
        is to.

        Raises:
            ClosedStudyError, AnsweredError: it is not taken.
            LookupError: there is no such study, or no such task.
            ValueError: it is no answer to the task.
        """
        with self.database.write() as session:
            row = session.get(StudyRow, id, with_for_update=True)
            if row is None:
                raise LookupError(f"there is no study {id}")
            if row.closed_at is not None:
                raise ClosedStudyError("the study is closed; it takes no more answers")
            survey = self._opened(session, row)
            try:
                task = survey.find(answer.task)
            except ValueError as error:
                raise LookupError(str(error)) from None
            if not survey.valid(task, answer.answer):
                raise ValueError("that is no answer to this task")
            own = (StudyAnswer.study_id == id) & (StudyAnswer.rater == answer.rater)
            others = session.scalars(select(StudyAnswer.task).where(own, StudyAnswer.task != task.id))
            known = {survey.tasks[other].subject for other in others if other in survey.tasks}
            if task.expected is None and task.subject in known:
                raise AnsweredError("you have answered this already, from another side")
            session.merge(
                StudyAnswer(
                    study_id=id,
                    task=task.id,
                    rater=answer.rater,
                    answer=json.dumps(answer.answer, ensure_ascii=False),
                    seconds=answer.seconds,
                    watched=answer.watched,
                    replays=answer.replays,
                    at=self.now(),
                )
            )
        return task

    def _opened(self, session: Session, row: StudyRow) -> Survey:
        config = StudySettings.model_validate(row.config)
        clips: dict[str, dict[str, list[str]]] = {}
        for label, videos in (row.systems or {}).items():
            found = clips.setdefault(label, {})
            for prompt, video in videos:
                found.setdefault(prompt, []).append(video)
        ids = {video for prompts in clips.values() for videos in prompts.values() for video in videos}
        there = Job.id.in_(ids) & Job.deleted_at.is_(None) & Job.video_hash.is_not(None)
        gone = ids - set(session.scalars(select(Job.id).where(there)))
        return Study(config, clips, row.salt, gone)


def _answers(session: Session, id: str) -> list[Answer]:
    order = (StudyAnswer.at, StudyAnswer.task, StudyAnswer.rater)
    rows = session.scalars(select(StudyAnswer).where(StudyAnswer.study_id == id).order_by(*order))
    return [
        Answer(
            row.task,
            row.rater,
            json.loads(row.answer),
            row.seconds,
            row.watched,
            row.replays,
            datetime.fromtimestamp(row.at, UTC).isoformat(timespec="seconds"),
        )
        for row in rows
    ]


def labels_of(row: StudyRow) -> Mapping[str, Any]:
    """What is judged, by label."""
    return (row.systems if row.kind == "study" else row.contestants) or {}
