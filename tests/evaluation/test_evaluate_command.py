from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from scenewright.cli.evaluate import evaluate
from scenewright.evaluation.exact import ATTRIBUTES


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_json_has_the_documented_form(tmp_path: Path) -> None:
    output = tmp_path / "results"
    arguments = ["world", "--limit", "2", "--section", "single", "--section", "two-objects", "--json"]
    done = CliRunner().invoke(evaluate, [*arguments, "--output", str(output)], catch_exceptions=False)
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert set(result) == {"suite", "scores", "sections", "protocols"}
    assert result["suite"] == "world-core"
    assert list(result["sections"]) == ["single", "two-objects"]
    for scores in (result["scores"], *result["sections"].values()):
        assert tuple(scores) == ATTRIBUTES
        for s in scores.values():
            assert set(s) == {"value", "low", "high", "n", "floor", "ceiling", "fingerprint"}
            if s["n"]:
                assert 0 <= s["low"] <= s["value"] <= s["high"] <= 1
                assert s["ceiling"] == s["value"]
            else:
                assert s["value"] is None
    single, pairs = result["sections"]["single"], result["sections"]["two-objects"]
    assert result["scores"] == {name: single[name] if single[name]["n"] else pairs[name] for name in single}
    assert json.loads((output / "results.json").read_text())["scores"] == result["scores"]
    assert (output / "worst.png").is_file()
    assert len(list((output / "clips").glob("*.mp4"))) == 4
    again = CliRunner().invoke(evaluate, [*arguments, "--output", str(output)], catch_exceptions=False)
    assert json.loads(again.stdout) == result


def test_a_table_for_people() -> None:
    done = CliRunner().invoke(
        evaluate, ["world", "--limit", "1", "--section", "single"], catch_exceptions=False
    )
    assert "95% interval" in done.stdout
    assert "colour" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["world", "--suite", "nothing"], "no suite 'nothing'"),
        (["world", "--section", "nothing"], "no section 'nothing'"),
        (["no-such-model"], "no model 'no-such-model'"),
    ],
)
def test_mistakes_are_one_clear_line(arguments: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CliRunner().invoke(evaluate, arguments, catch_exceptions=False)
