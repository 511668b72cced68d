# ruff: noqa: RUF001 - typographic characters are what models write
from __future__ import annotations

import pytest
from flint import fmpq

from agentgym_envs.math.nodes import (
    Apply,
    Cases,
    Group,
    Matrix,
    Node,
    Number,
    Relation,
    Sequence,
    Symbol,
    TooLarge,
    Unreadable,
)
from agentgym_envs.math.parser import MAX_CHAIN, MAX_DEPTH, parse

X, Y, PI = Symbol("x"), Symbol("y"), Symbol("pi")
ONE, TWO, THREE = (Number(fmpq(n)) for n in (1, 2, 3))

TREES: list[tuple[str, Node]] = [
    ("2", TWO),
    ("x", X),
    ("x_1", Symbol("x_1")),
    ("x_{12}", Symbol("x_12")),
    (r"\alpha", Symbol("alpha")),
    ("x+2", Apply("+", (X, TWO))),
    ("x-2", Apply("+", (X, Apply("neg", (TWO,))))),
    ("2x", Apply("*", (TWO, X))),
    (r"2\cdot x", Apply("*", (TWO, X))),
    ("x/2", Apply("/", (X, TWO))),
    ("x^2", Apply("^", (X, TWO))),
    ("x**2", Apply("^", (X, TWO))),
    ("x^{y}", Apply("^", (X, Y))),
    ("-x^2", Apply("neg", (Apply("^", (X, TWO)),))),
    ("2^3^x", Apply("^", (TWO, Apply("^", (THREE, X))))),
    ("1/2x", Apply("*", (Apply("/", (ONE, TWO)), X))),
    (r"\frac12", Apply("/", (ONE, TWO))),
    (r"\frac{1}{2}", Apply("/", (ONE, TWO))),
    (r"\frac1{x}", Apply("/", (ONE, X))),
    (r"\dfrac{x}{y}", Apply("/", (X, Y))),
    (r"{x \over y}", Apply("/", (X, Y))),
    (r"2\frac12", Apply("+", (TWO, Apply("/", (ONE, TWO))))),
    (r"2\frac{3}{2}", Apply("*", (TWO, Apply("/", (THREE, TWO))))),
    (r"\sqrt2", Apply("sqrt", (TWO,))),
    (r"\sqrt{x}", Apply("sqrt", (X,))),
    (r"\sqrt[3]{x}", Apply("root", (X, THREE))),
    (r"\sqrt{2}x", Apply("*", (Apply("sqrt", (TWO,)), X))),
    (r"\sin x", Apply("sin", (X,))),
    (r"\sin 2x", Apply("sin", (Apply("*", (TWO, X)),))),
    (r"\sin^2 x", Apply("^", (Apply("sin", (X,)), TWO))),
    (r"\sin^{-1} x", Apply("arcsin", (X,))),
    (r"\sin x \cos y", Apply("*", (Apply("sin", (X,)), Apply("cos", (Y,))))),
    (r"\log_2 x", Apply("log", (X, TWO))),
    ("|x|", Apply("abs", (X,))),
    (r"\lfloor x \rfloor", Apply("floor", (X,))),
    ("x!", Apply("factorial", (X,))),
    (r"\binom{x}{2}", Apply("binom", (X, TWO))),
    ("2%", Apply("%", (TWO,))),
    (r"2^\circ", Apply("deg", (TWO,))),
    ("x:y", Apply("ratio", (X, Y))),
    ("(x)", X),
    ("((x))", X),
    ("(x,y)", Group("(", ")", (X, Y))),
    ("[x,y)", Group("[", ")", (X, Y))),
    (r"\{x,y\}", Group(r"\{", r"\}", (X, Y))),
    ("{x,y}", Group(r"\{", r"\}", (X, Y))),
    (r"\{\}", Group(r"\{", r"\}", ())),
    (r"\langle x,y\rangle", Group("<", ">", (X, Y))),
    ("]x,y]", Group("(", "]", (X, Y))),
    ("x, y", Sequence((X, Y), ",")),
    (r"x \text{ or } y", Sequence((X, Y), "or")),
    ("x = 2", Relation(("=",), (X, TWO))),
    ("1 < x <= 2", Relation(("lt", "le"), (ONE, X, TWO))),
    (r"x \equiv 2 \pmod 3", Relation(("equiv",), (X, TWO), THREE)),
    (r"x \in \mathbb{R}", Relation(("in",), (X, Symbol("reals")))),
    (r"\{x \mid x > 2\}", Apply("such_that", (X, Relation(("gt",), (X, TWO))))),
    (r"\begin{pmatrix} x & y \\ 1 & 2 \end{pmatrix}", Matrix(((X, Y), (ONE, TWO)))),
    (r"\begin{cases} x & x > 2 \\ y & \text{otherwise} \end{cases}",
     Cases(((X, Relation(("gt",), (X, TWO))), (Y, None)))),
    ("pi", PI),
    ("Matrix([[x, y], [1, 2]])", Matrix(((X, Y), (ONE, TWO)))),
    ("Interval.open(1, 2)", Group("(", ")", (ONE, TWO))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), TREES, ids=[text for text, _ in TREES])
def test_parse_reads(text: str, tree: Node) -> None:
    assert parse(text) == tree


