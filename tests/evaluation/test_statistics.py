from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scenewright.evaluation.statistics import bootstrap_interval, wilson_interval


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (47, 96), (95, 96)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_matches_scipy(k: int, n: int, confidence: float) -> None:
    expected = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(k, n, confidence=confidence) == pytest.approx(
        (expected.low, expected.high), abs=1e-9
    )


def test_bootstrap_matches_scipy_without_clusters() -> None:
    values = np.random.default_rng(1).random(60) < 0.7
    expected = stats.bootstrap(
        (values.astype(float),),
        np.mean,
        n_resamples=20000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    found = bootstrap_interval(values, resamples=20000)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.018)


def test_bootstrap_of_clusters_matches_resampling_by_hand() -> None:
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(25), rng.integers(1, 6, 25))
    values = (rng.random(25) < 0.6)[clusters].astype(float)
    means = []
    for _ in range(4000):
        chosen = rng.integers(0, 25, 25)
        means.append(np.concatenate([values[clusters == c] for c in chosen]).mean())
    found = bootstrap_interval(values, clusters.tolist())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.03)
    assert found.clusters == 25
    assert found.n == len(values)


def test_bootstrap_covers_the_truth_and_ignoring_clusters_does_not() -> None:
    rng = np.random.default_rng(4)
    covered = naive = 0
    for trial in range(300):
        rates = rng.beta(2, 2, 40)
        values = (rng.random((40, 6)) < rates[:, None]).ravel()
        labels = np.repeat(np.arange(40), 6)
        a = bootstrap_interval(values, labels, resamples=600, seed=trial)
        b = bootstrap_interval(values, resamples=600, seed=trial)
        covered += a.low <= 0.5 <= a.high
        naive += b.low <= 0.5 <= b.high
    assert 0.90 <= covered / 300 <= 0.98
    assert naive / 300 < 0.90


def test_bootstrap_is_seeded_and_order_of_labels_does_not_matter() -> None:
    values = [1, 0, 1, 1, 0, 1]
    a = bootstrap_interval(values, ["a", "a", "b", "c", "c", "d"], seed=5)
    assert a == bootstrap_interval(values, ["a", "a", "b", "c", "c", "d"], seed=5)
    assert a == bootstrap_interval(values, [9, 9, "x", 3.5, 3.5, None], seed=5)


def test_all_right_keeps_an_honest_lower_end() -> None:
    found = bootstrap_interval([True] * 96)
    assert found.value == 1.0
    assert found.high == 1.0
    assert found.low == pytest.approx(wilson_interval(96, 96)[0])
    one_prompt = bootstrap_interval([True, True, True], ["p", "p", "p"])
    assert one_prompt.low == pytest.approx(wilson_interval(1, 1)[0])


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [([], None, "at least one"), ([1.0, float("nan")], None, "finite"), ([1, 0], ["a"], "1 cluster labels")],
)
def test_bootstrap_refuses(values: list[float], clusters: list[str] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(values, clusters)


def test_wilson_refuses() -> None:
    with pytest.raises(ValueError, match="n=0"):
        wilson_interval(0, 0)
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(5, 4)
    with pytest.raises(ValueError, match="confidence"):
        wilson_interval(1, 4, confidence=1.0)
