from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.evaluate.statistics import (
    mean_interval,
    paired,
    pass_at_k,
    t_cdf,
    t_quantile,
    wilson,
)


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
