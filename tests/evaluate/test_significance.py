from __future__ import annotations

import math
from itertools import product
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.evaluate.statistics import holm, minimum_detectable, paired, sign_flip


def _enumerated(values: list[float]) -> float:
    seen = abs(sum(values))
    flips = product((1, -1), repeat=len(values))
    return fmean(
        abs(sum(sign * v for sign, v in zip(flip, values, strict=True))) >= seen - 1e-9
        for flip in flips
    )


def test_sign_flip_by_hand() -> None:
    # of the 8 settings of 3 ones, only +++ and --- reach a sum of 3
    assert sign_flip([1.0, 1.0, 1.0]) == 0.25
    # 1 + 1 - 1: every setting reaches 1
    assert sign_flip([1.0, -1.0, 1.0]) == 1.0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([-1.0, -2 / 3, -0.25, 0.0, 1 / 3, 0.75, 1.0]), max_size=9))
def test_sign_flip_counts_shares_as_enumeration_does(values: list[float]) -> None:
    assert sign_flip(values) == pytest.approx(_enumerated(values), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-3, 3).map(lambda x: round(x, 7)), max_size=9))
def test_sign_flip_counts_any_numbers_as_enumeration_does(values: list[float]) -> None:
    assert sign_flip(values) == pytest.approx(_enumerated(values), abs=1e-12)


def test_sign_flip_of_many_tasks_agrees_with_the_binomial_test() -> None:
    # McNemar's exact test: 30 tasks won, 15 lost, 155 the same
    from scipy import stats

    p = stats.binomtest(30, 45).pvalue
    assert sign_flip([1.0] * 30 + [-1.0] * 15 + [0.0] * 155) == pytest.approx(p, rel=1e-12)


def test_sign_flip_by_draws_agrees_with_scipy() -> None:
    from scipy import stats

    values = np.random.default_rng(1).normal(0.25, 1.0, 60)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=2
    )
    found = sign_flip(values.tolist())
    assert found == pytest.approx(theirs.pvalue, abs=0.01)
    assert found == sign_flip(values.tolist())


def test_sign_flip_by_draws_is_never_zero() -> None:
    values = np.random.default_rng(1).normal(5.0, 1.0, 60).tolist()
    assert sign_flip(values, draws=99) == 0.01


def test_sign_flip_of_equal_policies_is_below_five_percent_in_at_most_five_percent() -> None:
    rng = np.random.default_rng(3)
    chances = rng.beta(0.5, 0.5, (1000, 20, 1))
    sides = [(rng.random((1000, 20, 4)) < chances).mean(axis=2) for _ in range(2)]
    found = [sign_flip(row.tolist()) for row in sides[1] - sides[0]]
    assert 0.02 <= fmean(p < 0.05 for p in found) <= 0.06


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.03, 0.04: 3 * 0.01, 2 * 0.03, then not below what went before
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []


def test_holm_agrees_with_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(8)
    for count in (1, 2, 7, 30):  # few, because each of theirs collects garbage
        p_values = (rng.random(count) ** 3).round(2).tolist()  # with ties
        theirs = multipletests(p_values, method="holm")[1]
        assert holm(p_values) == pytest.approx(list(theirs), abs=1e-12)


@pytest.mark.parametrize("tasks", [4, 10, 100])
@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.02, 0.9)])
def test_minimum_detectable_agrees_with_statsmodels(tasks: int, alpha: float, power: float) -> None:
    from statsmodels.stats.power import TTestPower

    found = minimum_detectable(0.5, tasks, alpha=alpha, power=power)
    theirs = TTestPower().power(found / 0.5, tasks, alpha, alternative="two-sided")
    assert theirs == pytest.approx(power, abs=1e-9)


def test_minimum_detectable_is_found_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    effect = minimum_detectable(0.5, 25)
    runs = rng.normal(effect, 0.5, (1000, 25)).tolist()
    same = {str(n): [0.0] for n in range(25)}
    found = [paired(same, {str(n): [v] for n, v in enumerate(run)}).p < 0.05 for run in runs]
    assert fmean(found) == pytest.approx(0.8, abs=0.04)


def test_minimum_detectable_of_one_task_is_infinite() -> None:
    assert minimum_detectable(0.5, 1) == math.inf


def test_minimum_detectable_refuses_a_power_below_the_level() -> None:
    with pytest.raises(ValueError, match="alpha < power"):
        minimum_detectable(0.5, 10, alpha=0.05, power=0.01)
