r"""What holds for any input: re-spelling changes no verdict, a changed value does, nothing raises.

sympy makes and prints the expressions; the checker decides without it. Expressions stay inside the
reals at enough points (logarithms and roots of what is positive there), because agreement needs
points where both sides are defined.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import product

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agentgym_envs.math import equivalent, verify

QUIET = settings(max_examples=60, deadline=None, derandomize=True)
MANY = settings(max_examples=200, deadline=None, derandomize=True)
BUDGET_S, SLACK_S = 2.0, 0.2

X, Y = sympy.symbols("x y")
RATIONALS = st.builds(sympy.Rational, st.integers(-9, 9), st.integers(1, 7))
POSITIVE = st.sampled_from([X, Y, X**2 + 1, X + Y, Y**2 + X**2 + 3])
LEAVES = st.one_of(
    st.sampled_from([X, Y]),
    RATIONALS,
    st.builds(sympy.sqrt, POSITIVE | st.integers(2, 11).map(sympy.Integer)),
    st.builds(sympy.log, POSITIVE),
    st.builds(sympy.exp, st.sampled_from([X, -Y, X / 2])),
    st.builds(sympy.sin, st.sampled_from([X, 2 * X, X + Y])),
    st.builds(sympy.cos, st.sampled_from([Y, X / 3])),
)


def quotient(top: sympy.Expr, bottom: sympy.Expr) -> sympy.Expr:
    return top / bottom if bottom != 0 else top


def grown(inner: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
    return st.one_of(
        st.builds(sympy.Add, inner, inner),
        st.builds(sympy.Mul, inner, inner),
        st.builds(lambda a, b: a - b, inner, inner),
        st.builds(quotient, inner, st.sampled_from([X, Y, X + 2, X**2 + 1, sympy.Integer(6)])),
        st.builds(sympy.Pow, inner, st.integers(2, 3)),
    )


def is_plain(expression: sympy.Expr) -> bool:
    """Say whether it is finite; sympy prints powers of logarithms so that they can be misread."""
    powers = sympy.expand(expression).atoms(sympy.Pow) | expression.atoms(sympy.Pow)
    squares = [power for power in powers if isinstance(power.base, sympy.log)]
    return expression.is_finite is not False and not squares


EXPRESSIONS = st.recursive(LEAVES, grown, max_leaves=6).filter(is_plain)
POLYNOMIALS = st.lists(st.integers(-9, 9), min_size=2, max_size=5).map(
    lambda c: sympy.Add(*(n * X**k for k, n in enumerate(c)))
)


def shuffled(expression: sympy.Expr) -> str:
    """Print a sum with its terms in another order."""
    terms = list(sympy.Add.make_args(expression))
    random.Random(len(terms)).shuffle(terms)
    return " + ".join(rf"\left({sympy.latex(term, ln_notation=True)}\right)" for term in terms)


def printed(**options: object) -> Callable[[sympy.Expr], str]:
    return lambda e: str(sympy.latex(e, ln_notation=True, **options))


SPELLINGS: dict[str, Callable[[sympy.Expr], str]] = {
    "latex": printed(),
    "dots": printed(mul_symbol="dot"),
    "times": printed(mul_symbol="times"),
    "roots as powers": printed(root_notation=False),
    "powers of functions": printed(fold_func_brackets=True),
    "program": lambda e: str(e).replace("log(", "ln("),
    "expanded": lambda e: str(sympy.latex(sympy.expand(e), ln_notation=True)),
    "one fraction": lambda e: str(sympy.latex(sympy.together(e), ln_notation=True)),
    "shuffled": shuffled,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@QUIET
@given(EXPRESSIONS)
def test_expression_equals_its_spellings(spelling: str, expression: sympy.Expr) -> None:
    gold = sympy.latex(expression, ln_notation=True)
    answer = SPELLINGS[spelling](expression)
    assert equivalent(answer, gold), (answer, gold)
    assert equivalent(gold, answer), (gold, answer)


@MANY
@given(POLYNOMIALS, POLYNOMIALS)
def test_product_equals_its_expansion(left: sympy.Expr, right: sympy.Expr) -> None:
    product = f"({left})({right})"
    assert equivalent(product, sympy.latex(sympy.expand(left * right)))
    assert equivalent(sympy.latex(sympy.factor(left * right)), product)


@MANY
@given(EXPRESSIONS, RATIONALS.filter(lambda c: c != 0))
def test_expression_differs_from_a_changed_one(expression: sympy.Expr, by: sympy.Expr) -> None:
    gold = sympy.latex(expression, ln_notation=True)
    changed = sympy.latex(expression + by, ln_notation=True)
    assert not equivalent(changed, gold), (changed, gold)
    assert not equivalent(gold, changed), (gold, changed)


@MANY
@given(st.lists(st.integers(-9, 9), min_size=2, max_size=5), st.integers(0, 4), st.integers(1, 9))
def test_polynomial_differs_in_one_coefficient(terms: list[int], at: int, by: int) -> None:
    changed = [n + by * (k == at % len(terms)) for k, n in enumerate(terms)]
    gold, answer = (
        sympy.latex(sympy.Add(*(n * X**k for k, n in enumerate(c)))) for c in (terms, changed)
    )
    assert not equivalent(answer, gold)


FRACTIONS = st.fractions(-1_000, 1_000, max_denominator=200)


@MANY
@given(FRACTIONS)
def test_float_in_full_is_its_fraction(value: Fraction) -> None:
    assert equivalent(f"{float(value):.15g}", f"{value.numerator}/{value.denominator}")


@MANY
@given(st.integers(2, 10_000).filter(lambda n: sympy.sqrt(n).is_irrational))
def test_float_in_full_is_its_root(n: int) -> None:
    root = f"{float(sympy.sqrt(n)):.15g}"
    assert equivalent(root, rf"\sqrt{{{n}}}")
    assert not equivalent(root[:7], rf"\sqrt{{{n}}}")


@MANY
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_decimal_gold_takes_what_rounds_to_it(digits: int, places: int) -> None:
    """One digit more is right within half a unit of the last place, and wrong beyond it."""
    gold = str(Decimal(digits).scaleb(-places).quantize(Decimal(10) ** -places))
    assert equivalent(f"{gold}4", gold)
    assert not equivalent(f"{gold}6", gold)


@MANY
@given(FRACTIONS, FRACTIONS)
def test_fractions_equal_by_value_alone(left: Fraction, right: Fraction) -> None:
    spelled = rf"\frac{{{6 * left.numerator}}}{{{6 * left.denominator}}}"
    assert equivalent(spelled, str(right)) == (left == right)
    assert equivalent(spelled, str(left))


SMALL = st.integers(-3, 3)
BRACKETS = st.sampled_from(["()", "[]", "(]", "[)"])
INTERVALS = st.builds(
    lambda b, low, size: f"{b[0]}{low}, {low + 1 + size}{b[1]}", BRACKETS, SMALL, st.integers(0, 1)
)
SETS = st.lists(SMALL, min_size=1, max_size=3).map(lambda n: rf"\{{{', '.join(map(str, n))}\}}")
ALGEBRA = st.builds("({}x + {})^2".format, SMALL, SMALL) | st.builds(
    lambda a, b: f"{a * a}x^2 + {2 * a * b}x + {b * b}", SMALL, SMALL
)
EXACT = st.builds(r"\frac{{{}}}{{{}}}".format, SMALL, st.integers(1, 3)) | SMALL.map(str)
INEQUALITIES = st.builds(
    "{} {} x".format, SMALL, st.sampled_from([r"\le", "<", ">", r"\ge"])
) | st.builds("x {} {}".format, st.sampled_from([r"\le", "<", ">", r"\ge"]), SMALL)
KINDS = {
    "exact": EXACT,
    "algebra": ALGEBRA,
    "sets": SETS,
    "intervals": INTERVALS,
    "inequalities": INEQUALITIES,
    "all": EXACT | ALGEBRA | SETS | INTERVALS | INEQUALITIES,
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(MANY, max_examples=120)
def test_equality_is_symmetric(kind: str, data: st.DataObject) -> None:
    left, right = data.draw(KINDS[kind]), data.draw(KINDS[kind])
    assert equivalent(left, right) == equivalent(right, left), (left, right)
    assert equivalent(left, left)


@MANY
@given(st.lists(SMALL, min_size=1, max_size=4), st.lists(SMALL, min_size=1, max_size=4))
def test_sets_equal_as_sets_and_tuples_as_tuples(left: list[int], right: list[int]) -> None:
    inner = [", ".join(map(str, items)) for items in (left, right)]
    assert equivalent(rf"\{{{inner[0]}\}}", rf"\{{{inner[1]}\}}") == (set(left) == set(right))
    if len(left) > 1 and len(right) > 1:
        assert equivalent(f"({inner[0]})", f"({inner[1]})") == (left == right)


Member = Callable[[Fraction], bool]
POINTS = [Fraction(quarter, 4) for quarter in range(-20, 21)]


def bounded(brackets: str, low: int, size: int) -> tuple[str, Member]:
    """Return an interval and its members, closed where a bracket is square."""
    high = low + size
    left, right = brackets

    def member(x: Fraction) -> bool:
        return low < x < high or (x == low and left == "[") or (x == high and right == "]")

    return f"{left}{low}, {high}{right}", member


def unbounded(bracket: str, high: int) -> tuple[str, Member]:
    text = rf"(-\infty, {high}{bracket}"
    return text, lambda x: x < high or (x == high and bracket == "]")


def joined(op: str, left: tuple[str, Member], right: tuple[str, Member]) -> tuple[str, Member]:
    (text, first), (other, second) = left, right
    how: Member = {
        r"\cup": lambda x: first(x) or second(x),
        r"\cap": lambda x: first(x) and second(x),
        r"\setminus": lambda x: first(x) and not second(x),
    }[op]
    return rf"({text}) {op} ({other})", how


PARTS = st.one_of(
    st.builds(bounded, BRACKETS, st.integers(-2, 2), st.integers(1, 2)),
    st.builds(unbounded, st.sampled_from(")]"), st.integers(-2, 2)),
    st.integers(-2, 2).map(lambda n: (rf"\{{{n}\}}", lambda x: x == n)),
)
UNIONS = st.builds(joined, st.sampled_from([r"\cup", r"\cap", r"\setminus"]), PARTS, PARTS)


@settings(MANY, max_examples=300)
@given(PARTS | UNIONS, PARTS | UNIONS)
def test_sets_of_reals_equal_by_their_members(
    left: tuple[str, Member], right: tuple[str, Member]
) -> None:
    same = all(left[1](x) == right[1](x) for x in POINTS)
    assert equivalent(left[0], right[0]) == same, (left[0], right[0])


Truth = Callable[[dict[str, bool]], bool]
CONNECTIVES: dict[str, Callable[[bool, bool], bool]] = {
    r"\land": lambda p, q: p and q,
    r"\lor": lambda p, q: p or q,
    r"\to": lambda p, q: not p or q,
    r"\leftrightarrow": lambda p, q: p == q,
    r"\oplus": lambda p, q: p != q,
}


def statement(
    op: str, left: tuple[str, Truth], right: tuple[str, Truth], negated: bool
) -> tuple[str, Truth]:
    (text, first), (other, second) = left, right
    sign = r"\lnot " if negated else ""
    how = CONNECTIVES[op]
    return (
        rf"{sign}(({text}) {op} ({other}))",
        lambda row: how(first(row), second(row)) != negated,
    )


LETTERS = st.sampled_from("pqr").map(lambda name: (name, lambda row: row[name]))
FORMULAS = st.recursive(
    LETTERS,
    lambda inner: st.builds(
        statement, st.sampled_from(sorted(CONNECTIVES)), inner, inner, st.booleans()
    ),
    max_leaves=4,
).filter(lambda formula: len(formula[0]) > 1)
ROWS = [dict(zip("pqr", row, strict=True)) for row in product((False, True), repeat=3)]


@settings(MANY, max_examples=300)
@given(FORMULAS, FORMULAS)
def test_formulas_equal_by_their_truth_tables(
    left: tuple[str, Truth], right: tuple[str, Truth]
) -> None:
    same = all(left[1](row) == right[1](row) for row in ROWS)
    assert equivalent(left[0], right[0]) == same, (left[0], right[0])


CONGRUENCES = st.sampled_from(
    [
        r"x \equiv {a} \pmod{{{m}}}",
        "x = {m}k + ({a}), k \\in \\mathbb{{Z}}",
        r"{a} \pmod{{{m}}}",
        "x \u2261 {a} (mod {m})",
    ]
)


@MANY
@given(CONGRUENCES, st.tuples(*[st.integers(-6, 12)] * 2), st.tuples(*[st.integers(2, 6)] * 2))
def test_congruences_equal_by_residue_and_modulus(
    form: str, residues: tuple[int, int], moduli: tuple[int, int]
) -> None:
    (a, b), (m, n) = residues, moduli
    answer, gold = form.format(a=a, m=m), rf"x \equiv {b} \pmod{{{n}}}"
    assert equivalent(answer, gold) == (m == n and (a - b) % m == 0), (answer, gold)


@MANY
@given(st.tuples(*[st.integers(-3, 3)] * 3), st.tuples(*[st.integers(-3, 3)] * 3))
def test_lines_equal_up_to_a_factor(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    (a, b, c), (d, e, f) = first, second
    assume((a or b) and (d or e))
    same = a * e == b * d and a * f == c * d and b * f == c * e
    assert equivalent(f"{a}x + ({b})y = {c}", f"{d}x = {f} - ({e})y") == same


PIECES = st.sampled_from(
    [
        *"0123456789+-*/^_=,.;:%$!|(){}[]<>&~'\" eEixyC",
        *(r"\frac", r"\sqrt[", r"\text{", r"\mathrm{", r"\boxed{", r"\left", r"\right", r"\circ"),
        *(r"\begin{cases}", r"\end{cases}", r"\begin{pmatrix}", r"\end{pmatrix}", r"\\", r"\{"),
        *(r"\}", r"\cup", r"\infty", r"\pm", r"\sum_{k=1}^{", r"\log_", r"\sin", r"\pmod{", r"\in"),
        *(r"\overline{", r"\approx", r"\le", r"\equiv", r"\lnot", r"\binom", r"\over", r"\det"),
        *("nan", "inf", " or ", " and ", " km", " dollars", "five ", "million", "mod ", "\\"),
        *("²", "½", "√", "π", "−", "∞", "≤", "∪", "٣", "\u202e", "\ud800", "\x00", "é", "€"),  # noqa: RUF001
    ]
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(PIECES, max_size=40).map("".join),
    st.builds(lambda piece, times: piece * times, PIECES, st.integers(1, 4_000)),
    st.builds(lambda a, b, times: (a + b) * times, PIECES, PIECES, st.integers(1, 1_500)),
)


@settings(MANY, max_examples=400)
@given(TEXTS, TEXTS)
def test_equivalent_always_answers_in_time(answer: str, gold: str) -> None:
    start = time.process_time()
    assert equivalent(answer, gold) in (True, False)
    assert time.process_time() - start < BUDGET_S + SLACK_S


@settings(MANY, max_examples=150)
@given(TEXTS, st.sampled_from(["33", "x^2+1", r"\{1, 2\}", "(0, 1]", "5 km", "B", "no solution"]))
def test_verify_always_answers_in_time(text: str, gold: str) -> None:
    for response in (text, rf"So \boxed{{{text}}}.", f"The answer is {text}", f"#### {text}"):
        start = time.process_time()
        assert verify(response, gold).score in (0.0, 1.0)
        assert time.process_time() - start < BUDGET_S + SLACK_S
