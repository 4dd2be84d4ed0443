"""What discriminators learn, against closed forms."""

import math

import pytest
import torch
from torch import nn

from scenewright.models.patch_discriminator import PatchDiscriminator
from scenewright.training.objectives.adversarial import (
    AdversarialConfig,
    discriminator_loss,
    generator_loss,
)

REAL, FAKE = torch.full((3, 3, 2, 4, 4), 0.5), torch.full((3, 3, 2, 4, 4), -0.25)


class Linear(nn.Module):
    """The product with fixed weights, as one logit a clip."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.weights * x).sum(dim=(1, 2, 3, 4), keepdim=True)


def test_the_losses_are_those_of_the_papers():
    judge = Linear(torch.full((1, 3, 2, 4, 4), 1 / 96))
    loss, parts = discriminator_loss(AdversarialConfig(), judge, REAL, FAKE)
    assert loss.item() == pytest.approx((1 - 0.5) + (1 - 0.25))
    assert parts == {"real": pytest.approx(0.5), "fake": pytest.approx(-0.25)}
    smooth = AdversarialConfig(loss="non_saturating", label_smoothing=0.1)
    real, fake = 1 / (1 + math.exp(-0.5)), 1 / (1 + math.exp(0.25))
    expected = -(0.9 * math.log(real) + 0.1 * math.log(1 - real)) - math.log(1 - fake)
    assert discriminator_loss(smooth, judge, REAL, FAKE)[0].item() == pytest.approx(expected, rel=1e-5)
    judged = judge(FAKE)
    assert generator_loss(AdversarialConfig(), judged).item() == pytest.approx(0.25)
    assert generator_loss(smooth, judged).item() == pytest.approx(-math.log(fake), rel=1e-5)
    with pytest.raises(ValueError, match="does nothing in the hinge loss"):
        AdversarialConfig(label_smoothing=0.1)


def test_smoothed_labels_keep_the_judge_from_certainty():
    """Clips that it can tell for sure, the fake ones the opposite of the real: sigmoid(logit) is best at
    (0.9 + 1) / 2, where without smoothing it goes to 1."""
    config = AdversarialConfig(loss="non_saturating", label_smoothing=0.1)
    judge = Linear(torch.zeros(1, 3, 2, 4, 4))
    optimizer = torch.optim.SGD(judge.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        discriminator_loss(config, judge, REAL, -REAL)[0].backward()
        optimizer.step()
    assert judge(REAL).mean().item() == pytest.approx(math.log(0.95 / 0.05), rel=1e-3)


def test_r1_is_the_squared_gradient_at_real_clips():
    torch.manual_seed(0)
    weights = torch.randn(1, 3, 2, 4, 4)
    config = AdversarialConfig(r1=0.2)
    judge = Linear(weights.clone())
    loss, parts = discriminator_loss(config, judge, REAL, FAKE)
    assert parts["r1"] == pytest.approx(weights.square().sum().item(), rel=1e-5)
    plain = discriminator_loss(AdversarialConfig(), judge, REAL, FAKE)[0]
    assert (loss - plain).item() == pytest.approx(0.1 * parts["r1"], rel=1e-4)
    judge.zero_grad()
    (loss - plain).backward()
    torch.testing.assert_close(judge.weights.grad, 0.2 * weights, rtol=1e-4, atol=1e-5)


def test_spectral_norm_bounds_every_layer():
    torch.manual_seed(0)
    judge = PatchDiscriminator(width=8, depth=2, spectral_norm=True)
    x = torch.randn(2, 3, 4, 16, 16)
    for _ in range(50):
        judge(x)
    for layer in judge.layers:
        if isinstance(layer, nn.Conv3d):
            largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item()
            assert largest == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize(("norm", "alone"), [("group", True), ("batch", False)])
def test_group_norm_sees_one_clip_and_batch_norm_all(norm, alone):
    torch.manual_seed(0)
    judge = PatchDiscriminator(width=8, depth=3, norm=norm)
    x = torch.randn(2, 3, 4, 16, 16)
    other = torch.cat((x[:1], 5 * x[1:]))
    with torch.no_grad():
        assert torch.allclose(judge(x)[0], judge(other)[0], atol=1e-5) == alone
    kinds = [type(layer).__name__ for layer in judge.layers]
    assert kinds.count("GroupNorm" if norm == "group" else "BatchNorm3d") == 2
