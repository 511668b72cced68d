r"""How an answer is written: sympy's LaTeX, and a few kinds that sympy has no type for.

Left out: units beyond a word behind the number, and piecewise functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import sympy

__all__ = [
    "Antiderivative",
    "Congruence",
    "Degrees",
    "Measure",
    "Numeral",
    "Percent",
    "Ratio",
    "gold",
    "kind",
    "tex",
]


@dataclass(frozen=True, slots=True)
class Antiderivative:
    """A function up to a constant, written with ``+ C``."""

    function: Any


@dataclass(frozen=True, slots=True)
class Congruence:
    r"""``x \equiv residue \pmod{modulus}``."""

    residue: int
    modulus: int


@dataclass(frozen=True, slots=True)
class Degrees:
    """An angle."""

    number: Any


@dataclass(frozen=True, slots=True)
class Measure:
    """A number with its unit."""

    number: Any
    unit: str


@dataclass(frozen=True, slots=True)
class Numeral:
    """A whole number in a base up to 10."""

    number: int
    base: int

    def __str__(self) -> str:
        digits, left = "", self.number
        while left:
            left, digit = divmod(left, self.base)
            digits = f"{digit}{digits}"
        return f"{digits or '0'}_{{{self.base}}}"


@dataclass(frozen=True, slots=True)
class Percent:
    """A number of hundredths, as a decimal."""

    number: Decimal


@dataclass(frozen=True, slots=True)
class Ratio:
    """``left:right`` in lowest terms."""

    left: int
    right: int


def tex(value: Any) -> str:
    """Return LaTeX of a sympy object or a number."""
    if isinstance(value, Fraction):
        value = sympy.Rational(value.numerator, value.denominator)
    return str(sympy.latex(value, ln_notation=True, mat_str="pmatrix", mat_delim=""))


def gold(value: Any) -> str:
    """Return the LaTeX of an answer; the same value gives the same text in every process."""
    return _entry(value)[1](value)


def kind(value: Any) -> str:
    """Name the kind of an answer: ``number``, ``set``, ``interval``, ..."""
    return _entry(value)[0]


def _set(value: frozenset[Any]) -> str:
    items = sorted(value, key=_place)
    return rf"\left\{{{', '.join(map(gold, items))}\right\}}"


def _place(item: Any) -> tuple[float, ...]:
    """Sort by size, pairs by their parts, complex numbers by real and imaginary part."""
    if isinstance(item, tuple):
        return tuple(part for entry in item for part in _place(entry))
    number = complex(item)
    return (number.real, number.imag)


def _tuple(value: tuple[Any, ...]) -> str:
    return rf"\left({', '.join(map(gold, value))}\right)"


def _number_or_expression(value: Any) -> str:
    if value.free_symbols:
        return "expression"
    return "complex" if value.has(sympy.I) else "number"


def _entry(value: Any) -> tuple[str, Callable[[Any], str]]:
    for types, name, write in _KINDS:
        if isinstance(value, types):
            return name, write
    if isinstance(value, sympy.Expr):
        return _number_or_expression(value), tex
    raise TypeError(f"no way to write {type(value).__name__} {value!r} as an answer")


_KINDS: tuple[tuple[Any, str, Callable[[Any], str]], ...] = (
    ((int, Fraction), "number", tex),
    (Decimal, "decimal", str),
    (str, "text", str),
    (frozenset, "set", _set),
    (tuple, "tuple", _tuple),
    (sympy.MatrixBase, "matrix", tex),
    (sympy.Set, "interval", tex),
    (sympy.Equality, "equation", tex),
    (Antiderivative, "antiderivative", lambda value: f"{tex(value.function)} + C"),
    (Congruence, "congruence", lambda v: rf"x \equiv {v.residue} \pmod{{{v.modulus}}}"),
    (Degrees, "angle", lambda value: rf"{tex(value.number)}^{{\circ}}"),
    (Measure, "measure", lambda value: rf"{tex(value.number)} \text{{ {value.unit}}}"),
    (Numeral, "numeral", str),
    (Percent, "percent", lambda value: rf"{value.number}\%"),
    (Ratio, "ratio", lambda value: f"{value.left}:{value.right}"),
)
