"""A study: what people are shown and asked, in which order, and what counts as attention.

Raters never learn which system made what: a task names its clips by place. Over the prompts of a pair each
system stands on each side as often as the other, and every further vote on a task turns the sides around.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from scenewright.config import Config
from scenewright.evaluation.systems import FolderSystem
from scenewright.seeds import keyed_seed

Kind = Literal["compare", "rank", "rate", "answer"]


class Question(Config):
    """``compare``: which of two is better; ``ties``: or neither. ``rank``: all systems' clips, best first.
    ``rate``: one clip, from 1 to ``scale``. ``answer``: about one clip, one of ``choices``, or in words where
    there are none; ``right``: the answer that counts, by prompt.
    """

    kind: Kind = "compare"
    text: str = "Which video fits the sentence better?"
    ties: bool = True
    scale: int = Field(default=5, ge=2, le=11)
    choices: tuple[str, ...] = ()
    right: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Question:
        if self.kind != "answer" and (self.choices or self.right):
            raise ValueError("choices and right are for kind = answer")
        unknown = sorted(set(self.right.values()) - set(self.choices))
        if self.choices and unknown:
            raise ValueError(f"right = {unknown[0]} is none of the choices")
        return self


class StudyConfig(Config):
    """``systems``: a folder of videos with ``index.jsonl`` each; shown are the prompts that all have.
    ``mode``: a ``crowd`` shares the tasks, with ``votes`` of different raters on each; of ``expert`` raters
    everyone answers all. ``checks``: share of the tasks that only see whether the
    rater is there; ``failures``: how many of these a rater may get wrong before the answers do not count."""

    name: str
    title: str = "Which video is better?"
    systems: Mapping[str, Path] = Field(min_length=1)
    questions: tuple[Question, ...] = Field(default=(Question(),), min_length=1)
    mode: Literal["crowd", "expert"] = "crowd"
    votes: int = Field(default=3, ge=1)
    checks: float = Field(default=0.1, ge=0, le=0.5)
    failures: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> StudyConfig:
        needs = {"compare", "rank"} & {q.kind for q in self.questions}
        if needs and len(self.systems) < 2:
            raise ValueError(f"{' and '.join(sorted(needs))} need two systems at least")
        return self


@dataclass(frozen=True)
class Task:
    """One thing to answer. ``shown``: systems by place, which raters do not see; ``expected``: what a check
    wants to hear, None for what is asked in earnest."""

    id: str
    question: int
    prompt: str
    shown: tuple[str, ...]
    expected: str | None = None


@dataclass(frozen=True)
class Study:
    """A study with its clips found."""

    config: StudyConfig
    files: Mapping[str, Mapping[str, Path]]

    @classmethod
    def open(cls, config: StudyConfig) -> Study:
        """Raises ValueError where a folder has no index or file, or no prompt is common."""
        files: dict[str, dict[str, Path]] = {}
        for name, folder in config.systems.items():
            system = FolderSystem(Path(folder))
            files[name] = {p.text: system.files[p.id] for p in system.prompts}
            for file in files[name].values():
                if not file.is_file():
                    raise ValueError(f"{folder}: there is no {file.name}, which its index names")
        common = set.intersection(*(set(found) for found in files.values()))
        if not common:
            raise ValueError(f"the systems of {config.name} have no prompt in common")
        return cls(config, files)

    @cached_property
    def prompts(self) -> list[str]:
        """What all systems have clips of, in the order of the first."""
        first, *others = self.files.values()
        return [text for text in first if all(text in other for other in others)]

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """Everything that is asked in earnest, by id."""
        return {task.id: task for task in self._tasks()}

    def check(self, number: int) -> Task:
        """The ``number``-th check: a task that says what to answer."""
        wanted = "first" if keyed_seed(self.config.seed, "check", number) % 2 else "second"
        prompt = self.prompts[number % len(self.prompts)]
        system = next(iter(self.files))
        return Task(f"check-{number}", -1, prompt, (system, system), wanted)

    def find(self, task: str) -> Task:
        """The task of an id. ValueError where there is none."""
        if task.startswith("check-") and task.removeprefix("check-").isdecimal():
            return self.check(int(task.removeprefix("check-")))
        if task not in self.tasks:
            raise ValueError(f"there is no task {task} in {self.config.name}")
        return self.tasks[task]

    def order(self, rater: str) -> list[Task]:
        """All tasks in the order in which ``rater`` gets them; checks are not among them."""
        return sorted(self.tasks.values(), key=lambda task: keyed_seed(self.config.seed, rater, task.id))

    def video(self, task: Task, place: int) -> Path:
        """The file of the clip at a place of a task."""
        return self.files[task.shown[place]][task.prompt]

    def valid(self, task: Task, answer: Any) -> bool:
        """Whether ``answer`` is one that the task's question takes."""
        if task.expected is not None:
            return answer in ("first", "second", "tie")
        question = self.config.questions[task.question]
        if question.kind == "compare":
            return answer in ("first", "second") or (question.ties and answer == "tie")
        if question.kind == "rank":
            return isinstance(answer, list) and sorted(map(str, answer)) == sorted(
                map(str, range(len(task.shown)))
            )
        if question.kind == "rate":
            return isinstance(answer, int) and 1 <= answer <= question.scale
        return isinstance(answer, str) and (
            answer in question.choices if question.choices else bool(answer.strip())
        )

    def _tasks(self) -> Iterator[Task]:
        names = list(self.files)
        # An expert gets one of two, with one or the other side first.
        variants = self.config.votes if self.config.mode == "crowd" else 2
        for index, question in enumerate(self.config.questions):
            for at, prompt in enumerate(self.prompts):
                if question.kind == "compare":
                    for pair, (a, b) in enumerate(combinations(names, 2)):
                        for vote in range(variants):
                            shown = (a, b) if (at + pair + vote) % 2 == 0 else (b, a)
                            yield _task(index, prompt, shown, vote)
                elif question.kind == "rank":
                    for vote in range(variants):
                        rng = np.random.default_rng(keyed_seed(self.config.seed, "rank", index, at, vote))
                        yield _task(index, prompt, tuple(names[i] for i in rng.permutation(len(names))), vote)
                else:
                    for name in names:
                        for vote in range(variants):
                            yield _task(index, prompt, (name,), vote)


def _task(question: int, prompt: str, shown: tuple[str, ...], vote: int) -> Task:
    """Its id tells nothing of the systems."""
    text = json.dumps([question, prompt, sorted(shown) if len(shown) > 1 else shown, vote])
    return Task(hashlib.sha256(text.encode()).hexdigest()[:16], question, prompt, shown)
