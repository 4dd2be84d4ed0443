"""What a study found."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import combinations
from math import isfinite
from typing import Any

import numpy as np

from scenewright.evaluation.people.agreement import Rating, dawid_skene, krippendorff_alpha
from scenewright.evaluation.people.answers import Answer, left_out
from scenewright.evaluation.people.planning import prompts_missing, standing
from scenewright.evaluation.people.preferences import Outcome, Vote, fit_preferences, ranking_votes
from scenewright.evaluation.people.study import Question, Survey, Task
from scenewright.evaluation.statistics import Interval, bootstrap_interval


def results(study: Survey, answers: Iterable[Answer]) -> dict[str, Any]:
    """JSON-like: ``raters``, those left out for failed checks, ``engagement``, and one entry a question, with
    what its kind allows; ``null`` where there is not enough to say."""
    found = list(answers)
    out = left_out(study, found)
    kept = [a for a in found if a.rater not in out and study.find(a.task).expected is None]
    return {
        "study": study.config.name,
        "raters": len({a.rater for a in kept}),
        "left_out": sorted(out),
        "answers": len(kept),
        "wanted": study.wanted({a.task for a in kept}),
        "engagement": _engagement(kept),
        "questions": [
            {"kind": q.kind, "text": q.text, **_question(study, i, q, kept)}
            for i, q in enumerate(study.config.questions)
        ],
    }


def _question(study: Survey, index: int, question: Question, kept: Sequence[Answer]) -> dict[str, Any]:
    own = [a for a in kept if study.find(a.task).question == index]
    if not own:
        return {"answers": 0}
    kinds = {"compare": _compared, "rank": _ranked, "rate": _rated, "answer": _answered}
    return {"answers": len(own), **kinds[question.kind](study, question, own)}


def _compared(study: Survey, question: Question, own: Sequence[Answer]) -> dict[str, Any]:
    votes, agreed = [], []
    for a in own:
        task = study.find(a.task)
        vote = Vote(task.prompt, task.shown[0], task.shown[1], a.answer, a.rater)
        votes.append(vote)
        agreed.append(Rating(task.subject, a.rater, _winner(vote)))
    return {
        **_preferences(votes),
        "ties": float(np.mean([v.outcome == "tie" for v in votes])),
        "pairs": [_pair(votes, a, b) for a, b in combinations(study.systems, 2)],
        "alpha": _alpha(agreed, "nominal"),
    }


def _ranked(study: Survey, question: Question, own: Sequence[Answer]) -> dict[str, Any]:
    votes, ratings = [], []
    for a in own:
        task = study.find(a.task)
        order = [task.shown[int(i)] for i in a.answer]
        votes += ranking_votes(task.prompt, order, a.rater)
        ratings += [Rating((task.subject, name), a.rater, float(rank)) for rank, name in enumerate(order, 1)]
    return {**_preferences(votes, sides=False), "alpha": _alpha(ratings, "ordinal")}


def _rated(study: Survey, question: Question, own: Sequence[Answer]) -> dict[str, Any]:
    by_system: dict[str, list[tuple[float, str]]] = defaultdict(list)
    ratings = []
    for a in own:
        task = study.find(a.task)
        by_system[task.shown[0]].append((float(a.answer), task.prompt))
        ratings.append(Rating(task.subject, a.rater, float(a.answer)))
    means = {name: _interval(bootstrap_interval(*zip(*x, strict=True))) for name, x in by_system.items()}
    return {"means": means, "alpha": _alpha(ratings, "ordinal")}


def _answered(study: Survey, question: Question, own: Sequence[Answer]) -> dict[str, Any]:
    right: dict[str, list[tuple[bool, str]]] = defaultdict(list)
    asked = [study.find(a.task) for a in own]
    for a, task in zip(own, asked, strict=True):
        if task.prompt in question.right:
            right[task.shown[0]].append((a.answer == question.right[task.prompt], task.prompt))
    accuracy = {name: _interval(bootstrap_interval(*zip(*x, strict=True))) for name, x in right.items()}
    if not question.choices:
        texts = [
            {**_about(task), "rater": a.rater, "answer": a.answer} for a, task in zip(own, asked, strict=True)
        ]
        return {"accuracy": accuracy or None, "texts": texts}
    units = {task.subject: task for task in asked}
    ratings = [Rating(task.subject, a.rater, str(a.answer)) for a, task in zip(own, asked, strict=True)]
    truths = dawid_skene(ratings)
    return {
        "accuracy": accuracy or None,
        "labels": [{**_about(task), "label": truths.labels[unit]} for unit, task in units.items()],
        "skills": dict(truths.skills),
        "alpha": _alpha(ratings, "nominal"),
    }


def _about(task: Task) -> dict[str, Any]:
    """What a task of one clip is about."""
    return {"prompt": task.prompt, "system": task.shown[0], "take": task.take}


def _preferences(votes: Sequence[Vote], *, sides: bool = True) -> dict[str, Any]:
    try:
        found = fit_preferences(votes)
    except ValueError as error:
        return {"ranking": None, "reason": str(error)}
    result: dict[str, Any] = {
        "ranking": found.ranking,
        "unsettled": [list(pair) for pair in found.ties],
        "strengths": {name: _interval(x) for name, x in found.strengths.items()},
        "win_rates": {name: _interval(x) for name, x in found.win_rates.items()},
    }
    if sides:
        result["left"] = _interval(found.left)
    return result


def _pair(votes: Sequence[Vote], a: str, b: str) -> dict[str, Any]:
    """Wins, losses and ties of ``a``. Whether it may stop goes by one vote a prompt, the majority of its
    votes."""
    own = [v for v in votes if {v.first, v.second} == {a, b}]
    tally = Counter(_winner(v) for v in own)
    by_prompt: dict[str, Counter[str]] = defaultdict(Counter)
    for v in own:
        by_prompt[v.prompt][_winner(v)] += 1
    wins = sum(c[a] > c[b] for c in by_prompt.values())
    losses = sum(c[a] < c[b] for c in by_prompt.values())
    return {
        "systems": [a, b],
        "votes": [tally[a], tally[b], tally["tie"]],
        "prompts": [wins, losses],
        **standing(wins, losses)._asdict(),
        "missing": prompts_missing(wins, losses),
    }


def _winner(vote: Vote) -> str:
    outcome: Outcome = vote.outcome
    return {"first": vote.first, "second": vote.second, "tie": "tie"}[outcome]


def _alpha(ratings: Sequence[Rating], level: Any) -> dict[str, Any] | None:
    try:
        return _interval(krippendorff_alpha(ratings, level))
    except ValueError:
        return None


def _interval(interval: Interval) -> dict[str, Any]:
    return {n: v if not isinstance(v, float) or isfinite(v) else None for n, v in asdict(interval).items()}


def _engagement(kept: Sequence[Answer]) -> dict[str, Any]:
    """Medians of what was recorded."""
    found = {}
    for name in ("seconds", "watched", "replays"):
        values = [getattr(a, name) for a in kept if getattr(a, name) is not None]
        found[name] = float(np.median(values)) if values else None
    return found
