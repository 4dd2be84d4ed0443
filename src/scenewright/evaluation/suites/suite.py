"""The type of a suite: prompts in sections, fixed by a hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class SuitePrompt:
    """One prompt. ``id`` is unique in its suite; ``seed`` goes to the model with the text. ``given``: which
    frames of the scene come with it, by a name of :data:`scenewright.evaluation.given.PLACES`; "" if none."""

    id: str
    section: str
    text: str
    seed: int
    given: str = ""

    def row(self) -> dict[str, Any]:
        """What a suite's file says of it, in its section."""
        given = {"given": self.given} if self.given else {}
        return {"id": self.id, "text": self.text, "seed": self.seed, **given}


@dataclass(frozen=True)
class Suite:
    """Prompts in order, section by section. The first section is the main one: its scores lead the report.
    ``metrics``, ``reference``: what is measured, and against what, where nothing else is asked for."""

    name: str
    prompts: tuple[SuitePrompt, ...]
    metrics: tuple[str, ...] = ()
    reference: str | None = None

    def __post_init__(self) -> None:
        if not self.prompts:
            raise ValueError(f"suite {self.name!r} has no prompts")
        if len({p.id for p in self.prompts}) != len(self.prompts):
            raise ValueError(f"suite {self.name!r}: prompt ids repeat")

    @property
    def sections(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p.section for p in self.prompts))

    @property
    def sha256(self) -> str:
        """Hash of the name, of every prompt's section, id, text, seed and given frames, and of metrics and
        reference, if it has any."""
        more = {"metrics": list(self.metrics), "reference": self.reference}
        return _hash(self.name, self.tree(), more if self.metrics or self.reference else None)

    @property
    def prompts_sha256(self) -> str:
        """The same without the name: of folders of different systems with the same prompts it is one."""
        return _hash("", self.tree())

    def tree(self) -> dict[str, list[dict[str, Any]]]:
        """Rows by section, as a suite's file has them."""
        return {name: [p.row() for p in self.prompts if p.section == name] for name in self.sections}

    def select(self, sections: tuple[str, ...] | None = None, limit: int | None = None) -> Suite:
        """The suite with only some sections, and at most ``limit`` prompts of each.

        A section is cut evenly over its length, so that what it balances stays balanced. ValueError for a
        section that does not exist.
        """
        chosen = sections or self.sections
        for name in chosen:
            if name not in self.sections:
                raise ValueError(
                    f"suite {self.name} has no section {name!r}; it has {', '.join(self.sections)}"
                )
        if limit is not None and limit < 1:
            raise ValueError(f"the limit must be at least 1 prompt a section, not {limit}")
        kept: list[SuitePrompt] = []
        for name in chosen:
            part = [p for p in self.prompts if p.section == name]
            n = len(part) if limit is None else min(limit, len(part))
            kept += [part[i * len(part) // n] for i in range(n)]
        return replace(self, prompts=tuple(kept))


def _hash(name: str, tree: dict[str, Any], more: dict[str, Any] | None = None) -> str:
    parts = [name, tree] if more is None else [name, tree, more]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
