"""The files of a finished evaluation: results.json, table.txt, contact sheets, and the report for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from scenewright.evaluation.gallery import extremes_sheet
from scenewright.evaluation.history import Entry
from scenewright.evaluation.report import Report
from scenewright.media.atomic import atomic


def write_results(report: Report, folder: Path, past: Sequence[Entry] = ()) -> None:
    """Writes into ``folder``, whose ``clips`` hold the clips; ``past``: earlier scores, for the report."""
    from scenewright.evaluation.page import page
    from scenewright.media import save_image

    result = {**report.to_json(), "system": report.system, **report.facts}
    write_text(folder / "results.json", json.dumps(result, indent=2) + "\n")
    write_text(folder / "table.txt", report.table() + "\n")
    worst, best = report.extremes()
    for name, outcomes in (("worst", worst), ("best", best)):
        sheet = extremes_sheet(outcomes, folder / "clips")
        if sheet is not None:
            save_image(sheet, folder / f"{name}.png")
    write_text(folder / "report.html", page(report, folder / "clips", past))


def write_text(path: Path, text: str) -> None:
    """Appears whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")
