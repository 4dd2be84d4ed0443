"""Actor-critic of motion: rewards and advantages by hand, gradients in closed form, and what is learned of
rewards alone, by one process and by several."""

import json
import os
import signal

import pytest
import torch
from test_trainer import assert_same, final_state
from torch import nn

from scenewright.data.streams import StreamConfig
from scenewright.models.encoder_decoder import EncoderDecoderConfig
from scenewright.models.motion_policy import PLACEMENT, Content, MotionPolicy, MotionPolicyConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training.callbacks.guard import GuardConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.draws import Draws
from scenewright.training.objectives import ActorCritic, ActorCriticConfig, Inputs, RegressionConfig
from scenewright.training.objectives.actor_critic import advantages, preference, smoothness
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.trainer import Trainer
from scenewright.world.layout import SamplerConfig

TEXT = TextEncoderConfig(kind="bag", vocabulary=400, width=8, layers=1)
NETWORK = MotionPolicyConfig(
    text=TEXT, num_frames=4, height=16, width_pixels=16, hidden=16, channels=8, least=8, locator=8
)
PARTS = len(PLACEMENT)


def inputs(texts: tuple[str, ...], step: int = 0) -> Inputs:
    """Clips that nobody looks at; the first letter of a text is its only word."""
    ids = torch.tensor([[ord(text[0])] for text in texts])
    draws = Draws(0, step, len(texts), range(len(texts)))
    return Inputs(torch.zeros(len(texts), 3, 4, 16, 16), ids, ids > 0, texts, draws)


def test_advantages_are_sums_over_what_is_to_come():
    torch.manual_seed(0)
    rewards, values = torch.randn(3, 6), torch.randn(3, 6)
    for discount, trace in ((0.9, 1.0), (0.95, 0.8), (1.0, 0.0)):
        found = advantages(rewards, values, discount, trace)
        for row in range(3):
            for frame in range(6):
                expected = 0.0
                for ahead in range(frame, 6):
                    following = values[row, ahead + 1] if ahead < 5 else 0.0
                    error = rewards[row, ahead] + discount * following - values[row, ahead]
                    expected += (discount * trace) ** (ahead - frame) * error
                assert found[row, frame].item() == pytest.approx(float(expected), abs=1e-5)
    # With a trace of 1 the values between cancel out.
    ahead = sum(0.9**k * rewards[0, 2 + k] for k in range(4))
    assert advantages(rewards, values, 0.9, 1.0)[0, 2].item() == pytest.approx(
        (ahead - values[0, 2]).item(), abs=1e-5
    )


def test_smoothness_is_the_squared_change_of_actions():
    actions = torch.zeros(1, 4, PARTS)
    actions[0, :, 0] = torch.tensor([9.0, 1.0, 3.0, 2.5])
    actions[0, 3, 4] = 0.5
    expected = torch.tensor([[0.0, 0.0, -4 / 5, -(0.25 + 0.25) / 5]])
    torch.testing.assert_close(smoothness(actions), expected)


def test_agreement_is_the_probability_that_the_own_text_is_preferred_to_others():
    logits = torch.tensor([[1.0, 2.0, 0.5, 1.0], [0.0, 3.0, 1.0, 0.0]])
    found = preference(logits, ["c", "a"], ["a", "b", "c", "a"])
    pairs = (
        [logits[0, [2, n]].softmax(0)[0] for n in (0, 1, 3)],
        [logits[1, [0, n]].softmax(0)[0] for n in (1, 2)],
    )
    expected = [torch.stack(of_clip).mean() for of_clip in pairs]
    torch.testing.assert_close(found, torch.stack(expected))
    assert preference(logits[:1, :1], ["a"], ["a"]).tolist() == [0.0]


class Bandit(ActorCritic):
    """Earns, at every frame, the first part of the action."""

    def rewards(self, actions_BTA, clips, texts):
        return {"smoothness": actions_BTA[..., 0]}


SHARED = {"discount": 1.0, "entropy": 0.0, "smoothness": 1.0}


def gradients(objective: ActorCritic, clips: int = 4096) -> MotionPolicy:
    """An untrained policy, whose Gaussians are the same whatever has happened, with the gradients of a
    loss."""
    torch.manual_seed(0)
    network = MotionPolicy(NETWORK)
    loss, parts = objective.loss(network, inputs(("text",) * clips))
    loss.backward()
    assert parts["reward"] == pytest.approx(parts["smoothness"], abs=1e-4)
    return network


