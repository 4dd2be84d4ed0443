"""Contact sheets of the clips that scored worst and best, each beside its prompt and what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scenewright.evaluation.report import Outcome

if TYPE_CHECKING:
    from PIL import Image


def extremes_sheet(outcomes: Sequence[Outcome], clips: Path, frames: int = 6) -> Image.Image | None:
    """One row a clip that was kept as ``clips/ID.mp4``; ``None`` where none was."""
    from scenewright.media import contact_sheet, decode

    kept = [o for o in outcomes if (clips / f"{o.id}.mp4").is_file()]
    if not kept:
        return None
    videos = [decode(clips / f"{o.id}.mp4", audio=False) for o in kept]
    return contact_sheet(videos, [caption(o) for o in kept], columns=1, frames_per_clip=frames)


def caption(outcome: Outcome) -> str:
    """The prompt, what was read, and which facts are wrong."""
    wrong = [name for name, rights in outcome.items.items() if not all(rights)]
    verdict = f"wrong: {', '.join(wrong)}" if wrong else "all right"
    return f"{outcome.text}  |  seen: {seen_sentence(outcome)}  |  {verdict}"


def seen_sentence(outcome: Outcome) -> str:
    """What the reader saw in a clip."""
    return "; ".join(_sentence(item) for item in outcome.reading) or "nothing"


def _sentence(item: object) -> str:
    assert isinstance(item, dict)
    moves = ", ".join(" ".join(filter(None, (m["kind"], m["direction"]))) for m in item["motions"])
    return f"{item['size']} {item['color']} {item['shape']} ({moves or 'still'})"
