from __future__ import annotations

import copy
import time

import pytest
import torch
from torch import nn
from torch.multiprocessing.spawn import ProcessRaisedException

from scenewright.training.parallel import HogwildConfig, HogwildWorkers, train_hogwild
from scenewright.training.parallel.hogwild import AsynchronousRMSprop


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(2, 1, bias=False)


#: Two equations in two unknowns: 3 a + b = 5, a - 2 b = 4; so a = 2, b = -1.
EQUATIONS = torch.tensor([[3.0, 1.0], [1.0, -2.0]])
RIGHT = torch.tensor([5.0, 4.0])


class OwnEquation:
    """Each of two workers knows one of the equations only. Neither runs ahead: on a busy machine one could
    else be done before the other has its turn, which then forgets what the first one found."""

    def __init__(self) -> None:
        self.at = torch.zeros(2, dtype=torch.long).share_memory_()

    def __call__(self, model: nn.Module, worker: int, step: int) -> torch.Tensor:
        self.at[worker] = step
        while self.at[1 - worker] < step - 4:
            time.sleep(0)
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


def not_a_number(model: nn.Module, worker: int, step: int) -> torch.Tensor:
    return model.weight.sum() * float("nan")


def sleepy(model: nn.Module, worker: int, step: int) -> torch.Tensor:
    time.sleep(600)
    return model.weight.sum()


def part_loss():
    """What workers that stay are given: a loss of the equations that a part names, and of nothing at all."""
    return loss_of


def loss_of(model: nn.Module, part: list[int] | None) -> tuple[torch.Tensor, dict[str, float]]:
    if part is None:
        raise ArithmeticError("no part today")
    if not part:
        return model.weight.sum() * float("nan"), {}
    found = (model(EQUATIONS[part]).squeeze(1) - RIGHT[part]).square().mean()
    return found, {"equations": float(len(part))}


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
    train_hogwild(model, OwnEquation(), config)
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


def test_a_loss_that_is_not_finite_is_an_error():
    with pytest.raises(ProcessRaisedException, match="step 1: the loss is nan"):
        train_hogwild(linear(), not_a_number, HogwildConfig(workers=1, steps=1))


def test_workers_that_stay_share_weights_and_statistics_and_each_does_its_part():
    model = linear()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.02)
    workers = HogwildWorkers(model, [optimizer], part_loss, 2, clip=100.0, timeout_seconds=240)
    try:
        before = model.weight.clone()
        for shares in ([[[0]], []], [[], [[1]]]):
            answers = workers.work(shares)
            assert [len(updates) for updates in answers] == [len(share) for share in shares]
            assert not torch.equal(model.weight, before)
            before = model.weight.clone()
        (answer,) = answers[1]
        assert answer["equations"] == 1
        assert answer["seconds"] > 0
        # Statistics are of both workers' gradients.
        assert optimizer.state[model.weight]["step"].item() == 2
        optimizer.param_groups[0]["lr"] = 0.0
        workers.work([[[0]], [[1]]])
        assert torch.equal(model.weight, before)
        optimizer.param_groups[0]["lr"] = 0.01
        for _ in range(150):
            workers.work([[[0]] * 10, [[1]] * 10])
        assert model.weight[0].tolist() == pytest.approx([2.0, -1.0], abs=0.05)

        (answer,), _ = workers.work([[[]], []])
        assert answer.keys() == {"left_out", "seconds"}
        assert model.weight.isfinite().all()
        model.weight.requires_grad_(False)
        with pytest.raises(RuntimeError, match="a worker failed"):
            workers.work([[[0]], []])  # nothing is left to train
    finally:
        workers.close()


def test_one_worker_that_stays_is_plain_training():
    torch.manual_seed(0)
    model, alone = linear(), linear()
    first, second = (torch.optim.AdamW(m.parameters(), lr=1.0, weight_decay=0.1) for m in (model, alone))
    workers = HogwildWorkers(model, [first], part_loss, 1, clip=1.0, timeout_seconds=240)
    try:
        for step in range(5):
            for optimizer in (first, second):
                optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
            workers.work([[[0], [0, 1]]])
            for part in ([0], [0, 1]):
                second.zero_grad()
                loss_of(alone, part)[0].backward()
                nn.utils.clip_grad_norm_(alone.parameters(), 1.0)
                second.step()
        assert model.weight.tolist() == alone.weight.tolist()
        assert first.state[model.weight]["step"] == 10
        assert workers.share
        first.load_state_dict(copy.deepcopy(first.state_dict()))
        assert not workers.share
    finally:
        workers.close()


def test_a_worker_that_stays_fails_with_its_reason():
    model = linear()
    workers = HogwildWorkers(model, [torch.optim.Adam(model.parameters())], part_loss, 1, clip=1.0)
    with pytest.raises(RuntimeError, match=r"(?s)a worker failed.*no part today"):
        workers.work([[None]])
    assert not any(process.is_alive() for process in workers._processes)
