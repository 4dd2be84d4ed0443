"""``scenewright compare``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from scenewright.cli.console import emit, json_option


@click.command()
@click.argument("first", type=click.Path(path_type=Path, file_okay=False))
@click.argument("second", type=click.Path(path_type=Path, file_okay=False))
@click.option("--section", help="Only this section. [default: the first that states a fact]")
@json_option
def compare(first: Path, second: Path, section: str | None, as_json: bool) -> None:
    """Say whether SECOND is better than FIRST: two folders that evaluate --output has written.

    Both are compared prompt by prompt. Each metric comes with its difference, a 95 % interval, a test
    corrected for the number of metrics, and the size of the effect. Scores that were not measured alike are
    refused.

    \b
    Examples:
      scenewright evaluate nano --output results/nano
      scenewright evaluate runs/mine/model --output results/mine
      scenewright compare results/nano results/mine
    """
    from scenewright.evaluation import comparison

    one, other = comparison.Results.read(first), comparison.Results.read(second)
    found = comparison.compare(one, other, section)
    if as_json:
        rows = {d.metric: {n: v for n, v in asdict(d).items() if n != "metric"} for d in found}
        emit({"first": one.name, "second": other.name, "metrics": rows}, as_json=True)
    else:
        emit(comparison.table(one, other, found), as_json=False)
