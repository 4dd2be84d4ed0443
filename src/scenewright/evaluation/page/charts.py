"""Charts as SVG that takes its colours from the page. Scores are fractions of 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import cos, pi, sin
from typing import Any

Score = Mapping[str, Any]


def radar(scores: Mapping[str, Score]) -> str:
    """Value, floor and ceiling of three scores or more."""
    names = list(scores)
    width, height, radius = 520.0, 320.0, 120.0
    across, down = width / 2, height / 2
    angles = [2 * pi * i / len(names) - pi / 2 for i in range(len(names))]

    def point(share: float, angle: float) -> tuple[float, float]:
        return across + radius * share * cos(angle), down + radius * share * sin(angle)

    def outline(shares: Sequence[float], kind: str) -> str:
        corners = " ".join("{:.1f},{:.1f}".format(*point(s, a)) for s, a in zip(shares, angles, strict=True))
        return f'<polygon class="{kind}" points="{corners}"/>'

    parts = [outline([share] * len(names), "grid") for share in (0.25, 0.5, 0.75, 1.0)]
    for angle in angles:
        x, y = point(1, angle)
        parts.append(f'<line class="grid" x1="{across}" y1="{down}" x2="{x:.1f}" y2="{y:.1f}"/>')
    for kind in ("ceiling", "floor", "value"):
        shares = [scores[name][kind] for name in names]
        if all(share is not None for share in shares):
            parts.append(outline(shares, kind))
    for name, angle in zip(names, angles, strict=True):
        x, y = point(1.12, angle)
        anchor = "middle" if abs(cos(angle)) < 0.2 else "start" if cos(angle) > 0 else "end"
        value = f"{100 * scores[name]['value']:.0f}"
        parts.append(
            f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{escape(name)} '
            f"<tspan class='strong'>{value}</tspan></text>"
        )
    told = ", ".join(f"{name} {100 * scores[name]['value']:.0f}" for name in names)
    return _svg(width, height, "".join(parts), f"Radar chart: {told}", "radar")


def intervals(scores: Mapping[str, Score]) -> str:
    """A row for each score: a bar to the value, its interval, floor and ceiling."""
    left, width, step = 150, 420, 30
    height = step * len(scores) + 26
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = left + width * share
        parts.append(f'<line class="grid" x1="{x}" y1="4" x2="{x}" y2="{height - 20}"/>')
        parts.append(
            f'<text class="tick" x="{x}" y="{height - 4}" text-anchor="middle">{100 * share:.0f}</text>'
        )
    for row, (name, score) in enumerate(scores.items()):
        y = step * row + 18

        def place(part: str, score: Score = score) -> float:
            return left + width * min(1.0, max(0.0, score[part]))

        value, low, high = place("value"), place("low"), place("high")
        parts.append(f'<text x="{left - 10}" y="{y + 5}" text-anchor="end">{escape(name)}</text>')
        parts.append(
            f'<rect class="bar" x="{left}" y="{y - 8}" width="{max(0.5, value - left):.1f}" height="16" '
            'rx="2"/>'
        )
        parts.append(f'<line class="interval" x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}"/>')
        parts += [
            f'<line class="interval" x1="{x:.1f}" y1="{y - 4}" x2="{x:.1f}" y2="{y + 4}"/>'
            for x in (low, high)
        ]
        for kind in ("floor", "ceiling"):
            if score[kind] is not None:
                x = place(kind)
                parts.append(f'<line class="{kind}" x1="{x:.1f}" y1="{y - 11}" x2="{x:.1f}" y2="{y + 11}"/>')
    told = ", ".join(f"{name} {100 * score['value']:.0f}" for name, score in scores.items())
    return _svg(left + width + 24, height, "".join(parts), f"Bars with intervals: {told}", "bars")


def course(points: Sequence[tuple[str, Score]]) -> str:
    """A score in order of time, each with its interval; the scale is that of the values."""
    width, height, edge = 312, 130, 48
    low = min(score["low"] if score["low"] is not None else score["value"] for _, score in points)
    high = max(score["high"] if score["high"] is not None else score["value"] for _, score in points)
    span = (high - low) or abs(high) or 1.0

    def at(value: float) -> float:
        return height - 24 - (height - 40) * (value - low) / span

    gap = (width - edge - 16) / max(1, len(points) - 1)
    parts, path = [], []
    for place, (time, score) in enumerate(points):
        x = edge + gap * place
        path.append(f"{x:.1f},{at(score['value']):.1f}")
        if score["low"] is not None and score["high"] is not None:
            parts.append(
                f'<line class="interval" x1="{x:.1f}" y1="{at(score["low"]):.1f}" x2="{x:.1f}" '
                f'y2="{at(score["high"]):.1f}"/>'
            )
        parts.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{at(score["value"]):.1f}" r="3.5"><title>{escape(time)}: '
            f"{score['value']:.4g}</title></circle>"
        )
    parts.insert(0, f'<polyline class="line" points="{" ".join(path)}"/>')
    for value in (low, high):
        parts.append(f'<text class="tick" x="0" y="{at(value) + 4:.1f}">{value:.3g}</text>')
    parts.append(f'<text class="tick" x="{edge}" y="{height - 4}">{escape(points[0][0][:10])}</text>')
    last = escape(points[-1][0][:10])
    parts.append(f'<text class="tick" x="{width}" y="{height - 4}" text-anchor="end">{last}</text>')
    return _svg(width, height, "".join(parts), f"Course of {len(points)} scores", "course")


def _svg(width: float, height: float, inside: str, label: str, kind: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{inside}</svg>"
    )
