"""Runs a system over a suite: make the clips, read them, score them; resumable."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from pathlib import Path

import numpy as np

from scenewright.clip import Clip, GivenFrame
from scenewright.evaluation.distribution.features import Features
from scenewright.evaluation.exact import ATTRIBUTES, score, stated_and_seen
from scenewright.evaluation.given import kept
from scenewright.evaluation.measures import Measure, Sample
from scenewright.evaluation.protocol import hash_of_file
from scenewright.evaluation.report import Outcome
from scenewright.evaluation.suites import SuitePrompt
from scenewright.evaluation.systems import System
from scenewright.world.parser import parse

#: Changes whenever the same clip could be scored differently by other code (not by other reader weights).
PROTOCOL = "exact-3"

#: Called after every clip with (done, total).
Progress = Callable[[int, int], None]


def evaluate(
    system: System,
    prompts: Sequence[SuitePrompt],
    *,
    measures: Sequence[Measure] = (),
    exact: bool = True,
    references: System | None = None,
    network: Features | None = None,
    seed: int = 0,
    records: Path | None = None,
    keep: Path | None = None,
    on_error: Callable[[SuitePrompt, str], None] | None = None,
    progress: Progress | None = None,
    batch: int = 8,
    judge: Judge | None = None,
) -> list[Outcome]:
    """Scores one clip of ``system`` for each prompt, in order.

    ``exact``: whether its facts are read and scored, see :mod:`.exact`; ``measures``: what else is measured,
    some of it against ``references``: a system that gives a clip for each prompt too. ``network``: gives the
    features that are kept of each clip, for measures of sets.
    ``records``: a JSON-lines file that collects the outcomes; those it already holds for the same system,
    prompt, seed and reader are not made again. ``keep``: a folder for the clips as MP4. ``on_error`` is told
    of a clip that cannot be made or read, which is then left out; without it the error is raised.
    ``judge``: makes and scores the parts elsewhere, such as in other processes; it has the settings itself.
    """
    fingerprint = fingerprint_of(system, seed, measures, exact, references, network)
    done = finished(records, fingerprint)
    outcomes: dict[str, Outcome] = {p.id: done[_key(p)] for p in prompts if _key(p) in done}
    if progress and outcomes:
        progress(len(outcomes), len(prompts))
    parts = list(_parts([p for p in prompts if p.id not in outcomes], batch))
    if judge is None:
        here = Settings(system, measures, exact, references, network, seed, keep, on_error is None)
        judge = partial(map, here.judge)
    for part in judge(parts):
        for prompt, error in part.errors:
            assert on_error is not None
            on_error(prompt, error)
        for prompt, outcome in part.outcomes:
            outcomes[prompt.id] = outcome
            if records is not None:
                _append(records, {"fingerprint": fingerprint, "key": _key(prompt), **outcome.record()})
        if progress:
            progress(len(outcomes), len(prompts))
    return [outcomes[p.id] for p in prompts if p.id in outcomes]


@dataclass(frozen=True)
class Part:
    """Outcomes of some prompts, and of the others what went wrong."""

    outcomes: list[tuple[SuitePrompt, Outcome]] = field(default_factory=list)
    errors: list[tuple[SuitePrompt, str]] = field(default_factory=list)


#: Parts of the prompts to their outcomes, in the same order.
Judge = Callable[[Sequence[Sequence[SuitePrompt]]], Iterable[Part]]


@dataclass(frozen=True, eq=False)
class Settings:
    """What :func:`evaluate` does with a part of the prompts. ``strict``: whether errors are raised."""

    system: System
    measures: Sequence[Measure] = ()
    exact: bool = True
    references: System | None = None
    network: Features | None = None
    seed: int = 0
    keep: Path | None = None
    strict: bool = False

    def judge(self, prompts: Sequence[SuitePrompt]) -> Part:
        """Makes and scores the clips of a few prompts."""
        part = Part()
        paired = any(measure.reference for measure in self.measures)
        for prompt, clip, given in self._clips(prompts, part):
            try:
                reference = None
                if paired and self.references is not None:
                    reference = self.references.clips([prompt], self.seed)[0]
                outcome = self._outcome(prompt, clip, given, reference)
            except (ValueError, OSError) as error:
                if self.strict:
                    raise
                part.errors.append((prompt, str(error)))
                continue
            part.outcomes.append((prompt, outcome))
            if self.keep is not None:
                _keep(clip, self.keep / f"{prompt.id}.mp4")
        return part

    def _clips(
        self, prompts: Sequence[SuitePrompt], part: Part
    ) -> Iterator[tuple[SuitePrompt, Clip, Sequence[GivenFrame]]]:
        """The clips at once, or one by one where one of them fails; with the frames they were given."""
        try:
            given = self.system.given(prompts, self.seed)
            yield from zip(prompts, self.system.clips(prompts, self.seed, given), given, strict=True)
            return
        except (ValueError, OSError) as error:
            if self.strict:
                raise
            if len(prompts) == 1:
                part.errors.append((prompts[0], str(error)))
                return
        for prompt in prompts:
            yield from self._clips([prompt], part)

    def _outcome(
        self, prompt: SuitePrompt, clip: Clip, given: Sequence[GivenFrame], reference: Clip | None
    ) -> Outcome:
        sample = Sample(clip, prompt.text, reference)
        items: dict[str, list[bool]] = {}
        pairs: list[tuple[str, str, str]] = []
        if self.exact:
            items = score(sample.description, sample.reading)
            assert set(items) == set(ATTRIBUTES)
            pairs = stated_and_seen(sample.description, sample.reading)
            if given:
                items["kept"] = kept(clip, given)
        values = {measure.name: measure.compute(sample) for measure in self.measures}
        frames, height, width = clip.frames.shape[:3]
        return Outcome(
            prompt.id,
            prompt.section,
            prompt.text,
            items,
            sample.reading.record() if self.exact or any(m.reader for m in self.measures) else [],
            {name: value for name, value in values.items() if isfinite(value)},
            {"frames": frames, "width": width, "height": height, "fps": clip.fps},
            () if self.network is None else tuple(float(f"{x:.7g}") for x in self.network(clip)),
            pairs,
        )


def fingerprint_of(
    system: System,
    seed: int,
    measures: Sequence[Measure] = (),
    exact: bool = True,
    references: System | None = None,
    network: Features | None = None,
) -> str:
    """What an outcome depends on besides the prompt: protocol, system, seed, reader weights, what is
    measured."""
    names = [*(["exact"] if exact else []), *(measure.name for measure in measures)]
    key = "" if references is None else references.key
    seen_by = None if network is None else dict(network.convention)
    conventions = [m.settings for m in sorted(measures, key=lambda m: m.name)]
    parts = json.dumps([PROTOCOL, system.key, seed, reader_hash(), sorted(names), conventions, key, seen_by])
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def reader_hash() -> str:
    """First 16 hex digits of the SHA-256 of the reader's weights."""
    from scenewright.evaluation.reader.decode import WEIGHTS

    file = WEIGHTS / "model.safetensors"
    if not file.is_file():
        raise FileNotFoundError(f"no reader weights at {file}; reinstall scenewright or train the reader")
    return hash_of_file(file)


