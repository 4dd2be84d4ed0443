from __future__ import annotations

import time

import pytest
import torch
from torch import nn
from torch.multiprocessing.spawn import ProcessRaisedException

from scenewright.training.parallel import HogwildConfig, train_hogwild
from scenewright.training.parallel.hogwild import AsynchronousRMSprop


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(2, 1, bias=False)


#: Two equations in two unknowns: 3 a + b = 5, a - 2 b = 4; so a = 2, b = -1.
EQUATIONS = torch.tensor([[3.0, 1.0], [1.0, -2.0]])
RIGHT = torch.tensor([5.0, 4.0])


def own_equation(model: nn.Module, worker: int, step: int) -> torch.Tensor:
    """Each worker knows one of the equations only."""
    return (model(EQUATIONS[worker]) - RIGHT[worker]).square().mean()


def both_equations(model: nn.Module, worker: int, step: int) -> torch.Tensor:
    return (model(EQUATIONS).squeeze(1) - RIGHT).square().mean()


class Bandit(nn.Module):
    """Actor (logits of four arms) and critic (the expected reward) of a bandit with one state."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(4))
        self.value = nn.Parameter(torch.zeros(()))


REWARDS = torch.tensor([0.1, 0.3, 1.0, 0.5])


def actor_critic(model: nn.Module, worker: int, step: int) -> torch.Tensor:
    """Advantage actor-critic on 16 pulls, with an entropy bonus (Mnih et al. 2016)."""
    policy = torch.distributions.Categorical(logits=model.logits)
    arms = policy.sample((16,))
    rewards = REWARDS[arms] + 0.1 * torch.randn(16)
    advantage = rewards - model.value
    actor = -(policy.log_prob(arms) * advantage.detach()).mean() - 0.01 * policy.entropy()
    return actor + 0.5 * advantage.square().mean()


def broken(model: nn.Module, worker: int, step: int) -> torch.Tensor:
    raise ArithmeticError("no loss today")


def sleepy(model: nn.Module, worker: int, step: int) -> torch.Tensor:
    time.sleep(600)
    return model.weight.sum()


def test_rmsprop_is_the_formula_of_a3c():
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = AsynchronousRMSprop([weight], lr=0.5, smoothing=0.9, eps=0.01)
    expected, square = [1.0, -2.0], [0.0, 0.0]
    for gradient in ((0.3, -0.1), (0.2, 0.4)):
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        for i, d in enumerate(gradient):
            square[i] = 0.9 * square[i] + 0.1 * d * d
            expected[i] -= 0.5 * d / (square[i] + 0.01) ** 0.5
    assert weight.tolist() == pytest.approx(expected, abs=1e-6)


def test_workers_with_half_of_the_problem_each_solve_it_all():
    model = linear()
    config = HogwildConfig(workers=2, steps=2000, lr=0.01, timeout_seconds=240)
    train_hogwild(model, own_equation, config)
    assert model.weight[0].tolist() == pytest.approx([2.0, -1.0], abs=0.05)


@pytest.mark.parametrize("shared", [True, False])
def test_one_worker_is_plain_training(shared):
    model, alone = linear(), linear()
    config = HogwildConfig(
        workers=1, steps=20, optimizer="adam", lr=0.1, shared_statistics=shared, gradient_clip=1.0
    )
    train_hogwild(model, both_equations, config)
    optimizer = torch.optim.Adam(alone.parameters(), 0.1)
    for step in range(20):
        optimizer.zero_grad()
        both_equations(alone, 0, step).backward()
        nn.utils.clip_grad_norm_(alone.parameters(), 1.0)
        optimizer.step()
    assert model.weight.tolist() == alone.weight.tolist()


def test_an_actor_critic_finds_the_best_arm():
    model = Bandit()
    train_hogwild(model, actor_critic, HogwildConfig(workers=2, steps=600, lr=0.02, timeout_seconds=240))
    assert model.logits.softmax(0)[2] > 0.9
    assert model.value.item() == pytest.approx(1.0, abs=0.1)


def test_a_worker_that_fails_is_an_error_with_its_reason():
    with pytest.raises(ProcessRaisedException, match="no loss today"):
        train_hogwild(linear(), broken, HogwildConfig(workers=1, steps=1))


def test_workers_that_take_too_long_are_stopped():
    with pytest.raises(TimeoutError, match=r"did not end within 0.5 s"):
        train_hogwild(linear(), sleepy, HogwildConfig(workers=1, steps=1, timeout_seconds=0.5))
