"""Scores over time: a file of JSON lines, one for each evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scenewright.evaluation.report import Report


@dataclass(frozen=True)
class Entry:
    """``time``: ISO 8601, UTC. ``scores``: of each metric ``value``, ``low``, ``high`` and
    ``fingerprint``."""

    time: str
    system: str
    key: str
    suite: str
    scores: Mapping[str, Mapping[str, Any]]


def add(file: Path, report: Report) -> Entry:
    """Adds a report's scores as the last line."""
    scores = {
        name: {part: score[part] for part in ("value", "low", "high", "fingerprint")}
        for name, score in report.to_json()["scores"].items()
        if score["value"] is not None
    }
    time = datetime.now(UTC).isoformat(timespec="seconds")
    entry = Entry(time, report.system, str(report.facts.get("fingerprint", "")), report.suite, scores)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")
    return entry


def read(file: Path, report: Report) -> list[Entry]:
    """Earlier entries with scores that may be compared with the report's, oldest first; of each only these.

    Raises:
        ValueError: a line that is no entry.
    """
    now = {name: score["fingerprint"] for name, score in report.to_json()["scores"].items()}
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = Entry(**json.loads(line))
            scores = {n: s for n, s in entry.scores.items() if now.get(n) == s["fingerprint"]}
        except (json.JSONDecodeError, TypeError, KeyError, AttributeError):
            raise ValueError(
                f"{file}, line {number}: no scores of an evaluation; mend or remove it"
            ) from None
        if scores:
            found.append(Entry(entry.time, entry.system, entry.key, entry.suite, scores))
    return found
