"""A study: what people are shown and asked, in which order, and what counts as attention.

Raters never learn which system made what: a task names its clips by place. Over the prompts of a pair each
system stands on each side as often as the other, and every further vote on a task turns the sides around.

What a clip is, a study does not care about: a file of a folder here, a video of a library for the server.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from pydantic import Field, model_validator

from scenewright.config import Config
from scenewright.seeds import keyed_seed

Kind = Literal["compare", "rank", "rate", "answer"]
Clip = TypeVar("Clip")

CHECK = "check-"


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


class StudySettings(Config):
    """How a study asks. ``mode``: a ``crowd`` shares the tasks, with ``votes`` of different raters on each;
    of ``expert`` raters everyone answers all. ``checks``: share of the tasks that only see whether the
    rater is there; ``failures``: how many of these a rater may get wrong before the answers do not count."""

    name: str
    title: str = "Which video is better?"
    questions: tuple[Question, ...] = Field(default=(Question(),), min_length=1)
    mode: Literal["crowd", "expert"] = "crowd"
    votes: int = Field(default=3, ge=1)
    checks: float = Field(default=0.1, ge=0, le=0.5)
    failures: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)

    @property
    def variants(self) -> int:
        """How many tasks there are of what is the same but for its sides. An expert gets one of two, with one
        or the other side first."""
        return self.votes if self.mode == "crowd" else 2

    def check_systems(self, names: Collection[str]) -> None:
        """ValueError: they cannot be asked about."""
        needs = {"compare", "rank"} & {q.kind for q in self.questions}
        if needs and len(names) < 2:
            raise ValueError(f"{' and '.join(sorted(needs))} need two systems at least")
        if "tie" in names:
            raise ValueError("no system is called tie: votes call so what neither has won")

    def count(self, systems: int, items: int) -> int:
        """How many tasks a study of so many systems and clips of each has."""
        ways = {"compare": comb(systems, 2), "rank": 1, "rate": systems, "answer": systems}
        return sum(ways[q.kind] for q in self.questions) * items * self.variants


class StudyConfig(StudySettings):
    """``systems``: a folder of videos with ``index.jsonl`` each; shown are the prompts that all have."""

    systems: Mapping[str, Path] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> StudyConfig:
        self.check_systems(self.systems)
        return self


@dataclass(frozen=True)
class Task:
    """One thing to answer. ``shown``: systems by place, which raters do not see; ``expected``: what a check
    wants to hear, None for what is asked in earnest; ``take``: which of a system's clips of the prompt."""

    id: str
    question: int
    prompt: str
    shown: tuple[str, ...]
    expected: str | None = None
    take: int = 0

    @property
    def subject(self) -> tuple[int, str, int, frozenset[str]]:
        """What tasks share that differ in their sides alone."""
        return (self.question, self.prompt, self.take, frozenset(self.shown))


@dataclass(frozen=True)
class Survey(ABC):
    """Tasks about systems, whatever they come from, and what counts as an answer to them."""

    config: StudySettings

    @property
    @abstractmethod
    def systems(self) -> Sequence[str]:
        """The names of what is judged."""

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """Everything that is asked in earnest, by id."""
        return {task.id: task for task in self._tasks()}

    def find(self, task: str) -> Task:
        """The task of an id. ValueError where there is none."""
        if task not in self.tasks:
            raise ValueError(f"there is no task {task} in {self.config.name}")
        return self.tasks[task]

    def wanted(self, answered: AbstractSet[str]) -> int | None:
        """How many answers it wants in all, where tasks of the ids ``answered`` have one; None where there
        is no such number."""
        return None

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

    def shown(self, task: Task, address: Callable[[int], str]) -> dict[str, Any]:
        """A task as raters see it, JSON-like: a check says what to answer. ``address``: of the clip at a
        place."""
        question = self.config.questions[task.question]
        asked = {"kind": question.kind, "text": question.text, "ties": question.ties}
        if task.expected is not None:
            side = {"first": "left", "second": "right"}[task.expected]
            text = f"To see that you are there: choose {side}."
            asked = {"kind": "compare", "text": text, "ties": False}
        return {
            "id": task.id,
            **asked,
            "check": task.expected,
            "prompt": task.prompt,
            "scale": question.scale,
            "choices": list(question.choices) if task.expected is None else [],
            "videos": [address(place) for place in range(len(task.shown))],
        }

    @abstractmethod
    def _tasks(self) -> Iterable[Task]: ...


