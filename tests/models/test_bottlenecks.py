import itertools
import math

import pytest
import torch

from scenewright.models.blocks.bottlenecks import BottleneckConfig, kl_divergence


def gaussian(channels: int = 3):
    return BottleneckConfig(channels=channels).build()


def fsq(*levels: int):
    return BottleneckConfig(name="fsq", levels=levels).build()


def vq(**settings):
    return BottleneckConfig(name="vq", **settings).build()


# ------------------------------------------------------------------------------------------------- Gaussian


def test_the_divergence_is_that_of_torch_distributions():
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 50, generator=generator)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, (0.5 * log_variance).exp()), normal(0.0, 1.0))
    torch.testing.assert_close(kl_divergence(mean, log_variance), expected)
    code = gaussian(25)(torch.cat((mean.view(2, 25), log_variance.view(2, 25) + 10), dim=1))
    torch.testing.assert_close(code.penalty, expected.mean())


def test_a_sample_has_the_mean_and_spread_that_were_asked_for():
    h = torch.tensor([1.0, -2.0, 10 + 2 * math.log(0.5), 10 + 2 * math.log(3.0)]).expand(20_000, 4)
    noise = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(1))
    z = gaussian(2)(h, noise).z
    torch.testing.assert_close(z.mean(0), torch.tensor([1.0, -2.0]), atol=0.06, rtol=0)
    torch.testing.assert_close(z.std(0), torch.tensor([0.5, 3.0]), atol=0.06, rtol=0)
    assert torch.equal(gaussian(2)(h).z, h[:, :2])


# ------------------------------------------------------------------------------------------------------ FSQ


@pytest.mark.parametrize("levels", [(8, 5), (3, 4, 2), (7,)])
def test_every_code_goes_there_and_back_and_no_other_value_exists(levels):
    quantiser = fsq(*levels)
    assert quantiser.codes == math.prod(levels)
    indices = torch.arange(quantiser.codes)
    vectors = quantiser.vectors(indices)
    assert len({tuple(v) for v in vectors.tolist()}) == quantiser.codes
    # Independently: all combinations of evenly spaced digits, the first latent's running fastest.
    digits = [[(d - n // 2) / (n // 2) for d in range(n)] for n in levels]
    expected = [tuple(reversed(p)) for p in itertools.product(*reversed(digits))]
    torch.testing.assert_close(vectors, torch.tensor(expected))
    wide = torch.linspace(-6, 6, 4001)[:, None].expand(-1, len(levels))
    code = quantiser(wide)
    for column, n in enumerate(levels):
        assert len(code.z[:, column].unique()) == n
    assert torch.equal(quantiser.vectors(code.indices), code.z)


def test_rounding_lets_the_gradient_of_the_bound_pass():
    quantiser = fsq(5, 5)
    h = torch.tensor([[0.1, -0.4], [1.3, 0.0]], requires_grad=True)
    quantiser(h).z.sum().backward()
    # z = tanh(h) reach / 2 but for rounding; reach = (5 - 1) (1 + 0.001) / 2.
    expected = (1 - h.detach().tanh().square()) * (2 * 1.001) / 2
    torch.testing.assert_close(h.grad, expected)


# ------------------------------------------------------------------------------------------------------- VQ


def test_the_nearest_code_is_found_and_the_gradient_passes_by():
    torch.manual_seed(2)
    quantiser = vq(channels=3, codes=17)
    h = torch.randn(4, 5, 3, requires_grad=True)
    code = quantiser(h)
    distances = (h.detach()[..., None, :] - quantiser.codebook).square().sum(-1)
    assert torch.equal(code.indices, distances.argmin(-1))
    torch.testing.assert_close(code.z, quantiser.codebook[code.indices])
    torch.testing.assert_close(code.penalty, distances.amin(-1).mean() / 3)
    weights = torch.randn(4, 5, 3)
    (code.z * weights).sum().backward()
    torch.testing.assert_close(h.grad, weights)
    h.grad = None
    quantiser(h).penalty.backward()
    towards = 2 * (h.detach() - quantiser.codebook[code.indices]) / h.numel()
    torch.testing.assert_close(h.grad, towards)


def test_codes_find_the_centres_of_clusters_and_dead_ones_come_back():
    generator = torch.Generator().manual_seed(3)
    centres = torch.tensor([[4.0, 0.0], [-4.0, 0.0], [0.0, 4.0], [0.0, -4.0]])

    def batch():
        points = centres[torch.randint(4, (256,), generator=generator)]
        return points + 0.1 * torch.randn(256, 2, generator=generator)

    def train(quantiser, steps):
        for _ in range(steps):
            code = quantiser(batch())
            spare = code.vectors[torch.randint(256, (8,), generator=generator)]
            quantiser.settle(quantiser.statistics(code), spare)
        return quantiser(batch())

    # All codes but one begin where no vector ever is.
    found = {}
    for restart in (0.2, 0.0):
        quantiser = vq(channels=2, codes=8, decay=0.8, restart_below=restart)
        quantiser.codebook.copy_(torch.tensor([[50.0, 50.0]]) + torch.arange(8.0)[:, None])
        quantiser.codebook[0] = 0.0
        quantiser.uses.fill_(32.0)
        quantiser.totals.copy_(quantiser.codebook * 32.0)
        found[restart] = (quantiser, train(quantiser, 60))
    quantiser, code = found[0.2]
    assert len(code.indices.unique()) == 8
    assert code.penalty < 0.02
    nearest = (centres[:, None] - quantiser.codebook).square().sum(-1).amin(1)
    assert (nearest < 0.01).all()
    assert len(found[0.0][1].indices.unique()) == 1


def test_the_first_batch_makes_the_codebook():
    quantiser = vq(channels=2, codes=3)
    h = torch.tensor([[9.0, 9.0], [9.0, 8.0], [8.0, 9.0]])
    quantiser.settle(quantiser.statistics(quantiser(h)), h)
    assert torch.equal(quantiser.codebook, h)
    assert quantiser(h).penalty == 0


def test_statistics_of_parts_add_up():
    torch.manual_seed(4)
    quantiser = vq(channels=2, codes=5)
    h = torch.randn(6, 2)
    whole = quantiser.statistics(quantiser(h))
    parts = [quantiser.statistics(quantiser(part)) for part in h.split(2)]
    for name, value in whole.items():
        torch.testing.assert_close(sum(part[name] for part in parts), value)
    assert whole["uses"].sum() == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "fsq", "channels": 3}, "channels = 3 does nothing for fsq"),
        ({"name": "kl", "codes": 3}, "codes = 3 does nothing for kl"),
        ({"name": "fsq", "levels": (8, 1)}, "levels are two or more"),
    ],
)
def test_settings_of_another_bottleneck_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        BottleneckConfig(**settings)
