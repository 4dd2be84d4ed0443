"""Workers that meet now and then: what they agree on, and what becomes of slow and lost ones."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from scenewright.training.parallel import LocalSteps, LocalStepsConfig

LR = 0.1


def model(seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(3, 2)


def data(worker: int, step: int) -> torch.Tensor:
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(100 * worker + step))


def descend(network: nn.Module, x: torch.Tensor) -> None:
    """One step of SGD on some loss."""
    network.zero_grad()
    (network(x).square().mean() + network(x).sin().mean()).backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= LR * parameter.grad


def config(folder: Path, worker: int, **settings) -> LocalStepsConfig:
    settings = {"workers": 2, "every": 2, "timeout_seconds": 120} | settings
    return LocalStepsConfig(worker=worker, folder=folder, **settings)


def work(folder: Path, worker: int, steps: int, **settings):
    """A worker's run: its weights and its meetings."""
    network = model(seed=worker)
    local_steps = LocalSteps(network, config(folder, worker, **settings))
    meetings = []
    for step in range(steps):
        descend(network, data(worker, step))
        meetings.append(local_steps.after_step())
    return network.weight.detach().clone(), [meeting for meeting in meetings if meeting]


def together(folder: Path, steps: int, **settings):
    LocalSteps(model(), config(folder, 0, **settings))
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(work, folder, worker, steps, **settings) for worker in range(2)]
        return [run.result(timeout=200) for run in runs]


def test_meeting_after_every_step_is_data_parallelism(tmp_path):
    runs = together(tmp_path, 3, every=1, outer_lr=1.0, outer_momentum=0.0)
    network = model()
    for step in range(3):
        descend(network, torch.cat([data(worker, step) for worker in range(2)]))
    for weight, meetings in runs:
        torch.testing.assert_close(weight, network.weight.detach(), rtol=0, atol=1e-6)
        assert [(m.number, m.members, m.included) for m in meetings] == [
            (number, {0, 1}, True) for number in (1, 2, 3)
        ]


def test_the_outer_step_is_nesterov_sgd_on_the_mean_change(tmp_path):
    runs = together(tmp_path, 6, outer_lr=0.7, outer_momentum=0.9)
    common = model()
    outer = torch.optim.SGD(common.parameters(), lr=0.7, momentum=0.9, nesterov=True)
    for meeting in range(3):
        ends = []
        for worker in range(2):
            network = model()
            network.load_state_dict(common.state_dict())
            for step in (2 * meeting, 2 * meeting + 1):
                descend(network, data(worker, step))
            ends.append(list(network.parameters()))
        for parameter, a, b in zip(common.parameters(), *ends, strict=True):
            parameter.grad = parameter.detach() - (a.detach() + b.detach()) / 2
        outer.step()
    for weight, _ in runs:
        torch.testing.assert_close(weight, common.weight.detach(), rtol=0, atol=1e-6)
    assert runs[0][0].equal(runs[1][0]), "bit for bit"
    assert len(list(tmp_path.glob("result-*"))) == 2, "older results are tidied away"


def test_a_slow_worker_is_left_out_and_comes_back(tmp_path):
    settings = {"every": 1, "timeout_seconds": 1.0}
    fast = LocalSteps(first := model(), config(tmp_path, 0, **settings))
    slow = LocalSteps(second := model(), config(tmp_path, 1, **settings))
    descend(first, data(0, 0))
    left_out = fast.after_step()
    assert (left_out.members, left_out.included) == ({0}, True)
    assert left_out.waited >= 1.0
    fast.config = config(tmp_path, 0, every=1, timeout_seconds=120)
    descend(first, data(0, 1))
    assert fast.after_step().waited < 60, "not waited for again"

    descend(second, data(1, 0))
    missed = slow.after_step()
    assert (missed.number, missed.included) == (2, False)
    assert second.weight.equal(first.weight), "its own change is dropped"

    with ThreadPoolExecutor(1) as pool:
        settings = {"every": 1, "timeout_seconds": 120}
        fast.config, slow.config = config(tmp_path, 0, **settings), config(tmp_path, 1, **settings)
        descend(first, data(0, 2))
        waiting = pool.submit(fast.after_step)
        time.sleep(0.3)
        assert not waiting.done(), "who was left out is expected back"
        descend(second, data(1, 1))
        assert slow.after_step().members == {0, 1}
        assert waiting.result(timeout=60).members == {0, 1}
    assert second.weight.equal(first.weight)


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_local_steps import work, config, model, LocalSteps
work(Path(sys.argv[2]), 1, 1, every=1)
print("met", flush=True)
time.sleep(600)
"""


def test_a_killed_worker_holds_nobody_up_for_long_and_may_start_again(tmp_path):
    here = str(Path(__file__).parent)
    other = subprocess.Popen(
        [sys.executable, "-c", KILLED, here, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        survivor = LocalSteps(network := model(), config(tmp_path, 0, every=1))
        descend(network, data(0, 0))
        assert survivor.after_step().members == {0, 1}
        assert other.stdout.readline() == "met\n"
        other.send_signal(signal.SIGKILL)
        other.wait(timeout=60)
    finally:
        other.kill()
        other.wait()
    survivor.config = config(tmp_path, 0, every=1, timeout_seconds=0.5)
    for step in (1, 2):
        descend(network, data(0, step))
        assert survivor.after_step().members == {0}
    again = LocalSteps(restarted := model(seed=5), config(tmp_path, 1, every=1))
    assert again.number == 3
    assert restarted.weight.equal(network.weight), "it begins with the common weights"


def test_too_few_workers_are_an_error(tmp_path):
    alone = LocalSteps(model(), config(tmp_path, 0, every=1, timeout_seconds=0.2, least=2))
    with pytest.raises(TimeoutError, match=r"1 of at least 2 workers reported within 0.2 s"):
        alone.after_step()


def test_diverged_weights_are_not_reported(tmp_path):
    local_steps = LocalSteps(network := model(), config(tmp_path, 0, every=1))
    nn.init.constant_(network.weight, float("nan"))
    with pytest.raises(FloatingPointError, match="worker 0 has weights that are not finite"):
        local_steps.after_step()
    assert not local_steps.place.reported(1)


def test_a_saved_worker_goes_on_as_if_never_stopped(tmp_path):
    def run(folder: Path, interrupted: bool) -> torch.Tensor:
        settings = config(folder, 0, workers=1, every=3)
        local_steps = LocalSteps(network := model(), settings)
        for step in range(12):
            if interrupted and step == 7:
                saved, weights = local_steps.state_dict(), network.state_dict()
                network = model(seed=9)
                local_steps = LocalSteps(network, settings)
                network.load_state_dict(weights)
                local_steps.load_state_dict(saved)
            descend(network, data(0, step))
            local_steps.after_step()
        return network.weight.detach()

    assert run(tmp_path / "a", interrupted=True).equal(run(tmp_path / "b", interrupted=False))