def read_and_score(texts: Sequence[str], clips: Sequence[np.ndarray]) -> list[dict[str, list[bool]]]:
    """Scores uint8 (T, H, W, 3) videos against their prompts; see :func:`exact.score`."""
    from scenewright.evaluation.reader.decode import read_clips

    readings = read_clips(clips)
    return [score(parse(t).description, r) for t, r in zip(texts, readings, strict=True)]


def _parts(prompts: Sequence[SuitePrompt], batch: int) -> Iterator[Sequence[SuitePrompt]]:
    for start in range(0, len(prompts), batch):
        yield prompts[start : start + batch]


def _key(prompt: SuitePrompt) -> str:
    given = f"/{prompt.given}" if prompt.given else ""
    return f"{prompt.section}/{prompt.id}/{prompt.seed}/{prompt.text}{given}"


def finished(records: Path | None, fingerprint: str) -> dict[str, Outcome]:
    """The outcomes of ``records`` that have this fingerprint, by prompt; none where there is no file."""
    if records is None or not records.is_file():
        return {}
    found = {}
    for line in records.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a run that was killed while it wrote
        if row.get("fingerprint") == fingerprint:
            found[row["key"]] = Outcome.from_record(row)
    return found


def _append(records: Path, row: dict[str, object]) -> None:
    records.parent.mkdir(parents=True, exist_ok=True)
    with records.open("a+b") as file:
        torn = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
        file.write((("\n" if torn else "") + json.dumps(row, ensure_ascii=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def _keep(clip: Clip, path: Path) -> None:
    from scenewright.media import encode

    path.parent.mkdir(parents=True, exist_ok=True)
    encode(clip, path)
