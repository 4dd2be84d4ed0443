import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from scenewright.config import load_recipe, to_yaml
from scenewright.data.streams import StreamConfig
from scenewright.generation.loading import load_pipeline
from scenewright.generation.settings import SamplingSettings
from scenewright.models.flow_transformer import FlowTransformerConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training.checkpoint import CheckpointStore, split_plain
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.objectives import FlowMatchingConfig
from scenewright.training.optimizers import OptimizerConfig, own_average
from scenewright.training.schedules import ScheduleConfig
from scenewright.training.state import run_state
from scenewright.training.trainer import Trainer
from scenewright.world.layout import SamplerConfig

DATA = StreamConfig(
    sampler=SamplerConfig(num_objects=(1, 1), moving_camera=0), width=16, height=16, num_frames=4
)
RECIPE = TrainingRecipe(
    name="tiny",
    network=FlowTransformerConfig(
        patch=(2, 8, 8),
        bottleneck=16,
        width=32,
        layers=1,
        heads=2,
        num_frames=4,
        height=16,
        width_pixels=16,
        text=TextEncoderConfig(vocabulary=200, width=32, layers=1, heads=2),
    ),
    stages=(
        Stage(steps=5, batch=3, data=DATA),
        Stage(steps=5, batch=2, data=DATA, lr_scale=0.5, objective=FlowMatchingConfig(motion_weight=2.0)),
    ),
    schedule=ScheduleConfig(warmup=2),
    sampling=SamplingSettings(steps=2),
    sample_prompts=("a red ball",),
    sample_every=5,
    checkpoint_every=2,
    log_every=1,
    threads=1,
    workers=0,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("run") / "whole"
    Trainer(RECIPE, folder).run()
    return folder


def final_state(folder) -> dict:
    """Everything in the newest checkpoint but the clock and the meter."""
    trainer = Trainer(load_recipe(TrainingRecipe, folder / "recipe.yaml"), folder)
    tensors, plain = split_plain(run_state(trainer))
    for name in ("progress.seconds", "callbacks.logging.seconds", "callbacks.logging.joules"):
        del plain[name]
    assert CheckpointStore(folder / "checkpoints").steps()[-1] == trainer.step
    return tensors | plain


def assert_same(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        same = torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]
        assert same, name


def losses(folder) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if "loss" in line]


def test_a_run_leaves_a_log_samples_and_a_model_that_generates(whole):
    assert [step for step, _ in losses(whole)] == list(range(1, 11))
    assert sorted(p.name for p in (whole / "samples").iterdir()) == ["step-0000005.png", "step-0000010.png"]
    pipeline = load_pipeline(whole / "model")
    state = final_state(whole)
    for name, tensor in pipeline.model.state_dict().items():
        torch.testing.assert_close(tensor, state[f"callbacks.ema.model.{name}"], atol=1e-3, rtol=1e-3)
    assert "ball" in pipeline.words


def test_a_run_stopped_and_resumed_equals_one_that_was_not(whole, tmp_path):
    Trainer(RECIPE, tmp_path / "run").run(until=3)
    resumed = Trainer(RECIPE, tmp_path / "run")
    assert resumed.step == 3
    resumed.run()
    assert_same(final_state(whole), final_state(tmp_path / "run"))
    assert losses(whole) == losses(tmp_path / "run")


def test_what_the_network_draws_itself_is_drawn_again_after_a_resume(whole, tmp_path):
    network = RECIPE.network.model_copy(update={"dropout": 0.3, "stochastic_depth": 0.3, "layers": 2})
    recipe = RECIPE.model_copy(update={"network": network, "sample_prompts": ()})
    Trainer(recipe, tmp_path / "whole").run()
    Trainer(recipe, tmp_path / "run").run(until=3)
    Trainer(recipe, tmp_path / "run").run()
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "run"))


