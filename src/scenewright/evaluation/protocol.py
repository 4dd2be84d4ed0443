"""What a score depends on besides the system: scores with different answers are not to be compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenewright.evaluation.measures import Measure
    from scenewright.evaluation.report import Outcome

#: Changes whenever the same clips could get other numbers by other code.
VERSION = 1

#: What arithmetic is done by, for measures that are not exact.
_LIBRARIES = ("numpy", "opencv-python-headless")

Protocol = Mapping[str, Any]


def protocol_of(
    name: str, measure: Measure | None, outcomes: Sequence[Outcome], facts: Mapping[str, Any]
) -> Protocol:
    """The protocol of the score ``name``; ``measure`` is None for facts that are right or wrong.

    ``facts``: the hash of the suite's prompts, the seed and the reader's hash, as far as they are known.
    """
    clips = sorted({tuple(sorted(o.clip.items())) for o in outcomes if o.clip})
    reads = measure is None or measure.reader
    return {
        "version": VERSION,
        "metric": name,
        "convention": measure.settings if measure else {"exact": facts.get("exact", "")},
        "better": measure.better if measure else "higher",
        "prompts": len(outcomes),
        "suite": facts.get("prompts_sha256", ""),
        "seed": facts.get("seed", 0),
        "reference": facts.get("reference", "") if measure and measure.reference else "",
        "clips": [dict(clip) for clip in clips],
        "resize": "none",
        "decode": "PyAV, RGB",
        "reader": facts.get("reader", "") if reads else "",
        "libraries": {} if measure is None else _versions(),
    }


def fingerprint_of(protocol: Protocol) -> str:
    """16 hexadecimal digits."""
    text = json.dumps(protocol, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_of_file(file: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of what is in a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def differences(one: Protocol, other: Protocol) -> list[str]:
    """In what two protocols differ: ``clips: … and …``; empty where they are the same."""
    keys = sorted(one.keys() | other.keys())
    return [f"{k}: {one.get(k)} and {other.get(k)}" for k in keys if one.get(k) != other.get(k)]


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found
