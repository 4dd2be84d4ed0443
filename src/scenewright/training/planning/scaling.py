"""How a run scales with the number of GPUs, up to 1,024, as data and as a drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from scenewright.training.config import TrainingRecipe
from scenewright.training.planning.hardware import Gpu
from scenewright.training.planning.report import plan

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Point:
    """The fastest layout on a number of GPUs. ``clips_per_second``: over the whole run. ``efficiency``: that
    for each GPU, over the same on the fewest GPUs of the curve."""

    gpus: int
    batch: int
    layout: str
    clips_per_second: float
    efficiency: float


def scaling(
    recipe: TrainingRecipe,
    gpu: str | Gpu = "h100",
    *,
    sizes: Sequence[int] = SIZES,
    grow: bool = True,
    **settings: Any,
) -> list[Point]:
    """The curve over ``sizes``; those on which nothing fits are left out.

    ``grow``: whether each stage's batch, on one GPU that of the recipe, grows with their number (weak
    scaling) or stays (strong scaling). ``settings``: as for :func:`.report.plan`.
    """
    points: list[Point] = []
    for gpus in sizes:
        factor = gpus if grow else 1
        stages = tuple(s.model_copy(update={"batch": s.batch * factor}) for s in recipe.stages)
        found = plan(recipe.model_copy(update={"stages": stages}), gpus, gpu, **settings)
        if not found.layouts:
            continue
        clips = sum(stage.steps * stage.batch for stage in stages) / found.best.seconds
        first = points[0] if points else None
        each = first.clips_per_second / first.gpus if first else clips / gpus
        batch = max(stage.batch for stage in stages)
        points.append(Point(gpus, batch, found.best.name, clips, clips / gpus / each))
    return points


def scaling_svg(curves: dict[str, Sequence[Point]], title: str, width: int = 640, height: int = 400) -> str:
    """Clips a second over GPUs, both logarithmic, as an SVG drawing; dashed: in proportion to the GPUs.

    Raises:
        ValueError: there is no point to draw.
    """
    points = [point for curve in curves.values() for point in curve]
    if not points:
        raise ValueError("there is nothing to draw: no layout fits any of the numbers of GPUs")
    left, right, top, bottom = 64, 16, 36, 44
    xs = [math.log2(point.gpus) for point in points]
    low = math.floor(math.log10(min(p.clips_per_second for p in points)))
    first = min(points, key=lambda p: p.gpus)
    each = max(p.clips_per_second / p.gpus for p in points if p.gpus == first.gpus)
    high = math.ceil(math.log10(max(each * 2 ** max(xs), *(p.clips_per_second for p in points))))

    def place(gpus: float, clips: float) -> tuple[float, float]:
        across = (math.log2(gpus) - min(xs)) / max(max(xs) - min(xs), 1)
        up = (math.log10(clips) - low) / max(high - low, 1)
        return left + across * (width - left - right), height - bottom - up * (height - top - bottom)

    colours = ("#00897b", "#d81b60", "#3949ab", "#f4511e")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        _, y = place(first.gpus, 10.0**power)
        parts.append(f'<path d="M{left} {y:.1f}H{width - right}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for gpus in sorted({point.gpus for point in points}):
        x, _ = place(gpus, 10.0**low)
        parts.append(f'<text x="{x:.1f}" y="{height - 26}" text-anchor="middle">{gpus}</text>')
    parts.append(f'<text x="{width / 2:.0f}" y="{height - 8}" text-anchor="middle">GPUs</text>')
    parts.append(
        f'<text x="14" y="{height / 2:.0f}" transform="rotate(-90 14 {height / 2:.0f})">clips/s</text>'
    )
    (x0, y0), (x1, y1) = (place(2.0**x, each * 2.0**x) for x in (min(xs), max(xs)))
    parts.append(f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="#888" stroke-dasharray="4 4"/>')
    for number, (name, curve) in enumerate(curves.items()):
        colour = colours[number % len(colours)]
        corners = [place(point.gpus, point.clips_per_second) for point in curve]
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in corners)
        parts.append(f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in corners]
        y = top + 16 * number + 12
        parts.append(f'<text x="{left + 10}" y="{y}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
