"""From right and wrong answers to a report: scores with intervals, floor and ceiling, as JSON and table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scenewright.evaluation.exact import ATTRIBUTES
from scenewright.evaluation.statistics import Interval, bootstrap_interval


@dataclass(frozen=True)
class Outcome:
    """One scored clip. ``items``: right or wrong per attribute; ``reading``: what was seen, JSON-like."""

    id: str
    section: str
    text: str
    items: Mapping[str, Sequence[bool]]
    reading: Sequence[Mapping[str, Any]] = ()

    @property
    def accuracy(self) -> float:
        """Share of all facts of this clip that are right."""
        answers = [right for rights in self.items.values() for right in rights]
        return sum(answers) / len(answers) if answers else 1.0

    def record(self) -> dict[str, Any]:
        """One JSON line."""
        return {
            "id": self.id,
            "section": self.section,
            "text": self.text,
            "items": {name: [bool(r) for r in rights] for name, rights in self.items.items()},
            "reading": [dict(item) for item in self.reading],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Outcome:
        fields = ("id", "section", "text", "items", "reading")
        return cls(**{name: record[name] for name in fields})


@dataclass(frozen=True)
class Report:
    """Outcomes of a system with those of its floor (an untrained model) and its ceiling (true renders).

    Where floor or ceiling were not measured they are empty, and null in the JSON.
    """

    suite: str
    system: str
    outcomes: Sequence[Outcome]
    floor: Sequence[Outcome] = ()
    ceiling: Sequence[Outcome] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """``suite``, ``scores`` of the main (first) section and ``sections`` with the scores of each.

        What the main section never states (a relation, where it has one object) is taken from the first
        section that does. A score is ``{value, low, high, n, floor, ceiling}``: fractions of 1, the 95%
        interval from a bootstrap over prompts, the number of facts; null where there are none.
        """
        sections = list(dict.fromkeys(o.section for o in self.outcomes))
        scores = {name: self._scores(name) for name in sections}
        main = {
            name: next((s[name] for s in scores.values() if s[name]["n"]), scores[sections[0]][name])
            for name in self._names
        }
        return {"suite": self.suite, "scores": main, "sections": scores}

    def table(self) -> str:
        """A plain-text table of every section: value, interval, facts, floor, ceiling in per cent."""
        lines = []
        for section, scores in self.to_json()["sections"].items():
            prompts = sum(o.section == section for o in self.outcomes)
            lines.append(f"{self.suite} / {section}: {self.system}, {prompts} prompts")
            lines.append(
                f"  {'':<10} {'value':>6}  {'95% interval':>14} {'n':>5} {'floor':>7} {'ceiling':>8}"
            )
            for name, s in scores.items():
                if s["n"]:
                    interval = f"{_percent(s['low'])} – {_percent(s['high'])}"
                    lines.append(
                        f"  {name:<10} {_percent(s['value']):>6}  {interval:>14} {s['n']:>5}"
                        f" {_percent(s['floor']):>7} {_percent(s['ceiling']):>8}"
                    )
            lines.append("")
        return "\n".join(lines).rstrip()

    def extremes(self, count: int = 6) -> tuple[list[Outcome], list[Outcome]]:
        """The worst and the best outcomes, each worst first; ties in order of the suite."""
        ranked = sorted(self.outcomes, key=lambda o: o.accuracy)
        return ranked[:count], ranked[-count:] if count else []

    def _scores(self, section: str) -> dict[str, dict[str, Any]]:
        parts = [
            [o for o in group if o.section == section] for group in (self.outcomes, self.floor, self.ceiling)
        ]
        found = [{name: _interval(part, name) for name in self._names} for part in parts]
        return {
            name: {
                "value": _value(found[0][name]),
                "low": None if (i := found[0][name]) is None else round(i.low, 4),
                "high": None if i is None else round(i.high, 4),
                "n": 0 if i is None else i.n,
                "floor": _value(found[1][name]),
                "ceiling": _value(found[2][name]),
            }
            for name in self._names
        }

    @property
    def _names(self) -> tuple[str, ...]:
        """The facts of prompts, and ``kept`` where frames were given."""
        return (*ATTRIBUTES, "kept") if any("kept" in o.items for o in self.outcomes) else ATTRIBUTES


def _interval(outcomes: Iterable[Outcome], attribute: str) -> Interval | None:
    values = [(right, o.id) for o in outcomes for right in o.items.get(attribute, ())]
    if not values:
        return None
    rights, ids = zip(*values, strict=True)
    return bootstrap_interval(rights, ids)


def _value(interval: Interval | None) -> float | None:
    return None if interval is None else round(interval.value, 4)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
