"""``scenewright evaluate``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scenewright.cli.console import Progress, emit, json_option, note

if TYPE_CHECKING:
    from scenewright.evaluation.judging import Request
    from scenewright.evaluation.report import Report
    from scenewright.evaluation.run import Progress as Told

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--suite",
        default="world-core",
        show_default=True,
        help="A suite, its YAML file, or a list of prompts.",
    ),
    click.option(
        "--metric",
        "metrics",
        multiple=True,
        help="What to measure: exact, fidelity, motion, consistency, semantics, distribution, or one of "
        "theirs such as psnr; may be given several times.  [default: exact]",
    ),
    click.option(
        "--with",
        "pretrained",
        multiple=True,
        metavar="KIND=FOLDER",
        help="Measures of a pretrained network that transformers reads: clip, nli, detector or frames; or of "
        "one of the zoo: matching, such as matching=zoo/damsm.",
    ),
    click.option(
        "--reference",
        help="What to compare with: world, the true renders; for fidelity a folder with files of the same "
        "names; for distribution a folder with videos, or published statistics (.pkl).",
    ),
    click.option(
        "--network",
        default="world",
        show_default=True,
        help="What sees the features of distribution: the package's own, which knows the world alone, or a "
        "file.",
    ),
    click.option("--preset", default="plain", show_default=True, help="How clips become that file's input."),
    click.option(
        "--compat", help="A distance as stylegan-v, common-metrics, fastvideo, cd-fvd or jedi computes it."
    ),
    click.option(
        "--section", "sections", multiple=True, help="Only this section; may be given several times."
    ),
    click.option("--limit", type=click.IntRange(min=1), help="At most this many prompts of each section."),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Added to every prompt's."
    ),
    click.option("--fast", is_flag=True, help="The model's settings for few sampling steps."),
    click.option("--steps", type=click.IntRange(1, 1000), help="Sampling steps. [default: the model's]"),
    click.option(
        "--workers",
        type=click.IntRange(1, 256),
        default=1,
        show_default=True,
        help="Processes that share the work.",
    ),
)


def judging_options(command: F) -> F:
    """What is measured, and how: options of every command that judges a system."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("system", metavar="MODEL|FOLDER|world")
@judging_options
@click.option("--no-floor", is_flag=True, help="Leave the untrained model out.")
@click.option("--no-ceiling", is_flag=True, help="Leave the true renders out.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for results, report.html and clips; an interrupted run goes on from there.",
)
@click.option(
    "--history",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that the scores are added to, one line each time; the report shows how they went.",
)
@json_option
def evaluate(
    system: str,
    no_floor: bool,
    no_ceiling: bool,
    output: Path | None,
    history: Path | None,
    as_json: bool,
    **options: Any,
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
      scenewright evaluate nano --metric distribution --reference world --workers 2
      scenewright evaluate videos/ --metric frechet --reference real/ --network i3d.pt --preset i3d-common
    """
    from scenewright.evaluation.judging import Request

    request = Request(system=system, floor=not no_floor, ceiling=not no_ceiling, **options)
    report = judge(request, output, as_json=as_json)
    past = []
    if history is not None:
        from scenewright.evaluation.history import add, read

        add(history, report)
        past = read(history, report)
    if output is not None:
        from scenewright.evaluation.files import write_results

        write_results(report, output, past)
    emit(report.to_json() if as_json else report.table(), as_json=as_json)


def judge(request: Request, output: Path | None, *, as_json: bool) -> Report:
    """The report of a request, with progress shown. ClickException where nothing could be scored."""
    from scenewright.evaluation.judging import Judging

    @contextmanager
    def show(task: str, total: int) -> Iterator[Told]:
        with Progress(task, total=total, unit="clips", as_json=as_json) as bar:
            yield lambda done, _: bar.advance(done - bar.done)

    return Judging(request).report(output, cache_folder(), show, lambda text: note(text, as_json=as_json))


def cache_folder() -> Path:
    """Where floors, ceilings and features of references are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "scenewright" / "evaluation"
