"""Several systems side by side, their history, and the report as a page."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner

from scenewright.cli.compare import compare as compare_command
from scenewright.clip import Clip
from scenewright.evaluation.comparison import Results
from scenewright.evaluation.files import write_results
from scenewright.evaluation.history import add, read
from scenewright.evaluation.leaderboard import leaderboard
from scenewright.evaluation.page import page
from scenewright.evaluation.page.insight import clusters, confusions
from scenewright.evaluation.report import Outcome, Report
from scenewright.media import encode
from scenewright.world.parser import parse


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


TEXTS = ["a red ball rolls left", "a blue cube slides right", "a green cone spins clockwise"]


def outcome(i: int, right: bool, text: str = "") -> Outcome:
    text = text or TEXTS[i % 3]
    description = parse(text).description
    entity, event = description.entities[0], description.events[0]
    items = {name: [True] for name in ("presence", "shape", "motion", "direction", "count")}
    items |= {"colour": [right], "size": [], "relation": []}
    pairs = [("colour", entity.color, entity.color if right else "black"), ("motion", event.kind, event.kind)]
    clip = {"frames": 8, "width": 32, "height": 32, "fps": 8.0}
    return Outcome(f"p-{i:03d}", "single", text, items, (), {}, clip, (), pairs)


def results(name: str, rights: list[bool]) -> Results:
    outcomes = [outcome(i, right) for i, right in enumerate(rights)]
    return Results(name, {**Report("world-core", name, outcomes).to_json()}, tuple(outcomes))


def test_the_best_is_marked_and_what_may_be_as_good():
    rng = np.random.default_rng(0)
    n = 60
    good = rng.random(n) < 0.9
    near = good.copy()
    near[:2] = ~near[:2]
    poor = rng.random(n) < 0.2
    board = leaderboard(
        [results("poor", poor.tolist()), results("near", near.tolist()), results("good", good.tolist())]
    )
    row = board.places["colour"]
    best = max(row, key=lambda name: row[name].value)
    assert row[best].standing == "best"
    assert row["poor"].standing == "worse"
    assert {row["near"].standing, row["good"].standing} == {"best", "unsettled"}
    assert len(board.differences) == 3 * len(board.places)
    corrected = {d.corrected >= d.p_value for d in board.differences}
    assert corrected == {True}
    table = board.table()
    assert re.search(r"colour .*\*", table)
    assert "~" in table
    data = json.loads(json.dumps(board.to_json()))
    assert data["leaderboard"]["colour"]["poor"]["standing"] == "worse"
    assert '<td class="best">' in board.page()
    with pytest.raises(ValueError, match="called alike"):
        leaderboard([results("a", [True] * 4), results("a", [True] * 4)])


def test_confusions_and_clusters_find_the_planted_fault():
    outcomes = [outcome(i, right=i % 3 != 0) for i in range(60)]  # every red ball is taken for black
    matrix = confusions(outcomes)["colour"]
    assert matrix.counts["red"] == {"black": 20}
    assert matrix.counts["blue"] == {"blue": 20}
    assert (matrix.right, matrix.total) == (40, 60)
    assert matrix.seen[:3] == matrix.stated
    assert matrix.seen[3:] == ("black",)
    worst = clusters(outcomes)[0]
    assert worst.attribute == "colour"
    assert (worst.wrong, worst.n, worst.wrong_elsewhere) == (20, 20, 0)
    assert worst.corrected < 1e-6
    rng = np.random.default_rng(0)
    chance = clusters([outcome(i, bool(rng.random() < 0.5)) for i in range(60)])
    assert all(c.corrected > 0.05 for c in chance)
    assert clusters([outcome(i, False) for i in range(3)]) == []  # too few to look at


def test_fishers_test_is_scipys():
    from scipy.stats import fisher_exact

    from scenewright.evaluation.page.insight import _fisher

    for k, n, wrong, total in ((3, 5, 8, 30), (0, 4, 2, 9), (7, 7, 9, 40)):
        table = [[k, n - k], [wrong - k, total - n - wrong + k]]
        assert _fisher(k, n, wrong, total) == pytest.approx(fisher_exact(table, alternative="greater")[1])


class Checked(HTMLParser):
    """Collects what a page would load, and whether its elements are closed in order."""

    VOID = ("meta", "link", "img", "br", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.errors: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.loads += [v for k, v in attributes if k in ("src", "href") and v and not v.startswith("data:")]
        if tag not in self.VOID and tag not in ("line", "rect", "circle", "polygon", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in ("line", "rect", "circle", "polygon", "polyline"):
            return
        if not self.open or self.open.pop() != tag:
            self.errors.append(tag)


def test_the_page_is_whole_and_loads_nothing(tmp_path):
    outcomes = [outcome(i, right=i % 3 != 0) for i in range(12)]
    outcomes[0] = outcome(0, False, "a red <b>ball</b> rolls left")
    for item in outcomes:
        (tmp_path / "clips").mkdir(exist_ok=True)
        frames = np.full((8, 32, 32, 3), 90, np.uint8)
        encode(Clip(frames, 8.0), tmp_path / "clips" / f"{item.id}.mp4")
    report = Report("world-core", "<nano>", outcomes, ceiling=[outcome(i, True) for i in range(12)])
    text = page(report, tmp_path / "clips")
    checked = Checked()
    checked.feed(text)
    assert checked.errors == []
    assert checked.open == []
    assert checked.loads == []
    assert "<nano>" not in text
    assert "<b>ball</b>" not in text
    assert text.count("<video") == 2 * 2 * 6  # worst and best, each with a true render
    for word in (
        "Where it fails",
        "What is taken for what",
        "The worst clips",
        "colour black",
        "Radar chart",
    ):
        assert (word in text) == (word != "colour black"), word


def test_scores_over_time_are_kept_and_only_alike_ones_are_shown(tmp_path):
    file = tmp_path / "history.jsonl"
    old = Report("world-core", "nano", [outcome(i, i % 2 == 0) for i in range(8)])
    new = Report("world-core", "nano", [outcome(i, True) for i in range(8)])
    other = Report("world-core", "nano", [outcome(i, True) for i in range(6)])  # other prompts
    for report in (old, other, new):
        add(file, report)
    past = read(file, new)
    assert [entry.scores["colour"]["value"] for entry in past] == [0.5, 1.0]
    text = page(new, tmp_path, past)
    assert "Over time" in text
    assert "Over time" not in page(new, tmp_path, past[:1])
    with file.open("a") as stream:
        stream.write('{"time": 1}\n')
    with pytest.raises(ValueError, match="line 4: no scores"):
        read(file, new)


def test_systems_are_judged_and_compared_in_one_command(tmp_path):
    arguments = ["world", "--section", "single", "--limit", "2", "--metric", "flicker"]
    runner = CliRunner()
    written = [outcome(i, True) for i in range(4)]
    folders = []
    for name in ("a", "b"):
        folder = tmp_path / name
        report = Report("world-core", name, written, facts={"fingerprint": "f"})
        write_results(report, folder)
        rows = [{"fingerprint": "f", "key": o.id, **o.record()} for o in written]
        (folder / "system.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        folders.append(str(folder))
    done = runner.invoke(
        compare_command, [*folders, "--output", str(tmp_path / "board")], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert "b minus a" in done.stdout
    assert (tmp_path / "board" / "leaderboard.html").is_file()
    assert runner.invoke(compare_command, folders[:1]).exit_code == 2
    assert "named twice" in runner.invoke(compare_command, folders[:1] * 2).output
    alone = runner.invoke(compare_command, [*arguments, folders[0]])
    assert "have no metric in common" in str(alone.exception)
