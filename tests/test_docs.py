"""The documentation keeps to what exists: its Python runs as far as it can, its commands are commands."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from scenewright.cli.main import COMMANDS, cli

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]


def blocks(kind: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for match in re.finditer(rf"^( *)```{kind}[^\n]*\n(.*?)^ *```", page.read_text(), re.M | re.S):
            code = re.sub(rf"^{match[1]}", "", match[2], flags=re.M)
            found.append((str(page.relative_to(ROOT)), code))
    return found


@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_imports_in_the_documentation_exist(page: str, code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scenewright"):
            module = importlib.import_module(node.module or "")
            for name in node.names:
                assert hasattr(module, name.name), f"{page}: {node.module} has no {name.name}"


@pytest.mark.parametrize("page", ["docs/guide/recipes.md", "docs/guide/extending.md"])
def test_self_contained_python_runs(page: str) -> None:
    for where, code in blocks("python"):
        if where == page:
            exec(compile(code, page, "exec", dont_inherit=True), {"__name__": "page"})


def commands() -> list[tuple[str, str]]:
    """Every ``scenewright …`` of the documentation's consoles, and the options it is given."""
    lines = []
    for page, block in blocks("console"):
        for line in block.splitlines():
            text = line.partition("$ ")[2] if line.startswith("$ ") else ""
            if text.startswith("scenewright "):
                lines.append((page, re.split(r" [|>] | +# ", text)[0]))
    return lines


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_in_the_documentation_exist(page: str, line: str) -> None:
    words = shlex.split(line)[1:]
    if words[0] in ("--help", "COMMAND"):
        return
    assert words[0] in COMMANDS, f"{page}: {line}"
    command: click.Command | None = cli.get_command(click.Context(cli), words.pop(0))
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None, f"{page}: {line}"
    end = words.index("--") if "--" in words else len(words)
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    for word in words[:end]:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in known, f"{page}: {line}: {word}"


def test_the_navigation_lists_every_page() -> None:
    listed = set(re.findall(r"[\w./-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    assert listed == {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs/decisions/index.md").read_text()
    for page in (ROOT / "docs/decisions").glob("0*.md"):
        number, title = re.match(r"# (\d+)\. (.+)", page.read_text()).groups()  # type: ignore[union-attr]
        assert f"[{number}]({page.name}) | {title}" in index
