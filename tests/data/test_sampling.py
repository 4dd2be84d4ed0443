import pickle
from collections import Counter

import numpy as np
import pytest

from scenewright.data.sampling import (
    LossWeighted,
    Mixture,
    Shuffled,
    Stratified,
    largest_remainder,
    quantiles,
)


def drawn(sampler, steps):
    return [sampler.batch(step) for step in steps]


# ------------------------------------------------------------------------------------------------ shuffled


def test_every_epoch_holds_every_sample_once_in_a_new_order():
    order = Shuffled(7, seed=3)
    whole = order.take(0, 21)
    assert [sorted(whole[i : i + 7]) for i in (0, 7, 14)] == [list(range(7))] * 3
    assert list(whole[:7]) != list(whole[7:14])
    np.testing.assert_array_equal(Shuffled(7, seed=3).take(5, 12), whole[5:17])
    assert list(Shuffled(7, seed=4).take(0, 7)) != list(whole[:7])
    with pytest.raises(ValueError, match="nothing to draw from"):
        Shuffled(0, seed=0)


# ------------------------------------------------------------------------------------------------- mixture


def worst_window(sources, share, which):
    """The largest distance of a window's count from the share of its length, over all windows."""
    excess = np.concatenate([[0.0], np.cumsum((sources == which) - share)])
    return excess.max() - excess.min()


@pytest.mark.parametrize("weights", [(0.7, 0.3), (1, 1), (0.31, 0.69), (1, 99)])
def test_of_two_sources_any_window_holds_the_ratio_to_within_one(weights):
    mixture = Mixture([None, None], weights, batch=1000)
    sources = np.concatenate([b.sources for b in drawn(mixture, range(12))])
    for which in (0, 1):
        assert worst_window(sources, weights[which] / sum(weights), which) <= 1 + 1e-9


def test_a_ratio_without_a_small_denominator_is_met_to_the_cycle():
    mixture = Mixture([None, None], (2**0.5, 1), batch=10_000)
    share = (mixture.batch(3).sources == 0).mean()
    assert share == pytest.approx(2**0.5 / (1 + 2**0.5), abs=0.5e-4)


@pytest.mark.parametrize("weights", [(5, 3, 2), (1, 1, 1, 1), (0.6, 0.25, 0.1, 0.05), (50, 30, 15, 4, 1)])
def test_of_several_sources_every_beginning_keeps_tijdemans_bound(weights):
    mixture = Mixture([None] * len(weights), weights, batch=100)
    sources = np.concatenate([b.sources for b in drawn(mixture, range(30))])
    bound = 1 - 1 / (2 * len(weights) - 2)
    for which, weight in enumerate(weights):
        share = weight / sum(weights)
        excess = np.cumsum((sources == which) - share)
        assert np.abs(excess).max() <= bound + 1e-9
        assert worst_window(sources, share, which) <= 2 * bound


def test_the_ratio_is_exact_in_the_long_run():
    counts = Counter()
    for batch in drawn(Mixture([None] * 3, (0.5, 0.3, 0.2), batch=10), range(50)):
        counts.update(batch.sources.tolist())
        assert Counter(batch.sources.tolist()) == {0: 5, 1: 3, 2: 2}
    assert counts == {0: 250, 1: 150, 2: 100}


def test_finite_sources_come_in_epochs_and_endless_ones_count_on():
    mixture = Mixture([4, None], (1, 3), batch=8, seed=5)
    batches = drawn(mixture, range(6))
    finite = np.concatenate([b.samples[b.sources == 0] for b in batches])
    endless = np.concatenate([b.samples[b.sources == 1] for b in batches])
    assert [sorted(finite[i : i + 4]) for i in (0, 4, 8)] == [[0, 1, 2, 3]] * 3
    assert list(endless) == list(range(36))


def test_a_mixture_can_be_entered_anywhere_and_sent_to_a_worker():
    settings = {"sizes": [5, 9, None], "weights": (3, 2, 2), "batch": 6, "seed": 1}
    whole = drawn(Mixture(**settings), range(10))
    fresh = pickle.loads(pickle.dumps(Mixture(**settings)))
    for step in (7, 2, 9):
        np.testing.assert_array_equal(fresh.batch(step), whole[step])


