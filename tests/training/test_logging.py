"""What a run says about itself, and what it says it costs."""

import gzip
import json

import pytest
import torch
from tensorboard.backend.event_processing import event_accumulator
from test_trainer import RECIPE
from torch.utils.flop_counter import FlopCounterMode

from scenewright.training.callbacks import ProfileConfig
from scenewright.training.metering import MeteringConfig
from scenewright.training.planning.hardware import usual_watts
from scenewright.training.sinks import SinksConfig, read_records
from scenewright.training.trainer import Trainer

WATCHED = RECIPE.model_copy(
    update={
        "metering": MeteringConfig(price=3.6, watts=100.0),
        "sample_prompts": (),
        "sinks": SinksConfig(tensorboard=False),
    }
)


def test_a_line_tells_throughput_utilisation_waiting_memory_energy_and_cost(tmp_path):
    trainer = Trainer(WATCHED, tmp_path / "run")
    trainer.run(until=6)
    head, *lines = read_records(tmp_path / "run" / "log.jsonl")
    assert head["step"] == 0
    assert head["peak_flops"] > 1e9
    assert head["processes"] == 1
    assert head["energy"] in ("estimated", "measured")
    for line, batch in zip(lines, [3] * 5 + [2], strict=True):
        assert line["clips_per_second"] == pytest.approx(batch / line["step_seconds"])
        # 2 x 2 x 2 patches.
        assert line["tokens_per_second"] == pytest.approx(8 * line["clips_per_second"])
        assert line["data_wait_share"] == pytest.approx(line["data_wait"] / line["step_seconds"])
        assert line["memory_bytes"] > 50e6
    spent = trainer.logging.meter.seconds
    assert lines[-1]["cost"] == pytest.approx(3.6 * spent / 3600)
    if head["energy"] == "estimated":
        assert lines[-1]["energy_kwh"] == pytest.approx(100 * spent / 3.6e6)


def test_utilisation_is_what_the_network_computes_over_the_peak(tmp_path):
    trainer = Trainer(WATCHED, tmp_path / "run")
    trainer.run(until=1)
    head, line = read_records(tmp_path / "run" / "log.jsonl")
    with FlopCounterMode(display=False) as counter:
        trainer._gradients(trainer.objective, "model")
    # The counter does not know the fused attention of a CPU.
    assert 1 <= trainer.logging.meter.flops_per_clip * 3 / counter.get_total_flops() < 1.15
    done = trainer.logging.meter.flops_per_clip * line["clips_per_second"]
    assert line["utilisation"] == pytest.approx(done / head["peak_flops"])


def test_cost_and_energy_go_on_over_a_stop_and_steps_taken_back_stay_paid(tmp_path):
    first = Trainer(WATCHED, tmp_path / "run")
    first.run(until=4)
    meter = first.logging.meter
    again = Trainer(WATCHED, tmp_path / "run")
    assert again.logging.meter.seconds == pytest.approx(meter.seconds)
    again.run(until=5)
    assert again.logging.meter.seconds > meter.seconds
    spent = again.logging.meter.seconds
    again.logging.load_state_dict({"seconds": 0.5 * spent, "joules": 0.0})
    assert again.logging.meter.seconds == spent


def test_tensorboard_shows_the_run_and_each_step_once_after_a_resume(tmp_path):
    recipe = RECIPE.model_copy(update={"log_every": 1, "sample_every": 2})
    Trainer(recipe, tmp_path / "run").run(until=3)
    Trainer(recipe, tmp_path / "run").run(until=5)
    accumulator = event_accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    accumulator.Reload()
    assert [event.step for event in accumulator.Scalars("loss")] == [1, 2, 3, 4, 5]
    assert [event.step for event in accumulator.Images("samples")] == [2, 4]
    logged = {line["step"]: line for line in read_records(tmp_path / "run" / "log.jsonl") if "loss" in line}
    for event in accumulator.Scalars("loss"):
        assert event.value == pytest.approx(logged[event.step]["loss"])


def test_a_profile_has_the_operators_of_the_steps_asked_for(tmp_path):
    recipe = WATCHED.model_copy(update={"profile": ProfileConfig(after=2, steps=2)})
    Trainer(recipe, tmp_path / "run").run()
    names = sorted(path.name for path in (tmp_path / "run" / "profile").iterdir())
    assert names == ["step-0000004.json.gz", "step-0000004.txt"]
    with gzip.open(tmp_path / "run" / "profile" / names[0]) as file:
        events = json.load(file)["traceEvents"]
    updates = [e for e in events if e.get("name", "").startswith("Optimizer.step")]
    assert len(updates) == 2 * len(Trainer(recipe, tmp_path / "other").optimizers["model"])
    assert "aten::" in (tmp_path / "run" / "profile" / names[1]).read_text()


def test_the_usual_power_of_a_cpu_goes_by_its_threads():
    one = usual_watts(torch.device("cpu")) / torch.get_num_threads()
    assert 2 < one < 20
