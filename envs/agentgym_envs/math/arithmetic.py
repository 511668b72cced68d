"""Levels 1 and 2: bare expressions."""

from __future__ import annotations

import random

from agentgym_envs.math.problem import Family, Problem

__all__ = ["LEVEL_1", "LEVEL_2"]


def _problem(expression: str, answer: int) -> Problem:
    """Ask for an expression; ``/`` is exact by construction, so the code may use ``//``."""
    code = expression.replace("/", "//")
    return Problem(f"What is {expression}?", str(answer), code, expression)


def three_operands(rng: random.Random) -> Problem:
    """``a?b?c`` with ``+``, ``-`` and ``*``: short enough for a character-level model."""
    a, b, c = (rng.randint(1, 99) for _ in range(3))
    first, second = rng.choice("+-*"), rng.choice("+-*")
    if second == "*" and first != "*":
        answer = _apply(first, a, b * c)
    else:
        answer = _apply(second, _apply(first, a, b), c)
    return _problem(f"{a}{first}{b}{second}{c}", answer)


def _apply(operator: str, left: int, right: int) -> int:
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def sum_times(rng: random.Random) -> Problem:
    """``(a±b)*c``."""
    a, b, c = rng.randint(100, 999), rng.randint(100, 999), rng.randint(12, 99)
    sign = rng.choice("+-")
    return _problem(f"({a}{sign}{b})*{c}", _apply(sign, a, b) * c)


def times_sum(rng: random.Random) -> Problem:
    """``a*(b±c)±d``."""
    a, b, c = rng.randint(12, 99), rng.randint(100, 999), rng.randint(100, 999)
    d = rng.randint(100, 9999)
    inner, outer = rng.choice("+-"), rng.choice("+-")
    answer = _apply(outer, a * _apply(inner, b, c), d)
    return _problem(f"{a}*({b}{inner}{c}){outer}{d}", answer)


def sum_over(rng: random.Random) -> Problem:
    """``(a+b)/c`` without remainder."""
    quotient, c = rng.randint(12, 99), rng.randint(3, 49)
    total = quotient * c
    a = rng.randint(1, total - 1)
    return _problem(f"({a}+{total - a})/{c}", quotient)


def plus_quotient(rng: random.Random) -> Problem:
    """``a±b/c*d`` without remainder."""
    a, quotient, c = rng.randint(100, 9999), rng.randint(12, 99), rng.randint(3, 49)
    d = rng.randint(3, 19)
    sign = rng.choice("+-")
    return _problem(f"{a}{sign}{quotient * c}/{c}*{d}", _apply(sign, a, quotient * d))


def minus_group(rng: random.Random) -> Problem:
    """``a-(b±c)*d``."""
    a, b, c = rng.randint(1000, 9999), rng.randint(10, 99), rng.randint(10, 99)
    d = rng.randint(12, 99)
    sign = rng.choice("+-")
    return _problem(f"{a}-({b}{sign}{c})*{d}", a - _apply(sign, b, c) * d)


def product_of_groups(rng: random.Random) -> Problem:
    """``(a+b)*(c-d)``."""
    a, b, c, d = (rng.randint(11, 250) for _ in range(4))
    return _problem(f"({a}+{b})*({c}-{d})", (a + b) * (c - d))


def quotient_of_groups(rng: random.Random) -> Problem:
    """``(a-b)/(c+d)`` without remainder."""
    c, d, quotient = rng.randint(2, 40), rng.randint(2, 40), rng.randint(12, 99)
    b = rng.randint(100, 999)
    a = quotient * (c + d) + b
    return _problem(f"({a}-{b})/({c}+{d})", quotient)


def nested(rng: random.Random) -> Problem:
    """``a-(b-(c-d))``."""
    a, b, c, d = (rng.randint(100, 9999) for _ in range(4))
    return _problem(f"{a}-({b}-({c}-{d}))", a - b + c - d)


LEVEL_1: tuple[Family, ...] = (three_operands,)
LEVEL_2: tuple[Family, ...] = (
    sum_times,
    times_sum,
    sum_over,
    plus_quotient,
    minus_group,
    product_of_groups,
    quotient_of_groups,
    nested,
)
