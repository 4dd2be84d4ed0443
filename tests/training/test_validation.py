from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import torch
from test_trainer import DATA, RECIPE, assert_same, final_state

from scenewright.evaluation.statistics import Interval
from scenewright.generation.loading import load_pipeline
from scenewright.registry import metrics
from scenewright.training.callbacks import ValidationConfig
from scenewright.training.schedules import ScheduleConfig
from scenewright.training.trainer import Trainer

HELD_OUT = DATA.model_copy(update={"seed": 99})


def validated(**config) -> object:
    return RECIPE.model_copy(update={"validation": ValidationConfig(every=2, batch=2, batches=2, **config)})


def validations(folder) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["validation"] for line in lines if "validation" in line]


class Scripted:
    """A metric that gives the next of a list of values, within 0.1."""

    def __init__(self, values: list[float]) -> None:
        self.values: Iterator[float] = iter(values)

    def __call__(self, pipeline, half: float = 0.1) -> dict[str, Interval]:
        value = next(self.values)
        return {"quality": Interval(value, value - half, value + half, 10, 10)}


@pytest.fixture
def scripted(monkeypatch):
    def script(values: list[float]) -> None:
        monkeypatch.setitem(metrics._entries, "scripted", Scripted(values))

    return script


def test_the_held_out_loss_is_that_of_the_averaged_model_and_training_is_untouched(tmp_path):
    Trainer(RECIPE, tmp_path / "without").run()
    Trainer(validated(data=HELD_OUT), tmp_path / "with").run()
    losses = [v["loss"]["value"] for v in validations(tmp_path / "with")]
    assert len(losses) == 5
    assert losses[-1] < losses[0]
    one, other = final_state(tmp_path / "without"), final_state(tmp_path / "with")
    for name in one:
        if not name.startswith("recipe"):
            assert_same({name: one[name]}, {name: other[name]})
    again = Trainer(validated(data=HELD_OUT), tmp_path / "with")
    validation = next(c for c in again.callbacks if c.name == "validation")
    assert validation.scores(again, again.averaged())["loss"].value == pytest.approx(losses[-1], rel=1e-5)


def test_the_best_model_is_kept(tmp_path, scripted):
    scripted([0.1, 0.9, 0.3, 0.2, 0.8])
    trainer = Trainer(validated(metrics={"scripted": {}}, best="scripted/quality"), tmp_path / "run")
    trainer.run(until=4)
    then = {k: v.clone() for k, v in trainer.averaged().state_dict().items()}
    trainer.run()
    best = load_pipeline(tmp_path / "run" / "best").model.state_dict()
    for name, value in then.items():
        torch.testing.assert_close(best[name], value, atol=1e-3, rtol=1e-3)


def test_a_run_ends_when_a_score_no_longer_leaves_its_interval(tmp_path, scripted):
    # 0.55 is better than 0.5 but within its interval; so are all that follow.
    scripted([0.2, 0.5, 0.55, 0.57, 0.9])
    recipe = validated(metrics={"scripted": {}}, best="scripted/quality", patience=2)
    trainer = Trainer(recipe, tmp_path / "run")
    trainer.run()
    assert trainer.step == 8
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    again = Trainer(recipe, tmp_path / "run")
    assert again.finished
    again.run()
    assert again.step == 8


def test_small_gains_that_add_up_beyond_the_interval_keep_a_run_going(tmp_path, scripted):
    scripted([0.5, 0.55, 0.62, 0.68, 0.75])
    recipe = validated(metrics={"scripted": {}}, best="scripted/quality", patience=2)
    trainer = Trainer(recipe, tmp_path / "run")
    trainer.run()
    assert trainer.step == RECIPE.total_steps


def test_a_plateau_of_the_held_out_loss_lowers_the_rate(tmp_path):
    recipe = validated(data=HELD_OUT).model_copy(
        update={
            "schedule": ScheduleConfig(
                name="reduce_on_plateau", factor=0.5, patience=0, threshold=10.0, mode="min"
            )
        }
    )
    Trainer(recipe, tmp_path / "run").run()
    lines = [json.loads(x) for x in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    rates = [line["lr"] for line in lines if "loss" in line]
    # The threshold makes every score but the first one no better.
    assert [r / rates[0] for r in rates[:5]] == pytest.approx([1, 1, 1, 1, 0.5])


def test_world_core_is_a_metric_of_any_pipeline():
    scores = metrics.get("world-core")(load_pipeline(), prompts=2)
    assert scores["mean"].n == sum(s.n for name, s in scores.items() if name != "mean")
    assert 0 <= scores["single/presence"].low <= scores["single/presence"].value <= 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "needs data"),
        ({"metrics": {"world-core": {}}}, "best = loss needs data"),
        ({"data": HELD_OUT, "best": "other/x"}, "no metric of this validation"),
    ],
)
def test_a_validation_that_measures_nothing_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        ValidationConfig(**config)


def test_a_score_that_does_not_exist_is_named(tmp_path, scripted):
    scripted([0.5])
    with pytest.raises(ValueError, match="no score scripted/other; known: scripted/quality"):
        Trainer(validated(metrics={"scripted": {}}, best="scripted/other"), tmp_path / "run").run()
