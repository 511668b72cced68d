from __future__ import annotations

import random

import pytest

from agentgym_envs.math.gold import gold
from agentgym_envs.math.topics import topic_families
from agentgym_envs.math.worked import unworked

PAIR = r"\left(30, 16530\right)"
MATRIX = r"\begin{pmatrix}-3 & 13\\-20 & 25\end{pmatrix}"
HALF = r"\left[- \frac{4}{3}, \infty\right)"


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("55+57+30", "142"),
        ("284/2", "142"),
        (r"\frac{284}{2}", "142"),
        ("150 - 8", "142"),
        (r"2\cdot 71", "142"),
        ("2^{10}", "1024"),
        ("5!", "120"),
        (r"\binom{10}{3}", "120"),
        ("x = 55+57+30", "142"),
        (r"(\gcd(870, 570), 16530)", PAIR),
        ("(15*2, 16530)", PAIR),
        (r"85841_{9}+55381_{9}", "152332_{9}"),
        (rf"{MATRIX}{MATRIX}", MATRIX),
        (rf"{MATRIX}^{{5}}", MATRIX),
        (r"6 x + 3 \le 9 x + 7", HALF),
        (r"x \geq -4/3", HALF),
        ("9x >= -12", HALF),
    ],
)
def test_calculation_and_inequality_are_not_worked_out(answer: str, gold: str) -> None:
    assert "is no answer" in unworked(answer, gold, "What is it?")


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("142", "142"),
        ("-142", "-142"),
        ("x = -142", "-142"),
        ("1,024", "1024"),
        (r"142 \text{ apples}", "142"),
        ("(-30, -16530)", r"\left(-30, -16530\right)"),
        (r"\{-5, 1\}", r"\left\{-5, 1\right\}"),
        (MATRIX, MATRIX),
        (r"\left[-\tfrac43, \infty\right)", HALF),
        ("[-4/3, oo)", HALF),
        ("10/24", r"\frac{5}{12}"),
        (r"2\sqrt{5} + 1", r"1 + 2 \sqrt{5}"),
        ("9(5x^2+1)+8", "45 x^{2} + 17"),
    ],
)
def test_numbers_and_expressions_are_worked_out(answer: str, gold: str) -> None:
    assert unworked(answer, gold, "What is it?") == ""


def test_formula_of_the_problem_is_refused_however_it_is_spaced() -> None:
    prompt = r"Let $f(x) = x^{2} - 1$ and find $\left(x + 1\right) \left(x - 1\right)$ expanded."
    assert (
        unworked("(x+1)(x-1)", "x^{2} - 1", prompt) == "the answer repeats a formula of the problem"
    )
    assert unworked("x^2 - 1", "x^{2} - 1", prompt) == ""


def test_gold_of_every_family_is_worked_out() -> None:
    for _, _, family in topic_families("all"):
        for seed in range(10):
            exercise = family(random.Random(seed))
            answer = gold(exercise.value)
            assert unworked(answer, answer, exercise.text) == ""
