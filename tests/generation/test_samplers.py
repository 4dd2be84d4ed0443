"""The solvers against the closed-form solution for a Gaussian data distribution."""

import pytest
import torch

from scenewright.generation.guidance import guided
from scenewright.generation.samplers import SAMPLERS, evaluations, sigma_schedule

MEAN, STD = 0.7, 0.3


def gaussian_denoiser(z: torch.Tensor, sigma: float) -> torch.Tensor:
    """E[x | z] for x ~ N(MEAN, STD^2) and z = (1 - sigma) x + sigma noise."""
    signal = 1 - sigma
    gain = signal * STD**2 / (signal**2 * STD**2 + sigma**2)
    return MEAN + gain * (z - signal * MEAN)


def error(name: str, steps: int) -> float:
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    made = SAMPLERS[name](gaussian_denoiser, noise, sigma_schedule(steps, shift=1.0))
    return float((made - (MEAN + STD * noise)).abs().max())


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("dpmpp_2m", 2)])
def test_converges_to_the_exact_solution_at_its_order(name, order):
    coarse, fine = error(name, 64), error(name, 256)
    assert fine < 0.02
    assert coarse / fine > 4**order * 0.5


def test_second_order_beats_euler_for_the_same_work():
    assert error("dpmpp_2m", 32) < 0.5 * error("euler", 32)
    assert error("heun", 16) < 0.5 * error("euler", 31)


@pytest.mark.parametrize("name", list(SAMPLERS))
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_counts_evaluations_and_reports_every_step(name, steps):
    calls, reports = [], []

    def denoise(z: torch.Tensor, sigma: float, span: float = 0.0) -> torch.Tensor:
        calls.append(sigma)
        return gaussian_denoiser(z, sigma)

    SAMPLERS[name](
        denoise, torch.zeros(1), sigma_schedule(steps, 3.0), on_step=lambda i, n: reports.append((i, n))
    )
    assert len(calls) == evaluations(name, steps)
    assert all(sigma > 0 for sigma in calls)
    assert reports == [(i + 1, steps) for i in range(steps)]


@pytest.mark.parametrize("name", list(SAMPLERS))
def test_a_denoiser_that_knows_the_answer_is_followed_exactly(name):
    answer = torch.tensor([0.25, -0.5])
    made = SAMPLERS[name](lambda z, sigma, span=0.0: answer, torch.randn(2), sigma_schedule(5, 4.0))
    torch.testing.assert_close(made, answer)


def test_schedule_runs_from_one_to_zero_and_the_shift_keeps_it_noisy():
    plain, shifted = sigma_schedule(10, 1.0), sigma_schedule(10, 5.0)
    assert plain == pytest.approx([1 - i / 10 for i in range(11)])
    assert shifted[0] == 1.0
    assert shifted[-1] == 0.0
    assert all(s > p for s, p in zip(shifted[1:-1], plain[1:-1], strict=True))
    with pytest.raises(ValueError, match="at least 1 step"):
        sigma_schedule(0, 1.0)


def test_guidance_applies_on_its_interval_only():
    calls = []

    def both(z, sigma):
        calls.append("both")
        return z + 1, z - 1

    def positive_only(z, sigma, span=0.0):
        calls.append("positive")
        return z + 1

    denoise = guided(both, positive_only, scale=3.0, interval=(0.2, 0.8))
    z = torch.zeros(1)
    assert denoise(z, 0.5).item() == -1 + 3.0 * 2
    assert denoise(z, 0.9).item() == 1
    assert denoise(z, 0.1).item() == 1
    assert guided(both, positive_only, scale=1.0, interval=(0.0, 1.0))(z, 0.5).item() == 1
    assert calls == ["both", "positive", "positive", "positive"]
