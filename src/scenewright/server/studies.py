"""Studies of the library's videos: kept in the queue's database, asked and judged by the package's own code
for studies, :mod:`scenewright.evaluation.people`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from scenewright.evaluation.people.answers import Answer, checks_for
from scenewright.evaluation.people.arena import Arena
from scenewright.evaluation.people.study import CHECK, Study, StudySettings, Survey, Task
from scenewright.server.jobs import JobQueue
from scenewright.server.paging import Order, page_of
from scenewright.server.tables import Job, StudyAnswer, StudyRound, StudyRow, User


class ClosedStudyError(ValueError):
    """An answer to a study that takes none any more."""


class AnsweredError(ValueError):
    """An answer to what the rater has answered from another side, or knows the videos of."""


class UnmadeError(ValueError):
    """An answer to a round whose videos are not made."""


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
    """Rows of the database that ``queue`` is in."""

    def __init__(self, queue: JobQueue) -> None:
        self.queue, self.database, self.now = queue, queue.database, queue.now

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
                if closed:
                    self._reveal_all(session, id)
        return row

    def delete(self, id: str) -> None:
        """For good, with its answers."""
        with self.database.write() as session:
            session.get(StudyRow, id, with_for_update=True)
            self._reveal_all(session, id)
            session.execute(delete(StudyRound).where(StudyRound.study_id == id))
            session.execute(delete(StudyAnswer).where(StudyAnswer.study_id == id))
            session.execute(delete(StudyRow).where(StudyRow.id == id))

    def opened(self, row: StudyRow) -> Survey:
        """The study to ask and to judge."""
        with self.database.read() as session:
            return self._opened(session, row)

    def video(self, row: StudyRow, task: str, place: int, owner_id: str) -> str:
        """The id of the video at a place of a task, for who asks.

        Raises:
            UnmadeError: it belongs to a round whose videos are not both made.
            LookupError: there is no such place or task, or it is another's round.
        """
        with self.database.read() as session:
            if row.kind == "arena":
                round = session.get(StudyRound, task)
                if (
                    round is None
                    or (round.study_id, round.owner_id) != (row.id, owner_id)
                    or place not in (0, 1)
                ):
                    raise LookupError(f"there is no place {place} in {task}")
                self._check_made(session, round)
                return round.videos[place]
            study = self._opened(session, row)
        assert isinstance(study, Study)
        try:
            found = study.find(task)
        except ValueError as error:
            raise LookupError(str(error)) from None
        if not 0 <= place < len(found.shown):
            raise LookupError(f"there is no place {place} in {task}")
        video: str = study.video(found, place)
        return video

    def answers(self, id: str) -> Sequence[Answer]:
        """All, the oldest first."""
        with self.database.read() as session:
            return _answers(session, id)

    def answered(self, id: str) -> frozenset[str]:
        """The tasks that have an answer."""
        with self.database.read() as session:
            query = select(StudyAnswer.task).where(StudyAnswer.study_id == id).distinct()
            return frozenset(session.scalars(query))

    def counts(self, ids: Sequence[str], rater: str) -> dict[str, Counts]:
        """By study."""
        earnest = StudyAnswer.study_id.in_(ids) & StudyAnswer.task.not_like(f"{CHECK}%")
        mine = func.count().filter(StudyAnswer.rater == rater)
        query = select(StudyAnswer.study_id, func.count(), mine).where(earnest)
        with self.database.read() as session:
            rows = session.execute(query.group_by(StudyAnswer.study_id)).all()
        found = {id: Counts(all, own) for id, all, own in rows}
        return {id: found.get(id, Counts(0, 0)) for id in ids}

    def owners(self, studies: Sequence[StudyRow]) -> Mapping[str, str]:
        """Names by the ids of users."""
        ids = {study.owner_id for study in studies}
        with self.database.read() as session:
            rows = session.execute(select(User.id, User.name).where(User.id.in_(ids))).all()
        return {row.id: row.name for row in rows}

    def answer(self, id: str, answer: Answer) -> Task:
        """Keep an answer; one that the same rater gives again takes the place of the first. The task that it
        is to.

        What it is a vote on, in an arena, is hidden no longer.

        Raises:
            ClosedStudyError, AnsweredError, UnmadeError: it is not taken.
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
            if row.kind == "arena":
                self._vote(session, task, answer.rater)
            mine = (StudyAnswer.study_id == id) & (StudyAnswer.rater == answer.rater)
            own = set(session.scalars(select(StudyAnswer.task).where(mine)))
            if task.id not in own:
                _check_asked(survey, task, answer.rater, own)
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

    def _vote(self, session: Session, task: Task, rater: str) -> None:
        round = session.get(StudyRound, task.id)
        if round is None or round.rater != rater:
            raise LookupError(f"there is no round {task.id} of {rater}")
        if session.get(StudyAnswer, (round.study_id, round.id, rater)) is not None:
            raise AnsweredError("you have voted, and know who made which")
        self._check_made(session, round)
        self.queue.reveal(session, round.videos)

    def _check_made(self, session: Session, round: StudyRound) -> None:
        made = (Job.status == "completed") & Job.deleted_at.is_(None) & Job.video_hash.is_not(None)
        ready = session.scalars(select(Job.id).where(Job.id.in_(round.videos), made)).all()
        if len(ready) < len(round.videos):
            raise UnmadeError("the videos of this round are not made, or deleted")

    def _reveal_all(self, session: Session, id: str) -> None:
        rounds = session.scalars(select(StudyRound).where(StudyRound.study_id == id))
        self.queue.reveal(session, [video for round in rounds for video in round.videos])

    def _opened(self, session: Session, row: StudyRow) -> Survey:
        config = StudySettings.model_validate(row.config)
        if row.kind == "arena":
            order = (StudyRound.created_at, StudyRound.id)
            rounds = session.scalars(select(StudyRound).where(StudyRound.study_id == row.id).order_by(*order))
            tasks = [Task(r.id, 0, r.prompt, tuple(r.shown), None, i) for i, r in enumerate(rounds)]
            return Arena(config, tuple(row.contestants or {}), tuple(tasks))
        clips = clips_of(row)
        ids = {video for prompts in clips.values() for videos in prompts.values() for video in videos}
        there = Job.id.in_(ids) & Job.deleted_at.is_(None) & Job.video_hash.is_not(None)
        gone = ids - set(session.scalars(select(Job.id).where(there)))
        return Study(config, clips, row.salt, gone)


def clips_of(row: StudyRow) -> dict[str, dict[str, list[str]]]:
    """Ids of videos by system and prompt."""
    clips: dict[str, dict[str, list[str]]] = {}
    for label, videos in (row.systems or {}).items():
        found = clips.setdefault(label, {})
        for prompt, video in videos:
            found.setdefault(prompt, []).append(video)
    return clips


def _check_asked(survey: Survey, task: Task, rater: str, own: set[str]) -> None:
    """That a rater who has answered ``own`` may be asked this, too."""
    if isinstance(survey, Study) and task.expected is not None:
        if task not in checks_for(survey, rater, own):
            raise LookupError(f"there is no check {task.id} for {rater}")
    elif task.subject in {survey.tasks[other].subject for other in own if other in survey.tasks}:
        raise AnsweredError("you have answered this already, from another side")


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
