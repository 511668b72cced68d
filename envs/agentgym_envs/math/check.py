"""Whether an answer says the same as the gold: pure, total, exact.

Nothing is ever evaluated. An answer is read as a rational number where it is spelled as one
(integer, decimal, fraction, percent, power of ten, mixed number), and rationals are compared
exactly; all else is compared as normalised text. Numbers are capped by their digits before they
are built, so no spelling can hang the caller. There is no arithmetic: ``2+3`` is not 5, or a
policy could answer with the question.

Left out here: algebra, radicals, intervals, sets, rounding (``0.33`` is not ``1/3``).
"""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["equivalent", "normalise", "rational"]

MAX_LENGTH = 8_000  # characters of an answer or a gold
MAX_DIGITS = 600  # of one number, its exponent's zeros included; Python always converts this many

_WRAPPERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"))
_MINUSES = "\N{MINUS SIGN}\N{EN DASH}\N{SMALL HYPHEN-MINUS}\N{FULLWIDTH HYPHEN-MINUS}"
_CHARACTERS = (
    dict.fromkeys(map(ord, _MINUSES), "-")
    | {ord("\N{FULLWIDTH DIGIT ZERO}") + digit: str(digit) for digit in range(10)}
    | dict.fromkeys(map(ord, "\u200b\u200c\u200d\ufeff"))  # of no width: dropped
)
_DOLLAR = "\N{FULLWIDTH DOLLAR SIGN}"  # stands for an escaped dollar, which delimits no math
_TEXT = re.compile(
    r"\\(?:boxed|text|textbf|textit|textrm|mathrm|mathbf|mathsf|operatorname)\{([^{}]*)\}"
)
_SPACING = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\!")
_SPACES = re.compile(r"\\[,;:> ]|\\q?quad(?![A-Za-z])|~|\s+")
_LOOSE = re.compile(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])")
_THOUSANDS = re.compile(r"(?<=[0-9])\\,(?=[0-9]{3}(?![0-9]))")
_ASSIGNED = re.compile(r"[A-Za-z] ?= ?")

_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+"
_POWER = r"[eE]([+-]?[0-9]+)|(?:\*|\\times|\\cdot)10\^(?:\{([+-]?[0-9]+)\}|([0-9]))"
_ATOM = re.compile(rf"({_NUMBER})(?:{_POWER})?")
_FRAC = re.compile(r"\\[dtc]?frac(?:\{([^{}]*)\}|([0-9]))(?:\{([^{}]*)\}|([0-9]))")
_MIXED = re.compile(r"([0-9]+) ?\\[dtc]?frac\{([0-9]+)\}\{([0-9]+)\}")
_MIXED_PLAIN = re.compile(r"([0-9]+) ([0-9]+)/([0-9]+)")
_PERCENT = re.compile(r"(.*?) ?\\?%")
_UNIT = re.compile(r"(.*[0-9.}])(?: ?\^?(?:\\circ|\{\\circ\}|°)| ([A-Za-z]{3,}|[ckm]m|kg|ft))")
_SIGN = re.compile(rf"([+-]?) ?[${_DOLLAR}]? ?([+-]?) ?")
_NAN = re.compile(r"\bnan\b", re.IGNORECASE)

# Words after a number that change its value: never read as a unit.
_NOT_UNITS = frozenset(
    """
    and or to not minus plus times over mod base point negative half halves third thirds quarter
    quarters fourth fourths fifth fifths tenth tenths hundred hundreds hundredth hundredths
    thousand thousands thousandth thousandths million millions billion billions trillion trillions
    dozen dozens score scores pair pairs percent pct squared cubed factorial root pi
    """.split()  # noqa: SIM905 - a list of words reads better
)


def equivalent(answer: str, gold: str) -> bool:
    """Say whether two spellings are the same answer.

    Args:
        answer: What the response gives, without its box.
        gold: What is right.

    Returns:
        True if both are the same rational number (exactly) or the same normalised text. Always
        False for empty text, NaN, and text above `MAX_LENGTH`. A unit that only one side names
        is ignored.
    """
    if max(len(answer), len(gold)) > MAX_LENGTH:
        return False
    left, right = normalise(answer), normalise(gold)
    if not left or not right or _NAN.search(left) or _NAN.search(right):
        return False
    if ("=" in left) != ("=" in right):
        left, right = _value(left), _value(right)
    if _same_number(left, right):
        return True
    return _fold(left) == _fold(right)


