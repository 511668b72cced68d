from __future__ import annotations

import math
from itertools import combinations
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.evaluate.statistics import (
    Interval,
    bounds,
    differences,
    ends,
    mean_interval,
    paired,
    pass_at_k,
    pass_hat_k,
    pass_interval,
    score_interval,
    spread,
    t_cdf,
    t_quantile,
    welch,
    wilson,
)
from agentgym.evaluate.student import t_power


@settings(deadline=None, max_examples=100)
@given(st.floats(-50, 50), st.floats(0.5, 2000))
def test_t_cdf_agrees_with_scipy(t: float, df: float) -> None:
    from scipy import stats

    assert t_cdf(t, df) == pytest.approx(stats.t.cdf(t, df), rel=1e-9, abs=1e-14)


@settings(deadline=None, max_examples=60)
@given(st.floats(1e-4, 1 - 1e-4), st.floats(1, 1000))
def test_t_quantile_agrees_with_scipy(p: float, df: float) -> None:
    from scipy import stats

    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-8, abs=1e-10)


def test_t_cdf_is_a_half_at_zero_and_one_at_infinity() -> None:
    assert t_cdf(0.0, 3) == pytest.approx(0.5)
    assert (t_cdf(math.inf, 3), t_cdf(-math.inf, 3)) == (1.0, 0.0)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.5])
def test_t_quantile_refuses_what_is_no_probability(p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        t_quantile(p, 3)


def test_mean_interval_of_three_tasks_by_hand() -> None:
    # mean 0.5, sample std 0.5, t(0.975, 2) = 4.302653: half width 4.302653 * 0.5 / sqrt(3)
    interval = mean_interval([0.0, 0.5, 1.0])
    assert interval.mean == 0.5
    assert interval.high - 0.5 == pytest.approx(1.242069, abs=1e-5)
    assert 0.5 - interval.low == pytest.approx(1.242069, abs=1e-5)


def test_mean_interval_of_one_task_is_unbounded() -> None:
    interval = mean_interval([0.7])
    assert (interval.mean, interval.low, interval.high) == (0.7, -math.inf, math.inf)


def test_mean_interval_of_no_task_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one task"):
        mean_interval([])


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.data())
def test_wilson_agrees_with_scipy(n: int, data: st.DataObject) -> None:
    from scipy import stats

    c = data.draw(st.integers(0, n))
    expected = stats.binomtest(c, n).proportion_ci(0.95, method="wilson")
    interval = wilson(c, n)
    assert interval.low == pytest.approx(expected.low, abs=1e-9)
    assert interval.high == pytest.approx(expected.high, abs=1e-9)


def test_pass_at_k_by_hand() -> None:
    # 4 rollouts, 1 success, 2 tries: 1 - C(3,2)/C(4,2) = 1 - 3/6
    assert pass_at_k(4, 1, 2) == 0.5
    assert pass_at_k(4, 1, 1) == 0.25
    assert pass_at_k(4, 3, 2) == 1.0
    assert pass_at_k(4, 0, 4) == 0.0


def test_pass_at_k_refuses_more_tries_than_rollouts() -> None:
    with pytest.raises(ValueError, match="k <= n"):
        pass_at_k(2, 1, 3)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans(), min_size=1, max_size=7), st.data())
def test_pass_at_k_and_pass_hat_k_are_means_over_all_ways_to_pick_k(
    solved: list[bool], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(solved)))
    picks = list(combinations(solved, k))
    n, c = len(solved), sum(solved)
    assert pass_at_k(n, c, k) == pytest.approx(fmean(any(pick) for pick in picks), abs=1e-12)
    assert pass_hat_k(n, c, k) == pytest.approx(fmean(all(pick) for pick in picks), abs=1e-12)


def test_pass_hat_k_refuses_more_successes_than_rollouts() -> None:
    with pytest.raises(ValueError, match=r"pass\^k needs"):
        pass_hat_k(2, 3, 1)


def test_pass_interval_takes_only_tasks_with_k_rollouts() -> None:
    # of a: 1 - C(2,2)/C(3,2) = 2/3; of b: 0; c has one rollout
    found = pass_interval({"a": [1.0, 0.0, 0.0], "b": [0.0, 0.5], "c": [1.0]}, 2)
    assert found is not None
    assert found.mean == pytest.approx(1 / 3)
    assert found.low >= 0.0
    assert found.high <= 1.0


def test_pass_interval_at_one_is_the_interval_of_the_score() -> None:
    scores = {"a": [1.0, 0.0, 0.0], "b": [0.0, 1.0], "c": [1.0]}
    assert pass_interval(scores, 1) == score_interval(scores)
    assert pass_interval(scores, 1, pass_hat_k) == score_interval(scores)


def test_pass_interval_of_all_rollouts_has_a_trial_a_task() -> None:
    scores = {"a": [1.0, 0.0], "b": [1.0, 1.0], "c": [0.0, 0.0]}
    assert pass_interval(scores, 2) == wilson(2, 3)
    assert pass_interval(scores, 2, pass_hat_k) == wilson(1, 3)


