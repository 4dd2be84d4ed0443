from scenewright.evaluation.exact import ATTRIBUTES
from scenewright.evaluation.report import Outcome, Report


def outcome(identifier: str, section: str, **items: list[bool]) -> Outcome:
    full = {name: items.get(name, []) for name in ATTRIBUTES}
    return Outcome(identifier, section, "a prompt", full, [])


MINE = [
    outcome("a", "single", presence=[True], colour=[True]),
    outcome("b", "single", presence=[True], colour=[False]),
    outcome("c", "two", presence=[True, False], colour=[True, False], relation=[True]),
]
FLOOR = [outcome(o.id, o.section, **{k: [False] * len(v) for k, v in o.items.items()}) for o in MINE]
CEILING = [outcome(o.id, o.section, **{k: [True] * len(v) for k, v in o.items.items()}) for o in MINE]


def test_scores_are_fractions_of_facts_with_floor_and_ceiling():
    report = Report("suite", "mine", MINE, FLOOR, CEILING).to_json()
    colour = report["scores"]["colour"]
    assert colour["value"] == 0.5
    assert colour["n"] == 2
    assert colour["low"] <= 0.5 <= colour["high"]
    assert (colour["floor"], colour["ceiling"]) == (0.0, 1.0)
    assert report["sections"]["two"]["presence"]["value"] == 0.5
    assert tuple(report["scores"]) == ATTRIBUTES


def test_what_the_main_section_never_states_comes_from_the_first_that_does():
    report = Report("suite", "mine", MINE).to_json()
    assert report["scores"]["relation"] == report["sections"]["two"]["relation"]
    assert report["scores"]["relation"]["n"] == 1
    assert report["sections"]["single"]["relation"]["n"] == 0
    size = report["scores"]["size"]
    assert size["n"] == 0
    assert {size[name] for name in ("value", "low", "high", "floor", "ceiling")} == {None}


def test_the_table_shows_percentages_and_leaves_out_what_was_not_measured():
    table = Report("suite", "mine", MINE, FLOOR, CEILING).table()
    line = next(line for line in table.splitlines() if line.split()[:1] == ["colour"])
    assert line.split()[1] == "50.0"
    assert line.split()[-2:] == ["0.0", "100.0"]
    assert "size" not in table
