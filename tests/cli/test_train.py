"""``scenewright train`` as a user types it; the training itself is tested beside the trainer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenewright.cli.main import main
from scenewright.config import load_recipe
from scenewright.models.flow_transformer import FlowTransformer, FlowTransformerConfig
from scenewright.training.config import TrainingRecipe


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["train", *arguments])
    return code, *capsys.readouterr()


def test_a_plan_as_json_follows_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(
        capsys, "nano", "--plan", "--gpus", "2", "--gpu", "cpu", "--price", "0.5", "--peak", "0.4", "--json"
    )
    assert code == 0
    found = json.loads(out)
    assert found["gpus"] == 2
    assert found["gpu"]["bfloat16"] == pytest.approx(0.4e12)
    layout = found["layouts"][0]
    assert layout["costs"]["rent"] == pytest.approx(layout["run_seconds"] / 3600 * 2 * 0.5)


def test_a_plan_as_text_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = _run(capsys, "nano", "--plan", "--gpus", "8")
    assert code == 0
    recipe = load_recipe(TrainingRecipe, "nano")
    assert isinstance(recipe.network, FlowTransformerConfig)
    parameters = sum(p.numel() for p in FlowTransformer(recipe.network).parameters())
    assert f"{parameters:,} parameters" in out
    assert "fastest" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nano", "--gpus", "8"], "--gpus: only with --plan"),
        (["nano", "--plan", "--gpu", "h10"], "did you mean h100"),
        (["nano", "--plan", "--output", "x"], "--plan starts nothing"),
        (["nano", "--plan", "--gpus", "7", "network.layers=5", "--gpu", "h100"], "no way to spread"),
    ],
)
def test_wrong_options_get_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    code, _, err = _run(capsys, *arguments)
    assert code == 2
    assert complaint in err
    assert len(err.strip().splitlines()) == 1


def test_a_run_that_cannot_begin_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = _run(capsys, "nano", "init_from=missing/model")
    assert code == 2
    assert "there is no model 'missing/model'" in err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    assert _run(capsys, "nano", "init_from=missing/model", "--output", "mine")[0] == 2
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_a_run_that_another_process_began_meanwhile_stays(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun_elsewhere(recipe: TrainingRecipe, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").write_text("of another")
        raise ValueError("holds a run of another recipe")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scenewright.training.trainer.Trainer", begun_elsewhere)
    assert _run(capsys, "nano")[0] == 2
    assert (tmp_path / "runs" / "nano" / "recipe.yaml").read_text() == "of another"