def test_pass_interval_is_unbounded_for_one_task_and_none_without() -> None:
    assert pass_interval({"a": [1.0]}, 1) == Interval(1.0, -math.inf, math.inf)
    assert pass_interval({"a": [1.0]}, 2) is None


def test_score_interval_of_one_binary_rollout_a_task_is_wilsons() -> None:
    scores = {"a": [1.0], "b": [0.0], "c": [1.0], "gone": []}
    assert score_interval(scores) == wilson(2, 3)


def test_score_interval_of_binary_rollouts_by_hand() -> None:
    # Task means 1, 0.5, 0, 0.5: mean 0.5, s^2 = 1/6, so 0.25 / (1/24) = 6 effective trials of the
    # 8; t(0.975, 3) = 3.182446; q^2 = 10.127965, centre 0.5,
    # half = q / (1 + q^2 / 6) * sqrt(0.25 / 6 + q^2 / 144)
    scores = {"a": [1.0, 1.0], "b": [1.0, 0.0], "c": [0.0, 0.0], "d": [0.0, 1.0]}
    found = score_interval(scores)
    half = 3.182446 / (1 + 10.127965 / 6) * math.sqrt(0.25 / 6 + 10.127965 / 144)
    assert found.mean == 0.5
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)


def test_score_interval_counts_at_most_every_rollout() -> None:
    # Task means 0.5, 0.5, 0.5, 0.25 differ by less than chance: 4 tasks x 4 rollouts, 16 trials.
    scores = {name: [1.0, 1.0, 0.0, 0.0] for name in "abc"} | {"d": [1.0, 0.0, 0.0, 0.0]}
    found = score_interval(scores)
    p, q = 0.4375, t_quantile(0.975, 3)
    half = q / (1 + q * q / 16) * math.sqrt(p * (1 - p) / 16 + q * q / (4 * 16 * 16))
    assert (found.high - found.low) / 2 == pytest.approx(half)