def test_a_schedule_free_run_gives_the_average_that_its_optimizer_keeps_and_resumes_exactly(tmp_path):
    optimizer = OptimizerConfig(name="schedule_free_adamw", lr=0.01)
    settings = {"optimizer": optimizer, "schedule": ScheduleConfig(name="constant", warmup=2)}
    recipe = RECIPE.model_copy(update={**settings, "ema_decay": 0.0, "sample_prompts": ()})
    trainer = Trainer(recipe, tmp_path / "whole")
    trainer.run()
    with own_average(trainer.optimizers["model"]):
        expected = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    made = load_pipeline(tmp_path / "whole" / "model").model.state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(made[name], value, atol=2e-3, rtol=2e-3)
    assert any(
        (value - trainer.model.get_parameter(name)).abs().max() > 1e-3 for name, value in expected.items()
    )
    Trainer(recipe, tmp_path / "run").run(until=3)
    Trainer(recipe, tmp_path / "run").run()
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "run"))
    with pytest.raises(ValueError, match="set ema_decay = 0"):
        TrainingRecipe.model_validate(recipe.model_dump() | {"ema_decay": 0.9})


def test_a_killed_run_loses_only_the_steps_since_its_checkpoint(whole, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(to_yaml(RECIPE))
    code = (
        "import sys; from pathlib import Path; from scenewright.config import load_recipe;"
        "import scenewright.training.vocabulary as v; v.CORPUS = 300;"
        "from scenewright.training.config import TrainingRecipe;"
        "from scenewright.training.trainer import Trainer;"
        "import time; Trainer(load_recipe(TrainingRecipe, Path(sys.argv[1])), sys.argv[2],"
        " on_log=lambda s, n, v: time.sleep(0.3)).run()"
    )
    run = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", code, str(recipe), str(run)], env=dict(os.environ))
    deadline = time.monotonic() + 120
    while not (run / "log.jsonl").exists() or len((run / "log.jsonl").read_text().splitlines()) < 5:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = Trainer(RECIPE, run)
    assert resumed.step in (2, 4, 6)  # the last one may not have been complete
    resumed.run()
    assert_same(final_state(whole), final_state(run))
    assert losses(whole) == losses(run)


def test_another_recipe_does_not_take_over_a_run(whole):
    with pytest.raises(ValueError, match="another recipe"):
        Trainer(RECIPE.model_copy(update={"seed": 5}), whole)


def test_a_run_begun_before_recipes_had_a_new_key_goes_on(whole, tmp_path):
    Trainer(RECIPE, tmp_path / "run").run(until=4)
    recipe = tmp_path / "run" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("  family: flow-transformer\n", ""))
    (state,) = (tmp_path / "run" / "checkpoints").glob("step-0000004/state.json")
    state.write_text(json.dumps(json.loads(state.read_text()) | {"recipe": "what it was then"}))
    with pytest.raises(ValueError, match="another recipe"):
        Trainer(RECIPE.model_copy(update={"seed": 5}), tmp_path / "run")
    Trainer(RECIPE, tmp_path / "run").run()
    assert losses(whole) == losses(tmp_path / "run")


def test_a_run_goes_on_with_other_threads_and_logging_and_gives_the_same(whole, tmp_path):
    Trainer(RECIPE, tmp_path / "run").run(until=3)
    changed = RECIPE.model_copy(update={"workers": 2, "log_every": 5, "checkpoint_every": 3})
    Trainer(changed, tmp_path / "run").run()
    assert_same(final_state(whole), final_state(tmp_path / "run"))


def test_a_run_can_start_from_the_weights_of_another(whole, tmp_path):
    trainer = Trainer(RECIPE.model_copy(update={"init_from": whole / "model"}), tmp_path / "run")
    start = load_pipeline(whole / "model").model.state_dict()
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(tensor, start[name])
    assert trainer.family.tokenizer.encode("a red ball") == load_pipeline(whole / "model").tokenizer.encode(
        "a red ball"
    )


def test_the_stages_follow_each_other():
    assert [RECIPE.stage_at(step) for step in (0, 4, 5, 9, 10)] == [(0, 0), (0, 0), (1, 5), (1, 5), (1, 5)]
    assert RECIPE.total_steps == 10


def test_a_stage_that_does_not_fit_the_network_is_refused():
    stage = Stage(steps=1, data=DATA.model_copy(update={"width": 20}))
    with pytest.raises(ValueError, match="width must be a multiple of 8"):
        TrainingRecipe(name="x", network=RECIPE.network, stages=(stage,))
