import math

import pytest

from agentgym.errors import UsageError
from agentgym.rewards import Rubric
from agentgym.types import Rule, Task

TASK = Task("t", "p", "gold")


def right(task, answer):
    return answer == task.answer


def short(task, answer):
    return 0.5


def test_rubric_is_the_weighted_mean():
    verdict = Rubric({"right": right, "short": short}, {"right": 3.0})(TASK, "gold")
    assert verdict.score == pytest.approx((3.0 * 1.0 + 1.0 * 0.5) / 4.0)
    assert verdict.rules == (Rule("right", 1.0, 3.0), Rule("short", 0.5, 1.0))
    assert verdict.reason == "failed: short"


def test_rubric_scales():
    assert Rubric({"right": right}, scale=0.25)(TASK, "gold").score == 0.25


def test_rubric_clips():
    assert Rubric({"right": right}, scale=3.0)(TASK, "gold").score == 1.0
    rubric = Rubric({"right": right, "rude": short}, {"rude": -4.0}, clip=(-1.0, 1.0))
    assert rubric(TASK, "x").score == -1.0


def test_rubric_subtracts_a_penalty():
    rubric = Rubric({"right": right, "rude": short}, {"rude": -1.0})
    verdict = rubric(TASK, "gold")
    assert verdict.score == 0.5
    assert verdict.reason == "failed: rude"


def test_rubric_keeps_a_whole_rule():
    rule = Rule("own", 0.5, 2.0, "half of it")
    assert Rubric({"x": lambda task, answer: rule})(TASK, "").rules == (rule,)


def test_rubric_refuses_a_score_that_is_not_finite():
    with pytest.raises(ValueError, match="rule 'x' gave nan"):
        Rubric({"x": lambda task, answer: math.nan})(TASK, "")


def test_rubric_lets_a_broken_rule_raise():
    with pytest.raises(ZeroDivisionError):
        Rubric({"x": lambda task, answer: 1 / 0})(TASK, "")


@pytest.mark.parametrize(
    ("checks", "weights"),
    [({}, {}), ({"a": right}, {"a": 0.0}), ({"a": right}, {"a": -1.0}), ({"a": right}, {"b": 1.0})],
)
def test_rubric_refuses_weights_that_make_no_score(checks, weights):
    with pytest.raises(UsageError):
        Rubric(checks, weights)


def test_rubric_refuses_bounds_in_the_wrong_order():
    with pytest.raises(UsageError, match="clip"):
        Rubric({"a": right}, clip=(1.0, 0.0))


def test_rubric_weighs_a_whole_rule_as_it_is_told():
    whole = {"taste": lambda task, answer: Rule("taste", 0.5, 2.0, "liked"), "right": right}
    assert Rubric(whole)(TASK, "gold").rules[0].weight == 2.0
    verdict = Rubric(whole, {"taste": 3.0})(TASK, "gold")
    assert verdict.score == pytest.approx((3.0 * 0.5 + 1.0) / 4.0)
    assert verdict.reason == "taste 0.5 (liked)"


def test_rubric_names_what_failed_before_degrees():
    whole = {"taste": lambda task, answer: Rule("taste", 0.25, 1.0, "meh"), "right": right}
    assert Rubric(whole)(TASK, "x").reason == "failed: right; taste 0.25 (meh)"