def test_the_gradient_of_a_bandit_is_that_of_its_expected_reward():
    """Of a sum over frames of the first part, it is 1 a frame to that part's mean, and 0 to all else.
    Losses are means over the frames."""
    network = gradients(Bandit(ActorCriticConfig(**SHARED)))
    expected = torch.zeros(PARTS)
    expected[0] = -1
    torch.testing.assert_close(network.mean.bias.grad, expected, rtol=0, atol=0.12)
    assert network.spread.bias.grad.abs().max() < 0.12
    # The critic: values are 0, and from the frames on are to be earned sums with a mean of 0.
    assert network.value.bias.grad.item() == pytest.approx(0, abs=0.12)


def test_the_gradient_of_smoothness_is_that_of_its_expected_reward():
    """Independent actions with deviations s cost 2 s^2 a change, on average: of two changes in four frames
    the derivative to log s is -8 s^2 / 5 for each part, and a frame's share of it a quarter."""
    network = gradients(ActorCritic(ActorCriticConfig(**SHARED)))
    low, high = network.follow(torch.zeros(1, 8), torch.zeros(1, 4, PARTS)).spreads[0, 0, 0].item(), None
    with torch.no_grad():
        network.spread.bias.add_(1e-3)
        high = network.follow(torch.zeros(1, 8), torch.zeros(1, 4, PARTS)).spreads[0, 0, 0].item()
    slope = (high - low) / 1e-3
    expected = 8 * torch.tensor(2 * low).exp() / PARTS / 4 * slope
    torch.testing.assert_close(network.spread.bias.grad, expected.expand(PARTS), rtol=0.25, atol=0)
    assert network.mean.bias.grad.abs().max() < 0.1
    # What stands still: the text, and what is drawn of it.
    still = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is None}
    assert still == {"text_encoder", "background", "thing", "locator"}


class Sides:
    """Finds clips of "right" whose bright thing is on the right, and those of "left" on the left."""

    def logits(self, clips, texts):
        light = (clips.mean((1, 2)) + 1).clamp(min=1e-6)
        columns = torch.arange(16.0) - 7.5
        place = (light.sum(1) * columns).sum(1) / light.sum((1, 2))
        sides = torch.tensor([{"left": -1.0, "right": 1.0}[text] for text in texts])
        return place[:, None] * sides


class Square(MotionPolicy):
    """A white square before black."""

    def draw(self, text):
        count = len(text.pooled)
        return Content(torch.full((count, 3, 16, 16), -1.0), torch.ones(count, 4, 8, 8))


def test_rewards_alone_teach_it_to_go_where_texts_say():
    torch.manual_seed(0)
    network = Square(NETWORK)
    objective = ActorCritic(ActorCriticConfig(smoothness=0.1, entropy=0.001))
    objective.config = objective.config.model_copy(update={"agreement_weight": 2.0})
    objective.agreement = Sides()
    objective._texts = ("left", "right")
    before = {name: p.clone() for name, p in network.named_parameters()}
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    rewards = []
    for step in range(120):
        optimizer.zero_grad()
        loss, parts = objective.loss(network, inputs(("left", "right") * 16, step))
        loss.backward()
        optimizer.step()
        rewards.append(parts["agreement"])
        assert parts["reward"] == pytest.approx(2 * parts["agreement"] + 0.1 * parts["smoothness"], abs=1e-5)
    assert sum(rewards[:5]) / 5 < 0.7
    assert sum(rewards[-5:]) / 5 > 0.9
    with torch.no_grad():
        both = inputs(("left", "right"))
        clips = network(both.ids, both.mask, torch.zeros(2, *network.noise_shape)).clips
    places = objective.agreement.logits(clips, ("right",))[:, 0]
    assert places[0] < -1.5
    assert places[1] > 1.5
    changed = {n.split(".")[0] for n, p in network.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {"begin", "mover", "mean", "spread", "value"}


DATA = StreamConfig(
    sampler=SamplerConfig(num_objects=(1, 1), moving_camera=0), width=16, height=16, num_frames=4
)
REWARDS = ActorCriticConfig(smoothness=3.0, entropy=0.0)
RECIPE = TrainingRecipe(
    name="moved",
    network=NETWORK,
    objective=REWARDS,
    stages=(
        Stage(
            steps=3,
            batch=8,
            data=DATA,
            objective=RegressionConfig(penalties={"imitation": 0.03}),
            lr_scale=0.1,
        ),
        Stage(steps=5, batch=8, data=DATA),
    ),
    optimizer=OptimizerConfig(name="rmsprop", lr=0.01),
    ema_decay=0.9,
    log_every=1,
    checkpoint_every=2,
    sample_every=1000,
    workers=0,
    threads=1,
)


def log(run) -> list[dict]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    return [line for line in lines if "loss" in line]


def test_with_one_worker_a_run_repeats_and_resumes_bit_for_bit(tmp_path):
    Trainer(RECIPE, tmp_path / "whole").run()
    for stop in (2, 5):
        Trainer(RECIPE, tmp_path / "run").run(until=stop)
    Trainer(RECIPE, tmp_path / "run").run()
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "run"))
    whole, run = (log(tmp_path / name) for name in ("whole", "run"))
    assert [line["loss"] for line in whole] == [line["loss"] for line in run]
    assert [("mse" in line, "reward" in line) for line in run] == [(True, False)] * 3 + [(False, True)] * 5


