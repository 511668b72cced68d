"""Accuracy and calibration on small tables, by hand."""

from __future__ import annotations

import math

import pytest

from agentgym.evaluate.statistics import wilson
from agentgym.evaluate.student import t_quantile
from agentgym.rewardmodel.calibration import accuracy, calibration, probability

SIX, NINE = math.log(0.6 / 0.4), math.log(0.9 / 0.1)  # margins whose sigmoid is 0.6 and 0.9


def test_probability_does_not_overflow() -> None:
    assert probability(0.0) == 0.5
    assert probability(SIX) == pytest.approx(0.6)
    assert (probability(1e4), probability(-1e4)) == (1.0, 0.0)


def test_calibration_by_hand() -> None:
    # Four pairs at 0.6, of which two came so; two at 0.9, of which both did.
    found = calibration([SIX, SIX, -SIX, -SIX, NINE, NINE], bins=2)
    low, high = found.table
    assert (low.low, low.high, low.pairs, high.low, high.high, high.pairs) == (
        *(0.5, 0.75, 4),
        *(0.75, 1.0, 2),
    )
    assert (low.predicted, low.observed) == pytest.approx((0.6, 0.5))
    assert (high.predicted, high.observed) == pytest.approx((0.9, 1.0))
    assert low.ci95 == (wilson(2, 4).low, wilson(2, 4).high)
    assert found.error == pytest.approx((4 * 0.1 + 2 * 0.1) / 6)
    loss = -(2 * math.log(0.6) + 2 * math.log(0.4) + 2 * math.log(0.9)) / 6
    assert found.log_loss == pytest.approx(loss)


def test_calibration_of_a_calibrated_model_is_zero() -> None:
    assert calibration([SIX] * 6 + [-SIX] * 4).error == pytest.approx(0.0)


def test_calibration_of_an_undecided_model() -> None:
    found = calibration([0.0, 0.0], bins=2)
    assert (found.table[0].observed, found.error) == (0.5, 0.0)
    assert found.table[1].pairs == 0
    assert found.table[1].observed is None


def test_calibration_of_a_certain_model_is_in_the_last_bin() -> None:
    found = calibration([1e3, -1e3], bins=10)
    assert found.table[9].pairs == 2
    assert found.error == pytest.approx(0.5)
    assert found.log_loss == pytest.approx(500.0)


def test_calibration_needs_a_pair() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        calibration([])


def test_accuracy_of_independent_pairs_has_wilsons_interval() -> None:
    assert accuracy([1.0, 2.0, 0.0, -1.0], ["a", "b", "c", "d"]) == wilson(2, 4)


def test_accuracy_of_pairs_of_one_prompt_is_taken_over_prompts() -> None:
    # Prompt a: 2 of 2; b: 0 of 1; c: 1 of 2. Each prompt counts once; they are worth 3 trials:
    # p (1 - p) / (s^2 / 3) with p = s = 1/2.
    found = accuracy([1.0, 1.0, -1.0, 1.0, -1.0], ["a", "a", "b", "c", "c"])
    assert found.mean == 0.5
    square = t_quantile(0.975, 2) ** 2
    assert found.high - found.mean == pytest.approx(0.5 * (square / (3 + square)) ** 0.5)


def test_accuracy_without_an_error_is_not_certain() -> None:
    found = accuracy([1.0] * 6, ["a", "a", "b", "b", "c", "c"])
    assert found.mean == found.high == 1.0
    assert 0.1 < found.low < 0.2  # three prompts
