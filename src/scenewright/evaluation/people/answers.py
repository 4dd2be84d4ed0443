"""What raters have answered: a SQLite file that several processes may use at once, and CSV."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from scenewright.evaluation.people.study import CHECK, Study, Survey, Task

_COLUMNS = ("task", "rater", "answer", "seconds", "watched", "replays", "at")
_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    task TEXT NOT NULL, rater TEXT NOT NULL, answer TEXT NOT NULL, seconds REAL, watched REAL, replays
    INTEGER, at TEXT NOT NULL, PRIMARY KEY (task, rater)
)
"""


@dataclass(frozen=True)
class Answer:
    """``seconds`` from the moment the task was shown; ``watched``: seconds of playing; ``replays``: how
    often a clip was started again. ``at``: when, in UTC."""

    task: str
    rater: str
    answer: Any
    seconds: float | None = None
    watched: float | None = None
    replays: int | None = None
    at: str = ""


class Answers:
    """The answers of one study. An answer that is given again, by the same rater, takes the place of the
    first."""

    def __init__(self, file: Path) -> None:
        self.file = Path(file)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(_TABLE)

    def add(self, answer: Answer) -> None:
        at = answer.at or datetime.now(UTC).isoformat(timespec="seconds")
        row = (
            answer.task, answer.rater, json.dumps(answer.answer, ensure_ascii=False), answer.seconds,
            answer.watched, answer.replays, at,
        )  # fmt: skip
        with closing(self._connect()) as connection, connection:
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def __iter__(self) -> Iterator[Answer]:
        with closing(self._connect()) as connection:
            rows = connection.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM answers ORDER BY at, task, rater"
            ).fetchall()
        for task, rater, answer, *rest in rows:
            yield Answer(task, rater, json.loads(answer), *rest)

    def count(self, rater: str) -> int:
        """How many answers ``rater`` has given."""
        with closing(self._connect()) as connection:
            row = connection.execute("SELECT COUNT(*) FROM answers WHERE rater = ?", (rater,)).fetchone()
        return int(row[0])

    def next_task(self, study: Study[Any], rater: str) -> Task | None:
        """See :func:`next_task`."""
        return next_task(study, list(self), rater)

    def export_csv(self, study: Survey, file: Path) -> int:
        """Write all answers, with the systems that were shown; returns how many."""
        with Path(file).open("w", newline="", encoding="utf-8") as out:
            return write_csv(study, self, out)

    def import_csv(self, study: Survey, file: Path) -> int:
        """Take in what :meth:`export_csv` wrote, or a results file of Mechanical Turk's kind (``WorkerId``,
        ``Input.task``, ``Answer.answer``, ``WorkTimeInSeconds``); returns how many.

        Raises:
            ValueError: a line that is no answer to a task of the study. Then nothing is taken in.
        """
        found = []
        with Path(file).open(newline="", encoding="utf-8-sig") as rows:
            for number, row in enumerate(csv.DictReader(rows), 2):
                try:
                    found.append(_read_row(study, row))
                except (KeyError, ValueError, TypeError) as error:
                    reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
                    raise ValueError(f"{file}, line {number}: {reason}") from None
        for answer in found:
            self.add(answer)
        return len(found)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, timeout=30)


def next_task(study: Study[Any], found: Sequence[Answer], rater: str) -> Task | None:
    """What ``rater`` is to answer now, where ``found`` was answered; None when nothing is left.

    A crowd shares the tasks: one is open until a rater who is not left out has answered it. Experts answer
    all. Of one prompt, question and pair a rater answers one task only. Checks come in between. What cannot
    be shown any more is not asked.
    """
    out = left_out(study, found)
    own = {a.task for a in found if a.rater == rater}
    done = {a.task for a in found if a.rater not in out} if study.config.mode == "crowd" else set()
    asked = [study.tasks[task] for task in own if task in study.tasks]
    checks = sum(task.startswith(CHECK) for task in own)
    known = {task.subject for task in asked}
    left = (
        t for t in study.order(rater) if t.subject not in known and t.id not in done and study.can_show(t)
    )
    task = next(left, None)
    if study.config.checks and (len(asked) + 1) * study.config.checks >= checks + 1:
        return next((check for check in checks_for(study, rater, own) if study.can_show(check)), task)
    return task


def checks_for(study: Study[Any], rater: str, own: Collection[str]) -> Iterator[Task]:
    """Checks that may come next for a rater who has answered the tasks ``own``. They differ between raters,
    so that nobody can pass on what to answer."""
    first = sum(map(ord, rater)) % 1000
    done = sum(task.startswith(CHECK) for task in own)
    numbers = range(first, first + done + len(study.items) + 1)
    return (check for check in map(study.check, numbers) if check.id not in own)


def left_out(study: Survey, answers: Iterable[Answer]) -> frozenset[str]:
    """Raters who have failed more checks than a study allows."""
    failed: Counter[str] = Counter()
    for answer in answers:
        if answer.task.startswith(CHECK):
            failed[answer.rater] += answer.answer != study.find(answer.task).expected
    return frozenset(rater for rater, count in failed.items() if count > study.config.failures)


def write_csv(study: Survey, answers: Iterable[Answer], out: TextIO) -> int:
    """Write answers with the systems that were shown; returns how many."""
    writer, rows = csv.writer(out), list(answers)
    writer.writerow([*_COLUMNS, "question", "prompt", "shown"])
    for row in rows:
        task = study.find(row.task)
        values = [row.task, row.rater, json.dumps(row.answer, ensure_ascii=False)]
        values += ["" if v is None else str(v) for v in (row.seconds, row.watched, row.replays, row.at)]
        writer.writerow([*values, str(task.question), task.prompt, "|".join(task.shown)])
    return len(rows)


def write_hits(study: Survey, base_url: str, file: Path) -> int:
    """A CSV of Mechanical Turk's kind: a line a task with the addresses of its clips, as ``study serve`` at
    ``base_url`` gives them; returns how many."""
    most = max(len(task.shown) for task in study.tasks.values())
    with Path(file).open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["task", "kind", "question", "prompt", *(f"video_{i}" for i in range(most))])
        for task in study.tasks.values():
            question = study.config.questions[task.question]
            urls = [f"{base_url.rstrip('/')}/video/{task.id}/{i}.mp4" for i in range(len(task.shown))]
            writer.writerow(
                [task.id, question.kind, question.text, task.prompt, *urls, *[""] * (most - len(urls))]
            )
    return len(study.tasks)


def _read_row(study: Survey, row: dict[str, str]) -> Answer:
    turk = "WorkerId" in row
    task = study.find(row["Input.task" if turk else "task"])
    text = row["Answer.answer" if turk else "answer"]
    try:
        answer = json.loads(text)
    except json.JSONDecodeError:
        answer = text
    if not study.valid(task, answer):
        raise ValueError(f"{text!r} is no answer to task {task.id}")
    if turk:
        return Answer(task.id, row["WorkerId"], answer, float(row.get("WorkTimeInSeconds") or 0) or None)
    seconds, watched = (float(row[name]) if row.get(name) else None for name in ("seconds", "watched"))
    replays = int(row["replays"]) if row.get("replays") else None
    return Answer(task.id, row["rater"], answer, seconds, watched, replays, row.get("at") or "")