def test_wrong_mixtures_are_refused():
    with pytest.raises(ValueError, match="give each source one weight"):
        Mixture([3], (1, 2), batch=2)
    with pytest.raises(ValueError, match="leave a source out"):
        Mixture([3, 4], (1, 0), batch=2)
    with pytest.raises(ValueError, match="too small to mix in"):
        Mixture([3, 4], (1e6, 1), batch=2)
    with pytest.raises(ValueError, match="at least one sample, not 0"):
        Mixture([3], (1,), batch=0)


def test_largest_remainder_against_an_election():
    # Hamilton's method on the textbook case of 100 seats.
    votes = np.array([47000, 16000, 15800, 12000, 6100, 3100])
    assert largest_remainder(votes / votes.sum(), 10).tolist() == [5, 2, 1, 1, 1, 0]


# ---------------------------------------------------------------------------------------------- stratified


@pytest.mark.parametrize("shares", [None, "equal", {"a": 5, "b": 1, "c": 2}])
def test_every_batch_has_the_shares_rounded_up_or_down(shares):
    column = ["a"] * 70 + ["b"] * 21 + ["c"] * 9
    sampler = Stratified(column, batch=8, seed=2, shares=shares)
    wanted = {None: (0.7, 0.21, 0.09), "equal": (1 / 3,) * 3}.get(
        shares if not isinstance(shares, dict) else 0, (5 / 8, 1 / 8, 2 / 8)
    )
    total = Counter()
    for batch in drawn(sampler, range(1000)):
        counts = Counter(column[i] for i in batch)
        assert sum(counts.values()) == 8
        for name, share in zip("abc", wanted, strict=True):
            assert np.floor(8 * share) <= counts[name] <= np.ceil(8 * share - 1e-9)
        total.update(counts)
    for name, share in zip("abc", wanted, strict=True):
        # Independent rounding would stray by about sqrt(1000 / 4) = 16.
        assert abs(total[name] - 8000 * share) < 6


def test_samples_of_a_stratum_come_once_before_any_again():
    column = [0] * 12 + [1] * 4
    sampler = Stratified(column, batch=4, seed=7)
    seen = np.concatenate(drawn(sampler, range(4)))
    assert sorted(seen) == list(range(16))
    again = np.concatenate(drawn(sampler, range(4, 8)))
    assert sorted(again) == list(range(16))
    assert list(again) != list(seen)


def test_no_sample_of_a_stratum_gets_ahead_of_another_ever():
    column = [0] * 7 + [1] * 5
    sampler = Stratified(column, batch=3, seed=1)
    counts = np.zeros(12, dtype=int)
    for batch in drawn(sampler, range(900)):
        np.add.at(counts, batch, 1)
        assert np.ptp(counts[:7]) <= 1
        assert np.ptp(counts[7:]) <= 1


def test_stratified_batches_can_be_entered_anywhere():
    column = np.arange(50) % 3
    whole = drawn(Stratified(column, batch=7, seed=1), range(600))
    fresh = Stratified(column, batch=7, seed=1)
    for step in (599, 3, 257):
        np.testing.assert_array_equal(fresh.batch(step), whole[step])


def test_wrong_strata_are_refused():
    with pytest.raises(ValueError, match="the column is empty"):
        Stratified([], batch=2)
    with pytest.raises(ValueError, match="the column has"):
        Stratified(["a"], batch=2, shares={"b": 1})
    with pytest.raises(ValueError, match="not 'even'"):
        Stratified(["a"], batch=2, shares="even")
    with pytest.raises(ValueError, match="must be positive"):
        Stratified(["a", "b"], batch=2, shares={"a": 1, "b": 0})


def test_quantiles_are_of_equal_size_and_keep_equals_together():
    values = np.random.default_rng(0).permutation(100) * 0.5
    bins = quantiles(values, 4)
    assert Counter(bins.tolist()) == dict.fromkeys(range(4), 25)
    assert all(values[bins == k].max() < values[bins == k + 1].min() for k in range(3))
    assert len(set(quantiles([3.0] * 5, 4).tolist())) == 1
    with pytest.raises(ValueError, match="finite"):
        quantiles([1.0, np.nan], 2)


# ------------------------------------------------------------------------------------------------- by loss


def test_unknown_losses_draw_uniformly_with_weight_one():
    sampler = LossWeighted(10, batch=1000)
    samples, weights = sampler.batch(0)
    assert Counter(samples.tolist()) == dict.fromkeys(range(10), 100)
    assert (weights == 1).all()


