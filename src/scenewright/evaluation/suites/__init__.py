"""Suites are data: prompts in sections, fixed by a hash, in YAML files beside this module; prompt lists and
datasets that you bring are suites too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from scenewright.evaluation.suites.layouts import is_layout, layout_suite
from scenewright.evaluation.suites.lists import read_prompts
from scenewright.evaluation.suites.suite import Suite, SuitePrompt

__all__ = ["Suite", "SuitePrompt", "load_suite", "save_suite", "suite_names"]

HERE = Path(__file__).parent


def suite_names() -> list[str]:
    """Names of the suites that ship."""
    return sorted(path.stem for path in HERE.glob("*.yaml"))


def load_suite(name: str | Path) -> Suite:
    """A suite by its name, by the path of a YAML file or of a list of prompts (see :mod:`.lists`), or as
    ``LAYOUT:FOLDER`` (see :mod:`.layouts`).

    Raises ValueError for an unknown name, a file that is not a suite, or prompts that do not fit the hash
    in the file (somebody edited them: scores would not compare).
    """
    path = HERE / f"{name}.yaml"
    if not path.is_file():
        if is_layout(str(name)):
            return layout_suite(str(name))
        path = Path(name)
        if path.is_dir() or (path.is_file() and path.suffix.lower() in (".txt", ".json")):
            return read_prompts(path)
    if not path.is_file():
        raise ValueError(
            f"there is no suite {str(name)!r}; known: {', '.join(suite_names())}, or a file of prompts"
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
        metrics = tuple(str(name) for name in data.get("metrics", ()))
        reference = None if data.get("reference") is None else str(data["reference"])
        suite = Suite(str(data["name"]), prompts, metrics, reference)
        stated = data.get("sha256")
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a suite: {str(error).splitlines()[0]}") from None
    if stated is not None and stated != suite.sha256:
        raise ValueError(f"{path}: its prompts do not fit its sha256; restore the file or remove the hash")
    return suite


def save_suite(suite: Suite, path: Path) -> None:
    """Writes the YAML that :func:`load_suite` reads."""
    data: dict[str, Any] = {"name": suite.name, "sha256": suite.sha256}
    if suite.metrics:
        data["metrics"] = list(suite.metrics)
    if suite.reference is not None:
        data["reference"] = suite.reference
    data["sections"] = suite.tree()
    path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
