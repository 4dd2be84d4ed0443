"""Suites as metrics that training can call by name; see :data:`scenewright.registry.metrics`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scenewright.clip import Clip, Prompt
from scenewright.evaluation.distribution.networks import world_features
from scenewright.evaluation.distribution.sets import SETS, find_sets, score_set
from scenewright.evaluation.exact import ATTRIBUTES
from scenewright.evaluation.measures import Sample, find_measures
from scenewright.evaluation.run import read_and_score
from scenewright.evaluation.statistics import Interval, bootstrap_interval
from scenewright.evaluation.suites import SuitePrompt, load_suite
from scenewright.evaluation.systems import WorldSystem
from scenewright.generation.generator import Generator


def world_core(
    pipeline: Generator, *, prompts: int = 24, sections: tuple[str, ...] = ("single",)
) -> dict[str, Interval]:
    """Exact scores on the first ``prompts`` of each section of ``world-core``: ``SECTION/ATTRIBUTE``, and
    ``mean``, the share of all stated facts that are right. Attributes that no prompt states are left out.

    Raises:
        ValueError: a section that the suite does not have, or no prompts.
    """
    asked, clips = _made(pipeline, sections, prompts)
    return intervals(asked, read_and_score([p.text for p in asked], [c.frames for c in clips]))


def intervals(
    asked: Sequence[SuitePrompt], answers: Sequence[Mapping[str, Sequence[bool]]]
) -> dict[str, Interval]:
    """``SECTION/ATTRIBUTE`` and ``mean`` of what :func:`.exact.score` says of each prompt."""
    found: dict[str, list[tuple[bool, str]]] = {}
    for prompt, items in zip(asked, answers, strict=True):
        for attribute in ATTRIBUTES:
            for right in items[attribute]:
                found.setdefault(f"{prompt.section}/{attribute}", []).append((right, prompt.id))
                found.setdefault("mean", []).append((right, prompt.id))
    return {name: bootstrap_interval(*zip(*pairs, strict=True)) for name, pairs in found.items()}


def measured(
    pipeline: Generator,
    *,
    names: tuple[str, ...] = ("motion",),
    prompts: int = 8,
    sections: tuple[str, ...] = ("single",),
) -> dict[str, Interval]:
    """Measures of :mod:`.measures`, by name or group, on the first ``prompts`` of each section of
    ``world-core``; means over clips. Where less is better it is negated and called ``minus-NAME``, so that
    more is better in all; those of which no number is better are left out.

    Raises:
        ValueError: an unknown name, or a measure that needs references.
    """
    chosen = [m for m in find_measures(list(names)) if m.better != "neither"]
    if needs := [m.name for m in chosen if m.reference]:
        raise ValueError(f"{', '.join(needs)} need references, which training has none of")
    asked, clips = _made(pipeline, sections, prompts)
    samples = [Sample(clip, p.text) for clip, p in zip(clips, asked, strict=True)]
    found = {}
    for measure in chosen:
        sign = 1 if measure.better == "higher" else -1
        values = [sign * measure.compute(sample) for sample in samples]
        name = measure.name if sign > 0 else f"minus-{measure.name}"
        found[name] = bootstrap_interval(values, shares=measure.rate and sign > 0)
    return found


def distances(
    pipeline: Generator,
    *,
    names: tuple[str, ...] = ("frechet",),
    prompts: int = 64,
    sections: tuple[str, ...] = ("single",),
) -> dict[str, Interval]:
    """Measures of :data:`.distribution.sets.SETS` against the true renders of the same prompts, seen by the
    package's 3-D network; distances are negated and called ``minus-NAME``.

    Raises:
        ValueError: an unknown name, or too few prompts.
    """
    chosen = find_sets(names)
    if unknown := sorted(set(names) - {*(m.name for m in chosen), "distribution"}):
        raise ValueError(f"{', '.join(unknown)}: no measure of sets; known: {', '.join(SETS)}")
    network = world_features()
    asked, clips = _made(pipeline, sections, prompts)
    true = WorldSystem(*pipeline.native_size).clips(asked, 0)
    test, reference = (np.stack([network(clip) for clip in part]) for part in (clips, true))
    found = {}
    for measure in chosen:
        pair = (reference, test)
        if measure.classes:
            pair = (network.logits(reference), network.logits(test))
        score = score_set(measure, *pair)
        sign = 1 if measure.better == "higher" else -1
        low, high = sorted((sign * score.low, sign * score.high))
        name = measure.name if sign > 0 else f"minus-{measure.name}"
        found[name] = Interval(sign * score.value, low, high, score.n, score.n)
    return found


def _made(
    pipeline: Generator, sections: Sequence[str], prompts: int
) -> tuple[tuple[SuitePrompt, ...], list[Clip]]:
    """The first ``prompts`` of each section of ``world-core``, and a clip of each."""
    asked = load_suite("world-core").select(tuple(sections), prompts).prompts
    return asked, pipeline.generate([Prompt(text=p.text, seed=p.seed) for p in asked])
