"""One system judged from beginning to end: its clips made and measured, beside a floor and a ceiling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from scenewright.clip import Clip
from scenewright.evaluation import run
from scenewright.evaluation.distribution.against import Videos, features_of, score_sets, videos_of
from scenewright.evaluation.distribution.arrays import check_widths
from scenewright.evaluation.distribution.features import Features
from scenewright.evaluation.distribution.frechet import Moments
from scenewright.evaluation.distribution.sets import COMPATIBLE, SetMeasure, SetScore, find_sets
from scenewright.evaluation.distribution.stored import read_statistics
from scenewright.evaluation.measures import Measure, find_measures
from scenewright.evaluation.processes import JudgePart, Processes
from scenewright.evaluation.protocol import hash_of_file
from scenewright.evaluation.report import Outcome, Report
from scenewright.evaluation.suites import Suite, SuitePrompt, load_suite
from scenewright.evaluation.systems import (
    WORLD,
    FolderSystem,
    ModelSystem,
    System,
    WorldSystem,
    find_references,
    find_system,
    is_model,
)

Role = Literal["system", "floor", "ceiling"]
#: (what is done, how many of what, unit) to something that is told of progress as (done, total).
Show = Callable[[str, int], AbstractContextManager[run.Progress]]
Note = Callable[[str], None]

#: Added to the seed for a second set of true renders.
OTHER_SEED = 1_000_003
#: Sets with fewer videos than this many times the features are hardly told apart.
ENOUGH = 2


@dataclass(frozen=True)
class Request:
    """What to judge, and how; every field as the option of the same name of ``scenewright evaluate``."""

    system: str
    suite: str = "world-core"
    metrics: tuple[str, ...] = ()
    pretrained: tuple[str, ...] = ()
    reference: str | None = None
    network: str = "world"
    preset: str = "plain"
    compat: str | None = None
    sections: tuple[str, ...] = ()
    limit: int | None = None
    seed: int = 0
    fast: bool = False
    steps: int | None = None
    floor: bool = True
    ceiling: bool = True
    workers: int = 1


class Judging:
    """A request, checked, with what it names.

    Raises:
        ValueError: something that it names is not there, or does not fit the rest.
    """

    def __init__(self, request: Request) -> None:
        self.request = request = _as_the_suite_says(request)
        self.exact = "exact" in request.metrics or not (
            request.metrics or request.pretrained or request.compat
        )
        self.sets: list[SetMeasure] = find_sets(request.metrics)
        if request.compat is not None:
            if request.compat not in COMPATIBLE:
                raise ValueError(f"--compat {request.compat}: give one of {', '.join(COMPATIBLE)}")
            if request.network == WORLD:
                raise ValueError(f"--compat {request.compat}: name the network's file with --network")
            self.sets = [m for m in self.sets if m.name != COMPATIBLE[request.compat].measure.name]
            self.sets.insert(0, COMPATIBLE[request.compat].measure)
        self.measures: list[Measure] = find_measures(
            [
                name
                for name in request.metrics
                if name != "distribution" and name not in {m.name for m in self.sets}
            ]
        )
        if request.pretrained:
            from scenewright.evaluation.pretrained import measures_with

            self.measures += measures_with(
                list(request.pretrained), lambda: [prompt.text for prompt in self.suite.prompts]
            )
        self._check_reference()

    def _check_reference(self) -> None:
        paired = [m.name for m in self.measures if m.reference]
        against = [m.name for m in self.sets if not m.classes]
        if self.request.reference is None and (paired or against):
            names = ", ".join([*paired, *against])
            raise ValueError(f"{names}: name what to compare with, by --reference")
        if self.request.reference is not None and not (paired or against):
            raise ValueError("--reference: only with a metric of fidelity or distribution, or box-iou")
        if self._statistics is not None:
            if paired:
                raise ValueError(
                    f"{', '.join(paired)}: statistics are of no one clip; name a folder of videos"
                )
            assert self._published is not None

    @cached_property
    def tested(self) -> System:
        """The system."""
        return find_system(self.request.system, fast=self.request.fast, steps=self.request.steps)

    @cached_property
    def suite(self) -> Suite:
        """The prompts: a folder's own, or the suite's."""
        whole = (
            self.tested.suite() if isinstance(self.tested, FolderSystem) else load_suite(self.request.suite)
        )
        return whole.select(self.request.sections or None, self.request.limit)

    @cached_property
    def _of_the_world(self) -> tuple[SuitePrompt, ...]:
        """The prompts that say something of the procedural world."""
        return tuple(prompt for prompt in self.suite.prompts if names_something(prompt.text))

    @cached_property
    def size(self) -> tuple[int, int]:
        """Of the true renders that clips are compared with."""
        return self.tested.pipeline.native_size if isinstance(self.tested, ModelSystem) else (128, 128)

    @cached_property
    def references(self) -> System | None:
        """What each clip should be the same as."""
        if self.request.reference is None or not any(m.reference for m in self.measures):
            return None
        return find_references(self.request.reference, self.tested, self.size)

    @cached_property
    def network(self) -> Features | None:
        """What sees the features of sets; None where no set is measured."""
        if not self.sets:
            return None
        from scenewright.evaluation.distribution.networks import find_network

        preset = self.request.preset
        if self.request.compat is not None:
            preset = COMPATIBLE[self.request.compat].preset
        return find_network(self.request.network, preset)

    def settings(self, role: Role, keep: Path | None = None) -> run.Settings:
        """What is done for the system, or for its floor or ceiling."""
        return run.Settings(
            self._system(role),
            self.measures,
            self.exact,
            self.references,
            self.network if role == "system" else None,
            self.request.seed,
            keep,
        )

    def report(self, output: Path | None, cache: Path, show: Show, note: Note) -> Report:
        """Judge all. ``output``: where results and clips are kept, and gone on from; ``cache``: where what
        serves again is.

        Raises:
            ValueError: not one clip could be scored.
        """
        if self.exact and not self._of_the_world:
            raise ValueError(
                f"{self.suite.name}: no prompt names anything of the procedural world, so none can be scored "
                "exactly; say what to measure with --metric or --with"
            )
        outcomes = self._judged("system", output, output and output / "clips", show, note)
        if not outcomes:
            raise ValueError(f"{self.request.system}: not one clip could be scored")
        floor: list[Outcome] = []
        ceiling: list[Outcome] = []
        if self.exact or self.measures:
            if isinstance(self.tested, ModelSystem) and self.request.floor:
                floor = self._judged("floor", cache, None, show, note)
            if self.request.ceiling and self._of_the_world:
                own = isinstance(self.tested, WorldSystem)
                ceiling = outcomes if own else self._judged("ceiling", cache, None, show, note)
        sets = self._scored_sets(outcomes, cache, show, note) if self.sets else []
        return Report(
            self.suite.name, self.tested.name, outcomes, floor, ceiling, self._facts, self.measures, sets
        )

    @property
    def _facts(self) -> dict[str, Any]:
        arguments = (self.tested, self.request.seed, self.measures, self.exact, self.references, self.network)
        facts: dict[str, Any] = {
            "fingerprint": run.fingerprint_of(*arguments),
            "suite_sha256": self.suite.sha256,
            "prompts_sha256": self.suite.prompts_sha256,
            "seed": self.request.seed,
            "exact": run.PROTOCOL,
            "reader": run.reader_hash(),
            "reference": "" if self.references is None else self.references.key,
        }
        if self.network is not None:
            convention = dict(self.network.convention)
            facts |= {
                "network": convention,
                "network_name": str(convention["network"]),
                "reference_name": self.request.reference or "",
            }
            if self.references is None and self.request.reference is not None:
                statistics = self._statistics
                facts["reference"] = (
                    self._reference_videos(self.request.seed).key
                    if statistics is None
                    else f"statistics:{hash_of_file(statistics)}"
                )
        return facts

    @cached_property
    def _published(self) -> Moments | None:
        """What is in that file. ValueError where it holds something else."""
        return None if self._statistics is None else read_statistics(self._statistics)

    @property
    def _statistics(self) -> Path | None:
        """The file of statistics that the reference is; None where it is videos."""
        file = Path(self.request.reference or "")
        return file if file.suffix == ".pkl" else None

    def _system(self, role: Role) -> System:
        if role == "system":
            return self.tested
        if role == "ceiling":
            return WorldSystem(*self.size)
        return ModelSystem(
            self.request.system, untrained=True, fast=self.request.fast, steps=self.request.steps
        )

    def _judged(
        self, role: Role, folder: Path | None, keep: Path | None, show: Show, note: Note
    ) -> list[Outcome]:
        settings = self.settings(role, keep)
        prompts = self._of_the_world if role == "ceiling" else self.suite.prompts
        spread = self.request.workers > 1
        build = partial(_build, replace(self.request, workers=1), role, keep)
        with (
            show(f"Scoring {role}", len(prompts)) as progress,
            Processes(build, self.request.workers) if spread else nullcontext() as judge,
        ):
            return run.evaluate(
                settings.system,
                prompts,
                measures=settings.measures,
                exact=settings.exact,
                references=settings.references,
                network=settings.network,
                seed=settings.seed,
                records=None if folder is None else folder / f"{role}.jsonl",
                keep=keep,
                on_error=lambda p, error: note(f"{p.id} left out: {error}"),
                progress=progress,
                judge=judge,
            )

    def _scored_sets(self, outcomes: list[Outcome], cache: Path, show: Show, note: Note) -> list[SetScore]:
        import numpy as np

        assert self.network is not None
        reference: np.ndarray | Moments = np.zeros((0, len(outcomes[0].features)))
        same = None
        if self._published is not None:
            reference = self._published
            check_widths(len(reference.mean), len(outcomes[0].features))
        elif self.request.reference is not None:
            videos = self._reference_videos(self.request.seed)
            with show("Reference", videos.count) as progress:
                reference = features_of(videos, self.network, cache, progress)
            if self.request.reference == WORLD:
                more = self._reference_videos(self.request.seed + OTHER_SEED)
                with show("Reference once more", more.count) as progress:
                    same = features_of(more, self.network, cache, progress)
        if self.request.reference is not None:
            features = len(outcomes[0].features)
            few = min(len(outcomes), reference.count if isinstance(reference, Moments) else len(reference))
            if few < ENOUGH * features:
                note(
                    f"{few} videos for {features} features: distances are mostly bias; compare only at this "
                    "number, or give more"
                )
        return score_sets(self.sets, outcomes, reference, self.network, same=same, on_error=note)

    def _reference_videos(self, seed: int) -> Videos:
        assert self.request.reference is not None
        if self.request.reference != WORLD:
            return videos_of(self.request.reference)
        world = WorldSystem(*self.size)
        prompts = self.suite.prompts

        def clips() -> Iterator[Clip]:
            for start in range(0, len(prompts), 8):
                yield from world.clips(prompts[start : start + 8], seed)

        key = f"{world.key}:{self.suite.prompts_sha256}:{seed}"
        return Videos(WORLD, key, len(prompts), clips)


def _as_the_suite_says(request: Request) -> Request:
    """With the metrics and the reference of the suite, where none is asked for."""
    asked = request.metrics or request.pretrained or request.compat
    if asked or not (request.system == WORLD or is_model(request.system)):
        return request
    suite = load_suite(request.suite)
    reference = request.reference if request.reference is not None else suite.reference
    return replace(request, metrics=suite.metrics, reference=reference)


def names_something(text: str) -> bool:
    """Whether a prompt names anything of the procedural world."""
    from scenewright.world.parser import parse

    try:
        parse(text)
    except ValueError:
        return False
    return True


def _build(request: Request, role: Role, keep: Path | None) -> JudgePart:
    """In another process: the same settings once more."""
    return Judging(request).settings(role, keep).judge
