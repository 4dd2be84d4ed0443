"""Two systems on the same prompts: paired differences, with a test that knows how many metrics are looked
at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scenewright.evaluation.distribution.sets import jackknife_error
from scenewright.evaluation.protocol import differences
from scenewright.evaluation.report import Outcome
from scenewright.evaluation.run import finished
from scenewright.evaluation.statistics import Interval, bootstrap_interval, holm


@dataclass(frozen=True)
class Results:
    """What ``evaluate --output`` wrote: the report's JSON, and the outcome of every prompt."""

    name: str
    report: Mapping[str, Any]
    outcomes: tuple[Outcome, ...]

    @classmethod
    def read(cls, folder: Path) -> Results:
        """Raises ValueError where ``folder`` holds no results, or those of an older version."""
        records = folder / "system.jsonl"
        try:
            report = json.loads((folder / "results.json").read_text("utf-8"))
            outcomes = finished(records, str(report.get("fingerprint")))
        except (OSError, json.JSONDecodeError):
            outcomes = None
        if outcomes is None or not records.is_file():
            hint = f"evaluate … --output {folder}"
            raise ValueError(f"{folder} holds no results; write them with: {hint}")
        if not outcomes or "protocols" not in report:
            raise ValueError(f"{folder} was written by another version; evaluate again")
        return cls(str(report["system"]), report, tuple(outcomes.values()))


@dataclass(frozen=True)
class Difference:
    """Of one metric, the second system minus the first: ``difference`` with its 95 % interval over prompts;
    ``p_value`` of a sign-flip test, and ``corrected`` for the number of metrics (Holm 1979); ``effect``: mean
    over standard deviation of the prompts' differences (Cohen's d for pairs); ``better``: which one is, None
    where that is not settled at 5 %, or no number is better.

    A measure of a whole set has no value for a prompt: there both are left without the same groups of prompts
    in turn, and what the groups change stands for the prompts (the pseudo-values of a jackknife; Tukey 1958).
    """

    metric: str
    systems: tuple[str, str]
    first: float
    second: float
    difference: Interval
    p_value: float
    corrected: float
    effect: float
    better: str | None


def compare(one: Results, other: Results, section: str | None = None) -> list[Difference]:
    """All metrics that both have, on the prompts that both have.

    Raises:
        ValueError: a metric was measured under another protocol (the line says in what they differ), or
            nothing is common.
    """
    return _holm(_differences(one, other, section))


def compare_all(pairs: Sequence[tuple[Results, Results]], section: str | None = None) -> list[Difference]:
    """The same of several pairs, corrected for all metrics of all of them."""
    return _holm([found for one, other in pairs for found in _differences(one, other, section)])


def _differences(one: Results, other: Results, section: str | None) -> list[Difference]:
    sections = [section] if section else list(one.report["sections"])
    found = []
    for name in one.report["scores"]:
        at = next((s for s in sections if _scored(one, s, name) and _scored(other, s, name)), None)
        if at is not None:
            found.append(_difference(one, other, at, name))
        elif _of_set(one, name) and _of_set(other, name) and not section:
            found.append(_set_difference(one, other, name))
    if not found:
        raise ValueError(f"{one.name} and {other.name} have no metric in common")
    return found


def _of_set(results: Results, name: str) -> bool:
    """Whether it is a measure of the whole set, with what a comparison needs."""
    return len(results.report["scores"].get(name, {}).get("left_out", ())) > 1


def _set_difference(one: Results, other: Results, name: str) -> Difference:
    first, second = (results.report["scores"][name] for results in (one, other))
    protocol = _same_protocol(one, other, name, first["fingerprint"], second["fingerprint"])
    prompts = [[f"{o.id} {o.text}" for o in results.outcomes] for results in (one, other)]
    if prompts[0] != prompts[1]:
        raise ValueError(
            f"{name} of {one.name} and of {other.name} are of different prompts; evaluate both alike"
        )
    left_out = np.array(second["left_out"]) - np.array(first["left_out"])
    value, groups = second["value"] - first["value"], len(left_out)
    paired = groups * value - (groups - 1) * left_out
    spread, reach = paired.std(ddof=1), 1.96 * jackknife_error(left_out)
    p_value = sign_flip_test(paired)
    direction = {"higher": 1, "lower": -1}.get(str(protocol["better"]), 0)
    return Difference(
        metric=name,
        systems=(one.name, other.name),
        first=first["value"],
        second=second["value"],
        difference=Interval(value, value - reach, value + reach, len(prompts[0]), groups),
        p_value=p_value,
        corrected=p_value,
        effect=float(paired.mean() / spread) if spread else 0.0,
        better=(other.name if direction * value > 0 else one.name) if direction else None,
    )


