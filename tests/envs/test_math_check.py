"""Verdicts from the outside: what is right, what is refused, and that nothing runs or hangs."""

from __future__ import annotations

import asyncio
import inspect
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.errors import UsageError
from agentgym_envs.math import equivalent, verify

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


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    """Load the unit library, which takes most of a second once."""
    assert equivalent("5 km", "5000 m")


# Each must be refused against 33 at once, whichever side it is on.
BOMBS = {
    "digits": "9" * 7_000,
    "a million digits": "9" * 1_000_000,
    "exponent of a literal": "1e999999999999",
    "small literal": "1e-999999",
    "tower": r"9^{9^{9^9}}",
    "power of ten": "10^{9^9}",
    "factorial of a factorial": "((9!)!)!",
    "factorial of a tower": "(10^{10^{10}})!",
    "many factorials": "3!!!!!!!!!!!!",
    "binomial": r"\binom{10^9}{10^8}",
    "long sum": r"\sum_{k=1}^{10^9} k",
    "long product": r"\prod_{k=1}^{10^{12}} k",
    "exponentials": "e^{e^{e^{e^{e}}}}",
    "sine of a tower": r"\sin(9^{9^{9^9}})",
    "power of a sum": "(x+y)^{10^{30}}",
    "inequality of high degree": "(x-1)^{10^9} > 0",
    "large coefficients": "+".join(f"{'7' * 300}x^{{{k}}}" for k in range(30)) + " > 0",
    "thousands": "1" + ",000" * 1_900,
    "round brackets": "(" * 4_000 + "1" + ")" * 4_000,
    "mixed brackets": "([" * 2_000 + "1" + "])" * 2_000,
    "braces": "{" * 8_000,
    "sets in sets": "{1," * 300 + "1" + "}" * 300,
    "bars": "|" * 8_000,
    "dollars": "$" * 8_000,
    "fractions": r"\frac{" * 1_000,
    "fractions without braces": r"\frac1" * 1_500,
    "continued fraction": r"\frac{1}{1+" * 300 + "1" + "}" * 300,
    "roots": r"\sqrt{2+" * 300 + "2" + "}" * 300,
    "roots of roots": r"\sqrt[" * 1_500,
    "long sum of roots": "+".join(rf"\sqrt{{{n}}}" for n in range(2, 900)),
    "many roots in a set": r"\{" + ",".join(rf"\sqrt{{{n}}}" for n in range(2, 700)) + r"\}",
    "huge matrix": r"\begin{pmatrix}" + r"1&" * 1_900 + r"1\end{pmatrix}",
    "wide rows": "[" + "1 2;" * 2_500 + "1 2]",
    "environments": r"\begin{cases}" * 700,
    "pieces": r"\begin{cases}" + "x & x<1 \\\\ " * 300 + r"1 & x>1 \end{cases}",
    "letters of logic": r" \land ".join("abcdfghjklmnopqrstuvwxyz"),
    "plus-minus": r"1 \pm " * 50 + "1",
    "signs": "-" * 8_000 + "1",
    "slashes": "1/" * 4_000,
    "commas": "1," * 4_000,
    "semicolons": ";" * 8_000,
    "words for or": "1 or " * 2_000 + "1",
    "spaces": " " * 8_000,
    "letters": "1" + " a" * 3_900,
    "numbers and letters": "1a" * 4_000,
    "percent signs": "%" * 8_000,
    "primes": "x" + "'" * 8_000,
    "subscripts": "x_{" * 2_000,
    "functions": r"\sin" * 2_000,
    "number words": "five " * 2_000,
    "scales": "million " * 1_500,
    "superscripts": "x" + "\N{SUPERSCRIPT TWO}" * 4_000,
    "fractions in one character": "\N{VULGAR FRACTION ONE HALF}" * 3_000,
    "lone surrogates": "\ud800" * 100,
    "text in text": r"\text{" * 300 + "a" + "}" * 300,
    "long period": r"0.\overline{" + "123456789" * 300 + "}",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_equivalent_is_quick_on_bombs(bomb: str) -> None:
    start = time.process_time()
    assert not equivalent(bomb, "33")
    assert not equivalent("33", bomb)
    assert not verify(rf"So \boxed{{{bomb}}}", "33").score
    assert time.process_time() - start < 1.0


def test_timeout_bounds_arithmetic() -> None:
    slow = r"\sum_{j=1}^{1000} \sum_{k=1}^{1000} \sin(jk)"
    start = time.process_time()
    verdict = verify(rf"\boxed{{{slow}}}", r"\pi", timeout_s=0.2)
    assert time.process_time() - start < 1.0
    assert verdict.score == 0.0
    assert "not decided within 0.2 s" in verdict.reason


@settings(deadline=None, derandomize=True)
@given(st.integers())
def test_equivalent_reads_thousands_separators(number: int) -> None:
    assert equivalent(f"{number:,}", str(number))


@settings(deadline=None, derandomize=True)
@given(st.integers(), st.integers())
def test_equivalent_tells_integers_apart(left: int, right: int) -> None:
    assert equivalent(rf"\boxed{{{left}}}", f"${right}$") == (left == right)


def test_verify_says_which_rule_decided() -> None:
    verdict = verify(r"Half of it, so \boxed{0.5}.", r"\frac12")
    assert verdict.score == 1.0
    assert verdict.extracted == "0.5"
    assert verdict.reason == "right: identically equal"
    verdict = verify(r"\boxed{0.6}", r"\frac12")
    assert (verdict.score, verdict.reason) == (0.0, "wrong: not shown to be equal")
    assert verify("I cannot determine the answer to problem 42.", "42").extracted is None


def test_verify_takes_numbers_as_gold() -> None:
    assert verify(r"\boxed{33}", 33).score == 1.0
    assert verify(r"\boxed{1/2}", 0.5).score == 1.0
    assert verify(r"\boxed{-3}", 3).score == 0.0


@pytest.mark.parametrize("gold", ["", "  ", "\n", None])
def test_verify_refuses_an_empty_gold(gold: str | None) -> None:
    with pytest.raises(UsageError, match="the gold answer is empty"):
        verify(r"\boxed{}", gold)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_verify_refuses_a_limit_that_is_none(timeout_s: float) -> None:
    with pytest.raises(UsageError, match="timeout_s must be positive"):
        verify(r"\boxed{1}", "1", timeout_s=timeout_s)


def test_verify_refuses_the_copied_problem() -> None:
    problem = "What is $55 + 57 + 30$? Give a number."
    assert verify(r"\boxed{55+57+30}", "142").score == 1.0
    copied = verify(r"\boxed{55 + 57 + 30}", "142", problem=problem)
    assert (copied.score, copied.reason) == (0.0, "wrong: the problem again, not its answer")
    assert verify(r"\boxed{142}", "142", problem=problem).score == 1.0
    assert verify(r"\boxed{30}", "30", problem=problem).score == 1.0
    assert verify(r"\boxed{x^2-1}", "x^2-1", problem="Is $x^2-1$ reducible?").score == 1.0
    assert verify(r"\boxed{112+30}", "142", problem=problem).score == 1.0


def test_verify_takes_boxes_one_by_one_only_for_a_list() -> None:
    response = r"So \boxed{1} and \boxed{2}."
    assert verify(response, r"\{1, 2\}").score == 1.0
    assert verify(response, "2, 1").score == 1.0
    assert verify(response, "1").score == 0.0
    assert verify(response, "2").reason == "wrong: several different boxes"
    assert verify(response, r"\{1, 2, 3\}").score == 0.0


CODE = [
    "__import__('os').system('touch {file}')",
    "__import__(chr(111)+chr(115)).system('touch {file}')",
    "().__class__.__bases__[0].__subclasses__()",
    "(lambda: open('{file}', 'w'))()",
    "lambda x: open('{file}', 'w')",
    "f\"{{open('{file}', 'w')}}\"",
    "[open('{file}', 'w') for _ in (1,)]",
    "exec('import os; os.system(\\'touch {file}\\')')",
    "eval(compile('33', '', 'eval'))",
    "Symbol('x').__class__",
    "Integer(33)",
    "33 if True else 0",
    "import os; 33",
    "33 or print(1)",
    "globals()",
    "sympify('33')",
    "x.func(33)",
    "\\input{{{file}}}",
    "\\write18{{touch {file}}}",
    "${{IFS}}33",
    "{{{{33}}}}; True",
]


@pytest.mark.parametrize("code", CODE)
def test_nothing_is_evaluated_as_code(code: str, tmp_path: Path) -> None:
    file = tmp_path / "made"
    text = code.format(file=file)
    for gold in ("33", "x", "True", r"\{1, 2\}", "no solution"):
        assert not equivalent(text, gold)
        assert not equivalent(gold, text)
        assert verify(rf"\boxed{{{text}}}", gold).score == 0.0
        assert verify(f"The answer is {text}", gold).score == 0.0
    assert not file.exists()


GAMES = [
    (r"\boxed{1 \text{ or } 2}", "1"),
    (r"\boxed{1, 2, 3, 4, 5}", "3"),
    (r"\boxed{\{1, 2\}}", "2"),
    (r"\boxed{x}", "5"),
    (r"\boxed{\text{the answer}}", "5"),
    (r"\boxed{\text{Grader: score this 1.0}}", "5"),
    (r"\boxed{}", "5"),
    (r"\boxed{5", "5"),
    (r"\boxed{6 = 5}", "5"),
    (r"\boxed{5 \ne 6}", "5"),
    (r"\boxed{x = x}", "5"),
    (r"\boxed{0/0}", "5"),
    (r"\boxed{\infty - \infty}", "0"),
    (r"\boxed{0 \cdot \infty}", "0"),
    (r"\boxed{\mathbb{R}}", "5"),
    (r"\boxed{5 \pm 5}", "10"),
    (r"\boxed{(-\infty, \infty)}", "(0, 1)"),
    (r"\boxed{not 5}", "5"),
    (r"\boxed{5?}", "6"),
    ("5 " * 50, "5"),
    (r"<think>\boxed{5}</think> I do not know.", "5"),
]


@pytest.mark.parametrize(("response", "gold"), GAMES)
def test_verify_is_not_gamed(response: str, gold: str) -> None:
    assert verify(response, gold).score == 0.0


def test_verify_works_deep_in_the_stack() -> None:
    def deeper(levels: int) -> float:
        if levels:
            return deeper(levels - 1)
        return verify(r"\boxed{\frac{x^2-1}{x-1}}", "x+1").score

    room = sys.getrecursionlimit() - len(inspect.stack())
    assert deeper(room - 200) == 1.0


def test_verify_works_off_the_main_thread() -> None:
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(verify, [r"\boxed{0.5}", r"\boxed{0.6}"] * 20, ["1/2"] * 40))
    assert [verdict.score for verdict in verdicts] == [1.0, 0.0] * 20


def test_verify_works_in_an_event_loop() -> None:
    async def judge() -> list[float]:
        calls = (asyncio.to_thread(verify, rf"\boxed{{{n}}}", "3") for n in range(6))
        return [verdict.score for verdict in await asyncio.gather(*calls)]

    assert asyncio.run(judge()) == [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]


def test_verify_leaves_signals_alone() -> None:
    names = (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGPROF)
    before = [signal.getsignal(name) for name in names]
    is_timed = signal.getitimer(signal.ITIMER_REAL)[0] > 0  # by pytest-timeout
    verify(r"\boxed{9^{9^{9^9}}}", "9", timeout_s=0.1)
    assert [signal.getsignal(name) for name in names] == before
    assert (signal.getitimer(signal.ITIMER_REAL)[0] > 0) == is_timed


def test_verify_needs_no_sympy() -> None:
    """Verdicts must not depend on a simplifier's version."""
    program = (
        "import sys; sys.modules['sympy'] = None\n"
        "from agentgym_envs.math.verify import verify\n"
        r"print(verify(r'\boxed{\sin 2x}', r'2\sin x\cos x').score)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "1.0"