@pytest.mark.parametrize("rollouts", [[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
def test_score_interval_has_a_width_where_all_tasks_agree(rollouts: list[float]) -> None:
    found = score_interval({str(n): rollouts for n in range(20)})
    assert found.high - found.low > 0.1
    assert 0.0 <= found.low <= found.mean <= found.high <= 1.0


def test_score_interval_of_parts_is_t_over_task_means() -> None:
    scores = {"a": [0.2, 0.4], "b": [0.9], "c": [1.0, 0.5]}
    assert score_interval(scores) == mean_interval([fmean(row) for row in scores.values()])


def test_score_interval_of_parts_that_agree_is_wilsons_with_a_trial_a_task() -> None:
    scores = {"a": [0.2, 0.4], "b": [0.3], "c": [0.5, 0.1], "d": [0.3], "e": [0.3]}
    found = score_interval(scores)
    assert (found.low, found.high) == pytest.approx(_wilson_of(0.3, 5))


def _wilson_of(p: float, n: int) -> tuple[float, float]:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(p * n, n, method="wilson")
    return float(low), float(high)


def test_score_interval_is_unbounded_where_nothing_is_known() -> None:
    assert score_interval({"a": [1.0, 0.0]}) == Interval(0.5, -math.inf, math.inf)
    assert score_interval({"a": [3.0], "b": [3.0]}) == Interval(3.0, -math.inf, math.inf)
    with pytest.raises(ValueError, match="at least one task"):
        score_interval({"a": []})


def test_spread_knows_rounding_from_variation() -> None:
    assert spread([0.1 + 0.2, 0.3]) == 0.0
    assert spread([0.3, 0.3000001]) > 0.0


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.data())
def test_wilson_agrees_with_statsmodels(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    found = wilson(c, n)
    assert (found.low, found.high) == pytest.approx(_wilson_of(c / n, n), abs=1e-10)


@pytest.mark.parametrize("df", [1, 2, 5, 49, 500])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_t_power_agrees_with_scipys_noncentral_t(df: int, alpha: float) -> None:
    from scipy import stats

    critical = stats.t.ppf(1 - alpha / 2, df)
    for shift in (0.0, 0.5, 2.8, 5.0):
        tails = stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift)
        assert t_power(shift, df, alpha) == pytest.approx(tails, abs=1e-10)


# Who wins how often: tasks, rollouts, and the Beta distribution of a task's chance of success.
_CLUSTERS = [(100, 1, 3.0, 7.0), (40, 4, 1.0, 1.0), (30, 8, 0.5, 2.0), (200, 4, 0.2, 3.0)]


def _played(tasks: int, rollouts: int, a: float, b: float) -> list[dict[str, list[float]]]:
    """Simulate 1,500 evaluations."""
    rng = np.random.default_rng(5)
    chances = rng.beta(a, b, (1500, tasks, 1))
    results = (rng.random((1500, tasks, rollouts)) < chances).astype(float).tolist()
    return [{str(n): row for n, row in enumerate(run)} for run in results]


def _coverage(intervals: list[Interval], truth: float) -> float:
    return fmean(found.low <= truth <= found.high for found in intervals)


@pytest.mark.parametrize(("tasks", "rollouts", "a", "b"), _CLUSTERS)
def test_score_interval_covers_what_it_says(tasks: int, rollouts: int, a: float, b: float) -> None:
    runs = _played(tasks, rollouts, a, b)
    assert 0.93 <= _coverage([score_interval(run) for run in runs], a / (a + b)) <= 0.97


def test_score_interval_of_parts_covers_what_it_says() -> None:
    rng = np.random.default_rng(6)
    means = rng.beta(2.0, 3.0, (1500, 30)).tolist()  # a score of a task that is no 0 or 1
    runs = [{str(n): [score] for n, score in enumerate(run)} for run in means]
    assert 0.93 <= _coverage([score_interval(run) for run in runs], 0.4) <= 0.97


def test_rollouts_counted_as_independent_would_cover_far_too_little() -> None:
    runs = _played(40, 4, 1.0, 1.0)
    solved = [int(sum(map(sum, run.values()))) for run in runs]
    assert _coverage([wilson(count, 160) for count in solved], 0.5) < 0.85


@pytest.mark.parametrize(("k", "truth"), [(2, 2 / 3), (3, 3 / 4)])
def test_pass_interval_covers_what_it_says(k: int, truth: float) -> None:
    # E[1 - (1 - p)^k] = k / (k + 1) for p uniform
    found = [pass_interval(run, k) for run in _played(40, 4, 1.0, 1.0)]
    assert 0.93 <= _coverage([row for row in found if row], truth) <= 0.97


def test_paired_covers_what_it_says() -> None:
    rng = np.random.default_rng(7)
    chances = rng.beta(1.0, 1.0, (1500, 50, 1))
    sides = [
        (rng.random((1500, 50, 4)) < np.clip(chances * scale, 0, 1)).astype(float).tolist()
        for scale in (0.6, 0.9)  # the truth: 0.9 / 2 - 0.6 / 2
    ]
    found = []
    for before, after in zip(*sides, strict=True):
        one, two = ({str(n): row for n, row in enumerate(side)} for side in (before, after))
        result = paired(one, two)
        found.append(Interval(result.mean, result.low, result.high))
    assert 0.93 <= _coverage(found, 0.15) <= 0.97


def test_differences_are_those_of_task_means_that_both_sides_have() -> None:
    before = {"a": [0.0, 1.0], "b": [1.0], "c": [1.0], "d": []}
    after = {"a": [1.0], "b": [], "c": [0.0, 0.5], "e": [1.0]}
    assert differences(before, after) == {"a": 0.5, "c": -0.75}


def test_welch_agrees_with_scipy() -> None:
    from scipy import stats

    one, two = [0.1, 0.5, 0.9, 0.4], [0.8, 0.7, 1.0, 0.9, 0.6, 0.95]
    test = stats.ttest_ind(two, one, equal_var=False)
    bounds = test.confidence_interval(0.95)
    found = welch(one, two)
    assert found.p == pytest.approx(test.pvalue, rel=1e-10)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high), rel=1e-10)


def test_welch_refuses_a_single_task() -> None:
    with pytest.raises(ValueError, match="two values a side"):
        welch([1.0], [0.0, 1.0])


def test_paired_agrees_with_scipy_on_task_means() -> None:
    from scipy import stats

    before = {"a": [0.0, 1.0], "b": [0.0, 0.0], "c": [1.0, 1.0], "d": [0.0, 0.0]}
    after = {"a": [1.0, 1.0], "b": [1.0, 0.0], "c": [1.0, 0.0], "d": [1.0, 1.0]}
    result = paired(before, after)
    test = stats.ttest_rel([1.0, 0.5, 0.5, 1.0], [0.5, 0.0, 1.0, 0.0])
    interval = test.confidence_interval(0.95)
    assert (result.mean, result.tasks) == (0.375, 4)
    assert result.p == pytest.approx(test.pvalue)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))


def test_paired_leaves_out_tasks_that_one_side_did_not_score() -> None:
    result = paired({"a": [0.0], "b": [], "c": [1.0]}, {"a": [1.0], "b": [1.0], "d": [1.0]})
    assert (result.tasks, result.mean) == (1, 1.0)


def test_paired_of_equal_sides_has_p_one() -> None:
    same = {"a": [1.0], "b": [0.0]}
    assert paired(same, same).p == 1.0


def test_paired_without_a_shared_task_is_refused() -> None:
    with pytest.raises(ValueError, match="both sides"):
        paired({"a": [1.0]}, {"b": [1.0]})


def test_infinite_ends_are_none_one_by_one_or_both() -> None:
    half = Interval(0.5, 0.25, math.inf)
    assert (ends(half), bounds(half)) == ([0.25, None], None)
    whole = Interval(0.5, 0.25, 0.75)
    assert (ends(whole), bounds(whole)) == ([0.25, 0.75], [0.25, 0.75])
