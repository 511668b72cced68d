from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym_envs.math import equivalent

SAME = [
    ("33", "33"),
    ("33.", "33"),
    (" 33 ", "33"),
    ("+33", "33"),
    ("-0", "0"),
    ("- 7", "-7"),
    ("\N{MINUS SIGN}7", "-7"),
    ("007", "7"),
    ("33.0", "33"),
    (".5", "0.5"),
    ("0.50", "1/2"),
    ("1/2", "2/4"),
    ("-1/2", "1/-2"),
    (r"\frac12", "0.5"),
    (r"\frac{1}{2}", "0.5"),
    (r"-\dfrac{3}{4}", "-0.75"),
    (r"\frac{-3}{4}", "-3/4"),
    (r"1\frac{1}{2}", "3/2"),
    ("1 1/2", "1.5"),
    ("1,234,567", "1234567"),
    ("1{,}234", "1234"),
    (r"1\,234", "1234"),
    ("1,234.50", "1234.5"),
    ("50%", "0.5"),
    (r"50\%", "50%"),
    ("1.5e3", "1500"),
    (r"1.5 \times 10^{3}", "1500"),
    (r"2\cdot10^{-2}", "0.02"),
    ("$42$", "42"),
    (r"\(42\)", "42"),
    (r"\text{42}", "42"),
    (r"\boxed{42}", "42"),
    ("(42)", "42"),
    ("**42**", "42"),
    (r"\$12", "12"),
    ("$12", "12"),
    (r"$\$12$", "12"),
    ("-$12", "-12"),
    (r"12\text{ apples}", "12"),
    ("12 cm", "12 cm"),
    ("12", "12 cm"),
    (r"90^\circ", "90"),
    ("x = 5", "5"),
    ("\N{FULLWIDTH DIGIT FIVE}", "5"),
    ("Monday", "monday"),
    (r"\text{Monday}", "Monday"),
    ("(A)", "A"),
    ("x + 1", "x+1"),
    (r"\left(1, 2\right)", "(1,2)"),
]

DIFFERENT = [
    ("33", "34"),
    ("33", "-33"),
    ("", ""),
    ("", "0"),
    ("nan", "nan"),
    ("NaN", "NaN"),
    ("-nan", "-nan"),
    ("1/0", "0"),
    ("6=5", "5"),
    ("1 or 2", "1"),
    ("1, 2", "1"),
    ("1,2", "12"),
    ("1 2", "12"),
    ("2²", "22"),
    ("12 thousand", "12"),
    ("5ab", "5"),
    (r"5\pi", "5"),
    ("5 cm", "5 kg"),
    ("1,23", "123"),
    ("CAB", "ABC"),
    (r"\infty", r"-\infty"),
    ("not 42", "42"),
    ("42 43", "42"),
]


@pytest.mark.parametrize(("answer", "gold"), SAME)
def test_equivalent_accepts(answer: str, gold: str) -> None:
    assert equivalent(answer, gold)
    assert equivalent(gold, answer)


@pytest.mark.parametrize(("answer", "gold"), DIFFERENT)
def test_equivalent_refuses(answer: str, gold: str) -> None:
    assert not equivalent(answer, gold)
    assert not equivalent(gold, answer)


BOMBS = [
    "9" * 7_000,
    "9" * 1_000_000,
    "1e999999999999",
    "1e-999999",
    "10^{9^9}",
    r"9^{9^{9^9}}",
    "1" + ",000" * 1_900,
    "(" * 4_000 + "1" + ")" * 4_000,
    "{" * 8_000,
    "$" * 8_000,
    r"\frac{" * 1_000,
    "1/" * 4_000,
    " " * 8_000,
    "1" + " a" * 3_900,
    "1a" * 4_000,
    "%" * 8_000,
    "\ud800" * 100,
]


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_equivalent_is_quick_on_bombs(bomb: str) -> None:
    start = time.perf_counter()
    assert not equivalent(bomb, "33")
    assert not equivalent("33", bomb)
    assert time.perf_counter() - start < 1.0


@given(st.integers())
def test_equivalent_reads_thousands_separators(number: int) -> None:
    assert equivalent(f"{number:,}", str(number))


@given(st.integers(), st.integers())
def test_equivalent_tells_integers_apart(left: int, right: int) -> None:
    assert equivalent(rf"\boxed{{{left}}}", f"${right}$") == (left == right)


PIECES = st.sampled_from(
    [
        *"0123456789+-*/^_=,.;:%$!|(){}[] eEix",
        r"\frac",
        r"\text{",
        r"\boxed{",
        r"\left",
        r"\circ",
        "nan",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join))


@given(TEXTS, TEXTS)
def test_equivalent_never_raises(left: str, right: str) -> None:
    assert equivalent(left, right) in (True, False)