@dataclass(frozen=True)
class Study(Survey, Generic[Clip]):
    """A study of clips that are there already. ``clips``: of each system, those of each prompt; the same
    number of each is compared, the first with the first. ``salt``: makes the ids of tasks such that nobody
    who does not know it finds a system by its name; ``gone``: clips that cannot be shown any more."""

    clips: Mapping[str, Mapping[str, Sequence[Clip]]] = field(default_factory=dict)
    salt: str = ""
    gone: AbstractSet[Clip] = frozenset()

    @classmethod
    def open(cls, config: StudyConfig) -> Study[Path]:
        """Of the videos of folders. Raises ValueError where a folder has no index or file, or no prompt is
        common."""
        from scenewright.evaluation.systems import FolderSystem

        clips: dict[str, dict[str, list[Path]]] = {}
        for name, folder in config.systems.items():
            system = FolderSystem(Path(folder))
            found = clips.setdefault(name, {})
            for prompt in system.prompts:
                file = system.files[prompt.id]
                if not file.is_file():
                    raise ValueError(f"{folder}: there is no {file.name}, which its index names")
                found.setdefault(prompt.text, []).append(file)
        study = Study(config, clips)
        if not study.items:
            raise ValueError(f"the systems of {config.name} have no prompt in common")
        return study

    @property
    def systems(self) -> Sequence[str]:
        return list(self.clips)

    @cached_property
    def items(self) -> list[tuple[str, int]]:
        """What all systems have clips of, as prompts and takes, in the order of the first."""
        systems = list(self.clips.values())
        return [
            (text, take)
            for text in systems[0]
            for take in range(min(len(clips.get(text, ())) for clips in systems))
        ]

    @property
    def prompts(self) -> list[str]:
        """What all systems have clips of, in the order of the first."""
        return list(dict.fromkeys(text for text, _ in self.items))

    def check(self, number: int) -> Task:
        """The ``number``-th check: a task that says what to answer."""
        wanted = "first" if keyed_seed(self.config.seed, "check", number) % 2 else "second"
        prompt, take = self.items[number % len(self.items)]
        # Not always the same system, whose clips one would get to know.
        system = self.systems[keyed_seed(self.config.seed, "shown", number) % len(self.clips)]
        return Task(f"{CHECK}{number}", -1, prompt, (system, system), wanted, take)

    def find(self, task: str) -> Task:
        # One way to write each number, or one check could be answered several times.
        match = re.fullmatch(rf"{CHECK}(0|[1-9][0-9]{{0,11}})", task)
        return super().find(task) if match is None else self.check(int(match[1]))

    def order(self, rater: str) -> list[Task]:
        """All tasks in the order in which ``rater`` gets them; checks are not among them."""
        return sorted(self.tasks.values(), key=lambda task: keyed_seed(self.config.seed, rater, task.id))

    def video(self, task: Task, place: int) -> Clip:
        """The clip at a place of a task. IndexError: there is no such place."""
        return self.clips[task.shown[place]][task.prompt][task.take]

    def can_show(self, task: Task) -> bool:
        """Whether all clips of a task are there."""
        return all(self.video(task, place) not in self.gone for place in range(len(task.shown)))

    def wanted(self, answered: AbstractSet[str]) -> int | None:
        if self.config.mode != "crowd":
            return None
        return sum(task.id in answered or self.can_show(task) for task in self.tasks.values())

    def _tasks(self) -> Iterator[Task]:
        names, seed = self.systems, self.config.seed
        variants = self.config.variants
        for index, question in enumerate(self.config.questions):
            for at, item in enumerate(self.items):
                if question.kind == "compare":
                    for pair, (a, b) in enumerate(combinations(names, 2)):
                        for vote in range(variants):
                            shown = (a, b) if (at + pair + vote) % 2 == 0 else (b, a)
                            yield self._task(index, item, shown, vote)
                elif question.kind == "rank":
                    for vote in range(variants):
                        rng = np.random.default_rng(keyed_seed(seed, "rank", index, at, vote))
                        order = tuple(names[i] for i in rng.permutation(len(names)))
                        yield self._task(index, item, order, vote)
                else:
                    for name in names:
                        for vote in range(variants):
                            yield self._task(index, item, (name,), vote)

    def _task(self, question: int, item: tuple[str, int], shown: tuple[str, ...], vote: int) -> Task:
        """Its id tells nothing of the systems."""
        prompt, take = item
        parts = [question, prompt, sorted(shown) if len(shown) > 1 else shown, vote]
        parts += [take] if take else []
        text = self.salt + json.dumps(parts)
        return Task(hashlib.sha256(text.encode()).hexdigest()[:16], question, prompt, shown, None, take)
