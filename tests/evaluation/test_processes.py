"""Evaluation in several processes: the same scores, and a clear line when one dies."""

import json
import os
from functools import partial

import pytest
from click.testing import CliRunner

from scenewright.cli.evaluate import evaluate as evaluate_command
from scenewright.evaluation.processes import Processes
from scenewright.evaluation.report import Outcome
from scenewright.evaluation.run import Part
from scenewright.evaluation.suites import SuitePrompt

PROMPTS = [[SuitePrompt(str(i), "s", "a red ball", i)] for i in range(8)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _judge(prompts, deadly=""):
    if prompts[0].id == deadly:
        os._exit(9)
    return Part([(prompt, Outcome(prompt.id, "s", f"{os.getpid()}")) for prompt in prompts])


def _build(deadly=""):
    return partial(_judge, deadly=deadly)


def test_parts_come_back_in_order_from_several_processes():
    with Processes(_build, 2) as judge:
        found = [part.outcomes[0] for part in judge(PROMPTS)]
    assert [prompt.id for prompt, _ in found] == [str(i) for i in range(8)]
    assert os.getpid() not in {int(outcome.text) for _, outcome in found}


def test_the_death_of_a_process_is_one_line():
    with Processes(partial(_build, "6"), 2) as judge, pytest.raises(RuntimeError, match="same command again"):
        list(judge(PROMPTS))


def test_workers_give_the_same_scores_and_go_on_from_what_is_there(tmp_path):
    base = [
        "world",
        "--section",
        "single",
        "--limit",
        "10",
        "--metric",
        "exact",
        "--metric",
        "flicker",
        "--json",
    ]
    alone = CliRunner().invoke(evaluate_command, base, catch_exceptions=False)
    arguments = [*base, "--workers", "2", "--output", str(tmp_path / "out")]
    shared = CliRunner().invoke(evaluate_command, arguments, catch_exceptions=False)
    assert json.loads(shared.stdout) == json.loads(alone.stdout)
    records = tmp_path / "out" / "system.jsonl"
    lines = records.read_text().splitlines()
    assert len(lines) == 10
    assert len(list((tmp_path / "out" / "clips").glob("*.mp4"))) == 10
    records.write_text("\n".join(lines[:3]) + "\n")
    again = CliRunner().invoke(evaluate_command, arguments, catch_exceptions=False)
    assert json.loads(again.stdout) == json.loads(alone.stdout)
    assert len(records.read_text().splitlines()) == 10


def test_prompts_of_no_world_are_refused_for_facts_alone(tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a person plays the piano\na dog runs on a beach\n")
    with pytest.raises(ValueError, match="no prompt names anything of the procedural world"):
        CliRunner().invoke(evaluate_command, ["nano", "--suite", str(prompts)], catch_exceptions=False)
