"""Topic ``arithmetic``: fractions, percentages, units, clocks, bases, radicals, sums."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import gcd

from sympy import Rational, Symbol, solve, sqrt

from agentgym_envs.math.exercise import Exercise, Topic
from agentgym_envs.math.gold import Measure, Numeral, Percent, Ratio, tex

__all__ = ["ARITHMETIC"]


def share_left(rng: random.Random) -> Exercise:
    """What is left of a part after a share of it is used."""
    b, d = rng.randint(3, 15), rng.randint(3, 15)
    a, c = rng.randint(1, b - 1), rng.randint(1, d - 1)
    full, used = Rational(a, b), Rational(c, d)
    text = (
        f"A tank is ${tex(full)}$ full. Then ${tex(used)}$ of the water in it is used. "
        "What fraction of the tank is filled now?"
    )
    return Exercise(text, full * (1 - used), lambda: Fraction(a * (d - c), b * d), (full, used))


def metres_per_second(rng: random.Random) -> Exercise:
    """A speed in another unit."""
    speed = rng.randint(10, 900)
    text = f"A train moves at ${speed}$ km/h. What is its speed in m/s, as an exact number?"
    value = Measure(Rational(speed * 5, 18), "m/s")
    return Exercise(text, value, lambda: Measure(Fraction(speed * 1000, 3600), "m/s"), (speed,))


def change_in_percent(rng: random.Random) -> Exercise:
    """Up by one percentage, down by another."""
    up, down = rng.randint(2, 90), rng.randint(2, 90)
    text = (
        f"A price rises by ${up}\\%$ and then falls by ${down}\\%$. By how many percent of the "
        "first price has it changed in all? Give a percentage, negative for a fall."
    )
    value = up - down - Decimal(up * down) / 100
    whole = value == value.to_integral_value()
    end = Fraction(100 + up, 100) * (100 - down) - 100
    return Exercise(
        text,
        Percent(value.quantize(Decimal(1)) if whole else value),
        lambda: Percent(Decimal(end.numerator) / end.denominator),
        (up, down),
    )


def arrival(rng: random.Random) -> Exercise:
    """A time of day some hours and minutes later."""
    start, lasts = rng.randint(0, 23 * 60), rng.randint(65, 1300)
    text = (
        f"A ship leaves at {start // 60}:{start % 60:02d} and arrives {lasts // 60} hours and "
        f"{lasts % 60} minutes later. What time is it then on a 24-hour clock (hh:mm)?"
    )
    end = (start + lasts) % 1440
    moment = datetime(2024, 1, 1) + timedelta(minutes=start + lasts)
    value = f"{end // 60:02d}:{end % 60:02d}"
    return Exercise(text, value, lambda: moment.strftime("%H:%M"), (start, lasts))


def ratio_of_ends(rng: random.Random) -> Exercise:
    """The ratio of the ends from two ratios with a middle."""
    a, b, c, d = (rng.randint(2, 24) for _ in range(4))
    text = (
        f"The ratio of sand to lime is ${a}:{b}$ and the ratio of lime to water is ${c}:{d}$. "
        "What is the ratio of sand to water in lowest terms?"
    )
    shared = gcd(a * c, b * d)
    part = Fraction(a, b) * Fraction(c, d)
    again = Ratio(part.numerator, part.denominator)
    return Exercise(text, Ratio(a * c // shared, b * d // shared), lambda: again, (a, b, c, d))


def repeating_decimal(rng: random.Random) -> Exercise:
    """Numerator and denominator of a repeating decimal."""
    start, digits = rng.randint(0, 9), rng.randint(1, 98)
    text = (
        rf"Let $x = 0.{start}\overline{{{digits:02d}}}$. Write $x$ as a fraction $p/q$ in lowest "
        "terms and give the pair $(p, q)$."
    )
    value = Rational(start, 10) + Rational(digits, 990)
    again = Fraction(start * 100 + digits - start, 990)
    pair = (again.numerator, again.denominator)
    return Exercise(text, (int(value.p), int(value.q)), lambda: pair, (start, digits))


def base_sum(rng: random.Random) -> Exercise:
    """A sum in another base."""
    base = rng.randint(2, 9)
    a, b = (rng.randint(base**2, base**5) for _ in range(2))
    text = (
        f"What is the sum of ${Numeral(a, base)}$ and ${Numeral(b, base)}$, written in base "
        f"${base}$?"
    )
    shown = [int(str(Numeral(n, base)).partition("_")[0], base) for n in (a, b)]
    return Exercise(
        text, Numeral(a + b, base), lambda: Numeral(sum(shown), base), (base, *sorted((a, b)))
    )


def surd_reciprocal(rng: random.Random) -> Exercise:
    """A surd plus its reciprocal."""
    p, q = rng.randint(2, 20), rng.choice((2, 3, 5, 6, 7, 10, 11, 13, 14, 15))
    x = p + sqrt(q)
    norm = p * p - q
    value = Rational(p * (norm + 1), norm) + Rational(norm - 1, norm) * sqrt(q)
    text = f"Let $x = {tex(x)}$. Find $x$ plus its reciprocal, without roots in a denominator."
    return Exercise(text, value, lambda: x + 1 / x, (p, q))


def compound_interest(rng: random.Random) -> Exercise:
    """A deposit with interest, rounded to cents."""
    money, rate, years = 50 * rng.randint(2, 200), rng.randint(1, 12), rng.randint(2, 9)
    text = (
        f"${money}$ dollars are deposited at ${rate}\\%$ interest a year, compounded yearly. How "
        f"many dollars is the deposit worth after ${years}$ years, rounded to the nearest cent?"
    )
    exact = Decimal(money) * (1 + Decimal(rate) / 100) ** years
    value = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    top, bottom = money * (100 + rate) ** years * 100, 100**years
    cents = (2 * top + bottom) // (2 * bottom)
    return Exercise(text, value, lambda: Decimal(cents) / 100, (money, rate, years))


def telescoping(rng: random.Random) -> Exercise:
    """A telescoping sum."""
    n, step = rng.randint(5, 60), rng.randint(1, 6)
    text = (
        rf"Add the fractions $\frac{{1}}{{k(k+{step})}}$ for all whole numbers $k$ from $1$ to "
        f"${n}$. What is the sum as a reduced fraction?"
    )
    ends = [Rational(1, k) - Rational(1, n + k) for k in range(1, step + 1)]
    value = sum(ends, Rational(0)) / step
    parts = (Fraction(1, k * (k + step)) for k in range(1, n + 1))
    return Exercise(text, value, lambda: sum(parts, Fraction(0)), (n, step))


def continued_fraction(rng: random.Random) -> Exercise:
    """The value of a continued fraction of period two."""
    a, b = rng.randint(1, 25), rng.randint(1, 25)
    text = (
        rf"Let $x = {a} + \cfrac{{1}}{{{b} + \cfrac{{1}}{{{a} + \cfrac{{1}}{{{b} + \cdots}}}}}}$, "
        "going on for ever. Find the exact value of $x$."
    )
    value = Rational(a, 2) + sqrt(a * a * b * b + 4 * a * b) / (2 * b)
    x = Symbol("x", positive=True)
    return Exercise(text, value, lambda: solve(x - a - 1 / (b + 1 / x), x)[0], (a, b))


ARITHMETIC: Topic = {
    1: (share_left, metres_per_second),
    2: (change_in_percent, arrival, ratio_of_ends),
    3: (repeating_decimal, base_sum),
    4: (surd_reciprocal, compound_interest),
    5: (telescoping, continued_fraction),
}
