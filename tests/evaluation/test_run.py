"""The run around the scorer: order, resuming, errors, report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenewright.clip import Clip, GivenFrame
from scenewright.evaluation.exact import ATTRIBUTES
from scenewright.evaluation.given import frames_of, kept
from scenewright.evaluation.report import Outcome, Report
from scenewright.evaluation.run import evaluate
from scenewright.evaluation.suites import SuitePrompt
from scenewright.evaluation.systems import FolderSystem, WorldSystem, find_system
from scenewright.media import encode

PROMPTS = [
    SuitePrompt("a", "single", "a large red sphere rolls left", 1),
    SuitePrompt("b", "single", "a large blue cube", 2),
    SuitePrompt("c", "two-objects", "a large red cube left of a large green sphere", 3),
]


class Gray:
    """Shows nothing; remembers what it was asked for."""

    name = "gray"
    key = "gray-1"

    def __init__(self, refuse: str = "") -> None:
        self.asked: list[str] = []
        self.refuse = refuse

    def given(self, prompts: Sequence[SuitePrompt], seed: int) -> list[tuple[GivenFrame, ...]]:
        truth = WorldSystem(32, 32, 4).clips(prompts, seed)
        return [frames_of(p, c) for p, c in zip(prompts, truth, strict=True)]

    def clips(self, prompts: Sequence[SuitePrompt], seed: int, given: Sequence[object] = ()) -> list[Clip]:
        if any(p.id == self.refuse for p in prompts):
            raise ValueError("no such clip")
        self.asked += [p.id for p in prompts]
        return [Clip(np.full((4, 32, 32, 3), 128, np.uint8), 8.0) for _ in prompts]


def test_an_empty_picture_gets_nothing_right() -> None:
    for outcome in evaluate(Gray(), PROMPTS):
        assert outcome.accuracy == 0.0
        assert not any(outcome.items["presence"])


def test_given_frames_are_true_of_the_prompt_and_scored_by_whether_they_are_kept() -> None:
    kinds = ("first", "ends", "start")
    prompts = [replace(p, section="s", given=kind) for p, kind in zip(PROMPTS, kinds, strict=True)]
    given = Gray().given(prompts, 0)
    assert [[frame.at for frame in frames] for frames in given] == [[0], [0, 3], [0, 1]]
    lost = evaluate(Gray(), prompts)
    assert [o.items["kept"] for o in lost] == [[False], [False, False], [False, False]]
    report = Report("given", "gray", lost, ceiling=evaluate(WorldSystem(32, 32, 4), prompts))
    score = report.to_json()["scores"]["kept"]
    assert (score["value"], score["n"], score["ceiling"]) == (0.0, 5, 1.0)
    assert "kept" in report.table()


def test_a_frame_is_kept_from_35_decibel_on() -> None:
    picture = np.full((8, 8, 3), 100, np.uint8)
    for off, right in ((4, True), (5, False)):  # 36.1 and 34.2 dB
        clip = Clip(np.stack([picture, picture + np.uint8(off)]), 8.0)
        assert kept(clip, [GivenFrame(0, picture), GivenFrame(1, picture)]) == [True, right]


def test_the_world_itself_scores_high() -> None:
    outcomes = evaluate(WorldSystem(96, 96), PROMPTS)
    assert [o.id for o in outcomes] == ["a", "b", "c"]
    assert np.mean([o.accuracy for o in outcomes]) > 0.85


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    records = tmp_path / "deep" / "records.jsonl"
    first = Gray()
    evaluate(first, PROMPTS[:2], records=records)
    with records.open("a") as file:
        file.write('{"fingerprint": "torn in the mid')
    second = Gray()
    resumed = evaluate(second, PROMPTS, records=records)
    assert second.asked == ["c"]
    assert [o.id for o in resumed] == ["a", "b", "c"]
    third = Gray()
    assert [o.record() for o in evaluate(third, PROMPTS, records=records)] == [o.record() for o in resumed]
    assert third.asked == []


@pytest.mark.parametrize("change", ["seed", "system", "text"])
def test_other_settings_are_not_mixed_up(tmp_path: Path, change: str) -> None:
    records = tmp_path / "records.jsonl"
    evaluate(Gray(), PROMPTS[:1], records=records)
    again, prompts, seed = Gray(), PROMPTS[:1], 0
    if change == "seed":
        seed = 1
    elif change == "system":
        again.key = "gray-2"
    else:
        prompts = [SuitePrompt("a", "single", "a large red sphere rolls right", 1)]
    evaluate(again, prompts, seed=seed, records=records)
    assert again.asked == ["a"]


def test_a_clip_that_fails_is_reported_and_left_out() -> None:
    failed = []
    system = Gray(refuse="b")
    outcomes = evaluate(system, PROMPTS, on_error=lambda p, e: failed.append((p.id, str(e))))
    assert [o.id for o in outcomes] == ["a", "c"]
    assert failed == [("b", "no such clip")]
    with pytest.raises(ValueError, match="no such clip"):
        evaluate(Gray(refuse="b"), PROMPTS)


def test_a_folder_of_videos_is_scored_on_its_own_prompts(tmp_path: Path) -> None:
    clips = WorldSystem(96, 96).clips(PROMPTS[:2], seed=0)
    lines = []
    for prompt, clip in zip(PROMPTS, clips, strict=False):
        encode(clip, tmp_path / f"{prompt.id}.mp4")
        lines.append(json.dumps({"file": f"{prompt.id}.mp4", "prompt": prompt.text}))
    lines.append(json.dumps({"file": "missing.mp4", "prompt": "a red cube"}))
    (tmp_path / "index.jsonl").write_text("\n".join(lines) + "\n")
    system = find_system(str(tmp_path))
    assert isinstance(system, FolderSystem)
    failed = []
    outcomes = evaluate(system, system.prompts, on_error=lambda p, e: failed.append(p.id))
    assert [o.text for o in outcomes] == [p.text for p in PROMPTS[:2]]
    assert failed == ["00003"]
    assert np.mean([o.accuracy for o in outcomes]) > 0.8


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (None, "no index.jsonl"),
        ("", "names no videos"),
        ('{"file": "a.mp4"}', "line 1"),
        ("nonsense", "line 1"),
    ],
)
def test_bad_folders_are_refused(tmp_path: Path, index: str | None, message: str) -> None:
    if index is not None:
        (tmp_path / "index.jsonl").write_text(index)
    with pytest.raises(ValueError, match=message):
        find_system(str(tmp_path))


def outcome(name: str, right: int, of: int, section: str = "single") -> Outcome:
    items = {attribute: [] for attribute in ATTRIBUTES}
    items["colour"] = [i < right for i in range(of)]
    return Outcome(name, section, "a prompt", items)


def test_the_report_counts_and_keeps_null_for_what_was_not_asked() -> None:
    report = Report(
        "s",
        "m",
        [outcome("a", 1, 2), outcome("b", 2, 2), outcome("c", 0, 4, "other")],
        floor=[outcome("a", 0, 2), outcome("b", 1, 2)],
        ceiling=[outcome("a", 2, 2)],
    )
    result = report.to_json()
    assert set(result) == {"suite", "scores", "sections", "protocols"}
    colour = result["scores"]["colour"]
    assert (colour["value"], colour["n"], colour["floor"], colour["ceiling"]) == (0.75, 4, 0.25, 1.0)
    assert 0.5 <= colour["low"] <= 0.75 <= colour["high"] <= 1.0
    none = {"value": None, "low": None, "high": None, "n": 0, "floor": None, "ceiling": None}
    relation = result["scores"]["relation"]
    assert {name: relation[name] for name in none} == none
    assert result["protocols"][relation["fingerprint"]]["metric"] == "relation"
    assert result["sections"]["other"]["colour"]["value"] == 0.0
    assert result["sections"]["other"]["colour"]["floor"] is None
    assert "75.0" in report.table()
    worst, best = report.extremes(1)
    assert (worst[0].id, best[0].id) == ("c", "b")
