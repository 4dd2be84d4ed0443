"""Pages as a browser makes them of what is sent: Debian's chromium, where it is installed."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from scenewright.clip import Clip
from scenewright.evaluation.page import page
from scenewright.evaluation.report import Outcome, Report
from scenewright.media import encode

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")


def shown(address: str, width: int = 1000) -> str:
    """The document after its scripts have run."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000"]
    command = [str(BROWSER), *options, f"--window-size={width},1600", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout


def measured(file: Path, script: str, width: int) -> str:
    """What ``script`` writes into the title of a copy of the page."""
    copy = file.with_name(f"measured-{width}.html")
    copy.write_text(file.read_text() + f"<script>document.title = String({script})</script>")
    return shown(f"file://{copy}", width).partition("<title>")[2].partition("</title>")[0]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("report")
    (home / "clips").mkdir()
    outcomes = []
    for i in range(8):
        items = {name: [i % 2 == 0] for name in ("presence", "colour", "shape", "direction")}
        pairs = [("colour", "red", "red" if i % 2 == 0 else "black")]
        clip = {"frames": 4, "width": 32, "height": 32, "fps": 8.0}
        outcomes.append(Outcome(f"p-{i}", "single", "a red ball rolls left", items, (), {}, clip, (), pairs))
        encode(Clip(np.full((4, 32, 32, 3), 9 * i, np.uint8), 8.0), home / "clips" / f"p-{i}.mp4")
    (home / "report.html").write_text(page(Report("world-core", "nano", outcomes), home / "clips"))
    return home / "report.html"


def test_the_report_is_drawn_with_clips_that_the_browser_can_play(report):
    found = shown(f"file://{report}")
    assert found.count("<video") >= 8
    assert "<polygon" in found


@pytest.mark.parametrize("width", [500, 1000])
def test_nothing_of_the_report_is_wider_than_the_screen(report, width):
    script = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert measured(report, script, width) == "true"


def test_every_picture_of_the_report_has_a_text(report):
    script = "[...document.querySelectorAll('svg, video')].every(e => e.getAttribute('aria-label'))"
    assert measured(report, script, 1000) == "true"
