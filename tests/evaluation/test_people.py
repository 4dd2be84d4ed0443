"""Statistics of votes and ratings: published examples, closed forms, and simulated people."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binomtest, norm

from scenewright.evaluation.people import (
    Rating,
    Vote,
    dawid_skene,
    fit_preferences,
    krippendorff_alpha,
    prompts_missing,
    ranking_votes,
    standing,
    votes_needed,
)

#: The usual example of the model: who of A, B, C, D won how often against whom, and its solution.
GAMES = {"A": {"B": 2, "D": 1}, "B": {"A": 3, "C": 5}, "C": {"B": 3, "D": 1}, "D": {"A": 4, "C": 3}}
SOLUTION = {"A": 0.640, "B": 1.043, "C": 0.660, "D": 2.270}


def games() -> list[Vote]:
    """Each pair on both sides as often as can be, so that the side plays no part."""
    votes = []
    for a, others in GAMES.items():
        for b, wins in others.items():
            for _ in range(wins):
                i = len(votes)
                votes += [Vote(f"p{i}", a, b, "first"), Vote(f"p{i}", b, a, "second")]
    return votes


def test_the_published_example_of_bradley_and_terry():
    found = fit_preferences(games(), resamples=20, ridge=1e-6)
    strengths = {name: np.exp(interval.value) for name, interval in found.strengths.items()}
    scale = np.exp(np.mean(np.log(list(SOLUTION.values()))))
    assert strengths == {name: pytest.approx(p / scale, abs=2e-3) for name, p in SOLUTION.items()}
    assert found.ranking == ["D", "B", "C", "A"]
    assert found.left.value == pytest.approx(0, abs=1e-3)
    assert found.tie == float("-inf")


def simulated(strengths, count, *, left=0.0, tie=-1.0, seed=0, per_prompt=1) -> list[Vote]:
    rng = np.random.default_rng(seed)
    names = list(strengths)
    votes = []
    for i in range(count):
        a, b = rng.choice(len(names), 2, replace=False)
        s = [strengths[names[a]] + left / 2, strengths[names[b]] - left / 2]
        odds = np.exp([*s, (strengths[names[a]] + strengths[names[b]]) / 2 + tie])
        outcome = rng.choice(["first", "second", "tie"], p=odds / odds.sum())
        votes += [Vote(f"p{i}", names[a], names[b], str(outcome))] * per_prompt
    return votes


def test_strengths_ties_and_the_bias_for_a_side_are_found():
    truth = {"x": 1.0, "y": 0.0, "z": -1.0}
    found = fit_preferences(simulated(truth, 6000, left=0.6, tie=-0.5), resamples=100)
    for name, value in truth.items():
        assert found.strengths[name].value == pytest.approx(value, abs=0.12)
        assert found.strengths[name].low < value < found.strengths[name].high
    assert found.left.value == pytest.approx(0.6, abs=0.1)
    assert found.left.low > 0
    assert found.tie == pytest.approx(-0.5, abs=0.1)
    assert found.ties == []
    assert found.win_rates["x"].value > 0.7
    same = fit_preferences(simulated({"x": 0.0, "y": 0.02}, 300), resamples=100)
    assert same.ties == [tuple(same.ranking)]


def test_the_fit_is_the_maximum_of_the_likelihood():
    votes = simulated({"x": 0.5, "y": 0.0, "z": -0.3}, 200, left=0.3, seed=4)
    found = fit_preferences(votes, resamples=2)

    def loss(at):
        s = dict(zip("xyz", at[:3], strict=True))
        total = 0.0
        for vote in votes:
            scores = [s[vote.first] + at[3] / 2, s[vote.second] - at[3] / 2, 0.0]
            scores[2] = (s[vote.first] + s[vote.second]) / 2 + at[4]
            total -= scores[["first", "second", "tie"].index(vote.outcome)] - np.logaddexp.reduce(scores)
        return total + 0.005 * np.square(at).sum()

    best = minimize(loss, np.zeros(5)).x
    expected = best[:3] - best[:3].mean()
    assert [found.strengths[n].value for n in "xyz"] == pytest.approx(expected, abs=1e-3)
    assert found.left.value == pytest.approx(best[3], abs=1e-3)
    assert found.tie == pytest.approx(best[4], abs=1e-3)


def test_votes_of_one_prompt_do_not_count_as_more():
    votes = simulated({"x": 0.6, "y": 0.0}, 60, seed=2)
    once = fit_preferences(votes, resamples=300)
    often = fit_preferences(simulated({"x": 0.6, "y": 0.0}, 60, seed=2, per_prompt=5), resamples=300)
    widths = [f.strengths["x"].high - f.strengths["x"].low for f in (once, often)]
    assert widths[1] == pytest.approx(widths[0], rel=0.2)


def test_one_that_always_wins_has_a_finite_strength_and_what_is_apart_is_refused():
    found = fit_preferences([Vote(f"p{i}", "x", "y", "first") for i in range(20)], resamples=50)
    assert 1 < found.strengths["x"].value < 10
    apart = [Vote("p", "x", "y", "first"), Vote("p", "z", "w", "tie")]
    with pytest.raises(ValueError, match="no vote connects x, y with w"):
        fit_preferences([*apart, Vote("q", "x", "y", "second")])
    with pytest.raises(ValueError, match="no votes yet"):
        fit_preferences([])
    with pytest.raises(ValueError, match="compares x with itself"):
        fit_preferences([Vote("p", "x", "x", "tie")])


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_votes_that_all_agree_settle_it_as_soon_as_a_sign_test_would(count):
    votes = [Vote(f"{i}", *("ab" if i % 2 else "ba"), "first" if i % 2 else "second") for i in range(count)]
    found = fit_preferences(votes)
    assert found.ranking == ["a", "b"]
    assert (found.ties == []) == (binomtest(count, count).pvalue < 0.05)
    assert found.win_rates["a"].high - found.win_rates["a"].low > 0.5 / count


def test_intervals_from_few_prompts_hold_the_true_rate():
    rng, held = np.random.default_rng(3), 0
    for _ in range(60):
        wins = rng.random(12) < 0.8
        votes = [Vote(f"{i}", "a", "b", "first" if won else "second") for i, won in enumerate(wins)]
        votes = [
            v if i % 2 else v._replace(first="b", second="a", outcome=_turned(v)) for i, v in enumerate(votes)
        ]
        rate = fit_preferences(votes, resamples=150).win_rates["a"]
        held += rate.low <= 0.8 <= rate.high
    assert held >= 54


def _turned(vote: Vote) -> str:
    return "second" if vote.outcome == "first" else "first"


def test_a_ranking_is_a_vote_of_each_pair():
    votes = ranking_votes("p", ["best", "middle", "worst"], "me")
    pairs = [(v.first, v.second) for v in votes]
    assert pairs == [("best", "middle"), ("best", "worst"), ("middle", "worst")]
    assert {v.outcome for v in votes} == {"first"}
    many = [v for i in range(12) for v in ranking_votes(f"p{i}", ["a", "b", "c"])]
    assert fit_preferences(many, resamples=20).ranking == ["a", "b", "c"]


#: Krippendorff's example: three raters, fifteen units, * where one has not rated.


def example() -> list[Rating]:
    rows = ["*    *    *    *    *    3    4    1    2    1    1    3    3    *    3",
            "1    *    2    1    3    3    4    3    *    *    *    *    *    *    *",
            "*    *    2    1    3    4    4    *    2    1    1    3    3    *    4"]  # fmt: skip
    return [
        Rating(unit, f"r{rater}", float(value))
        for rater, row in enumerate(rows)
        for unit, value in enumerate(row.split())
        if value != "*"
    ]


def test_the_published_example_of_alpha():
    assert krippendorff_alpha(example()).value == pytest.approx(0.691358, abs=1e-6)
    found = krippendorff_alpha(example(), "interval")
    assert found.value == pytest.approx(0.810845, abs=1e-6)
    assert found.low < found.value < found.high <= 1
    assert found.clusters == 12
    assert 0.7 < krippendorff_alpha(example(), "ordinal").value < 0.9


def test_alpha_is_one_where_all_agree_and_about_zero_by_chance():
    rng = np.random.default_rng(3)
    agreed = [Rating(u, r, "ab"[u % 2]) for u in range(20) for r in "xyz"]
    assert krippendorff_alpha(agreed).value == 1.0
    guessed = [Rating(u, r, str(rng.choice(["a", "b"]))) for u in range(400) for r in "xyz"]
    found = krippendorff_alpha(guessed)
    assert found.low < 0 < found.high
    far = [Rating(u, r, float(u + 10 * (r == "y"))) for u in range(10) for r in "xy"]
    near = [Rating(u, r, float(u + (r == "y"))) for u in range(10) for r in "xy"]
    assert krippendorff_alpha(far, "interval").value < krippendorff_alpha(near, "interval").value
    with pytest.raises(ValueError, match="two raters"):
        krippendorff_alpha([Rating(1, "a", "x"), Rating(2, "b", "x")])


def test_labels_are_found_behind_raters_of_different_skill():
    """One careful rater outweighs two who guess together with the majority wrong."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 300)
    skill = {"careful": 0.95, "fair": 0.7, "poor": 0.4, "poor too": 0.4}
    ratings = []
    for unit, label in enumerate(truth):
        for rater, sure in skill.items():
            other = int(rng.choice([x for x in range(3) if x != label]))
            ratings.append(Rating(unit, rater, f"L{label if rng.random() < sure else other}"))
    found = dawid_skene(ratings)
    right = np.mean([found.labels[u] == f"L{label}" for u, label in enumerate(truth)])
    majority = []
    for unit, label in enumerate(truth):
        said = [r.value for r in ratings if r.unit == unit]
        majority.append(max(sorted(set(said)), key=said.count) == f"L{label}")
    assert right > 0.93 > np.mean(majority)
    for rater, sure in skill.items():
        assert found.skills[rater] == pytest.approx(sure, abs=0.08)
    assert np.mean(list(found.sure.values())) == pytest.approx(right, abs=0.05)
    with pytest.raises(ValueError, match="no ratings yet"):
        dawid_skene([])


