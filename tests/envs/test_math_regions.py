"""Sets of reals, whatever they are written as: each pair by hand."""

from __future__ import annotations

import pytest

from agentgym_envs.math import equivalent
from agentgym_envs.math.nodes import Unreadable
from agentgym_envs.math.parser import parse
from agentgym_envs.math.regions import integers_of, same_region

SAME = [
    ("x < 2", r"(-\infty, 2)"),
    (r"x \le 2", r"(-\infty, 2]"),
    ("2 > x", "x < 2"),
    ("1 < x < 3", "(1, 3)"),
    (r"3 > x \ge 1", "[1, 3)"),
    (r"x > 1 \text{ and } x < 3", "(1, 3)"),
    ("x > 1, x < 3", "(1, 3)"),
    (r"x < 1 \text{ or } x > 3", r"(-\infty, 1) \cup (3, \infty)"),
    ("x < 1, x > 3", r"(-\infty, 1) \cup (3, \infty)"),
    (r"x \ne 0", r"\mathbb{R} \setminus \{0\}"),
    (r"x \ne 0", r"(-\infty, 0) \cup (0, \infty)"),
    (r"x \ne \pm 1", r"\mathbb{R} \setminus \{-1, 1\}"),
    (r"\mathbb{R}", r"(-\infty, \infty)"),
    ("all real numbers", r"\mathbb{R}"),
    (r"x \in [1, 2]", "[1, 2]"),
    (r"\{x \mid x > 2\}", r"(2, \infty)"),
    (r"\{x \in \mathbb{R} : x > 2\}", r"(2, \infty)"),
    (r"\{t \mid t > 2\}", r"\{x \mid x > 2\}"),
    (r"[0, 1] \cup [1, 2]", "[0, 2]"),
    (r"[1, 2] \cup [0, 1]", "[0, 2]"),
    (r"(0, 2) \cap (1, 3)", "(1, 2)"),
    (r"[0, 2] \setminus \{1\}", r"[0, 1) \cup (1, 2]"),
    (r"(0, 1) \cup \{1\}", "(0, 1]"),
    (r"(0, 1) \cap (2, 3)", r"\emptyset"),
    ("x^2 < 4", "(-2, 2)"),
    (r"x^2 \le 0", r"\{0\}"),
    ("x^2 > -1", r"\mathbb{R}"),
    ("x^2 < -1", r"\emptyset"),
    ("x^3 > 2", r"x > \sqrt[3]{2}"),
    (r"(x-1)^2(x-3) \ge 0", r"\{1\} \cup [3, \infty)"),
    (r"\frac{1}{x} > 0", "x > 0"),
    (r"\frac{x-1}{x+2} \le 0", "(-2, 1]"),
    ("|x| < 2", "(-2, 2)"),
    (r"|x - 1| \ge 3", r"(-\infty, -2] \cup [4, \infty)"),
    ("|x-1| + |x+1| < 4", "(-2, 2)"),
    ("||x| - 1| < 2", "(-3, 3)"),
    ("2x + 1 > 5", "x > 2"),
    ("-2x < 4", "x > -2"),
    (r"x^2 < 2", r"(-\sqrt2, \sqrt2)"),
    (r"x < \pi", r"(-\infty, \pi)"),
    ("]1, 2[", "(1, 2)"),
    ("Union(Interval(0, 1), Interval(2, 3))", r"[0, 1] \cup [2, 3]"),
    ("Interval.open(-oo, 2)", "x < 2"),
]
OTHER = [
    ("x < 2", r"x \le 2"),
    ("x < 2", "x > 2"),
    ("x < 2", "y < 2"),
    ("(1, 3)", "[1, 3)"),
    ("(1, 3)", "(1, 4)"),
    (r"x > 1 \text{ or } x < 3", "(1, 3)"),
    (r"x < 1 \text{ and } x > 3", r"(-\infty, 1) \cup (3, \infty)"),
    (r"x \ne 0", r"\mathbb{R}"),
    (r"\{x \mid x \ge 2\}", r"(2, \infty)"),
    (r"(0, 1) \cup (1, 2)", "(0, 2)"),
    (r"[0, 1] \cup [2, 3]", "[0, 3]"),
    (r"\{0\}", r"\emptyset"),
    (r"x^2 \le 0", r"\emptyset"),
    (r"(x-1)^2(x-3) \ge 0", r"[3, \infty)"),
    (r"\frac{x-1}{x+2} \le 0", "[-2, 1]"),
    ("|x| > 2", "(-2, 2)"),
    (r"x^2 < 2", "(-1.41421356, 1.41421356)"),
    (r"(-\infty, 2)", r"(2, \infty)"),
    (r"(2, \infty]", r"(2, 5]"),
    ("{1, 2}", "[1, 2]"),
    ("5", "x > 4"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_same_set_is_accepted(left: str, right: str) -> None:
    assert equivalent(left, right)
    assert equivalent(right, left)


@pytest.mark.parametrize(("left", "right"), OTHER)
def test_other_set_is_refused(left: str, right: str) -> None:
    assert not equivalent(left, right)
    assert not equivalent(right, left)


def test_ends_follow_the_rules_of_numbers() -> None:
    assert equivalent(r"[0, \pi]", "[0, 3.14]")
    assert not equivalent("[0, 3.14]", r"[0, \pi]")


def test_half_planes_are_equal_up_to_a_positive_factor() -> None:
    assert equivalent("2x + 2y > 4", "x + y > 2")
    assert equivalent("2 < y + x", "x + y > 2")
    assert not equivalent("-x - y > -2", "x + y > 2")
    assert not equivalent(r"x + y \ge 2", "x + y > 2")


def test_integers_of_a_bounded_set() -> None:
    assert integers_of(parse(r"-1.5 < x \le 2")) == [-1, 0, 1, 2]
    assert integers_of(parse("x^2 < 2")) == [-1, 0, 1]
    assert integers_of(parse("x > 2")) is None
    assert integers_of(parse("0 < x < 10^9")) is None
    assert equivalent(r"\{x \in \mathbb{Z} \mid 1 \le x \le 3\}", r"\{1, 2, 3\}")
    assert not equivalent(r"\{x \in \mathbb{Z} \mid 1 \le x < 3\}", r"\{1, 2, 3\}")


@pytest.mark.parametrize("text", ["x", "5", "x + y < 2", "x^{41} > 1", r"\sin x > 0", "(2, 1)"])
def test_region_is_refused_where_it_is_none(text: str) -> None:
    with pytest.raises(Unreadable):
        same_region(parse(text), parse(r"\mathbb{R}"))
