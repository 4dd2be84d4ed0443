"""Objectives with several players, and micro-batches."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from test_trainer import RECIPE, assert_same, final_state
from torch import nn

from scenewright.training import trainer as module
from scenewright.training.objectives import MODEL, FlowMatching
from scenewright.training.parallel import ParallelConfig, check_players
from scenewright.training.trainer import Trainer


class Game(FlowMatching):
    """The flow model and a critic that learns to say 1, two turns to one; another network goes along."""

    def __init__(self, config) -> None:
        super().__init__(config)
        torch.manual_seed(3)
        self.critic = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        self.slow = nn.Linear(1, 1)
        self.updates: list[tuple[int, str]] = []

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"critic": self.critic}

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        return {"slow": self.slow}

    def turns(self, step: int):
        return ("critic", "critic", MODEL)

    def loss(self, model, inputs, player=MODEL):
        if player == MODEL:
            # Reaches the critic's parameters too: their gradients must not survive until its own turn.
            value, parts = super().loss(model, inputs)
            return value + 1e3 * self.critic(value.reshape(1, 1)).sum() * 0, parts
        error = (self.critic(torch.zeros(len(inputs), 1)).squeeze(-1) - 1.0).square()
        return error.mean(), {}

    def after_update(self, model, player: str, step: int) -> None:
        self.updates.append((step, player))
        with torch.no_grad():
            self.slow.weight.add_(1.0)


@pytest.fixture
def game(monkeypatch):
    monkeypatch.setattr(module, "build_objective", lambda config, network: Game(config))
    stage = RECIPE.stages[0].model_copy(update={"steps": 10})
    optimizer = RECIPE.optimizer.model_copy(update={"lr": 0.01})
    return RECIPE.model_copy(update={"stages": (stage,), "optimizer": optimizer})


def test_every_player_takes_its_turns_with_its_own_optimizer_and_loss(game, tmp_path):
    trainer = Trainer(game, tmp_path / "run")
    values = []
    trainer.logging.on_log = lambda step, total, line: values.append(line)
    trainer.run()
    (objective,) = trainer.objectives
    assert objective.updates[:3] == [(0, "critic"), (0, "critic"), (0, MODEL)]
    assert len(objective.updates) == 30
    assert values[-1]["critic/loss"] < 0.5 * values[0]["critic/loss"]
    assert {"loss", "gradient_norm", "critic/gradient_norm"} <= values[-1].keys()


def test_all_players_and_companions_resume_exactly(game, tmp_path):
    Trainer(game, tmp_path / "whole").run()
    Trainer(game, tmp_path / "run").run(until=5)
    Trainer(game, tmp_path / "run").run()
    one = final_state(tmp_path / "whole")
    assert one["companions.0.slow.weight"].item() > 25
    assert any(name.startswith("networks.critic.optimizer.state") for name in one)
    assert_same(one, final_state(tmp_path / "run"))


def test_micro_batches_give_the_large_batch(tmp_path):
    first = RECIPE.model_copy(update={"gradient_clip": 1e9})
    whole = Trainer(first, tmp_path / "whole")
    cut = Trainer(first.model_copy(update={"accumulate": 3}), tmp_path / "cut")
    assert whole.recipe.identity == cut.recipe.identity
    gradients = []
    for trainer in (whole, cut):
        batch = trainer.feed.get(0).batch
        trainer.inputs = trainer.prepare(batch, module.Draws(0, 0, 3, batch.rows))
        parts = trainer._gradients(trainer.objective, MODEL)
        gradients.append(
            (parts, {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None})
        )
    (parts, one), (cut_parts, other) = gradients
    assert parts == pytest.approx(cut_parts, rel=1e-5)
    for name, gradient in one.items():
        torch.testing.assert_close(other[name], gradient, rtol=1e-4, atol=1e-7)


def test_players_are_refused_where_they_could_not_be_the_same_everywhere():
    check_players([], ParallelConfig(tensor=2))
    check_players(["critic"], ParallelConfig(data=2, shard=2))
    with pytest.raises(ValueError, match=r"critic train whole.* leave parallel\.context out"):
        check_players(["critic"], ParallelConfig(context=2))
