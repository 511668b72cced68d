"""Answers that are words: texts, numbers in words, options, times of day."""

from __future__ import annotations

import pytest
from flint import fmpq

from agentgym_envs.math import equivalent
from agentgym_envs.math.words import (
    canonical,
    clock,
    leading_number,
    letters,
    number_in_words,
    option,
    phrase,
    same_words,
)

NUMBERS = [
    ("five", fmpq(5)),
    ("zero", fmpq(0)),
    ("twenty-one", fmpq(21)),
    ("twenty one", fmpq(21)),
    ("one hundred and five", fmpq(105)),
    ("two thousand three hundred", fmpq(2300)),
    ("one million", fmpq(10**6)),
    ("minus three", fmpq(-3)),
    ("negative three", fmpq(-3)),
    ("one half", fmpq(1, 2)),
    ("two thirds", fmpq(2, 3)),
    ("three quarters", fmpq(3, 4)),
]


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_number_in_words_is_read(text: str, value: fmpq) -> None:
    number = number_in_words(text)
    assert number is not None
    assert number.value == value
    assert equivalent(text, str(value))
    assert not equivalent(text, str(value + 1))


@pytest.mark.parametrize("text", ["", "apples", "five apples", "one of them", "5", "fivety"])
def test_number_in_words_is_nothing_else(text: str) -> None:
    assert number_in_words(text) is None


def test_leading_number_leaves_the_rest() -> None:
    found = leading_number("forty two percent")
    assert found is not None
    assert (found[0].value, found[1]) == (42, "percent")
    assert leading_number("percent") is None


TEXTS = [
    ("Monday", "monday"),
    (r"\text{Monday}", "Monday"),
    ("the red team", "Red team"),
    ("Red team.", "red team"),
    ("red-team", "red team"),
    ("  red   team ", "red team"),
    ("**red team**", "red team"),
    ("none", "no solution"),
    ("No solutions", r"\emptyset"),
    (r"\varnothing", r"\{\}"),
    ("DNE", "does not exist"),
    ("undefined", "DNE"),
    ("infinity", r"\infty"),
    ("all reals", r"\mathbb{R}"),
    ("infinitely many solutions", "infinitely many"),
]
OTHER_TEXTS = [
    ("Tuesday", "Monday"),
    ("team red", "red team"),
    ("team", "red team"),
    ("not red", "red"),
    ("red or blue", "red"),
    ("yes", "true"),
    ("yes", "no"),
    ("no solution", "0"),
    ("no solution", r"\infty"),
    ("DNE", "no solution"),
    ("DNE", r"\infty"),
    ("infinitely many", r"\infty"),
    ("CAB", "ABC"),
    ("a", "b"),
    ("monday", ""),
]


@pytest.mark.parametrize(("left", "right"), TEXTS)
def test_same_text_is_accepted(left: str, right: str) -> None:
    assert equivalent(left, right)
    assert equivalent(right, left)


@pytest.mark.parametrize(("left", "right"), OTHER_TEXTS)
def test_other_text_is_refused(left: str, right: str) -> None:
    assert not equivalent(left, right)
    assert not equivalent(right, left)


def test_canonical_keeps_signs_and_symbols() -> None:
    assert canonical(r"The \text{Red}, team!") == "red team"
    assert canonical("a") == "a"
    assert canonical("-5 x") != canonical("5 x")
    assert same_words("The cat", "cat")
    assert not same_words("x+y", "y+x")


def test_phrase_is_the_value_that_words_name() -> None:
    assert phrase("There is no solution") == phrase("empty set") is not None
    assert phrase("all real numbers") != phrase("no solution")
    assert phrase("Monday") is None


OPTIONS = ["B", "b", "(B)", "B.", "B)", "[B]", "(b)", r"\text{B}", r"\textbf{(B)}", "B) 42",
           "B: 42", "option B", "The correct answer is B"]  # fmt: skip


@pytest.mark.parametrize("answer", OPTIONS)
def test_option_is_its_letter(answer: str) -> None:
    assert option(answer) == "B"
    assert equivalent(answer, "B")
    assert equivalent(answer, "(B)")
    assert not equivalent(answer, "C")


@pytest.mark.parametrize(
    "answer", ["A", "A) 42", "42", "A or B", "B or C", "A, B", "BC", "ab", "not B", "B/C", "", "8"]
)
def test_option_is_no_other_letter(answer: str) -> None:
    assert not equivalent(answer, "B")


def test_letters_are_a_set() -> None:
    assert letters("A, C and D") == frozenset("ACD")
    assert letters("ACD") == frozenset("ACD")
    assert letters("A") is None
    assert letters("CAB") is None
    assert equivalent("C and A", "A, C")
    assert not equivalent("A, B", "A, C")
    assert not equivalent("A", "A, C")
    assert not equivalent("A, B, C", "A, C")


CLOCKS = [
    ("2:30 PM", (14 * 3600 + 30 * 60, True)),
    ("2:30 p.m.", (14 * 3600 + 30 * 60, True)),
    ("14:30", (14 * 3600 + 30 * 60, True)),
    ("2:30", (2 * 3600 + 30 * 60, False)),
    ("12 AM", (0, True)),
    ("12:00 PM", (12 * 3600, True)),
    ("noon", (12 * 3600, True)),
    ("midnight", (0, True)),
    ("2:30:15 AM", (2 * 3600 + 30 * 60 + 15, True)),
]


@pytest.mark.parametrize(("text", "time"), CLOCKS)
def test_clock_is_read(text: str, time: tuple[int, bool]) -> None:
    assert clock(text) == time


@pytest.mark.parametrize("text", ["2", "2:60 PM", "25:00", "13 PM", "2:3", "PM", "x:30", "0 AM"])
def test_clock_is_nothing_else(text: str) -> None:
    assert clock(text) is None


def test_times_of_day_are_compared() -> None:
    assert equivalent("14:30", "2:30 PM")
    assert equivalent("2:30 PM", "2:30")
    assert equivalent("noon", "12:00 PM")
    assert not equivalent("2:30 AM", "2:30 PM")
    assert not equivalent("2:31 PM", "2:30 PM")
    assert not equivalent("noon", "midnight")