def test_several_workers_share_weights_and_statistics_of_a_run_that_resumes(tmp_path):
    several = REWARDS.model_copy(update={"workers": 2, "updates": 4})
    stages = (RECIPE.stages[0], RECIPE.stages[1].model_copy(update={"steps": 22}))
    recipe = RECIPE.model_copy(update={"objective": several, "stages": stages})
    trainer = Trainer(recipe, tmp_path / "run")
    trainer.run(until=5)
    before = {name: p.clone() for name, p in trainer.model.named_parameters()}
    trainer = Trainer(recipe, tmp_path / "run")
    assert trainer.step == 5
    for name, parameter in trainer.model.named_parameters():
        assert torch.equal(parameter, before[name]), name
    trainer.run()
    moved = {n.split(".")[0] for n, p in trainer.model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"begin", "mover", "mean", "spread", "value"}
    (optimizer,) = trainer.optimizers["model"]
    # Of the first stage's three steps, and of four updates of each worker in every step of the second.
    assert optimizer.state[trainer.model.mean.bias]["step"].item() > 3 + 22 * 4
    lines = log(tmp_path / "run")[3:]
    assert all(line["worker_seconds"] > 0 and line["left_out"] == 0 for line in lines)
    first, last = (sum(line["reward"] for line in part) / 5 for part in (lines[:5], lines[-5:]))
    assert last > 0.7 * first
    assert trainer.objective._workers is None


def test_a_worker_that_is_killed_ends_the_run_with_a_reason(tmp_path):
    several = REWARDS.model_copy(update={"workers": 2})
    trainer = Trainer(RECIPE.model_copy(update={"objective": several}), tmp_path / "run")
    trainer.run(until=3)

    def kill(step, total, values):
        os.kill(trainer.objective._workers._processes[1].pid, signal.SIGKILL)

    trainer.logging.on_log = kill
    with pytest.raises(RuntimeError, match=r"a worker failed: it ended with code -9"):
        trainer.run()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": {"name": "actor_critic"}}, "nothing is rewarded"),
        ({"objective": {"name": "actor_critic", "agreement": "x"}}, "go together"),
        ({"objective": {"name": "actor_critic", "smoothness": 1, "updates": 2}}, "leave updates out"),
        ({"objective": REWARDS.model_copy(update={"workers": 3})}, "a batch of 8 is not shared evenly by 3"),
        (
            {"objective": REWARDS.model_copy(update={"workers": 2}), "accumulate": 2},
            "workers = 2 does not go with accumulate",
        ),
        (
            {"objective": REWARDS.model_copy(update={"workers": 2}), "guard": GuardConfig(action="rollback")},
            "workers = 2 does not go with guard.action",
        ),
        (
            {"network": EncoderDecoderConfig(text=TEXT, num_frames=4, height=16, width_pixels=16)},
            "trains a motion-policy, not a encoder-decoder",
        ),
        (
            {"objective": RegressionConfig(penalties={"mask": 1.0})},
            "the network has no mask; it has imitation",
        ),
    ],
)
def test_recipes_that_do_not_fit(change, message):
    stages = ({"steps": 1, "batch": 8, "data": DATA},)
    with pytest.raises(ValueError, match=message):
        TrainingRecipe.model_validate({**RECIPE.model_dump(), "stages": stages, **change})


def test_nothing_but_the_policy_is_judged_among_all_texts_of_a_batch():
    """A micro-batch earns what it would in the whole batch."""
    torch.manual_seed(0)
    objective = ActorCritic(ActorCriticConfig(smoothness=0.1))
    objective.config = objective.config.model_copy(update={"agreement_weight": 1.0})
    objective.agreement, objective._texts = Sides(), ("left", "right")
    network = nn.Module.eval(Square(NETWORK))
    whole = inputs(("left", "right", "right", "left"))
    _, all_of_it = objective.loss(network, whole)
    halves = [objective.loss(network, whole.part(range(at, at + 2)))[1] for at in (0, 2)]
    for name, value in all_of_it.items():
        assert sum(half[name] for half in halves) / 2 == pytest.approx(value, rel=1e-4, abs=1e-5)
