"""``scenewright evaluate``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenewright.cli.console import Progress, emit, json_option, note

if TYPE_CHECKING:
    from scenewright.evaluation.report import Report


@click.command()
@click.argument("system", metavar="MODEL|FOLDER|world")
@click.option(
    "--suite", "suite_name", default="world-core", show_default=True, help="A suite, or its YAML file."
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="What to measure: exact, fidelity, motion, semantics, or one of theirs such as psnr; may be given "
    "several times.  [default: exact]",
)
@click.option(
    "--reference",
    help="What fidelity compares with: a folder with files of the same names, or world for the true renders.",
)
@click.option("--section", "sections", multiple=True, help="Only this section; may be given several times.")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many prompts of each section.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Added to every prompt's."
)
@click.option("--fast", is_flag=True, help="The model's settings for few sampling steps.")
@click.option("--steps", type=click.IntRange(1, 1000), help="Sampling steps. [default: the model's]")
@click.option("--no-floor", is_flag=True, help="Leave the untrained model out.")
@click.option("--no-ceiling", is_flag=True, help="Leave the true renders out.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for results, clips and contact sheets; an interrupted run goes on from there.",
)
@json_option
def evaluate(
    system: str,
    suite_name: str,
    metrics: tuple[str, ...],
    reference: str | None,
    sections: tuple[str, ...],
    limit: int | None,
    seed: int,
    fast: bool,
    steps: int | None,
    no_floor: bool,
    no_ceiling: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Score a model, a folder of videos, or the world's own renders against their prompts.

    A reader sees each clip's objects and compares them with what the prompt says: presence, colour, shape,
    size, motion, direction, count and relation. Floor is the same network untrained, ceiling the true renders
    of the same prompts; both are kept in the cache for the next time. A FOLDER holds videos and index.jsonl
    with one {"file": ..., "prompt": ...} a line; it is scored on its own prompts.

    \b
    Examples:
      scenewright evaluate nano
      scenewright evaluate nano --section single --limit 24 --json | jq .scores
      scenewright evaluate videos/ --output results/
      scenewright evaluate decoded/ --metric fidelity --metric vmaf --reference originals/
    """
    from scenewright.evaluation import run
    from scenewright.evaluation.measures import find_measures
    from scenewright.evaluation.report import Report
    from scenewright.evaluation.suites import load_suite
    from scenewright.evaluation.systems import (
        FolderSystem,
        ModelSystem,
        System,
        WorldSystem,
        find_references,
        find_system,
    )

    measures = find_measures(metrics)
    exact = not metrics or "exact" in metrics
    if reference is None and any(m.reference for m in measures):
        names = ", ".join(m.name for m in measures if m.reference)
        raise click.UsageError(f"{names}: name what to compare with, by --reference")
    if reference is not None and not any(m.reference for m in measures):
        raise click.UsageError("--reference: only with a metric of fidelity")
    tested = find_system(system, fast=fast, steps=steps)
    suite = tested.suite() if isinstance(tested, FolderSystem) else load_suite(suite_name)
    suite = suite.select(sections or None, limit)
    references = None if reference is None else find_references(reference, tested, _native(tested))

    def measure(who: System, role: str, folder: Path | None, keep: bool) -> list[Any]:
        records = None if folder is None else folder / f"{role}.jsonl"
        with Progress(f"Scoring {role}", total=len(suite.prompts), unit="clips", as_json=as_json) as bar:
            return run.evaluate(
                who,
                suite.prompts,
                measures=measures,
                exact=exact,
                references=references,
                seed=seed,
                records=records,
                keep=folder / "clips" if folder is not None and keep else None,
                on_error=lambda p, e: note(f"{p.id} left out: {e}", as_json=as_json),
                progress=lambda done, total: bar.advance(done - bar.done),
            )

    outcomes = measure(tested, "system", output, keep=True)
    if not outcomes:
        raise click.ClickException(f"{system}: not one clip could be scored")
    floor = ceiling = []
    if isinstance(tested, ModelSystem) and not no_floor:
        floor = measure(
            ModelSystem(system, untrained=True, fast=fast, steps=steps), "floor", _cache(), keep=False
        )
    if not no_ceiling:
        if isinstance(tested, WorldSystem):
            ceiling = outcomes
        else:
            ceiling = measure(WorldSystem(*_native(tested)), "ceiling", _cache(), keep=False)
    facts = {
        "fingerprint": run.fingerprint_of(tested, seed, measures, exact, references),
        "suite_sha256": suite.sha256,
        "prompts_sha256": suite.prompts_sha256,
        "seed": seed,
        "exact": run.PROTOCOL,
        "reader": run.reader_hash(),
        "reference": "" if references is None else references.key,
    }
    report = Report(suite.name, tested.name, outcomes, floor, ceiling, facts, measures)
    if output is not None:
        _write(report, output)
    emit(report.to_json() if as_json else report.table(), as_json=as_json)


def _native(system: Any) -> tuple[int, int]:
    """Size of the clips that the ceiling is compared with."""
    from scenewright.evaluation.systems import ModelSystem

    return system.pipeline.native_size if isinstance(system, ModelSystem) else (128, 128)


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "scenewright" / "evaluation"


def _write(report: Report, folder: Path) -> None:
    from scenewright.evaluation.gallery import extremes_sheet
    from scenewright.media import save_image

    folder.mkdir(parents=True, exist_ok=True)
    result = {**report.to_json(), "system": report.system, **report.facts}
    partial = folder / ".results.json.partial"
    partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, folder / "results.json")
    (folder / "table.txt").write_text(report.table() + "\n", encoding="utf-8")
    worst, best = report.extremes()
    for name, outcomes in (("worst", worst), ("best", best)):
        sheet = extremes_sheet(outcomes, folder / "clips")
        if sheet is not None:
            save_image(sheet, folder / f"{name}.png")
