"""Several systems side by side: which one is best at what, and which others may be as good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from importlib.resources import files
from itertools import combinations
from typing import Any, Literal

from scenewright.evaluation.comparison import Difference, Results, compare_all

#: ``best``; ``unsettled``: that it is worse than the best is not settled at 5 %; ``worse``: it is;
#: ``none``: no number is better.
Standing = Literal["best", "unsettled", "worse", "none"]
MARKS: Mapping[Standing, str] = {"best": "*", "unsettled": "~", "worse": " ", "none": " "}


@dataclass(frozen=True)
class Place:
    """One system's score on one metric."""

    value: float
    low: float | None
    high: float | None
    standing: Standing


@dataclass(frozen=True)
class Leaderboard:
    """``places``: by metric and system, only of metrics that all have. ``differences``: of all pairs."""

    suite: str
    systems: tuple[str, ...]
    places: Mapping[str, Mapping[str, Place]]
    differences: tuple[Difference, ...]

    def to_json(self) -> dict[str, Any]:
        """``suite``, ``systems``, ``leaderboard`` by metric and system, and ``pairs`` with every test."""
        pairs = []
        for difference in self.differences:
            row = asdict(difference)
            first, second = row.pop("systems")
            scores = {"first_value": row.pop("first"), "second_value": row.pop("second")}
            pairs.append({"first": first, "second": second, **row, **scores})
        board = {m: {s: asdict(p) for s, p in row.items()} for m, row in self.places.items()}
        return {"suite": self.suite, "systems": list(self.systems), "leaderboard": board, "pairs": pairs}

    def table(self) -> str:
        """Plain text, a line a metric."""
        wide = max(len(name) for name in (*self.places, "metric"))
        column = max(22, *(len(name) + 2 for name in self.systems))
        head = "".join(f"{name:>{column}}" for name in self.systems)
        lines = [f"{self.suite}: {len(self.systems)} systems", f"  {'metric':<{wide}}{head}"]
        for metric, row in self.places.items():
            cells = "".join(
                f"{_cell(row[name]) + MARKS[row[name].standing]:>{column}}" for name in self.systems
            )
            lines.append(f"  {metric:<{wide}}{cells}")
        lines.append(
            f"  * best, ~ not settled to be worse than the best; {len(self.differences)} tests by prompt"
        )
        return "\n".join(lines)

    def page(self) -> str:
        """HTML, to be read on its own."""
        style = (files("scenewright.evaluation.page") / "page.css").read_text("utf-8")
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.systems)
        rows = "".join(
            f'<tr><th scope="row">{escape(metric)}</th>'
            + "".join(f'<td class="{row[n].standing}">{_cell(row[n])}</td>' for n in self.systems)
            + "</tr>"
            for metric, row in self.places.items()
        )
        told = (
            f"Marked: the best of a row, and in outline those that are not settled to be worse. "
            f"{len(self.differences)} tests, paired by prompt, corrected together (Holm)."
        )
        return (
            '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.suite)}</title>\n<style>\n{style}</style>\n"
            f"<main>\n<h1>{escape(self.suite)}</h1>\n<p>{told}</p>\n"
            f'<div class="wide"><table class="numbers board"><tr><th></th>{head}</tr>{rows}</table></div>\n'
            "</main>\n</html>\n"
        )


def leaderboard(results: Sequence[Results], section: str | None = None) -> Leaderboard:
    """Two systems or more.

    Raises:
        ValueError: two of one name, or scores that were not measured alike.
    """
    names = tuple(result.name for result in results)
    if len(set(names)) < len(names):
        raise ValueError(f"two systems are called alike: {', '.join(names)}; rename a folder")
    found = compare_all(list(combinations(results, 2)), section)
    common = [m for m in results[0].report["scores"] if all(_score(r, m, section) for r in results)]
    places = {}
    for metric in common:
        scores = {result.name: _score(result, metric, section) for result in results}
        better = _direction(results[0], metric, section)
        tests = [d for d in found if d.metric == metric]
        best = max(names, key=lambda n: better * scores[n]["value"]) if better and tests else None
        places[metric] = {
            name: Place(
                scores[name]["value"], scores[name]["low"], scores[name]["high"], _standing(name, best, tests)
            )
            for name in names
        }
    return Leaderboard(str(results[0].report["suite"]), names, places, tuple(found))


def _standing(name: str, best: str | None, tests: Sequence[Difference]) -> Standing:
    if best is None:
        return "none"
    if name == best:
        return "best"
    between = next(d for d in tests if set(d.systems) == {name, best})
    return "worse" if between.better == best else "unsettled"


def _score(result: Results, metric: str, section: str | None) -> Mapping[str, Any]:
    scores = result.report["sections"][section] if section else result.report["scores"]
    score = scores.get(metric) or {}
    return score if score.get("value") is not None else {}


def _direction(result: Results, metric: str, section: str | None) -> int:
    protocol = result.report["protocols"][_score(result, metric, section)["fingerprint"]]
    return {"higher": 1, "lower": -1}.get(str(protocol["better"]), 0)


def _cell(place: Place) -> str:
    if place.low is None or place.high is None:
        return f"{place.value:.3g}"
    return f"{place.value:.3g} ({place.low:.3g} – {place.high:.3g})"
