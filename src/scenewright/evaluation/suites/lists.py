"""Prompt lists of public benchmarks as suites; you bring their files.

- VBench: ``VBench_full_info.json``, or its folder of one text file a dimension; sections are dimensions.
- T2V-CompBench: its folder of one text file a category, or of JSON files with ``prompt``.
- EvalCrafter: ``prompt700.txt``, or JSON of ``prompt``.

Any text file with a prompt a line, and any folder of such files, is a suite too. A prompt's seed is that
of its text, so that it has the same one in every list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from scenewright.evaluation.suites.suite import Suite, SuitePrompt
from scenewright.seeds import keyed_seed


def read_prompts(path: Path) -> Suite:
    """A text or JSON file, or a folder of them; the name is the path's.

    Raises:
        ValueError: there are no prompts in it, or a JSON file of another form.
    """
    files = [path]
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix.lower() in (".txt", ".json"))
    pairs = [pair for file in files for pair in _pairs(file)]
    return suite_of(path.stem, pairs, str(path))


def suite_of(name: str, pairs: Iterable[tuple[str, str]], source: str) -> Suite:
    """A suite of (section, text), each text once in a section. ValueError where there is none."""
    prompts = []
    counts: dict[str, int] = {}
    for section, text in dict.fromkeys(pairs):
        counts[section] = counts.get(section, 0) + 1
        seed = keyed_seed("prompt", text) % 2**31
        prompts.append(SuitePrompt(f"{section}-{counts[section]:04d}", section, text, seed))
    if not prompts:
        raise ValueError(f"{source} holds no prompts")
    order = {section: place for place, section in enumerate(counts)}
    return Suite(name, tuple(sorted(prompts, key=lambda p: order[p.section])))


def _pairs(file: Path) -> Iterator[tuple[str, str]]:
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix.lower() != ".json":
        yield from ((file.stem, line.strip()) for line in text.splitlines() if line.strip())
        return
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}, line {error.lineno}: not JSON: {error.msg}") from None
    if isinstance(rows, dict):
        rows = list(rows.values())
    for number, row in enumerate(rows, 1):
        prompt = row if isinstance(row, str) else None
        if isinstance(row, dict):
            prompt = next((row[name] for name in ("prompt_en", "prompt", "text") if name in row), None)
        if not isinstance(prompt, str):
            raise ValueError(f"{file}, entry {number}: neither a prompt nor an object with one")
        sections = row.get("dimension", file.stem) if isinstance(row, dict) else file.stem
        for section in [sections] if isinstance(sections, str) else sections:
            yield str(section), prompt.strip()