def normalise(text: str) -> str:
    r"""Drop what carries no meaning: math delimiters, ``\text{}``, spacing, a closing full stop."""
    text = (
        text.translate(_CHARACTERS).replace("{,}", ",").replace(r"\$", _DOLLAR).replace(r"\%", "%")
    )
    text = _SPACING.sub("", _TEXT.sub(r" \1 ", _THOUSANDS.sub(",", text)))
    text = _SPACES.sub(" ", text).strip().removesuffix(".")
    text = _unwrap(text)
    return _SPACES.sub(" ", text).strip()


def rational(text: str) -> Fraction | None:
    """Return the rational number that normalised text spells, or None."""
    text = _unwrap(text)
    head = _SIGN.match(text)
    if head is None or (head[1] and head[2]):
        return None
    value = _unsigned(text[head.end() :])
    return -value if value is not None and "-" in (head[1], head[2]) else value


def _unsigned(text: str) -> Fraction | None:
    if match := _PERCENT.fullmatch(text):
        value = _unsigned(match[1]) if "%" not in match[1] else None
        return None if value is None else value / 100
    if match := _MIXED.fullmatch(text) or _MIXED_PLAIN.fullmatch(text):
        whole, top, bottom = map(_atom, match.groups())
        part = _quotient(top, bottom)
        return None if whole is None or part is None or part >= 1 else whole + part
    if match := _FRAC.fullmatch(text):
        return _quotient(_signed(match[1] or match[2]), _signed(match[3] or match[4]))
    if text.count("/") == 1:
        top_text, bottom_text = text.split("/")
        return _quotient(_atom(top_text.strip()), _signed(bottom_text))
    return _atom(text)


def _signed(text: str | None) -> Fraction | None:
    text = (text or "").strip()
    value = _atom(text[1:].strip() if text[:1] in ("+", "-") else text)
    return -value if value is not None and text.startswith("-") else value


def _quotient(top: Fraction | None, bottom: Fraction | None) -> Fraction | None:
    return None if top is None or not bottom else top / bottom


def _atom(text: str) -> Fraction | None:
    """Return an unsigned decimal with an optional power of ten; None above `MAX_DIGITS`."""
    match = _ATOM.fullmatch(text.replace(" ", "") if "10^" in text else text)
    if match is None:
        return None
    whole, _, decimals = match[1].replace(",", "").partition(".")
    power = (match[2] or match[3] or match[4] or "0").lstrip("+")
    if len(power) > 6 or len(whole) + len(decimals) + abs(int(power)) > MAX_DIGITS:
        return None
    exponent = int(power) - len(decimals)
    digits = int(whole + decimals)
    return Fraction(digits * 10**exponent) if exponent >= 0 else Fraction(digits, 10**-exponent)


def _same_number(left: str, right: str) -> bool:
    left_number, left_unit = _measure(left)
    right_number, right_unit = _measure(right)
    if left_number is None or left_number != right_number:
        return False
    return left_unit == right_unit or not left_unit or not right_unit


def _measure(text: str) -> tuple[Fraction | None, str]:
    """Split a number from its unit; the unit is empty where there is none."""
    if (value := rational(text)) is not None:
        return value, ""
    match = _UNIT.fullmatch(text)
    if match is None or (match[2] or "").casefold() in _NOT_UNITS:
        return None, ""
    unit = match[2].casefold().removesuffix("s") if match[2] else "degree"
    return rational(match[1].strip()), unit


def _unwrap(text: str) -> str:
    for _ in range(4):  # a bound, not a need: nobody nests deeper
        before = text
        for opening, closing in _WRAPPERS:
            inner = text[len(opening) : len(text) - len(closing)]
            if _encloses(text, opening, closing) and inner and opening not in inner:
                text = inner.strip()
        if text[:1] + text[-1:] in ("()", "{}") and not re.search(r"[(){},;]", text[1:-1]):
            text = text[1:-1].strip()
        if text == before:
            break
    return text


def _encloses(text: str, opening: str, closing: str) -> bool:
    long_enough = len(text) > len(opening) + len(closing)
    return long_enough and text.startswith(opening) and text.endswith(closing)


def _value(text: str) -> str:
    """Return 5 for ``x = 5``; only one letter may stand on the left."""
    match = _ASSIGNED.match(text)
    return text[match.end() :] if match else text


def _fold(text: str) -> str:
    """Return text for comparison: loose spaces out; words without regard to case."""
    text = re.sub(r"\\[dt]frac", r"\\frac", _LOOSE.sub("", text))
    words = text.replace(" ", "")
    return text.casefold() if words.isalpha() and not words.isupper() else text
