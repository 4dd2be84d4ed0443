"""From right and wrong answers to a report: scores with intervals, floor and ceiling, as JSON and table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scenewright.evaluation.exact import ATTRIBUTES
from scenewright.evaluation.protocol import Protocol, fingerprint_of, protocol_of
from scenewright.evaluation.statistics import Interval, bootstrap_interval

if TYPE_CHECKING:
    from scenewright.evaluation.measures import Measure


@dataclass(frozen=True)
class Outcome:
    """One scored clip. ``items``: right or wrong per attribute; ``reading``: what was seen, JSON-like;
    ``values``: of measures by name; ``clip``: its frames, width, height and fps."""

    id: str
    section: str
    text: str
    items: Mapping[str, Sequence[bool]] = field(default_factory=dict)
    reading: Sequence[Mapping[str, Any]] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    clip: Mapping[str, float] = field(default_factory=dict)

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
            "values": dict(self.values),
            "clip": dict(self.clip),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Outcome:
        fields = ("id", "section", "text", "items", "reading", "values", "clip")
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
    measures: Sequence[Measure] = ()

    def to_json(self) -> dict[str, Any]:
        """``suite``, ``scores`` of the main (first) section and ``sections`` with the scores of each.

        What the main section never states (a relation, where it has one object) is taken from the first
        section that does. A score is ``{value, low, high, n, floor, ceiling, fingerprint}``: fractions of 1
        where it is a rate, the 95% interval from a bootstrap over prompts, the number of facts or clips; null
        where there are none. ``protocols`` says what the fingerprints stand for.
        """
        sections = list(dict.fromkeys(o.section for o in self.outcomes))
        scores = {name: self._scores(name) for name in sections}
        main = {
            name: next((s[name] for s in scores.values() if s[name]["n"]), scores[sections[0]][name])
            for name in self._names
        }
        protocols = {
            s["fingerprint"]: self._protocol(n, sec) for sec, x in scores.items() for n, s in x.items()
        }
        return {"suite": self.suite, "scores": main, "sections": scores, "protocols": protocols}

    def table(self) -> str:
        """A plain-text table of every section: value, interval, facts, floor, ceiling; rates in per cent."""
        lines = []
        wide = max(10, *(len(name) for name in self._names))
        for section, scores in self.to_json()["sections"].items():
            prompts = sum(o.section == section for o in self.outcomes)
            lines.append(f"{self.suite} / {section}: {self.system}, {prompts} prompts")
            lines.append(
                f"  {'':<{wide}} {'value':>8}  {'95% interval':>19} {'n':>5} {'floor':>8} {'ceiling':>8}"
            )
            for name, s in scores.items():
                if s["n"]:
                    value, low, high, floor, ceiling = (
                        self._text(name, s[key]) for key in ("value", "low", "high", "floor", "ceiling")
                    )
                    interval = f"{low} – {high}"
                    lines.append(
                        f"  {name:<{wide}} {value:>8}  {interval:>19} {s['n']:>5} {floor:>8} {ceiling:>8}"
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
        own, floor, ceiling = (
            {name: _interval(part, name, self._is_rate(name)) for name in self._names} for part in parts
        )
        return {
            name: {
                "value": self._number(name, "value", own[name]),
                "low": self._number(name, "low", own[name]),
                "high": self._number(name, "high", own[name]),
                "n": 0 if (interval := own[name]) is None else interval.n,
                "floor": self._number(name, "value", floor[name]),
                "ceiling": self._number(name, "value", ceiling[name]),
                "fingerprint": fingerprint_of(self._protocol(name, section)),
            }
            for name in self._names
        }

    @property
    def _names(self) -> tuple[str, ...]:
        """The facts of prompts, ``kept`` where frames were given, and measures."""
        items = {name for outcome in self.outcomes for name in outcome.items}
        facts = [name for name in (*ATTRIBUTES, "kept") if name in items]
        return (*facts, *(measure.name for measure in self.measures))

    def _measure(self, name: str) -> Measure | None:
        return next((measure for measure in self.measures if measure.name == name), None)

    def _is_rate(self, name: str) -> bool:
        measure = self._measure(name)
        return measure is None or measure.rate

    def _protocol(self, name: str, section: str) -> Protocol:
        outcomes = [o for o in self.outcomes if o.section == section]
        return protocol_of(name, self._measure(name), outcomes, {**self.facts, "section": section})

    def _number(self, name: str, part: str, interval: Interval | None) -> float | None:
        """Rates with four places, other numbers with six digits."""
        if interval is None:
            return None
        value = float(getattr(interval, part))
        return round(value, 4) if self._is_rate(name) else float(f"{value:.6g}")

    def _text(self, name: str, value: float | None) -> str:
        if value is None or self._is_rate(name):
            return _percent(value)
        return f"{value:.3g}"


def _interval(outcomes: Iterable[Outcome], attribute: str, rate: bool) -> Interval | None:
    values: list[tuple[float, str]] = []
    for outcome in outcomes:
        values += [(float(right), outcome.id) for right in outcome.items.get(attribute, ())]
        if attribute in outcome.values:
            values.append((outcome.values[attribute], outcome.id))
    if not values:
        return None
    rights, ids = zip(*values, strict=True)
    return bootstrap_interval(rights, ids, shares=rate)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
