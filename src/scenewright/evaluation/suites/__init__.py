"""Suites are data: prompts in sections, fixed by a hash, in YAML files beside this module."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent


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
    """Prompts in order, section by section. The first section is the main one: its scores lead the report."""

    name: str
    prompts: tuple[SuitePrompt, ...]

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
        """Hash of the name and of every prompt's section, id, text, seed and given frames."""
        return _hash(self.name, _tree(self))

    @property
    def prompts_sha256(self) -> str:
        """The same without the name: of folders of different systems with the same prompts it is one."""
        return _hash("", _tree(self))

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
        return Suite(self.name, tuple(kept))


def suite_names() -> list[str]:
    """Names of the suites that ship."""
    return sorted(path.stem for path in HERE.glob("*.yaml"))


def load_suite(name: str | Path) -> Suite:
    """A suite by its name or by the path of a YAML file.

    Raises ValueError for an unknown name, a file that is not a suite, or prompts that do not fit the hash
    in the file (somebody edited them: scores would not compare).
    """
    path = HERE / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        raise ValueError(
            f"there is no suite {str(name)!r}; known: {', '.join(suite_names())}, or a YAML file"
        )
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        prompts = tuple(
            SuitePrompt(
                str(row["id"]), str(section), str(row["text"]), int(row["seed"]), str(row.get("given", ""))
            )
            for section, rows in data["sections"].items()
            for row in rows
        )
        suite = Suite(str(data["name"]), prompts)
        stated = data.get("sha256")
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a suite: {str(error).splitlines()[0]}") from None
    if stated is not None and stated != suite.sha256:
        raise ValueError(f"{path}: its prompts do not fit its sha256; restore the file or remove the hash")
    return suite


def save_suite(suite: Suite, path: Path) -> None:
    """Writes the YAML that :func:`load_suite` reads."""
    data = {"name": suite.name, "sha256": suite.sha256, "sections": _tree(suite)}
    path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")


def _tree(suite: Suite) -> dict[str, list[dict[str, Any]]]:
    return {name: [p.row() for p in suite.prompts if p.section == name] for name in suite.sections}


def _hash(name: str, tree: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([name, tree], ensure_ascii=False).encode()).hexdigest()
