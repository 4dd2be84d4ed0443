"""Distances of distributions: against closed forms, other libraries, published numbers, brute force."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.stats import multivariate_normal
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from scenewright.evaluation.distribution import (
    Kernel,
    Moments,
    extrapolated_frechet,
    frechet_distance,
    inception_score,
    kernel_distance,
    mmd,
    neighbours,
    read_statistics,
)


def normal(n: int, d: int = 8, seed: int = 0, mean: float = 0.0, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(d, d)) / np.sqrt(d)
    return mean + scale * rng.normal(size=(n, d)) @ mixing


def exact(n: int, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Samples whose own mean and covariance are exactly these."""
    x = np.random.default_rng(3).normal(size=(n, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_frechet_of_gaussians_that_commute_is_the_closed_form():
    one, two = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 0.25])
    a = Moments.of(exact(40, np.zeros(3), np.diag(one)))
    b = Moments.of(exact(60, np.array([1.0, 2.0, 2.0]), np.diag(two)))
    expected = 9 + np.square(np.sqrt(one) - np.sqrt(two)).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("n", [200, 6], ids=["full rank", "fewer samples than numbers"])
def test_frechet_is_that_of_the_matrix_root_and_of_torchmetrics(n):
    x, y = normal(n, seed=1), normal(n, seed=2, mean=0.3, scale=1.4)
    a, b = Moments.of(x), Moments.of(y)
    root = scipy.linalg.sqrtm(a.covariance() @ b.covariance()).real
    parts = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a.covariance() + b.covariance())
    assert frechet_distance(a, b) == pytest.approx(parts - 2 * np.trace(root), rel=1e-5)
    tensors = [torch.from_numpy(z) for z in (x.mean(0), a.covariance(), y.mean(0), b.covariance())]
    assert frechet_distance(a, b) == pytest.approx(_compute_fid(*tensors).item(), rel=1e-4)
    assert frechet_distance(a, b, ddof=0) < frechet_distance(a, b)


def test_moments_in_parts_are_those_of_all():
    x = normal(100, mean=50.0)
    moments = Moments()
    for part in (x[:1], x[1:40], x[40:]):
        moments.add(part)
    np.testing.assert_allclose(moments.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance(), np.cov(x.T), rtol=1e-9)
    np.testing.assert_allclose(moments.covariance(0), np.cov(x.T, ddof=0), rtol=1e-9)


def test_the_distance_of_one_distribution_falls_as_one_over_n_and_extrapolates_to_nothing():
    reference = Moments.of(normal(200_000, d=16, seed=5))
    few, many = (
        np.mean([frechet_distance(reference, Moments.of(normal(n, d=16, seed=s))) for s in range(6, 14)])
        for n in (250, 1000)
    )
    assert few / many == pytest.approx(4, rel=0.2)
    found = [extrapolated_frechet(reference, normal(1000, d=16, seed=s)) for s in range(6, 14)]
    assert abs(np.mean([f.value for f in found])) < 0.2 * many
    assert np.mean([f.bias for f in found]) == pytest.approx(many, rel=0.25)
    assert len(found[0].sizes) == len(found[0].distances) == 15
    shifted = extrapolated_frechet(reference, normal(1000, d=16, seed=6, mean=0.5))
    assert shifted.value == pytest.approx(16 * 0.25, rel=0.2)


def test_published_discrepancy_of_jedi():
    x = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    y = np.array([[7, 6, 5], [4, 3, 2], [1, 1, 8], [0, 2, 5]])
    assert mmd(x, y, "jedi", unbiased=False) == pytest.approx(270.7222, abs=1e-4)
    plain = Kernel(degree=2, offset=0.0, scale=1.0)
    assert mmd(x, y, plain, unbiased=False) == pytest.approx(2436.5)


