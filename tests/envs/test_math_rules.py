"""Each rule of equality on both sides: what it accepts, and the near miss that it refuses."""

from __future__ import annotations

import pytest

from agentgym_envs.math import equivalent
from agentgym_envs.math.check import decide

# rule -> (answer, gold) that it accepts and decides
ACCEPTED: dict[str, list[tuple[str, str]]] = {
    "the same text": [("33", "33"), (r"\boxed{33}.", "33"), ("$x+1$", "x+1")],
    "the same expression": [("x + 1", "x+1"), (r"\dfrac{1}{2}", r"\frac12"), ("(5)", "5")],
    "the value assigned": [
        ("x = 5", "5"),
        ("5", "x = 5"),
        ("5 = x", "x = 5"),
        ("f(x) = x^2", "x^2"),
        ("f(x) = (x+1)^2", "y = x^2+2x+1"),
    ],
    "the same residue class": [
        (r"x \equiv 10 \pmod 7", r"x \equiv 3 \pmod 7"),
        (r"3 \pmod 7", r"x \equiv 3 \pmod 7"),
        (r"x \equiv -4 \pmod 7", r"x \equiv 3 \pmod 7"),
        (r"x = 7k + 3, k \in \mathbb{Z}", r"x \equiv 3 \pmod 7"),
        (r"x \equiv 1, 3 \pmod 4", r"x \equiv 1 \pmod 2"),
    ],
    "the same truth table": [
        (r"B \cup A", r"A \cup B"),
        (r"\lnot p \lor q", r"p \to q"),
        (r"\overline{A} \cap \overline{B}", r"\overline{A \cup B}"),
        ("A - B", r"A \setminus B"),
        (r"p \lor \lnot p", r"\top"),
    ],
    "the same set of reals": [
        ("x < 2", r"(-\infty, 2)"),
        (r"x \ne 0", r"\mathbb{R} \setminus \{0\}"),
        ("2x + 2y > 4", "x + y > 2"),
    ],
    "the same equation": [
        ("2x + 4y = 6", "x + 2y - 3 = 0"),
        (r"\frac{x}{2} + \frac{y}{3} = 1", "3x + 2y = 6"),
        ("4 = y^2 + x^2", "x^2 + y^2 = 4"),
    ],
    "the same matrix": [
        (r"\frac12 \begin{pmatrix} 2 & 4 \\ 6 & 8 \end{pmatrix}",
         r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}"),
        ("[[1, 2], [3, 4/1]]", r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"),
    ],
    "the same items": [
        (r"\{2, 1\}", r"\{1, 2\}"),
        ("1 and 2", "2, 1"),
        (r"\pm 2", "-2, 2"),
        (r"x = 1 \text{ or } x = 2", r"\{1, 2\}"),
        (r"\{1, 1, 2\}", r"\{1, 2\}"),
        ("(2/2, 2)", "(1, 2)"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "(1, 2)"),
        (r"\langle 1, 2 \rangle", "(1, 2)"),
        ("x = 1, y = 2", "(1, 2)"),
        ("5", r"\{5\}"),
    ],
    "the same ratio": [("2:3", "4:6"), ("1:2:3", "2:4:6")],
    "the same number": [
        ("0.50", "0.5"),
        ("1/3", "0.33"),
        (r"\pi", "3.14"),
        ("3.1416", "3.14"),
        (r"6.6261 \times 10^{-34}", r"6.626 \times 10^{-34}"),
        ("1.4142135623731", r"\sqrt2"),
        ("3.2", r"\approx 3"),
        ("1011", "1011_2"),
    ],
    "the same angle": [(r"\frac{\pi}{2}", r"90^\circ"), ("90", r"90^\circ")],
    "the same percentage": [("50", r"50\%"), (r"50\%", "50")],
    "the same up to a constant": [
        (r"\sin^2 x + C", r"-\cos^2 x + C"),
        ("x^2 + K", "x^2 + C"),
        ("x^2 + C", "x^2"),
    ],
    "identically equal": [
        ("1/2", "3/6"),
        (r"\frac{1}{\sqrt2}", r"\frac{\sqrt2}{2}"),
        ("(x+1)^2", "x^2+2x+1"),
        (r"\frac{x^2-1}{x-1}", "x+1"),
        ("2:3", r"\frac23"),
        (r"50\%", "0.5"),
    ],
    "the same words": [("the Red team", "Red team"), (r"\text{Monday}.", "monday")],
    "units converted": [("5 m", "500 cm"), ("72 km/h", "20 m/s")],
    "the unit left out": [("5", "5 cm")],
    "with its unit": [("5 cm", "5")],
    "option B": [("(B)", "B"), ("B. 12", "(B)")],
    "the set of options": [("C, A", "A and C")],
    "the time of day": [("14:30", "2:30 PM")],
}  # fmt: skip

# near misses of the same rules
REFUSED: dict[str, list[tuple[str, str]]] = {
    "the value assigned": [("y = 5", "x = 5"), ("x = 5 = 6", "5"), ("x^2 = 25", "5")],
    "infinity with its sign": [(r"-\infty", r"\infty"), ("10^{100}", r"\infty")],
    "the same residue class": [
        (r"x \equiv 3 \pmod{14}", r"x \equiv 3 \pmod 7"),
        (r"x \equiv 4 \pmod 7", r"x \equiv 3 \pmod 7"),
        (r"y \equiv 3 \pmod 7", r"x \equiv 3 \pmod 7"),
        ("3", r"x \equiv 3 \pmod 7"),
        ("7", r"x \equiv 3 \pmod 7"),
        (r"x \equiv 1 \pmod 4", r"x \equiv 1 \pmod 2"),
    ],
    "the same truth table": [
        (r"A \cap B", r"A \cup B"),
        (r"q \to p", r"p \to q"),
        (r"\overline{A} \cup \overline{B}", r"\overline{A \cup B}"),
        (r"B \setminus A", r"A \setminus B"),
        (r"p \cap q", r"p \land q"),
    ],
    "the same set of reals": [
        (r"x \le 2", r"(-\infty, 2)"),
        ("y < 2", "x < 2"),
        (r"x + y \ge 2", "x + y > 2"),
        ("-x - y > -2", "x + y > 2"),
    ],
    "the same equation": [
        ("2x + 4y = 3", "x + 2y - 3 = 0"),
        ("x^2 = 1", "x = 1"),
        ("x = x", "x = 1"),
        ("0 = 0", "x = 1"),
        ("x^2 + x + 5 = 0", "x^2 + 2x + 5 = 0"),
        ("y = x^2", "x = y^2"),
        ("z = x^2", "y = x^2"),
    ],
    "the same matrix": [
        (r"\begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix}",
         r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"),
        (r"\begin{pmatrix} 1 & 2 & 3 \end{pmatrix}", r"\begin{pmatrix} 1 & 2 \end{pmatrix}"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 5 \end{pmatrix}",
         r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"),
        ("(1, 2, 3, 4)", r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"),
    ],
    "the same items": [
        ("1", "1, 2"),
        ("1, 2, 3", "1, 2"),
        ("1 or 2", "1"),
        ("2", r"\pm 2"),
        ("(2, 1)", "(1, 2)"),
        ("(1, 2, 2)", "(1, 2)"),
        (r"\{1, 2\}", "(1, 2)"),
        (r"\{\{1, 2\}\}", r"\{1, 2\}"),
        (r"\{1, \{2\}\}", r"\{1, 2\}"),
        (r"\{\emptyset\}", r"\emptyset"),
        ("[1, 2]", "(1, 2)"),
        ("(5, 5)", "5"),
    ],
    "the same ratio": [("3:2", "2:3"), ("1:2:4", "1:2:3"), ("2:3:4", "2:3")],
    "the same number": [
        ("0.333", "1/3"),
        ("3.14", r"\pi"),
        ("1.4142", r"\sqrt2"),
        ("0.34", "0.33"),
        ("0.3", "0.33"),
        ("0.52", "0.5"),
        ("1/3", "0.3"),
        ("5.2", "5"),
        ("4.999", "5"),
        ("3.15", "3.14"),
        ("6.636e-34", "6.626e-34"),
        ("1.4142135623741", r"\sqrt2"),
        ("4", r"\approx 3"),
        ("1011_3", "1011_2"),
        ("1010", "1011_2"),
    ],
    "the same angle": [(r"\frac{\pi}{4}", r"90^\circ"), ("1.57", r"90^\circ")],
    "the same percentage": [
        (r"0.5\%", "0.5"), (r"5000\%", r"50\%"), ("5", r"50\%"), (r"50\%", "5"),
    ],
    "the same up to a constant": [
        ("x^2", "x^2 + C"), ("x^3 + C", "x^2 + C"), ("2x^2 + C", "x^2 + C"), ("5 + C", "5"),
    ],
    "identically equal": [
        ("1/2", "1/3"),
        ("x", "y"),
        (r"\sqrt{x^2}", "x"),
        ("x^2+2x+1", "(x-1)^2"),
        (r"\log x", r"\ln x"),
        (r"\frac{0}{0}", "0"),
        (r"\frac10", r"\infty"),
    ],
    "the same words": [("blue team", "red team"), ("team", "red team"), ("yes", "true")],
    "units converted": [("5 m", "5 cm"), ("5 kg", "5 m")],
    "the unit left out": [("6", "5 cm")],
    "with its unit": [("5 cm", "6"), ("5x", "5")],
    "option B": [("(C)", "B"), ("C. 12", "B"), ("B or C", "B")],
    "the set of options": [("A", "A and C"), ("A, B, C", "A and C")],
    "the time of day": [("2:30 AM", "2:30 PM"), ("14:31", "2:30 PM")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "answer", "gold"),
    [(rule, *pair) for rule, pairs in ACCEPTED.items() for pair in pairs],
)
def test_rule_accepts(rule: str, answer: str, gold: str) -> None:
    decision = decide(answer, gold)
    assert decision.equal
    assert rule in decision.rule


@pytest.mark.parametrize(("answer", "gold"), [p for pairs in REFUSED.values() for p in pairs])
def test_rule_refuses_a_near_miss(answer: str, gold: str) -> None:
    assert not equivalent(answer, gold)


def test_chain_counts_only_if_its_parts_agree() -> None:
    assert equivalent(r"\frac12 = 0.5", "0.5")
    assert equivalent(r"\frac12 = 0.5", r"\frac12")
    assert equivalent(r"\sqrt2 \approx 1.414", r"\sqrt2")
    assert not equivalent(r"\frac12 = 0.6", "0.5")
    assert not equivalent(r"\frac12 = 0.6", "0.6")
    assert not equivalent(r"\sqrt2 \approx 1.5", r"\sqrt2")
    assert not equivalent("6 = 5", "5")
    assert not equivalent("6 = 5", "6")


def test_tolerance_ends_at_half_a_unit_of_the_last_place() -> None:
    assert equivalent("0.335", "0.33")
    assert equivalent("0.325", "0.33")
    assert not equivalent("0.3350001", "0.33")
    assert not equivalent("0.3249999", "0.33")
    assert not equivalent("0.3333333333333334", r"\frac{1}{3} + 10^{-9}")


def test_nan_equals_nothing() -> None:
    for text in ("nan", "NaN", "-nan", r"\text{NaN}"):
        assert not equivalent(text, text)
        assert not equivalent(text, "0")
        assert "NaN" in decide(text, text).rule


def test_empty_answer_equals_nothing() -> None:
    for text in ("", " ", "$$", r"\boxed{}"):
        assert not equivalent(text, "0")
        assert not equivalent(text, text)


def test_decide_says_why_not() -> None:
    assert decide("5", "6").rule == "not shown to be equal"
    assert decide("9" * 20_000, "9").rule.startswith("too large")
    assert "cannot be read" in decide("what is it?", "5").rule
    assert "not decided within" in decide(
        r"\sum_{j=1}^{1000} \sum_{k=1}^{1000} \sin(jk)", r"\pi", timeout_s=0.05
    ).rule  # fmt: skip


def test_decimal_comma_and_thousands_separator() -> None:
    assert equivalent("1,234", "1234")
    assert equivalent("3,14", "3.14")
    assert equivalent("1,234.5", "1234.5")
    assert not equivalent("1.234", "1234")
    assert not equivalent("12,34", "1234")
    assert not equivalent("1,2", "12")
