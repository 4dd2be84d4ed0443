"""The results of a study as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def table(found: Mapping[str, Any]) -> str:
    """What :func:`.results.results` gave, for people."""
    wanted = f" of {found['wanted']}" if found["wanted"] is not None else ""
    lines = [f"{found['study']}: {found['answers']}{wanted} answers by {found['raters']} raters"]
    if found["left_out"]:
        lines.append(f"  left out for failed checks: {', '.join(found['left_out'])}")
    seconds = found["engagement"]["seconds"]
    if seconds is not None:
        lines.append(f"  half of the answers took less than {seconds:.0f} s")
    for question in found["questions"]:
        lines += ["", f"{question['text']} ({question['kind']}, {question['answers']} answers)"]
        lines += _question(question)
    return "\n".join(lines)


def _question(question: Mapping[str, Any]) -> list[str]:
    lines = []
    if question.get("reason"):
        lines.append(f"  {question['reason']}")
    for rank, name in enumerate(question.get("ranking") or (), 1):
        strength, rate = question["strengths"][name], question["win_rates"][name]
        lines.append(
            f"  {rank}. {name:<16} strength {strength['value']:+.2f} ({strength['low']:+.2f} to "
            f"{strength['high']:+.2f}), wins {rate['value']:.0%} ({rate['low']:.0%} to {rate['high']:.0%})"
        )
    for one, other in question.get("unsettled") or ():
        lines.append(f"  the order of {one} and {other} is not settled")
    for pair in question.get("pairs") or ():
        (a, b), (wins, losses, ties) = pair["systems"], pair["votes"]
        more = "" if pair["missing"] is None else f", about {pair['missing']} more prompts"
        state = "decided" if pair["decided"] else f"not decided{more}"
        lines.append(f"  {a} {wins} : {losses} {b}, {ties} ties; {state} (p {pair['p_value']:.2g})")
    if left := question.get("left"):
        lines.append(
            f"  left side: log-odds {left['value']:+.2f} ({left['low']:+.2f} to {left['high']:+.2f})"
        )
    for name, mean in (question.get("means") or {}).items():
        lines.append(f"  {name:<16} {mean['value']:.2f} ({mean['low']:.2f} to {mean['high']:.2f})")
    for name, share in (question.get("accuracy") or {}).items():
        lines.append(f"  {name:<16} right {share['value']:.0%} ({share['low']:.0%} to {share['high']:.0%})")
    for text in question.get("texts") or ():
        lines.append(f"  {text['system']}, {text['prompt']!r}: {text['answer']}")
    if alpha := question.get("alpha"):
        lines.append(f"  agreement (alpha) {alpha['value']:.2f} ({alpha['low']:.2f} to {alpha['high']:.2f})")
    return lines
