"""How every measure reacts to faults of growing strength: docs/images/metric-reactions.svg.

    python scripts/metric_reactions.py

Clips of the world; the curves of faults that a measure claims to see are coloured, those of all others gray.
Last come measures of a set with the fault against another set without, as the package's network sees them.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from scenewright.clip import Clip
from scenewright.evaluation.corruptions import FAULTS, SEES, SETS_SEE
from scenewright.evaluation.distribution.networks import WorldFeatures
from scenewright.evaluation.distribution.sets import SETS
from scenewright.evaluation.measures import Sample
from scenewright.evaluation.suites import SuitePrompt, load_suite
from scenewright.evaluation.systems import WorldSystem
from scenewright.registry import measures

TEXTS = (
    "a large red cube slides right on grass",
    "a large blue cylinder slides left on a wooden floor",
    "a large yellow sphere rolls right on sand",
    "a green cone falls",
    "a large green cube on a tiled floor, the camera pans left",
    "a large brown cone on grass, with a static camera",
)
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
COLORS = ("#1d5fbf", "#c4541c", "#2b8a3e", "#8a3ffc", "#b28600", "#0b7a75", "#c2255c")
PANEL, GAP, COLUMNS = (150, 84), (34, 62), 4


def main() -> None:
    prompts = [SuitePrompt(str(i), "s", text, i + 5) for i, text in enumerate(TEXTS)]
    clips = WorldSystem(128, 128, 12).clips(prompts, 0)
    curves = {name: {fault: [] for fault in FAULTS} for name in measures.names()}
    for fault in FAULTS:
        for strength in STRENGTHS:
            samples = [
                Sample(_with_fault(clip, i, fault, strength), TEXTS[i], clip) for i, clip in enumerate(clips)
            ]
            for name in measures.names():
                measure = measures.get(name)
                curves[name][fault].append(float(np.nanmean([measure.compute(s) for s in samples])))
        print(fault, flush=True)
    curves |= _set_curves()
    target = Path(__file__).parents[1] / "docs" / "images" / "metric-reactions.svg"
    target.write_text(_svg(curves), "utf-8")
    print(target)


def _set_curves() -> dict[str, dict[str, list[float]]]:
    network = WorldFeatures()
    prompts = load_suite("world-core").select(("single",), 40).prompts
    clips, others = (WorldSystem(64, 64, 16).clips(prompts, seed) for seed in (0, 77))
    reference = np.stack([network(clip) for clip in others])
    curves: dict[str, dict[str, list[float]]] = {name: {fault: [] for fault in FAULTS} for name in SETS}
    for fault in FAULTS:
        for strength in STRENGTHS:
            faulty = [_with_fault(clip, i, fault, strength) for i, clip in enumerate(clips)]
            features = np.stack([network(clip) for clip in faulty])
            for name, measure in SETS.items():
                pair = (reference, features)
                if measure.classes:
                    pair = (network.logits(reference), network.logits(features))
                curves[name][fault].append(measure.compute(*pair))
        print(fault, "of sets", flush=True)
    return curves


def _with_fault(clip: Clip, number: int, fault: str, strength: float) -> Clip:
    rng = np.random.default_rng(zlib.crc32(f"{fault}{number}".encode()))
    return FAULTS[fault](clip, strength, rng) if strength else clip


def _svg(curves: dict[str, dict[str, list[float]]]) -> str:
    rows = -(-len(curves) // COLUMNS)
    width = COLUMNS * (PANEL[0] + GAP[0]) + GAP[0]
    height = rows * (PANEL[1] + GAP[1]) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for i, (name, faults) in enumerate(curves.items()):
        x = GAP[0] + i % COLUMNS * (PANEL[0] + GAP[0])
        y = 24 + i // COLUMNS * (PANEL[1] + GAP[1])
        parts += _panel(name, faults, x, y)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(name: str, faults: dict[str, list[float]], x: int, y: int) -> list[str]:
    values = [v for curve in faults.values() for v in curve if v == v]
    low, high = min(values), max(values)
    span = high - low or 1.0
    parts = [
        f'<text x="{x}" y="{y - 7}" font-size="11" font-weight="bold" fill="#1f1e1b">{name}</text>',
        f'<rect x="{x}" y="{y}" width="{PANEL[0]}" height="{PANEL[1]}" fill="none" stroke="#c9c5bb"/>',
    ]
    for at, value in ((y + 8, high), (y + PANEL[1], low)):
        parts.append(
            f'<text x="{x - 3}" y="{at}" font-size="7" text-anchor="end" fill="#5c5a54">{value:.3g}</text>'
        )
    seen = list(SETS_SEE.get(name) or SEES[name])
    for fault, curve in sorted(faults.items(), key=lambda item: item[0] in seen):
        points = " ".join(
            f"{x + s * PANEL[0]:.1f},{y + PANEL[1] * (1 - (v - low) / span):.1f}"
            for s, v in zip(STRENGTHS, curve, strict=True)
            if v == v  # a measure may say nothing of a clip
        )
        color = COLORS[seen.index(fault) % len(COLORS)] if fault in seen else "#d5d2ca"
        thick = 1.6 if fault in seen else 0.8
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="{thick}"/>')
    line, column = 0, 0
    for place, fault in enumerate(seen):
        if column + len(fault) * 5 > PANEL[0]:
            line, column = line + 1, 0
        parts.append(
            f'<text x="{x + column}" y="{y + PANEL[1] + 11 + 9 * line}" font-size="8" '
            f'fill="{COLORS[place % len(COLORS)]}">{fault}</text>'
        )
        column += len(fault) * 5 + 6
    return parts


if __name__ == "__main__":
    main()
