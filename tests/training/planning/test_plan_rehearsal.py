"""Plans of families that are not counted product by product."""

import json

import pytest
import torch
from click.testing import CliRunner
from plan_examples import SMALL, recipe

from scenewright.cli.train import train
from scenewright.config import load_recipe, to_yaml
from scenewright.models.conditional_gan import ConditionalGANConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training.config import TrainingRecipe
from scenewright.training.objectives import JudgedConfig, NamedJudge
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.planning import find_gpu, is_counted, plan
from scenewright.training.planning.counter import OperationCounter
from scenewright.training.planning.rehearsal import Line, Rehearsal, _tried, rehearse
from scenewright.training.planning.workload import workload

#: So few that every caption is as long.
WORDS = 6
TEXT = TextEncoderConfig(kind="lstm", vocabulary=100, width=16, layers=1, max_tokens=WORDS)
JUDGE = NamedJudge(reader=TEXT, channels=16, most=32)
GAN = ConditionalGANConfig(text=TEXT, num_frames=8, height=32, width_pixels=32, channels=16, noise=8)


def gan(**changes: object) -> TrainingRecipe:
    """With a penalty in every second step."""
    changes = {"objective": JudgedConfig(judges=(JUDGE,), r1=0.1, r1_every=2)} | changes
    return recipe(
        stages=recipe().stages[:1],
        network=GAN,
        optimizer=OptimizerConfig(name="adam", lr=1e-3),
        **changes,
    )


def test_trying_and_counting_agree_on_a_flow_transformer():
    network = SMALL.model_copy(update={"text": SMALL.text.model_copy(update={"max_tokens": WORDS})})
    small = recipe(network=network)
    tried, counted = rehearse(small), workload(small, "cpu")
    assert tried.size == counted.size
    assert tried.checkpoint_bytes == pytest.approx(counted.checkpoint_bytes, rel=1e-3)
    for one, other in zip(tried.stages, counted.stages, strict=True):
        assert one.forward_operations == pytest.approx(other.forward_operations, rel=0.01)
        assert one.model_operations == pytest.approx(other.model_operations, rel=0.01)
    cpu = find_gpu("cpu")
    [layout] = tried.layouts(1, cpu, 0.4)
    alone = next(one for one in plan(small, 1, cpu).layouts if one.name == "one GPU")
    for one, other in zip(layout.stages, alone.stages, strict=True):
        assert one.memory.peak == pytest.approx(other.memory.peak, rel=0.1)


def test_larger_batches_lie_on_the_line():
    small = gan()
    [stage] = rehearse(small).stages
    seen = _tried(small, small.stages[0], 12)
    assert stage.forward.at(12) == pytest.approx(seen.forward, rel=0.01)
    assert stage.backward.at(12) == pytest.approx(seen.backward, rel=0.01)
    assert stage.operators.at(12) == pytest.approx(seen.operators, rel=0.02)
    assert stage.added.at(12) == pytest.approx(seen.added, rel=0.1)


def test_penalties_and_judges_count():
    with_r1, without = rehearse(gan()), rehearse(gan(objective=JudgedConfig(judges=(JUDGE,))))
    more, fewer = with_r1.stages[0], without.stages[0]
    assert more.model_operations > 1.1 * fewer.model_operations
    assert more.held == fewer.held
    # The weights of the judge are beside the network's.
    assert more.held.weights > more.held.model_gradients == 4 * with_r1.size


def test_copies_share_the_batch_and_average_gradients():
    found = plan(gan(), 4, "l40s")
    assert isinstance(found.work, Rehearsal)
    assert found.best.name == "data 4"
    alone = plan(gan(), 1, "l40s")
    one, four = alone.best.stages[0], found.best.stages[0]
    assert four.operations < one.operations
    assert [t.what for t in four.transfers] == ["gradients", "gradients of players"]
    assert four.transfers[0].size == four.memory.weights - four.transfers[1].size
    assert not one.transfers
    with pytest.raises(ValueError, match="a batch of 8 cannot be shared by 3"):
        _ = plan(gan(), 3, "l40s").best
    tiny = find_gpu("l40s").model_copy(update={"memory": 1.501e9})
    with pytest.raises(ValueError, match=r"needs 1\.5 GB of 2 GB"):
        _ = plan(gan(), 1, tiny).best


def test_a_line_through_two_points_does_not_fall():
    line = Line.through((2, 4), (10.0, 16.0))
    assert (line.fixed, line.at(8)) == (4.0, 28.0)
    assert Line.through((2, 4), (10.0, 9.0)).at(100) == 10.0


def test_any_recipe_is_planned_from_the_command_line(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(to_yaml(gan()))
    done = CliRunner().invoke(train, [str(file), "--plan", "--gpus", "2"])
    assert done.exit_code == 0, done.output
    assert "data 2" in done.output
    assert "tokens a second" not in done.output
    assert "4 steps of 2 and of 4 clips" in " ".join(done.output.split())
    record = json.loads(CliRunner().invoke(train, [str(file), "--plan", "--json"]).stdout)
    assert record["parameters"] == rehearse(gan()).size
    assert not list(tmp_path.glob("runs*"))


def test_workers_in_other_processes_are_not_counted():
    with pytest.raises(ValueError, match=r"cannot count objective\.name = actor_critic"):
        plan(load_recipe(TrainingRecipe, "zoo/lstm-a3c"), 1)


def test_a_flow_transformer_in_parts_is_not_taken_for_one_that_is_whole():
    assert is_counted(load_recipe(TrainingRecipe, "zoo/flow"))
    assert not is_counted(load_recipe(TrainingRecipe, "zoo/causal-flow"))


def test_recurrent_layers_count_both_ways():
    lstm, x = torch.nn.LSTM(5, 7, num_layers=2, bidirectional=True), torch.randn(4, 3, 5, requires_grad=True)
    with OperationCounter() as counter:
        seen = lstm(x)[0]
    forward = counter.total
    # Each of four gates of seven, from what comes in and from the state, at every step of every sample.
    assert forward == 2 * (4 * 3) * (4 * 7) * (2 * (5 + 7) + 2 * (14 + 7))
    with OperationCounter() as counter:
        seen.sum().backward()
    assert counter.total == 2 * forward
