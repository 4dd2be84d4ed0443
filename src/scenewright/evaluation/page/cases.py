"""Single clips, played beside a true render of the same sentence."""

from __future__ import annotations

import tempfile
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

from scenewright.evaluation.gallery import seen_sentence
from scenewright.evaluation.report import Outcome
from scenewright.evaluation.suites import SuitePrompt
from scenewright.evaluation.systems import WorldSystem


def case_cards(outcomes: Sequence[Outcome], clips: Path) -> str:
    """A card for each outcome whose clip is there as ID.mp4."""
    cards = []
    for outcome in outcomes:
        file = clips / f"{outcome.id}.mp4"
        if file.is_file():
            cards.append(_card(outcome, file.read_bytes(), _truth(outcome)))
    return "".join(cards)


def _card(outcome: Outcome, made: bytes, truth: bytes | None) -> str:
    videos = _video(made, "what was made")
    if truth is not None:
        videos += _video(truth, "a true render")
    lines = [f"<h3>{escape(outcome.text)}</h3>", f'<div class="pair">{videos}</div>']
    if outcome.items:
        facts = "".join(
            f'<li class="{"right" if all(rights) else "wrong"}">{escape(name)}</li>'
            for name, rights in outcome.items.items()
            if rights
        )
        lines.append(f'<ul class="facts-list">{facts}</ul>')
        lines.append(f'<p class="seen">Seen: {escape(seen_sentence(outcome))}</p>')
    return f"<article>{''.join(lines)}</article>\n"


def _video(data: bytes, label: str) -> str:
    source = f"data:video/mp4;base64,{b64encode(data).decode()}"
    return (
        f'<figure><video src="{source}" muted loop playsinline controls preload="metadata" '
        f'aria-label="{label}"></video><figcaption>{label}</figcaption></figure>'
    )


def _truth(outcome: Outcome) -> bytes | None:
    """MP4 of the world's own picture of the sentence; None where it says nothing of the world."""
    from scenewright.media import encode

    if not outcome.items or not outcome.clip:
        return None
    width, height, frames = (int(outcome.clip[name]) for name in ("width", "height", "frames"))
    try:
        prompt = SuitePrompt(outcome.id, outcome.section, outcome.text, 0)
        clip = WorldSystem(width, height, frames, outcome.clip["fps"]).clips([prompt], 0)[0]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "truth.mp4"
            encode(clip, file)
            return file.read_bytes()
    except ValueError:
        return None
