"""From right and wrong answers to a report: scores with intervals, floor and ceiling, as JSON and table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scenewright.evaluation.exact import ATTRIBUTES
from scenewright.evaluation.protocol import Protocol, fingerprint_of, protocol_of
from scenewright.evaluation.statistics import Interval, bootstrap_interval

if TYPE_CHECKING:
    from scenewright.evaluation.distribution.sets import SetScore
    from scenewright.evaluation.measures import Measure


@dataclass(frozen=True)
class Outcome:
    """One scored clip. ``items``: right or wrong per attribute; ``reading``: what was seen, JSON-like;
    ``values``: of measures by name; ``clip``: its frames, width, height and fps; ``features``: what a network
    sees, for measures of sets; ``pairs``: attribute, what the prompt states and what was seen instead or as
    well, ``nothing`` where nothing was."""

    id: str
    section: str
    text: str
    items: Mapping[str, Sequence[bool]] = field(default_factory=dict)
    reading: Sequence[Mapping[str, Any]] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    clip: Mapping[str, float] = field(default_factory=dict)
    features: Sequence[float] = ()
    pairs: Sequence[Sequence[str]] = ()

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
            "features": list(self.features),
            "pairs": [list(pair) for pair in self.pairs],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Outcome:
        fields = ("id", "section", "text", "items", "reading", "values", "clip", "features", "pairs")
        return cls(**{name: record[name] for name in fields if name in record})


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
    sets: Sequence[SetScore] = ()

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
        for score in self.sets:
            protocol = self._set_protocol(score)
            main[score.measure.name] = _set_json(score, fingerprint_of(protocol))
            protocols[fingerprint_of(protocol)] = protocol
        return {"suite": self.suite, "scores": main, "sections": scores, "protocols": protocols}

    def table(self) -> str:
        """A plain-text table of every section: value, interval, facts, floor, ceiling; rates in per cent."""
        lines = []
        wide = max([10, *(len(name) for name in self._names)])
        for section, scores in self.to_json()["sections"].items() if self._names else ():
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
        if self.sets:
            lines += self._set_lines()
        return "\n".join(lines).rstrip()

    def _set_lines(self) -> list[str]:
        first = self.sets[0]
        network = self.facts.get("network_name", "")
        reference = self.facts.get("reference_name") or "no reference"
        lines = [
            f"{self.system} against {reference}, {first.n} and {first.references} videos, seen by {network}",
            f"  {'':<16} {'value':>9}  {'95% interval':>19} {'same':>9} {'bias':>9}",
        ]
        for score in self.sets:
            value, low, high, same, bias = (
                "-" if x is None or x != x else f"{x:.3g}"
                for x in (score.value, score.low, score.high, score.same, score.bias)
            )
            lines.append(
                f"  {score.measure.name:<16} {value:>9}  {low + ' – ' + high:>19} {same:>9} {bias:>9}"
            )
        return [*lines, "  same: two sets of one distribution; bias: how much is due to few videos"]

    def _set_protocol(self, score: SetScore) -> Protocol:
        return {
            **protocol_of(score.measure.name, None, self.outcomes, self.facts),
            "convention": dict(score.measure.convention),
            "better": score.measure.better,
            "network": self.facts.get("network", {}),
            "references": score.references,
            "reference": "" if score.measure.classes else self.facts.get("reference", ""),
            "reader": "",
        }

    def extremes(self, count: int = 6) -> tuple[list[Outcome], list[Outcome]]:
        """The worst and the best outcomes, each worst first; ties in order of the suite."""
        ranked = sorted(self.outcomes, key=lambda o: o.accuracy)
        return ranked[:count], ranked[-count:] if count else []

    def _scores(self, section: str) -> dict[str, dict[str, Any]]:
        parts = [
            [o for o in group if o.section == section] for group in (self.outcomes, self.floor, self.ceiling)
        ]
        own, floor, ceiling = (
            {name: _interval(part, name, self.is_rate(name)) for name in self._names} for part in parts
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

    def is_rate(self, name: str) -> bool:
        """Whether a score is a share of 1."""
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
        return round(value, 4) if self.is_rate(name) else float(f"{value:.6g}")

    def _text(self, name: str, value: float | None) -> str:
        if value is None or self.is_rate(name):
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


def _set_json(score: SetScore, fingerprint: str) -> dict[str, Any]:
    numbers = {
        "value": score.value,
        "low": score.low,
        "high": score.high,
        "n": score.n,
        "floor": None,
        "ceiling": score.same,
        "references": score.references,
        "bias": score.bias,
    }
    return {
        name: None if x is None or x != x else x if isinstance(x, int) else float(f"{x:.6g}")
        for name, x in numbers.items()
    } | {"fingerprint": fingerprint, "left_out": [float(f"{x:.9g}") for x in score.left_out]}


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
