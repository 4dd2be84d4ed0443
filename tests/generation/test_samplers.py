"""The solvers against the closed-form solution for a Gaussian data distribution."""

from functools import partial

import pytest
import torch

from scenewright.generation.guidance import guided
from scenewright.generation.samplers import SAMPLERS, ddpm, evaluations, seeded, sigma_schedule, solve
from scenewright.models.noise import sigma_at, variance_preserving

MEAN, STD = 0.7, 0.3


def gaussian_denoiser(z: torch.Tensor, sigma: float) -> torch.Tensor:
    """E[x | z] for x ~ N(MEAN, STD^2) and z = (1 - sigma) x + sigma noise."""
    signal = 1 - sigma
    gain = signal * STD**2 / (signal**2 * STD**2 + sigma**2)
    return MEAN + gain * (z - signal * MEAN)


def error(name: str, steps: int) -> float:
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    made = solve(SAMPLERS[name], gaussian_denoiser, noise, sigma_schedule(steps, shift=1.0))
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

    noise, sigmas = torch.zeros(1), sigma_schedule(steps, 3.0)
    solve(SAMPLERS[name], denoise, noise, sigmas, on_step=lambda i, n: reports.append((i, n)))
    assert len(calls) == evaluations(name, steps)
    assert all(sigma > 0 for sigma in calls)
    assert reports == [(i + 1, steps) for i in range(steps)]


@pytest.mark.parametrize("name", list(SAMPLERS))
def test_a_denoiser_that_knows_the_answer_is_followed_exactly(name):
    answer = torch.tensor([0.25, -0.5])
    made = solve(SAMPLERS[name], lambda z, sigma, span=0.0: answer, torch.randn(2), sigma_schedule(5, 4.0))
    torch.testing.assert_close(made, answer)


def test_ddim_is_euler_whatever_the_schedule():
    """Against DDIM as its authors write it, with alpha^2 + s^2 = 1."""
    sigmas = sigma_schedule(9, 1.0, "cosine")
    alphas, s = variance_preserving(torch.tensor(sigmas, dtype=torch.float64))
    z = noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    for i in range(9):
        x = gaussian_denoiser(z / (alphas[i] + s[i]), sigmas[i])
        z = alphas[i + 1] * x + s[i + 1] * (z - alphas[i] * x) / s[i]
    torch.testing.assert_close(solve(SAMPLERS["ddim"], gaussian_denoiser, noise, sigmas), z)


def test_a_step_of_ddpm_draws_from_the_posterior():
    """Against the mean and variance of Ho et al. 2020, eq. 7, with beta = 1 - alpha_bar_t / alpha_bar_s."""
    sigma, following, x0 = 0.7, 0.6, torch.tensor([0.4], dtype=torch.float64)
    (a, b), (s, r) = variance_preserving(torch.tensor([sigma, following], dtype=torch.float64))
    z, drawn = torch.tensor([0.9], dtype=torch.float64), torch.tensor([0.8], dtype=torch.float64)

    steps = []

    def denoise(z, sigma, span=0.0):
        steps.append(z)
        return x0

    solve(partial(ddpm, fresh=lambda step, like: drawn), denoise, z, [sigma, following, 0.0])
    beta = 1 - a**2 / b**2
    z_there = z * (a + s)
    mean = b * beta / (1 - a**2) * x0 + (a / b) * (1 - b**2) / (1 - a**2) * z_there
    deviation = (beta * (1 - b**2) / (1 - a**2)).sqrt()
    torch.testing.assert_close(steps[1] * (b + r), mean + deviation * drawn)


def test_ddpm_makes_the_whole_distribution_by_its_seed():
    noise = torch.randn(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sigmas = sigma_schedule(400, 1.0, "cosine")
    made = solve(seeded("ddpm", [5]), gaussian_denoiser, noise, sigmas)
    assert float(made.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(made.std()) == pytest.approx(STD, rel=0.02)
    assert float(torch.corrcoef(torch.stack([made, noise]))[0, 1]) < 0.1  # what it began with is forgotten
    few = sigma_schedule(3, 1.0)
    again, same, other = (solve(seeded("ddpm", [seed]), gaussian_denoiser, noise, few) for seed in (5, 5, 6))
    assert torch.equal(again, same)
    assert not torch.equal(again, other)


def test_noise_schedules_are_those_of_their_papers():
    times = torch.linspace(0, 1, 1001, dtype=torch.float64)
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    alpha_bars = torch.cat([torch.ones(1), (1 - betas).cumprod(0)])
    found = variance_preserving(sigma_at(times, "linear"))[0].square()
    torch.testing.assert_close(found, alpha_bars, atol=2e-4, rtol=0.03)
    f = ((times + 0.008) / 1.008 * torch.pi / 2).cos().square()
    found = variance_preserving(sigma_at(times, "cosine"))[0].square()
    torch.testing.assert_close(found, f / f[0], atol=1e-9, rtol=1e-9)
    for schedule in ("uniform", "cosine", "linear"):
        levels = sigma_schedule(20, 2.0, schedule)
        assert (levels[0], levels[-1]) == (1.0, 0.0)
        assert (torch.tensor(levels).diff() < 0).all()


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
