import numpy as np
import pytest
import torch
from scipy import stats

from scenewright.models.noise import shift_sigma
from scenewright.training.draws import Draws
from scenewright.training.objectives.base import Inputs
from scenewright.training.objectives.denoising import moving_pixels
from scenewright.training.objectives.flow_matching import FlowMatching, FlowMatchingConfig


def inputs_of(x: torch.Tensor) -> Inputs:
    ids = torch.ones(len(x), 2, dtype=torch.int64)
    return Inputs(x, ids, ids > 0, ("",) * len(x), Draws(0, 0, len(x), range(len(x))))


def test_noise_levels_follow_the_shifted_logit_normal():
    objective = FlowMatching(FlowMatchingConfig(shift=5.0, logit_mean=0.3, logit_std=0.8))
    sigma = objective.sample_sigma(inputs_of(torch.zeros(4096, 1, 1, 1, 1))).double().numpy()
    unshifted = sigma / (5.0 - 4.0 * sigma)
    logits = np.log(unshifted / (1 - unshifted))
    assert stats.kstest(logits, stats.norm(0.3, 0.8).cdf).pvalue > 0.05
    assert len(np.unique(np.floor(stats.norm(0.3, 0.8).cdf(logits) * 4096 - 1e-6).clip(0))) > 4000


def test_shift_is_a_monotone_map_of_the_unit_interval():
    sigma = torch.linspace(0, 1, 101)
    shifted = shift_sigma(sigma, 5.0)
    assert shifted[0] == 0
    assert shifted[-1] == 1
    assert (shifted.diff() > 0).all()
    torch.testing.assert_close(shift_sigma(shifted, 1 / 5.0), sigma)
    torch.testing.assert_close(shift_sigma(sigma, 1.0), sigma)


class Constant(torch.nn.Module):
    """Predicts a given clip whatever it sees, and keeps what it saw."""

    def __init__(self, clip: torch.Tensor) -> None:
        super().__init__()
        self.clip = clip

    def encode_text(self, ids, mask):
        return ids, ids

    def forward(self, z, sigma, words, pooled, mask):
        self.z, self.sigma = z, sigma
        return self.clip.expand_as(z)


def loss_of(prediction: torch.Tensor, x: torch.Tensor, **config: float) -> tuple[float, Constant]:
    model = Constant(prediction)
    objective = FlowMatching(FlowMatchingConfig(**config))
    loss, _ = objective.loss(model, inputs_of(x))
    return loss.item(), model


def test_the_true_clip_has_no_loss_and_the_loss_is_the_velocity_error():
    x = torch.randn(1, 3, 2, 4, 4).expand(6, -1, -1, -1, -1)
    assert loss_of(x[:1], x)[0] == 0.0
    value, model = loss_of(x[:1] + 0.5, x, min_sigma=0.01)
    velocity = (model.z - x) / model.sigma.view(-1, 1, 1, 1, 1)
    implied = (model.z - (x + 0.5)) / model.sigma.view(-1, 1, 1, 1, 1)
    assert value == pytest.approx((implied - velocity).square().mean().item(), rel=1e-4)


def test_the_noisy_clip_is_on_the_straight_line():
    x = torch.randn(6, 3, 2, 4, 4)
    _, model = loss_of(x[:1], x)
    sigma = model.sigma.view(-1, 1, 1, 1, 1)
    noise = (model.z - (1 - sigma) * x) / sigma
    assert noise.mean().abs() < 0.15
    assert noise.std() == pytest.approx(1.0, abs=0.1)


def test_moving_pixels_weigh_more_and_still_ones_do_not():
    x = torch.zeros(6, 3, 4, 8, 8)
    x[:, :, :2, 2:4, 2:4] = 1.0
    weights = moving_pixels(x)
    assert weights[..., 5:, 5:].abs().max() == 0
    assert weights[..., 2:4, 2:4].min() > 0.5
    plain = loss_of(torch.zeros(1, 3, 4, 8, 8), x)[0]
    assert loss_of(torch.zeros(1, 3, 4, 8, 8), x, motion_weight=2.0)[0] > 1.5 * plain
    still = torch.ones(6, 3, 4, 8, 8)
    assert loss_of(torch.zeros(1, 3, 4, 8, 8), still, motion_weight=2.0)[0] == pytest.approx(
        loss_of(torch.zeros(1, 3, 4, 8, 8), still)[0]
    )