SPELLINGS = [
    ("½", r"\frac{1}{2}"),
    ("x²", "x^{2}"),
    ("x⁻¹", "x^{-1}"),
    ("x₁", "x_{1}"),
    ("√2", r"\sqrt 2"),
    ("2×3", r"2 \times 3"),
    ("6÷2", r"6 \div 2"),
    ("−2", "-2"),
    ("x≤2", r"x \le 2"),
    ("x≠2", r"x \ne 2"),
    ("∞", r"\infty"),
    ("π", r"\pi"),
    ("θ", r"\theta"),
    ("A∪B", r"A \cup B"),
    ("∅", r"\emptyset"),
    ("ℝ", r"\mathbb{R}"),
    ("90°", r"90^\circ"),
    ("５", "5"),
    (r"\left( x \right)", "(x)"),
    (r"\displaystyle x", "x"),
    (r"x\,y", "x y"),
    (r"\mathrm{x}", "x"),
    ("1{,}234", "1234"),
    ("1 234 567", "1234567"),
    ("1_000", "1000"),
]


@pytest.mark.parametrize(("text", "plain"), SPELLINGS)
def test_parse_has_one_tree_for_spellings(text: str, plain: str) -> None:
    assert parse(text) == parse(plain)


NUMBERS = [
    ("007", Number(fmpq(7))),
    ("1,234", Number(fmpq(1234))),
    (".5", Number(fmpq(1, 2), -1, 1)),
    ("3.14", Number(fmpq(157, 50), -2, 3)),
    ("0.050", Number(fmpq(1, 20), -3, 2)),
    ("42.", Number(fmpq(42))),
    ("1.5e3", Number(fmpq(1500), 2, 2)),
    ("2.5e-3", Number(fmpq(1, 400), -4, 2)),
    (r"0.\overline{3}", Number(fmpq(1, 3))),
    (r"0.1\overline{6}", Number(fmpq(1, 6))),
    (r"0.\overline{09}", Number(fmpq(1, 11))),
    ("0.(3)", Number(fmpq(1, 3))),
    ("1011_2", Number(fmpq(11), base=2)),
    ("FF_{16}", Number(fmpq(255), base=16)),
    ("0xFF", Number(fmpq(255), base=16)),
    ("0b101", Number(fmpq(5), base=2)),
    ("0.1_2", Number(fmpq(1, 2), base=2)),
]


@pytest.mark.parametrize(("text", "number"), NUMBERS)
def test_parse_reads_numbers(text: str, number: Number) -> None:
    assert parse(text) == number


UNREADABLE = [
    "",
    "x +",
    "(x",
    "x)",
    "{x",
    r"\frac{1}",
    r"\sqrt",
    "x = ",
    "1 2",
    "12_2",
    "1_1",
    r"\text{the cat}",
    r"\unknown{x}",
    r"\begin{pmatrix} 1 & 2 \\ 3 \end{pmatrix}",
    r"\begin{pmatrix} 1 \end{bmatrix}",
    r"\int x dx",
    "x ? y",
    "x = y = ",
    "2 # 3",
    "\\",
    "f(x",
    r"\frac{1}{2",
    "[1, 2",
    "lambda x: print(x)",
    "__import__('os')",
    "().__class__",
    'f"{x}"',
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_parse_reads_all_or_nothing(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(text)


def test_parse_limits_length() -> None:
    assert parse("1" + " " * 11_000) == ONE
    with pytest.raises(TooLarge, match="12001 characters"):
        parse("1" * 12_001)


def test_parse_limits_digits() -> None:
    assert isinstance(parse("1" * 6_000), Number)
    with pytest.raises(TooLarge, match="digits"):
        parse("1" * 6_001)


def test_parse_limits_exponents_of_literals() -> None:
    assert parse("1e5000") == Number(fmpq(10) ** 5000, 5000, 1)
    with pytest.raises(TooLarge, match="digits"):
        parse("1e6001")
    with pytest.raises(TooLarge, match="exponent"):
        parse("1e" + "9" * 20)


def test_parse_limits_symbols() -> None:
    assert isinstance(parse("+".join(["x"] * 1_500)), Apply)
    with pytest.raises(TooLarge, match="symbols"):
        parse("+".join(["x"] * 2_500))


@pytest.mark.parametrize(("opened", "closed"), [("(1+", ")"), ("[1,", "]")])
def test_parse_limits_depth(opened: str, closed: str) -> None:
    deep = MAX_DEPTH + 10
    parse(opened * 10 + "x" + closed * 10)
    with pytest.raises(TooLarge, match="deep"):
        parse(opened * deep + "x" + closed * deep)


def test_parse_spends_no_depth_on_doubled_brackets() -> None:
    assert parse("(" * 500 + "x" + ")" * 500) == X


def test_parse_limits_quotients_in_a_row() -> None:
    assert isinstance(parse("1" + "/2" * (MAX_CHAIN - 1)), Apply)
    with pytest.raises(TooLarge, match="in a row"):
        parse("1" + "/2" * (MAX_CHAIN + 1))


def test_parse_keeps_sums_and_products_flat() -> None:
    total, product = parse("+".join(["x"] * 1_000)), parse("*".join(["x"] * 1_000))
    assert isinstance(total, Apply)
    assert isinstance(product, Apply)
    assert len(total.args) == len(product.args) == 1_000


def test_parse_forgets_no_earlier_reading() -> None:
    """What is read once is kept, and what is kept is immutable."""
    assert parse("x+2") is parse("x+2")
    assert hash(parse(r"\{1, 2\}")) == hash(parse(r"\{1, 2\}"))