def test_probabilities_follow_the_losses_down_to_the_floor():
    sampler = LossWeighted(4, batch=2, alpha=2.0, floor=0.2)
    sampler.update(np.arange(4), np.array([0.0, 1.0, 2.0, 3.0]))
    powers = np.array([0.2 * 3.5, 1.0, 4.0, 9.0])
    np.testing.assert_allclose(sampler.probabilities(), powers / powers.sum())
    assert sampler.probabilities().min() >= 0.2 / 1.2 / 4


def test_draws_have_the_probabilities_told():
    losses = np.random.default_rng(0).exponential(size=20)
    sampler = LossWeighted(20, batch=64, seed=1)
    sampler.update(np.arange(20), losses)
    counts = np.bincount(np.concatenate([b.samples for b in drawn(sampler, range(400))]), minlength=20)
    np.testing.assert_allclose(counts / (64 * 400), sampler.probabilities(), atol=0.003)


def test_importance_weights_keep_the_mean_loss_unbiased():
    rng = np.random.default_rng(1)
    losses = rng.exponential(size=50)
    values = 3 + losses + rng.normal(size=50)
    sampler = LossWeighted(50, batch=32, alpha=1.5, floor=0.05)
    sampler.update(np.arange(50), losses)
    probability = sampler.probabilities()
    # The exact expectation of a draw, then what batches give.
    assert (probability * values / (50 * probability)).sum() == pytest.approx(values.mean())
    means = [(weights * values[samples]).mean() for samples, weights in drawn(sampler, range(1000))]
    assert np.mean(means) == pytest.approx(values.mean(), abs=4 * np.std(means) / 1000**0.5)
    assert abs(np.mean([values[b.samples].mean() for b in drawn(sampler, range(50))]) - values.mean()) > 0.5


def test_losses_are_moving_averages_and_repeats_count_once():
    sampler = LossWeighted(3, batch=2, decay=0.5)
    sampler.update(np.array([0, 0, 1]), np.array([1.0, 3.0, 4.0]))
    sampler.update(np.array([0]), np.array([6.0]))
    # Sample 0: (2 + 6) / 2; sample 1: 4; sample 2 has not been seen and counts as the highest.
    np.testing.assert_allclose(sampler.probabilities(), [1 / 3] * 3)
    sampler.update(np.array([2]), np.array([2.0]))
    np.testing.assert_allclose(sampler.probabilities(), [0.4, 0.4, 0.2])


def test_training_on_a_toy_shows_hard_samples_more_and_easy_ones_still():
    # The loss of a sample halves whenever it is seen; ten samples start a hundred times as high.
    loss = np.where(np.arange(100) < 10, 100.0, 1.0)
    sampler = LossWeighted(100, batch=10, floor=0.1, decay=0.0)
    sampler.update(np.arange(100), loss)
    early = Counter()
    for step in range(400):
        samples, _ = sampler.batch(step)
        if step < 5:
            early.update("hard" if i < 10 else "easy" for i in samples)
        loss[np.unique(samples)] *= 0.5
        sampler.update(samples, loss[samples])
    # Uniform draws would show 5 of 50.
    assert early["hard"] > 30
    assert loss.max() / loss.min() < 64
    assert loss.max() < 1e-3


def test_losses_are_resumed_exactly():
    rng = np.random.default_rng(0)
    one = LossWeighted(30, batch=8, seed=4)
    for step in range(5):
        one.update(one.batch(step).samples, rng.exponential(size=8))
    other = LossWeighted(30, batch=8, seed=4)
    other.load_state_dict(one.state_dict())
    for step in range(5, 10):
        a, b = one.batch(step), other.batch(step)
        np.testing.assert_array_equal(a.samples, b.samples)
        np.testing.assert_array_equal(a.weights, b.weights)
        losses = rng.exponential(size=8)
        one.update(a.samples, losses)
        other.update(b.samples, losses)
    with pytest.raises(ValueError, match="30 samples, the data has 31"):
        LossWeighted(31, batch=8).load_state_dict(one.state_dict())


def test_wrong_losses_are_refused():
    sampler = LossWeighted(3, batch=2)
    for losses in ([1.0], [1.0, np.nan], [1.0, -1.0]):
        with pytest.raises(ValueError, match="finite numbers of at least 0"):
            sampler.update(np.array([0, 1]), np.array(losses))
    with pytest.raises(ValueError, match=r"floor = 0.* must be positive"):
        LossWeighted(3, batch=2, floor=0.0)
    sampler.update(np.arange(3), np.zeros(3))
    np.testing.assert_allclose(sampler.probabilities(), 1 / 3)
