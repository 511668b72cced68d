"""What a number token is worth: decimals that end or repeat, powers of ten, other bases."""

from __future__ import annotations

import re

from flint import fmpq, fmpz

from agentgym_envs.math.lexer import Token
from agentgym_envs.math.nodes import Number, TooLarge, Unreadable

__all__ = ["MAX_DIGITS", "in_base", "number"]

MAX_DIGITS = 6_000  # of one number, the zeros of its exponent included


def number(token: Token) -> Number:
    """Return the value of a number token.

    Raises:
        TooLarge: If it has more than `MAX_DIGITS` digits.
        Unreadable: If its digits do not fit its base.
    """
    if token.extra.startswith("base "):
        return Number(in_base(token.text, int(token.extra[5:])), base=int(token.extra[5:]))
    mantissa, _, power = token.text.partition("e")
    whole, point, decimals = mantissa.partition(".")
    if len(power) > 7:
        raise TooLarge("an exponent of more than 6 digits")
    exponent = int(power or 0)
    if len(mantissa) + abs(exponent) + len(token.extra) > MAX_DIGITS:
        raise TooLarge(f"a number of more than {MAX_DIGITS} digits")
    if token.extra and token.extra != "digits":
        return Number(_repeating(whole, decimals, token.extra) * fmpq(10) ** exponent)
    if not (whole + decimals).isdigit():
        raise Unreadable(f"no number: {token.text!r}")
    place = exponent - len(decimals)
    value = fmpq(fmpz(whole + decimals)) * fmpq(10) ** place
    if not (point and decimals) and not power:
        return Number(value)
    digits = len((whole + decimals).lstrip("0"))
    return Number(value, place if decimals or place > 0 else None, digits)


def _repeating(whole: str, decimals: str, period: str) -> fmpq:
    """Return the value of ``whole.decimals(period)(period)...``; dots repeat what stands twice."""
    if period == "...":
        if len(decimals) > 120:
            raise TooLarge("decimals that go on for too long")
        match = re.search(r"([0-9]+?)\1+$", decimals)
        if match is None or len(match[0]) < 2 or (len(match[0]) < 3 and len(match[1]) == 1):
            raise Unreadable("decimals that go on, and do not say how")
        decimals, period = decimals[: match.start()], match[1]
    shift = fmpq(10) ** len(decimals)
    start = fmpq(fmpz(whole + decimals or "0"))
    return (start + fmpq(fmpz(period), fmpz("9" * len(period)))) / shift


def in_base(digits: str, base: int) -> fmpq:
    """Return the value of digits in a base.

    Raises:
        Unreadable: If they are no digits of that base.
    """
    whole, _, part = digits.partition(".")
    if part:
        return in_base(whole + part, base) / fmpq(base) ** len(part)
    if not 2 <= base <= 36 or len(digits) > 1_000:
        raise Unreadable(f"no number in base {base}: {digits[:20]!r}")
    try:
        return fmpq(fmpz(int(digits, base)))
    except ValueError:
        raise Unreadable(f"no number in base {base}: {digits[:20]!r}") from None
