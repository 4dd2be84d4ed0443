"""make video hands over exactly what was typed, and runs nothing that is in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(shutil.which("make") is None or os.name == "nt", reason="needs make")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment that counts as installed, whose scenewright prints its arguments as JSON."""
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "scenewright"
    program.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    program.chmod(0o755)
    for name in ("bin/pip", ".installed-base", ".installed-dev"):
        (folder / name).touch()
    return folder


def make(environment: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PROMPT", "OUT", "VENV")
    }
    return subprocess.run(
        ["make", "--no-print-directory", "-C", str(ROOT), "video", f"VENV={environment}", *words],
        env={**clean, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "a red ball rolls left",
        'it\'s a "quoted" ball',
        "costs $5, $HOME, $$ and ends with $",
        "$(touch pwned) `touch pwned` $(shell touch pwned) ; touch pwned",
        "a # b % c \\ d * e ! f & g | h > pwned",
        "--help",
        "two\nlines",
        "é 日本 🎬",
        "inner   and trailing   ",
    ],
)
def test_the_prompt_arrives_as_typed(prompt: str, environment: Path) -> None:
    for result in (make(environment, f"PROMPT={prompt}"), make(environment, PROMPT=prompt)):
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout) == ["generate", "-o", "videos/", "--", prompt]
    assert not (ROOT / "pwned").exists()


def test_out_names_the_file_and_is_replaced_the_second_time(environment: Path) -> None:
    result = make(environment, "PROMPT=a ball", "OUT=my $file.mp4")
    assert json.loads(result.stdout) == ["generate", "--overwrite", "-o", "my $file.mp4", "--", "a ball"]


def test_no_prompt_is_one_line_that_says_what_to_do(environment: Path) -> None:
    result = make(environment)
    assert result.returncode == 2
    assert result.stderr.splitlines()[0].startswith("say what to show: make video PROMPT=")


def test_make_bench_runs_what_the_page_of_benchmarks_shows():
    [line] = re.findall(r"^BENCHES := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    assert set(line.split()) == set(re.findall(r"^\$ python benchmarks/(\w+)\.py", page, re.M))
