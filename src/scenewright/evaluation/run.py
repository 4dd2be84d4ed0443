"""Runs a system over a suite: make the clips, read them, score them; resumable."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from pathlib import Path

import numpy as np

from scenewright.clip import Clip, GivenFrame
from scenewright.evaluation.exact import ATTRIBUTES, score
from scenewright.evaluation.given import kept
from scenewright.evaluation.measures import Measure, Sample
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
    seed: int = 0,
    records: Path | None = None,
    keep: Path | None = None,
    on_error: Callable[[SuitePrompt, Exception], None] | None = None,
    progress: Progress | None = None,
    batch: int = 8,
) -> list[Outcome]:
    """Scores one clip of ``system`` for each prompt, in order.

    ``exact``: whether its facts are read and scored, see :mod:`.exact`; ``measures``: what else is measured,
    some of it against ``references``: a system that gives a clip for each prompt too.
    ``records``: a JSON-lines file that collects the outcomes; those it already holds for the same system,
    prompt, seed and reader are not made again. ``keep``: a folder for the clips as MP4. ``on_error`` is told
    of a clip that cannot be made or read, which is then left out; without it the error is raised.
    """
    fingerprint = fingerprint_of(system, seed, measures, exact, references)
    judged = references if any(measure.reference for measure in measures) else None
    done = finished(records, fingerprint)
    outcomes: dict[str, Outcome] = {p.id: done[_key(p)] for p in prompts if _key(p) in done}
    if progress and outcomes:
        progress(len(outcomes), len(prompts))
    left = [p for p in prompts if p.id not in outcomes]
    for part in _parts(left, batch):
        for prompt, clip, given in _clips(system, part, seed, on_error):
            try:
                reference = None if judged is None else judged.clips([prompt], seed)[0]
                outcome = _outcome(prompt, clip, given, measures, exact, reference)
            except (ValueError, OSError) as error:
                if on_error is None:
                    raise
                on_error(prompt, error)
                continue
            outcomes[prompt.id] = outcome
            if records is not None:
                _append(records, {"fingerprint": fingerprint, "key": _key(prompt), **outcome.record()})
            if keep is not None:
                _keep(clip, keep / f"{prompt.id}.mp4")
        if progress:
            progress(len(outcomes), len(prompts))
    return [outcomes[p.id] for p in prompts if p.id in outcomes]


def fingerprint_of(
    system: System,
    seed: int,
    measures: Sequence[Measure] = (),
    exact: bool = True,
    references: System | None = None,
) -> str:
    """What an outcome depends on besides the prompt: protocol, system, seed, reader weights, what is
    measured."""
    names = [*(["exact"] if exact else []), *(measure.name for measure in measures)]
    key = "" if references is None else references.key
    parts = json.dumps([PROTOCOL, system.key, seed, reader_hash(), sorted(names), key])
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def reader_hash() -> str:
    """First 16 hex digits of the SHA-256 of the reader's weights."""
    from scenewright.evaluation.reader.decode import WEIGHTS

    file = WEIGHTS / "model.safetensors"
    if not file.is_file():
        raise FileNotFoundError(f"no reader weights at {file}; reinstall scenewright or train the reader")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def read_and_score(texts: Sequence[str], clips: Sequence[np.ndarray]) -> list[dict[str, list[bool]]]:
    """Scores uint8 (T, H, W, 3) videos against their prompts; see :func:`exact.score`."""
    from scenewright.evaluation.reader.decode import read_clips

    readings = read_clips(clips)
    return [score(parse(t).description, r) for t, r in zip(texts, readings, strict=True)]


def _outcome(
    prompt: SuitePrompt,
    clip: Clip,
    given: Sequence[GivenFrame],
    measures: Sequence[Measure],
    exact: bool,
    reference: Clip | None,
) -> Outcome:
    sample = Sample(clip, prompt.text, reference)
    items: dict[str, list[bool]] = {}
    if exact:
        items = score(sample.description, sample.reading)
        assert set(items) == set(ATTRIBUTES)
        if given:
            items["kept"] = kept(clip, given)
    values = {measure.name: measure.compute(sample) for measure in measures}
    frames, height, width = clip.frames.shape[:3]
    return Outcome(
        prompt.id,
        prompt.section,
        prompt.text,
        items,
        sample.reading.record() if exact or any(m.reader for m in measures) else [],
        {name: value for name, value in values.items() if isfinite(value)},
        {"frames": frames, "width": width, "height": height, "fps": clip.fps},
    )


def _clips(
    system: System,
    part: Sequence[SuitePrompt],
    seed: int,
    on_error: Callable[[SuitePrompt, Exception], None] | None,
) -> Iterator[tuple[SuitePrompt, Clip, Sequence[GivenFrame]]]:
    """The part's clips at once, or one by one where one of them fails; with the frames they were given."""
    try:
        given = system.given(part, seed)
        yield from zip(part, system.clips(part, seed, given), given, strict=True)
        return
    except (ValueError, OSError) as error:
        if on_error is None:
            raise
        if len(part) == 1:
            on_error(part[0], error)
            return
    for prompt in part:
        yield from _clips(system, [prompt], seed, on_error)


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
    torn = records.is_file() and records.stat().st_size and not records.read_bytes().endswith(b"\n")
    with records.open("a", encoding="utf-8") as file:
        file.write(("\n" if torn else "") + json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _keep(clip: Clip, path: Path) -> None:
    from scenewright.media import encode

    path.parent.mkdir(parents=True, exist_ok=True)
    encode(clip, path)