@pytest.mark.parametrize("kernel", ["kvd", "jedi", "gaussian"])
@pytest.mark.parametrize("unbiased", [True, False])
def test_mmd_is_its_sum_over_pairs(kernel, unbiased):
    x, y = normal(7, 4, seed=1), normal(5, 4, seed=2, mean=0.5)
    median = np.median([np.linalg.norm(a - b) for i, a in enumerate(x) for b in x[:i]])

    def k(a, b):
        if kernel == "gaussian":
            return np.exp(-np.square(a - b).sum() / (2 * median**2))
        return (a @ b / 4 + 1) ** 3 if kernel == "kvd" else (a @ b / 4) ** 2

    def within(z):
        pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if i != j or not unbiased]
        return np.mean([k(z[i], z[j]) for i, j in pairs])

    expected = within(x) + within(y) - 2 * np.mean([k(a, b) for a in x for b in y])
    assert mmd(x, y, kernel, unbiased=unbiased) == pytest.approx(expected)


def test_kernel_distance_is_that_of_torchmetrics_and_near_nothing_for_one_distribution():
    x, y = normal(60, seed=1), normal(60, seed=2, mean=0.4)
    theirs = poly_mmd(torch.from_numpy(x), torch.from_numpy(y)).item()
    assert mmd(x, y) == pytest.approx(theirs, rel=1e-6)
    whole = kernel_distance(x, y, subsets=3)
    assert whole.value == pytest.approx(mmd(x, y))
    same = kernel_distance(normal(400, seed=3), normal(400, seed=4), subsets=50, size=100)
    assert same.low < 0 < same.high
    other = kernel_distance(normal(400, seed=3), normal(400, seed=4, mean=0.5), subsets=50, size=100)
    assert other.low > 0
    assert other == kernel_distance(normal(400, seed=3), normal(400, seed=4, mean=0.5), subsets=50, size=100)


def test_the_inception_score_counts_classes_that_are_sure_and_many():
    sure = np.full((120, 6), -40.0)
    sure[np.arange(120), np.arange(120) % 6] = 40.0
    assert inception_score(sure, splits=1).value == pytest.approx(6)
    assert inception_score(sure[::6], splits=2).value == pytest.approx(1)
    assert inception_score(np.zeros((50, 6))).value == pytest.approx(1)
    logits = np.random.default_rng(0).normal(size=(100, 5))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    order = np.random.RandomState(42).permutation(100)
    by_hand = [
        np.exp(np.mean([(q * np.log(q / part.mean(0))).sum() for q in part]))
        for part in np.split(p[order], 10)
    ]
    found = inception_score(logits)
    assert found.value == pytest.approx(np.mean(by_hand))
    assert found.spread == pytest.approx(np.std(by_hand))


def test_neighbours_are_those_of_brute_force():
    x, y, k = normal(40, 3, seed=1), normal(30, 3, seed=2, mean=0.7), 3

    def radii(z):
        return [sorted(np.linalg.norm(a - b) for b in z)[k] for a in z]

    inside = np.array([[np.linalg.norm(a - b) <= r for b in y] for a, r in zip(x, radii(x), strict=True)])
    recalled = np.array([[np.linalg.norm(a - b) <= r for b, r in zip(y, radii(y), strict=True)] for a in x])
    found = neighbours(x, y, k, at_once=7)
    assert found.precision == pytest.approx(inside.any(0).mean())
    assert found.recall == pytest.approx(recalled.any(1).mean())
    assert found.density == pytest.approx(inside.sum(0).mean() / k)
    assert found.coverage == pytest.approx(inside.any(1).mean())