@pytest.mark.parametrize(("preference", "votes"), [(0.55, 783), (0.60, 194), (0.65, 85), (0.70, 47)])
def test_votes_needed_are_those_of_the_tables_and_give_the_power(preference, votes):
    assert votes_needed(preference) == votes_needed(1 - preference) == votes
    wins = np.random.default_rng(0).binomial(votes, preference, 4000)
    z = (wins - votes / 2) / np.sqrt(votes / 4)
    assert np.mean(np.abs(z) > norm.ppf(0.975)) == pytest.approx(0.8, abs=0.04)


def test_votes_on_one_prompt_and_ties_cost_votes():
    assert votes_needed(0.6, votes_per_prompt=5, correlation=0.3) == pytest.approx(194 * 2.2, abs=2)
    assert votes_needed(0.6, ties=0.2) == pytest.approx(194 / 0.8, abs=2)
    for wrong in (0.5, 0.0, 1.2):
        with pytest.raises(ValueError, match="preference"):
            votes_needed(wrong)
    with pytest.raises(ValueError, match="ties lie in"):
        votes_needed(0.6, ties=1.0)


@pytest.mark.parametrize(("wins", "losses"), [(1, 0), (3, 0), (2, 1), (1, 3), (5, 4)])
def test_prompts_that_are_missing_are_the_fewest_that_decide(wins, losses):
    """Where the share comes out even, the comparison is decided then and was not one round before."""
    missing = prompts_missing(wins, losses)
    rounds = -(-(wins + losses + missing) // (wins + losses))
    assert missing > 0
    assert standing(rounds * wins, rounds * losses).decided
    assert not standing((rounds - 1) * wins, (rounds - 1) * losses).decided
    assert prompts_missing(losses, wins) == missing


def test_nothing_is_missing_once_it_is_decided_and_nothing_is_foreseen_of_equals():
    assert prompts_missing(8, 0) == 0 == prompts_missing(30, 5)
    # At n wins in a row, the votes are 2 ** n / (n + 1) times as likely: 20 times from the eighth on.
    assert prompts_missing(2, 0) == 6
    assert prompts_missing(0, 0) is None
    assert prompts_missing(4, 4) is None
    assert prompts_missing(5001, 5000) is None


def test_one_may_look_after_every_vote():
    """Of studies of equals that look after each of 300 votes, at most 5 % are ever decided."""
    rng = np.random.default_rng(3)
    wrong = fixed = 0
    for _ in range(200):
        votes = rng.random(300) < 0.5
        wins = np.cumsum(votes)
        wrong += any(standing(int(w), i + 1 - int(w)).decided for i, w in enumerate(wins))
        fixed += any(binomtest(int(w), i + 1).pvalue < 0.05 for i, w in enumerate(wins[:100]) if i % 10 == 9)
    assert wrong <= 12
    assert fixed > 2 * wrong
    assert standing(40, 10).decided
    assert not standing(6, 4).decided


def test_what_is_not_excluded_holds_the_share_and_narrows():
    few, many = standing(7, 3), standing(700, 300)
    for found in (few, many):
        assert found.low < 0.7 < found.high
    assert many.high - many.low < (few.high - few.low) / 3
    assert standing(0, 0) == (1.0, 0.0, 1.0, False)
    none = standing(0, 12)
    assert none.low == 0.0
    assert 0.1 < none.high < 0.5
    assert standing(12, 0).low == pytest.approx(1 - none.high, abs=1e-6)
    assert standing(60, 40).p_value == pytest.approx(standing(40, 60).p_value)
