"""What goes wrong in a run: losses that are not finite, spikes, signals, full disks, dead data workers."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from test_trainer import RECIPE, assert_same, final_state

from scenewright.config import to_yaml
from scenewright.data import streams
from scenewright.training import checkpoint
from scenewright.training.callbacks import Callback, GuardConfig
from scenewright.training.checkpoint import CheckpointStore
from scenewright.training.objectives import FlowMatching
from scenewright.training.trainer import Trainer

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def events(folder: Path) -> list[str]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["event"] for line in lines if "event" in line]


def poison(monkeypatch: pytest.MonkeyPatch, is_bad, factor: float = float("nan")) -> None:
    """Multiplies the loss of the batches for which ``is_bad(inputs)`` is true."""
    honest = FlowMatching.loss

    def loss(self, model, inputs, player="model"):
        value, parts = honest(self, model, inputs, player)
        return (value * factor if is_bad(inputs) else value), parts

    monkeypatch.setattr(FlowMatching, "loss", loss)


def with_guard(**guard) -> object:
    return RECIPE.model_copy(update={"guard": GuardConfig(**guard)})


def test_a_step_that_is_not_finite_changes_nothing_and_its_batch_is_kept(tmp_path, monkeypatch):
    poison(monkeypatch, lambda inputs: inputs.draws.step == 3)
    trainer = Trainer(RECIPE, tmp_path / "run")
    trainer.run(until=3)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run(until=4)
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, before[name])
    trainer.run()
    assert trainer.step == RECIPE.total_steps
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())
    (event,) = events(tmp_path / "run")
    assert "step 4: the loss is nan" in event
    bad = torch.load(tmp_path / "run" / "bad-batches" / "step-0000004.pt", weights_only=True)
    assert bad["x"].shape == (3, 3, 4, 16, 16)
    assert len(bad["captions"]) == 3


def test_a_run_of_nothing_but_faults_stops_with_what_to_do(tmp_path, monkeypatch):
    poison(monkeypatch, lambda inputs: True)
    with pytest.raises(FloatingPointError, match=r"step 3: the loss is nan.*lower optimizer.lr"):
        Trainer(with_guard(patience=2), tmp_path / "run").run()
    assert len(list((tmp_path / "run" / "bad-batches").iterdir())) == 3


def test_a_spike_is_seen_and_usual_steps_are_not(tmp_path, monkeypatch):
    long = RECIPE.stages[0].model_copy(update={"steps": 16})
    recipe = with_guard(spike=20.0, window=10).model_copy(update={"stages": (long,)})
    poison(monkeypatch, lambda inputs: inputs.draws.step == 13, factor=1e4)
    Trainer(recipe, tmp_path / "run").run()
    (event,) = events(tmp_path / "run")
    assert "step 14: the gradient norm" in event
    assert "over 20 times the usual" in event


def test_a_rollback_goes_past_the_data_that_led_to_the_fault(tmp_path, monkeypatch):
    seen = []

    def bad(inputs) -> bool:
        seen.append(inputs.draws.step)
        return len(seen) == 4

    poison(monkeypatch, bad)
    trainer = Trainer(with_guard(action="rollback"), tmp_path / "run")
    trainer.run()
    assert trainer.step == RECIPE.total_steps
    # The checkpoint was of step 2: steps 2 and 3 are taken again, with the batches of steps 4 and 5.
    assert seen == [0, 1, 2, 3, 2, 3, 4, 5, 6, 7, 8, 9]
    assert trainer.data_offset == 2
    assert Trainer(with_guard(action="rollback"), tmp_path / "run").data_offset == 2
    assert trainer.feed.get(4).batch.captions == trainer.feed.get(2, 2).batch.captions
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "loss" in line] == list(range(1, 11))


def test_a_rollback_without_a_checkpoint_is_an_error(tmp_path, monkeypatch):
    poison(monkeypatch, lambda inputs: True)
    with pytest.raises(FloatingPointError, match="before the first checkpoint"):
        Trainer(with_guard(action="rollback"), tmp_path / "run").run()


SCRIPT = """
import sys, time
from pathlib import Path
import scenewright.training.vocabulary as v
v.CORPUS = 300
from scenewright.config import load_recipe
from scenewright.training.config import TrainingRecipe
from scenewright.training.trainer import Trainer
Trainer(load_recipe(TrainingRecipe, Path(sys.argv[1])), Path(sys.argv[2]),
        on_log=lambda step, total, values: time.sleep(0.3)).run()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)])
def test_a_signal_saves_and_ends_the_run(tmp_path, number, code):
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(to_yaml(RECIPE.model_copy(update={"checkpoint_every": 1000})))
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(recipe), str(run)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (run / "log.jsonl").exists() or len((run / "log.jsonl").read_text().splitlines()) < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    (saved,) = CheckpointStore(run / "checkpoints").steps()
    assert 2 <= saved < RECIPE.total_steps
    resumed = Trainer(RECIPE, run)
    assert resumed.step == saved
    resumed.run()
    Trainer(RECIPE, tmp_path / "whole").run()
    assert_same(final_state(run), final_state(tmp_path / "whole"))


def test_a_full_disk_keeps_the_last_good_checkpoint_and_the_run_goes_on(tmp_path, monkeypatch):
    trainer = Trainer(RECIPE, tmp_path / "run")
    trainer.run(until=2)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(*args, **kwargs):
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "async_save", fail)
        trainer.run(until=6)
    assert trainer.step == 6
    assert CheckpointStore(tmp_path / "run" / "checkpoints").steps() == [2]
    assert "No space left on device" in events(tmp_path / "run")[0]
    assert "the one of step 2 stays" in events(tmp_path / "run")[0]
    assert Trainer(RECIPE, tmp_path / "run").step == 2
    assert not list((tmp_path / "run" / "checkpoints").glob(".*"))


def test_only_the_newest_checkpoints_stay(tmp_path):
    Trainer(RECIPE.model_copy(update={"keep_checkpoints": 3}), tmp_path / "run").run()
    assert CheckpointStore(tmp_path / "run" / "checkpoints").steps() == [6, 8, 10]


class Deadly(streams.Batches):
    """Its worker process dies at batch 2 of the first stage, once."""

    marker: Path

    def __getitem__(self, step):
        if step == 2 and not self.marker.exists() and torch.utils.data.get_worker_info():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(step)


def test_the_death_of_a_data_worker_is_reported_and_survived(tmp_path, monkeypatch):
    Deadly.marker = tmp_path / "died"
    Trainer(RECIPE, tmp_path / "whole").run()
    monkeypatch.setattr(streams, "Batches", Deadly)
    Trainer(RECIPE.model_copy(update={"workers": 1}), tmp_path / "run").run()
    assert Deadly.marker.exists()
    (event,) = events(tmp_path / "run")
    assert "a data worker died and was replaced" in event
    assert_same(final_state(tmp_path / "run"), final_state(tmp_path / "whole"))


class Stopper(Callback):
    name = "stopper"

    def on_step(self, trainer, values):
        if trainer.step == 5:
            raise RuntimeError("boom")


def test_an_error_loses_no_finished_checkpoint(tmp_path):
    with pytest.raises(RuntimeError, match="boom"):
        Trainer(RECIPE, tmp_path / "run", callbacks=[Stopper()]).run()
    assert CheckpointStore(tmp_path / "run" / "checkpoints").steps() == [2, 4]