def test_lost_modes_cost_recall_and_strange_samples_precision():
    both = np.concatenate((normal(200, 4, seed=1), normal(200, 4, seed=2, mean=9.0)))
    again = np.concatenate((normal(200, 4, seed=3), normal(200, 4, seed=4, mean=9.0)))
    assert min(neighbours(both, again)) > 0.8
    lost = neighbours(both, normal(400, 4, seed=3))
    assert lost.precision > 0.9
    assert lost.recall < 0.55
    assert lost.coverage < 0.55
    strange = neighbours(normal(400, 4, seed=1), both)
    assert strange.precision < 0.6
    assert strange.recall > 0.9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Moments.of(np.zeros((0, 3))), "features are"),
        (lambda: Moments.of(np.full((4, 3), np.nan)), "finite"),
        (lambda: frechet_distance(Moments.of(normal(9, 3)), Moments.of(normal(9, 4))), "features of 3"),
        (lambda: Moments.of(normal(1, 3)).covariance(), "more than 1 samples, not 1"),
        (lambda: mmd(normal(1), normal(9)), "needs two samples"),
        (lambda: mmd(np.zeros((5, 2)), normal(5, 2), "gaussian"), "give the kernel a bandwidth"),
        (lambda: inception_score(np.zeros((5, 3))), "5 samples cannot be cut into 10"),
        (lambda: neighbours(normal(5), normal(9)), "more than 5 samples"),
        (lambda: extrapolated_frechet(Moments.of(normal(50)), normal(2)), "too few to extrapolate"),
    ],
)
def test_too_little_or_wrong_features_get_one_line(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_gaussian_mmd_is_that_of_two_gaussians():
    """E k(x, y) of normal x, y is a normal density at their difference, with the variances added."""
    x, y = (np.random.default_rng(s).normal(m, 1, (3000, 2)) for s, m in ((1, 0.0), (2, 1.0)))
    width = 1.5
    spread = np.eye(2) * (2 + width**2)

    def expected(difference):
        return 2 * np.pi * width**2 * multivariate_normal.pdf(difference, np.zeros(2), spread)

    value = mmd(x, y, Kernel(name="gaussian", bandwidth=width))
    assert value == pytest.approx(2 * expected(np.zeros(2)) - 2 * expected(np.ones(2)), rel=0.05)


def stored(path, features: np.ndarray):
    """As StyleGAN-V's FeatureStats are pickled."""
    state = {
        "num_items": len(features),
        "raw_mean": features.sum(0),
        "raw_cov": features.T @ features,
    }
    path.write_bytes(pickle.dumps(state))
    return path


def test_published_statistics_are_moments_and_nothing_in_them_is_run(tmp_path):
    a, b = normal(60), normal(50, seed=1, mean=0.4)
    found = read_statistics(stored(tmp_path / "a.pkl", a))
    expected = frechet_distance(Moments.of(a), Moments.of(b))
    assert frechet_distance(found, Moments.of(b)) == pytest.approx(expected)
    for name, content in (("evil", {"x": os.system}), ("other", {"num_items": 3}), ("list", [1])):
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(content))
        with pytest.raises(ValueError, match="holds no statistics"):
            read_statistics(tmp_path / f"{name}.pkl")
    (tmp_path / "torn.pkl").write_bytes((tmp_path / "a.pkl").read_bytes()[:200])
    with pytest.raises(ValueError, match="holds no statistics"):
        read_statistics(tmp_path / "torn.pkl")
    with pytest.raises(ValueError, match="there is no file"):
        read_statistics(tmp_path / "none.pkl")


FVD = Path(os.environ.get("SCENEWRIGHT_FVD_STATISTICS", "statistics"))


@pytest.mark.skipif(not FVD.is_dir(), reason="no published statistics here (SCENEWRIGHT_FVD_STATISTICS)")
@pytest.mark.parametrize(
    ("one", "other", "ddof", "published"),
    [
        ("ucf101_2048_res128_len16", "kinetics_2048_res128_len16", 0, 470.5618),
        ("ucf101_2048_res128_len16", "kinetics_2048_res128_len16", 1, 470.7026),
        ("ucf101_2048_res128_len16", "ucf101_full_res128_len16", 0, 29.9654),
        ("ucf101_full_res128_len16", "ucf101_full_res256_len16", 0, 42.1362),
    ],
)
def test_frechet_video_distances_of_published_statistics(one, other, ddof, published):
    """The folder holds i3d_NAME_skip1_seed0.pkl of the content-debiased FVD's page."""
    files = [FVD / f"i3d_{name}_skip1_seed0.pkl" for name in (one, other)]
    a, b = (read_statistics(file) for file in files)
    assert frechet_distance(a, b, ddof=ddof) == pytest.approx(published, abs=2e-3)
