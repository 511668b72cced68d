"""The same number, the same function: proofs by balls, agreement at enough points."""

from __future__ import annotations

import pytest

from agentgym_envs.math.identity import compare, constant, proportional, same, variables
from agentgym_envs.math.parser import parse

EQUAL_NUMBERS = [
    (r"\sqrt2+\sqrt3", r"\sqrt{5+2\sqrt6}"),
    (r"\sqrt[3]{2+\sqrt5}+\sqrt[3]{2-\sqrt5}", "1"),
    (r"\frac{1+\sqrt5}{2}", r"2\cos\frac{\pi}{5}"),
    (r"4\arctan\frac15-\arctan\frac1{239}", r"\frac{\pi}{4}"),
    (r"\ln 8", r"3\ln 2"),
    (r"\log_4 8", r"\frac32"),
    (r"e^{i\pi}", "-1"),
    (r"i^i", r"e^{-\pi/2}"),
    (r"\sin\frac{\pi}{12}", r"\frac{\sqrt6-\sqrt2}{4}"),
    ("301!/300!", "301"),
    ("2^{7000}", r"4^{3500}"),
    (r"\frac{10^{2000}}{10^{1999}}", "10"),
]
DIFFERENT_NUMBERS = [
    (r"e^{\pi\sqrt{163}}", "262537412640768744"),  # by 7.5e-13
    (r"\frac{\ln(640320^3+744)}{\sqrt{163}}", r"\pi"),  # alike to 30 digits
    (r"\sqrt2+\sqrt3", r"\pi"),
    (r"\sqrt{10^{80}+1}", "10^{40}"),
    ("2^{70000}", "2^{70000}+1"),
    ("3001!", "3001!+1"),
    (r"\sin(10^{30})", "0"),
    ("1+10^{-4000}", "1"),
    (r"\sqrt{-4}", "2"),
    (r"\sin 1", r"\sin 1^\circ"),
]


@pytest.mark.parametrize(("left", "right"), EQUAL_NUMBERS)
def test_compare_finds_equal_numbers(left: str, right: str) -> None:
    assert compare(parse(left), parse(right)) == 0
    assert compare(parse(right), parse(left)) == 0


@pytest.mark.parametrize(("left", "right"), DIFFERENT_NUMBERS)
def test_compare_tells_numbers_apart(left: str, right: str) -> None:
    assert compare(parse(left), parse(right)) != 0
    assert compare(parse(right), parse(left)) != 0


def test_compare_orders() -> None:
    assert compare(parse("1/3"), parse("0.34")) == -1
    assert compare(parse(r"\pi"), parse("3.14")) == 1
    assert compare(parse(r"\sqrt2"), parse("1.4142135623730950488")) == 1
    assert compare(parse("1+i"), parse("2+i")) in (None, -1)


@pytest.mark.parametrize("text", ["1/0", "0/0", r"\ln 0", "oo"])
def test_compare_decides_nothing_without_a_value(text: str) -> None:
    assert compare(parse(text), parse("1")) is None
    assert compare(parse(text), parse(text)) is None


EQUAL_FUNCTIONS = [
    ("(x+1)^2", "x^2+2x+1"),
    ("(x-y)(x+y)", "x^2-y^2"),
    (r"\frac{x^2-1}{x-1}", "x+1"),
    (r"\sin^2 x+\cos^2 x", "1"),
    (r"\sin 2x", r"2\sin x\cos x"),
    (r"\tan\frac{x}{2}", r"\frac{1-\cos x}{\sin x}"),
    (r"\sqrt{x^2}", "|x|"),
    (r"\ln(xy)", r"\ln x+\ln y"),
    (r"e^{\ln x}", "x"),
    (r"\frac{1}{x(x+1)}", r"\frac1x-\frac{1}{x+1}"),
    ("(x+y)^{20}", "(y+x)^{20}"),
    (r"\arcsin x+\arccos x", r"\frac{\pi}{2}"),
    (r"\binom{n}{2}", "n(n-1)/2"),
    ("(n+1)!", r"(n+1) n!"),
    (r"\begin{cases} x & x \ge 0 \\ -x & x < 0 \end{cases}", "|x|"),
    (r"\max(x, -x)", "|x|"),
]
DIFFERENT_FUNCTIONS = [
    ("x", "y"),
    ("x_1", "x_2"),
    ("x^2", "x^2+10^{-20}"),
    (r"\sqrt{x^2}", "x"),
    ("|x|", "x"),
    (r"\lfloor x \rfloor", r"\lceil x \rceil"),
    (r"\sin^2 x-\cos^2 x", "1"),
    (r"\cos 2x", r"1-\sin^2 x"),
    (r"\log x", r"\ln x"),
    ("x(x-1)(x-2)(x-3)", "0"),
    (r"\frac{1}{x-x}", r"\frac{1}{x-x}+1"),
    (r"\sin(\pi n)", "1"),
    (r"\begin{cases} x & x \ge 0 \\ -x & x < 0 \end{cases}", "x"),
    (r"\begin{cases} 1 & x \ge 0 \\ 0 & x < 0 \end{cases}",
     r"\begin{cases} 1 & x > 0 \\ 0 & x \le 0 \end{cases}"),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), EQUAL_FUNCTIONS)
def test_same_finds_equal_functions(left: str, right: str) -> None:
    assert same(parse(left), parse(right))
    assert same(parse(right), parse(left))


@pytest.mark.parametrize(("left", "right"), DIFFERENT_FUNCTIONS)
def test_same_tells_functions_apart(left: str, right: str) -> None:
    assert not same(parse(left), parse(right))
    assert not same(parse(right), parse(left))


def test_same_needs_points_where_both_are_defined() -> None:
    """The logarithm of a negative square is real nowhere: agreement there says nothing."""
    assert not same(parse(r"\ln(-1-x^2)"), parse(r"\ln(-2-x^2)"))
    assert not same(parse(r"\frac{x}{0}"), parse(r"\frac{2x}{0}"))


def test_proportional_is_up_to_a_factor() -> None:
    assert proportional(parse("2x+4y-6"), parse("x+2y-3"))
    assert proportional(parse("x-1"), parse("1-x"))
    assert not proportional(parse("x-1"), parse("1-x"), positive=True)
    assert not proportional(parse("x-1"), parse("(x-1)^2"))
    assert not proportional(parse("2x+4y-3"), parse("x+2y-3"))
    assert not proportional(parse("x"), parse("0x"))


def test_variables_are_letters_without_a_value() -> None:
    assert variables(parse(r"x + \pi e + y_1 i")) == {"x", "y_1"}
    assert variables(parse("x+4j")) == {"x", "j"}


def test_constant_is_finite_and_has_no_letters() -> None:
    assert constant(parse(r"\sqrt2 + i"))
    assert not constant(parse("x - x"))
    assert not constant(parse("1/0"))
    assert not constant(parse(r"\{1\}"))