def _scored(results: Results, section: str, name: str) -> bool:
    score = results.report["sections"].get(section, {}).get(name)
    return bool(score and score["n"])


def _difference(one: Results, other: Results, section: str, name: str) -> Difference:
    prints = [results.report["sections"][section][name]["fingerprint"] for results in (one, other)]
    protocol = _same_protocol(one, other, name, *prints)
    values = [_by_prompt(results, section, name) for results in (one, other)]
    common = [prompt for prompt in values[0] if prompt in values[1]]
    if not common:
        raise ValueError(f"{name}: {one.name} and {other.name} have no prompt in common")
    first, second = (np.array([v[prompt] for prompt in common]) for v in values)
    paired = second - first
    spread = paired.std(ddof=1) if len(paired) > 1 else 0.0
    p_value = sign_flip_test(paired)
    direction = {"higher": 1, "lower": -1}.get(str(protocol["better"]), 0)
    return Difference(
        metric=name,
        systems=(one.name, other.name),
        first=float(first.mean()),
        second=float(second.mean()),
        difference=bootstrap_interval(paired, common, shares=False),
        p_value=p_value,
        corrected=p_value,
        effect=float(paired.mean() / spread) if spread else 0.0,
        better=(other.name if direction * paired.mean() > 0 else one.name) if direction else None,
    )


def _same_protocol(one: Results, other: Results, name: str, first: str, second: str) -> Mapping[str, Any]:
    """The protocol of both fingerprints. ValueError: they differ."""
    protocols = [one.report["protocols"][first], other.report["protocols"][second]]
    apart = differences(*protocols)
    if apart:
        raise ValueError(
            f"{name} of {one.name} and of {other.name} cannot be compared: {'; '.join(apart)}; "
            "evaluate both alike"
        )
    return protocols[0]


def _by_prompt(results: Results, section: str, name: str) -> dict[str, float]:
    """The mean of each prompt: facts of one prompt are not independent."""
    found = {}
    for outcome in results.outcomes:
        if outcome.section != section:
            continue
        if name in outcome.values:
            found[f"{outcome.id} {outcome.text}"] = outcome.values[name]
        elif outcome.items.get(name):
            found[f"{outcome.id} {outcome.text}"] = float(np.mean(outcome.items[name]))
    return found


def sign_flip_test(paired: np.ndarray, *, resamples: int = 20_000, seed: int = 0) -> float:
    """Two-sided p-value of a mean of 0, where each difference could as well have the other sign (Fisher
    1935). Exact up to 14 differences that are not 0, by random flips beyond; never below 1 / (flips + 1)."""
    x = paired[paired != 0]
    if not len(x):
        return 1.0
    observed = abs(x.sum()) - 1e-9 * np.abs(x).sum()
    if len(x) <= 14:
        signs = 1 - 2 * ((np.arange(2 ** len(x))[:, None] >> np.arange(len(x))) & 1)
        return float((np.abs(signs @ x) >= observed).mean())
    rng = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, resamples, 1000):
        signs = 1 - 2 * rng.integers(0, 2, (min(1000, resamples - start), len(x)))
        extreme += int((np.abs(signs @ x) >= observed).sum())
    return (extreme + 1) / (resamples + 1)


def _holm(found: Sequence[Difference]) -> list[Difference]:
    corrected = holm([difference.p_value for difference in found])
    return [
        replace(difference, corrected=p, better=difference.better if p <= 0.05 else None)
        for difference, p in zip(found, corrected, strict=True)
    ]


def table(one: Results, other: Results, found: Sequence[Difference]) -> str:
    """Plain text, a line a metric."""
    wide = max(len("metric"), *(len(d.metric) for d in found))
    lines = [f"{other.name} minus {one.name}, paired by prompt; p corrected for {len(found)} metrics"]
    lines.append(
        f"  {'metric':<{wide}} {one.name[:10]:>10} {other.name[:10]:>10} {'difference':>11} "
        f"{'95% interval':>20} {'effect':>7} {'p':>8}  better"
    )
    for d in found:
        interval = f"{d.difference.low:+.3g} to {d.difference.high:+.3g}"
        lines.append(
            f"  {d.metric:<{wide}} {d.first:>10.4g} {d.second:>10.4g} {d.difference.value:>+11.3g} "
            f"{interval:>20} {d.effect:>+7.2f} {d.corrected:>8.2g}  {d.better or '-'}"
        )
    return "\n".join(lines)
