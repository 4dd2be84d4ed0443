"""What the diffusion objectives weigh, and which noise levels they draw."""

import numpy as np
import pytest
import torch
from scipy import stats
from test_flow_matching import inputs_of

from scenewright.models.noise import sigma_at, variance_preserving
from scenewright.training.objectives import (
    Diffusion,
    DiffusionConfig,
    DiffusionForcing,
    DiffusionForcingConfig,
)
from scenewright.training.objectives.denoising import noisy

CLIPS = 64


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    return inputs_of(torch.randn(CLIPS, 3, 4, 2, 2, generator=generator))


@pytest.mark.parametrize("prediction", ["v", "noise", "clean"])
def test_the_loss_is_the_error_of_what_the_network_paints(prediction, batch):
    """Of clips that are predicted wrongly, the noise and v that they mean are compared with the true ones."""
    objective = Diffusion(DiffusionConfig(schedule="cosine"), prediction)
    sigma = objective.sample_sigma(batch).clamp(0.05, 0.95)
    wrong = batch.x + 0.3 * torch.randn(batch.x.shape, generator=torch.Generator().manual_seed(4))
    found = objective.errors(wrong, batch.x, sigma, batch).loss
    alpha, s = (v[:, None, None, None, None] for v in variance_preserving(sigma))
    z = noisy(batch, sigma) * (alpha + s)

    def painted(x: torch.Tensor) -> torch.Tensor:
        noise = (z - alpha * x) / s
        return {"clean": x, "noise": noise, "v": alpha * noise - s * x}[prediction]

    wanted = (painted(wrong) - painted(batch.x)).square().mean((1, 2, 3, 4))
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)


def test_min_snr_bounds_what_a_clear_clip_counts(batch):
    sigma = torch.tensor([0.05, 0.5, 0.9])
    weight = Diffusion(DiffusionConfig(min_snr=5.0), "v").weight(sigma)
    snr = ((1 - sigma) / sigma).square()
    torch.testing.assert_close(weight, torch.tensor([5.0, float(snr[1]), float(snr[2])]))


def test_times_are_uniform_and_noise_levels_those_of_the_schedule():
    many = inputs_of(torch.zeros(4096, 1, 1, 1, 1))
    sigma = Diffusion(DiffusionConfig(schedule="linear"), "v").sample_sigma(many).double().numpy()
    grid = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    times = np.interp(sigma, sigma_at(grid, "linear").numpy(), grid.numpy())
    assert stats.kstest(times, stats.uniform.cdf).pvalue > 0.05


def test_parts_have_noise_levels_of_their_own_and_a_clean_past():
    many = inputs_of(torch.zeros(4096, 1, 8, 1, 1))
    sigma = DiffusionForcing(DiffusionForcingConfig(clean_past=0.6), 2).sample_sigma(many)
    assert sigma.shape == (4096, 4)
    clean = sigma == 0
    assert (clean.int().diff(dim=1) <= 0).all()  # only the first ones
    assert not clean[:, -1].any()
    for part, share in enumerate((0.75, 0.5, 0.25)):
        assert float(clean[:, part].double().mean()) == pytest.approx(0.6 * share, abs=0.03)
    both = ~clean[:, 0]
    assert abs(float(torch.corrcoef(sigma[both][:, :2].T)[0, 1])) < 0.05


def test_what_is_clean_is_not_learned():
    x = torch.randn(6, 3, 4, 2, 2)
    batch = inputs_of(x)
    objective = DiffusionForcing(DiffusionForcingConfig(min_sigma=0.1), 2)
    sigma = torch.tensor([[0.0, 0.5]] * 3 + [[0.25, 0.5]] * 3)
    wrong = x.clone()
    wrong[:, :, :2] += 1.0
    errors = objective.errors(wrong, x, sigma, batch)
    torch.testing.assert_close(errors.loss[:3], torch.zeros(3))
    torch.testing.assert_close(errors.loss[3:], torch.full((3,), 0.5 * 0.25**-2))
    torch.testing.assert_close(errors.mse[3:], torch.full((3,), 0.5))
    z = noisy(batch, sigma)
    torch.testing.assert_close(z[:3, :, :2], x[:3, :, :2])
    assert (z[3:, :, :2] != x[3:, :, :2]).all()
