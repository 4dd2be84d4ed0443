"""A plan as text for a terminal or a log."""

from __future__ import annotations

import io
import sys
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from scenewright.training.planning.layouts import Layout

if TYPE_CHECKING:
    from scenewright.training.planning.report import Plan

#: Layouts and reasons that are shown; the record has all.
_SHOWN = 8


def render(plan: Plan, *, terminal: bool | None = None, width: int | None = None) -> str:
    """Coloured where standard output is a terminal or ``terminal`` says so."""
    terminal = sys.stdout.isatty() if terminal is None else terminal
    stream = io.StringIO()
    console = Console(
        file=stream,
        force_terminal=terminal,
        no_color=not terminal,
        width=width or (None if terminal else 120),
    )
    size, trained = plan.work.size, plan.work.trained
    console.print(
        f"{plan.recipe.name} on {plan.gpus} {plan.gpu.name}: {size:,} parameters"
        + (f", {trained:,} of them trained" if trained != size else "")
        + f"; a checkpoint is {quantity(plan.work.checkpoint_bytes, 'B')}",
        highlight=False,
    )
    if plan.layouts:
        console.print(_layouts(plan))
        console.print(_memory(plan, plan.best))
        console.print(_steps(plan, plan.best))
        console.print(_costs(plan, plan.best), highlight=False)
    for reason, count in Counter(layout.reason for layout in plan.refused).most_common(_SHOWN):
        console.print(f"cannot be: {count} layouts, {reason}", highlight=False)
    for note in plan.notes:
        console.print(note, highlight=False)
    return stream.getvalue()


def quantity(value: float, unit: str) -> str:
    """With three digits and a decimal prefix: ``12.3 GB``."""
    for prefix in ("", "k", "M", "G", "T", "P"):
        if abs(value) < 999.5:
            return f"{value:.3g} {prefix}{unit}"
        value /= 1000
    return f"{value:.3g} E{unit}"


def duration(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 3600:.2f} h" if seconds < 200 * 3600 else f"{seconds / 86400:.1f} days"


def _layouts(plan: Plan) -> Table:
    table = Table(
        "layout", title=f"{len(plan.layouts)} layouts that fit, fastest first", title_justify="left"
    )
    for name in ("run", "cost", "memory", "sent a step", "utilisation"):
        table.add_column(name, justify="right")
    for layout in plan.layouts[:_SHOWN]:
        # The last stage is where runs spend most: the largest clips.
        sent = sum(t.sent for t in layout.stages[-1].transfers)
        table.add_row(
            layout.name,
            duration(layout.seconds),
            f"${plan.costs(layout).rent:,.2f}",
            f"{layout.needed(plan.gpu) / 1e9:.1f} of {plan.gpu.memory / 1e9:.0f} GB",
            quantity(sent, "B"),
            f"{plan.rates(layout)[-1]['utilisation']:.1%}",
        )
    return table


def _memory(plan: Plan, layout: Layout) -> Table:
    stage = max(layout.stages, key=lambda one: one.memory.peak)
    table = Table("memory of a rank", title=f"fastest: {layout.name}", title_justify="left")
    table.add_column("bytes", justify="right")
    names = {
        "weights": "weights",
        "gradients": "gradients",
        "optimizer": "optimizer state",
        "average": "average of the weights",
        "casts": "weights in bfloat16",
        "activations": "activations",
        "pixels": "batch and loss",
        "gathered": "gathered weights, buffers",
        "workspace": "optimizer's workspace",
        "peak": "peak (not all at once)",
    }
    for key, name in names.items():
        if getattr(stage.memory, key):
            table.add_row(name, quantity(getattr(stage.memory, key), "B"))
    table.add_row("with allocator and runtime", quantity(stage.memory.needed(plan.gpu), "B"))
    return table


def _steps(plan: Plan, layout: Layout) -> Table:
    table = Table("a step", title_justify="left")
    for index, stage in enumerate(plan.work.stages):
        table.add_column(f"stage {index}: {stage.steps} steps of {stage.batch}", justify="right")
    rates = plan.rates(layout)
    tokens = [("tokens a second", [quantity(r["tokens_per_second"], "") for r in rates])]
    if not any(stage.tokens for stage in plan.work.stages):  # not known of every family
        tokens = []
    rows = [
        ("forward", [quantity(s.forward_operations, "FLOP") for s in plan.work.stages]),
        ("backward", [quantity(s.backward_operations, "FLOP") for s in plan.work.stages]),
        ("of one rank, all included", [quantity(s.operations, "FLOP") for s in layout.stages]),
        ("time", [duration(s.time.total) for s in layout.stages]),
        ("  passes", [f"{duration(s.time.compute)} ({s.time.bound})" for s in layout.stages]),
        ("  update", [duration(s.time.update) for s in layout.stages]),
        ("  waiting for stages", [duration(s.time.bubble) for s in layout.stages]),
        ("  exposed traffic", [duration(s.time.exposed) for s in layout.stages]),
        *_traffic(layout),
        ("clips a second", [f"{r['clips_per_second']:.3g}" for r in rates]),
        *tokens,
        ("utilisation", [f"{r['utilisation']:.1%}" for r in rates]),
        ("read as raw frames", [quantity(r["read"], "B/s") for r in rates]),
        ("network of a machine", [quantity(r["network_node"], "B/s") for r in rates]),
    ]
    for name, values in rows:
        table.add_row(name, *values)
    return table


def _traffic(layout: Layout) -> list[tuple[str, list[str]]]:
    names = dict.fromkeys(t.what for stage in layout.stages for t in stage.transfers)
    return [
        (
            f"sent: {name}",
            [quantity(sum(t.sent for t in s.transfers if t.what == name), "B") for s in layout.stages],
        )
        for name in names
    ]


def _costs(plan: Plan, layout: Layout) -> str:
    costs, cost = plan.costs(layout), plan.cost
    price = plan.gpu.price if cost.price is None else cost.price
    return (
        f"the run: {duration(layout.seconds)}, {costs.gpu_hours:,.2f} GPU hours, ${costs.rent:,.2f} at "
        f"${price:g} an hour; or, on own machines, {costs.energy:,.2f} kWh, of which cooling and losses "
        f"{costs.cooling:,.2f} (PUE {cost.power_usage_effectiveness:g}), ${costs.electricity:,.2f} of "
        f"electricity, {costs.carbon:,.2f} kg of CO2"
    )
