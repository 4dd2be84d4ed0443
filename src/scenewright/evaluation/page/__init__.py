"""A report as one HTML file that a person reads: charts, tables, and clips that play, with nothing to
load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from scenewright.evaluation.history import Entry
from scenewright.evaluation.page.cases import case_cards
from scenewright.evaluation.page.charts import course, intervals, radar
from scenewright.evaluation.page.insight import Cluster, clusters, confusions
from scenewright.evaluation.report import Report

Score = Mapping[str, Any]

#: How many of the worst and of the best clips are shown.
CASES = 6


def page(report: Report, clips: Path, past: Sequence[Entry] = ()) -> str:
    """HTML. ``clips``: the folder with the clips as ID.mp4; those that are missing are left out. ``past``:
    scores of earlier evaluations, to which this one belongs."""
    here = files("scenewright.evaluation.page")
    style, script = ((here / name).read_text("utf-8") for name in ("page.css", "page.js"))
    data = report.to_json()
    parts = [
        _summary(report, data),
        *(_section(name, scores, report) for name, scores in data["sections"].items()),
        _sets(report, data),
        _course(past),
        _clusters(report),
        _confusions(report),
        _cases(report, clips),
        _protocol(report, data),
    ]
    title = f"{report.system} on {report.suite}"
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n"
        f"<main>\n<h1>{escape(title)}</h1>\n{''.join(part for part in parts if part)}</main>\n"
        f"<script>\n{script}</script>\n</html>\n"
    )


def _summary(report: Report, data: Mapping[str, Any]) -> str:
    rates = {
        name: score
        for name, score in data["scores"].items()
        if report.is_rate(name) and score["value"] is not None and not _of_a_set(report, name)
    }
    count = len(report.outcomes)
    clip = report.outcomes[0].clip if report.outcomes else {}
    facts = f"{count} prompts"
    if clip:
        size = f"{clip['width']:g}x{clip['height']:g}"
        facts += f", clips of {size}, {clip['frames']:g} frames at {clip['fps']:g} a second"
    chart = ""
    if len(rates) >= 3:
        told = "The main section; from the middle 0 to 100."
        chart = f"<figure>{radar(rates)}<figcaption>{told}</figcaption></figure>"
    return f'<p class="facts">{escape(facts)}</p>\n{chart}<p class="key">{_KEY}</p>\n'


_KEY = (
    '<span class="swatch value"></span> value with its 95&nbsp;% interval over prompts '
    '<span class="swatch floor"></span> floor, the untrained network '
    '<span class="swatch ceiling"></span> ceiling, true renders'
)


def _section(name: str, scores: Mapping[str, Score], report: Report) -> str:
    measured = {n: s for n, s in scores.items() if s["value"] is not None}
    if not measured:
        return ""
    rates = {n: s for n, s in measured.items() if report.is_rate(n)}
    table = _table(measured, report)
    if rates:
        chart = f'<figure class="wide">{intervals(rates)}</figure>'
        table = f"{chart}<details><summary>Numbers</summary>{table}</details>\n"
    return f"<section>\n<h2>{escape(name)}</h2>\n{table}</section>\n"


def _table(scores: Mapping[str, Score], report: Report) -> str:
    rows = []
    for name, score in scores.items():
        numbers = [
            _number(report, name, score[part]) for part in ("value", "low", "high", "floor", "ceiling")
        ]
        value, low, high, floor, ceiling = numbers
        rows.append(_row([escape(name), value, f"{low} – {high}", str(score["n"]), floor, ceiling]))
    head = _row(["", "value", "95 % interval", "n", "floor", "ceiling"], "th")
    return f'<div class="wide"><table class="numbers">{head}{"".join(rows)}</table></div>\n'


def _sets(report: Report, data: Mapping[str, Any]) -> str:
    if not report.sets:
        return ""
    rows = []
    for score in report.sets:
        name = score.measure.name
        shown = data["scores"][name]
        cells = [_plain(shown[part]) for part in ("value", "low", "high", "ceiling", "bias")]
        value, low, high, same, bias = cells
        rows.append(_row([escape(name), value, f"{low} – {high}", same, bias]))
    head = _row(["", "value", "95 % interval", "two sets of one distribution", "bias"], "th")
    first = report.sets[0]
    told = (
        f"{first.n} videos against {first.references} of {report.facts.get('reference_name') or 'nothing'}, "
        f"by the features of {report.facts.get('network_name', '')}. Intervals are from a jackknife over "
        "prompts. A distance that is not above that of two sets of one distribution says nothing."
    )
    return (
        f"<section>\n<h2>Sets of clips</h2>\n<p>{escape(told)}</p>\n"
        f'<div class="wide"><table class="numbers">{head}{"".join(rows)}</table></div>\n</section>\n'
    )


def _course(past: Sequence[Entry]) -> str:
    if len(past) < 2:
        return ""
    names = list(dict.fromkeys(name for entry in past for name in entry.scores))
    charts = "".join(
        f"<figure>{course([(e.time, e.scores[name]) for e in past if name in e.scores])}"
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name in names
        if sum(name in e.scores for e in past) > 1
    )
    return f'<section>\n<h2>Over time</h2>\n<div class="small">{charts}</div>\n</section>\n'


def _clusters(report: Report) -> str:
    found = clusters(report.outcomes)
    if not found:
        return ""
    settled = [c for c in found if c.corrected <= 0.05]
    shown = settled or found[:5]
    lead = "More often wrong than elsewhere, settled at 5 % after correction for all that was looked at."
    if not settled:
        lead = "Nothing fails more often than the rest in a way that is settled; these come nearest."
    rows = "".join(_cluster_row(c) for c in shown[:10])
    head = _row(["what is wrong", "where the prompt says", "wrong", "elsewhere", "p"], "th")
    return (
        f"<section>\n<h2>Where it fails</h2>\n<p>{lead}</p>\n"
        f'<div class="wide"><table class="numbers">{head}{rows}</table></div>\n</section>\n'
    )


def _cluster_row(c: Cluster) -> str:
    return _row(
        [
            escape(c.attribute),
            escape(c.condition),
            f"{c.wrong} of {c.n} ({c.wrong / c.n:.0%})",
            f"{c.wrong_elsewhere} of {c.n_elsewhere} ({c.wrong_elsewhere / c.n_elsewhere:.0%})",
            f"{c.corrected:.2g}",
        ]
    )


def _confusions(report: Report) -> str:
    blocks = []
    for attribute, matrix in confusions(report.outcomes).items():
        columns = matrix.seen
        head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in columns)
        rows = []
        for stated in matrix.stated:
            total = sum(matrix.counts[stated].values())
            cells = []
            for seen in columns:
                count = matrix.counts[stated].get(seen, 0)
                kind = "right" if seen == stated else "wrong"
                shade = f' class="{kind}" style="--share:{count / total:.3f}"' if count else ""
                cells.append(f"<td{shade}>{count or ''}</td>")
            rows.append(f'<tr><th scope="row">{escape(stated)}</th>{"".join(cells)}</tr>')
        blocks.append(
            f"<details><summary>{escape(attribute)}: {matrix.right} of {matrix.total} right</summary>"
            f'<div class="wide"><table class="confusion"><tr><th></th>{head}</tr>'
            f"{''.join(rows)}</table></div></details>\n"
        )
    if not blocks:
        return ""
    told = "Rows: what the prompt states; columns: what was seen of the object that fits best."
    return f"<section>\n<h2>What is taken for what</h2>\n<p>{told}</p>\n{''.join(blocks)}</section>\n"


def _cases(report: Report, clips: Path) -> str:
    worst, best = report.extremes(CASES)
    sections = []
    for title, outcomes in (("The worst clips", worst), ("The best clips", best[::-1])):
        cards = case_cards(outcomes, clips)
        if cards:
            sections.append(f'<section>\n<h2>{title}</h2>\n<div class="cases">\n{cards}</div>\n</section>\n')
    return "".join(sections)


def _protocol(report: Report, data: Mapping[str, Any]) -> str:
    rows = []
    for mark, protocol in data["protocols"].items():
        told = "; ".join(_items(protocol))
        rows.append(f"<dt><code>{mark}</code></dt><dd>{escape(told)}</dd>")
    return (
        "<section>\n<details><summary>How it was measured: fingerprints of the scores</summary>\n"
        "<p>Scores compare only where these are the same.</p>"
        f"<dl>{''.join(rows)}</dl></details>\n</section>\n"
    )


def _items(protocol: Mapping[str, Any]) -> Iterator[str]:
    for name, value in protocol.items():
        if value not in ("", None, {}, []):
            yield f"{name}: {value}"


def _of_a_set(report: Report, name: str) -> bool:
    return any(score.measure.name == name for score in report.sets)


def _number(report: Report, name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.0f}" if report.is_rate(name) else _plain(value)


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _row(cells: Sequence[str], tag: str = "td") -> str:
    first = "th" if tag == "td" else tag
    scope = ' scope="row"' if tag == "td" else ' scope="col"'
    return (
        f"<tr><{first}{scope}>{cells[0]}</{first}>"
        + "".join(f"<{tag}{' scope=col' if tag == 'th' else ''}>{cell}</{tag}>" for cell in cells[1:])
        + "</tr>"
    )
