"""``scenewright compare``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from scenewright.cli.console import emit, json_option
from scenewright.cli.evaluate import cache_folder, judge, judging_options


@click.command()
@click.argument("systems", nargs=-1, required=True, metavar="SYSTEM|RESULTS...")
@judging_options
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the leaderboard, and for the results of each system in a folder of its name.",
)
@json_option
def compare(systems: tuple[str, ...], output: Path | None, as_json: bool, **options: Any) -> None:
    """Say which of several systems is better at what.

    Each is a folder that evaluate --output has written, or anything that evaluate scores: it is scored first,
    with the same options for all. Two are compared metric by metric, with difference, 95 % interval, a test
    corrected for the number of metrics, and the size of the effect; more give a leaderboard. All tests are
    paired by prompt. Scores that were not measured alike are refused.

    \b
    Examples:
      scenewright compare nano runs/mine/model
      scenewright evaluate nano --output results/nano
      scenewright compare results/nano results/mine results/theirs --section single
    """
    from scenewright.evaluation.comparison import Results, compare, table
    from scenewright.evaluation.files import write_results, write_text
    from scenewright.evaluation.judging import Request
    from scenewright.evaluation.leaderboard import leaderboard
    from scenewright.evaluation.systems import is_model

    if len(systems) < 2:
        raise click.UsageError("name two systems or more")
    if len(set(systems)) < len(systems):
        raise click.UsageError("a system is named twice")
    found = []
    for name, label in zip(systems, _labels(systems), strict=True):
        folder = Path(name)
        if not (folder / "results.json").is_file():
            request = Request(system=name, floor=False, **options)
            if not is_model(name):
                request = replace(request, fast=False, steps=None)
            folder = (output or cache_folder() / "compared") / label
            write_results(judge(request, folder, as_json=as_json), folder)
        found.append(Results.read(folder))
    if len({result.name for result in found}) < len(found):
        found = [replace(r, name=label) for r, label in zip(found, _labels(systems), strict=True)]
    sections = options["sections"]
    section = sections[0] if len(sections) == 1 else None
    board = leaderboard(found, section)
    if output is not None:
        write_text(output / "leaderboard.html", board.page())
    if as_json:
        emit(board.to_json())
    elif len(found) == 2:
        one, other = found
        emit(table(one, other, compare(one, other, section)), as_json=False)
    else:
        emit(board.table(), as_json=False)


def _labels(systems: Sequence[str]) -> list[str]:
    """The last part of each path, or as many as it takes to tell them apart."""
    paths = [Path(system).absolute().parts for system in systems]
    for count in range(1, max(map(len, paths)) + 1):
        labels = ["-".join(part.strip("/") for part in parts[-count:]) for parts in paths]
        if len(set(labels)) == len(labels):
            return labels
    raise click.UsageError("a system is named twice")
