"""Level 5: problems that are long by hand and short in code."""

from __future__ import annotations

import random
from datetime import date, timedelta
from fractions import Fraction
from math import gcd, isqrt

from agentgym_envs.math.problem import Family, Problem

__all__ = ["LEVEL_5"]


def digit_sum(rng: random.Random) -> Problem:
    """The digit sum of a power."""
    base, power = rng.randint(2, 99), rng.randint(8, 60)
    remaining, total = base**power, 0
    while remaining:
        remaining, digit = divmod(remaining, 10)
        total += digit
    text = f"What is the sum of the decimal digits of {base}^{power}?"
    code = f"sum(int(d) for d in str({base}**{power}))"
    return Problem(text, str(total), code, f"digits {base} {power}")


def primes_between(rng: random.Random) -> Problem:
    """How many primes an interval holds."""
    low = rng.randint(2, 3000)
    high = low + rng.randint(30, 600)
    sieve = bytearray([1]) * (high + 1)
    for factor in range(2, isqrt(high) + 1):
        sieve[2 * factor :: factor] = bytes(len(range(2 * factor, high + 1, factor)))
    text = f"How many prime numbers p satisfy {low} <= p <= {high}?"
    code = (
        "def is_prime(n):\n    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))\n\n"
        f"sum(is_prime(n) for n in range({low}, {high} + 1))"
    )
    return Problem(text, str(sum(sieve[low:])), code, f"primes {low} {high}")


def multiples(rng: random.Random) -> Problem:
    """How many numbers are divisible by one of two, but not by both."""
    limit, a, b = rng.randint(500, 9999), rng.randint(3, 30), rng.randint(3, 30)
    if a == b:
        return multiples(rng)
    both = limit // (a * b // gcd(a, b))
    text = (
        f"How many whole numbers from 1 to {limit} are divisible by {a} or by {b}, but not by both?"
    )
    code = f"sum((n % {a} == 0) != (n % {b} == 0) for n in range(1, {limit} + 1))"
    answer = limit // a + limit // b - 2 * both
    return Problem(text, str(answer), code, f"multiples {limit} {min(a, b)} {max(a, b)}")


def common_divisor(rng: random.Random) -> Problem:
    """The greatest common divisor of two large numbers."""
    shared = rng.randint(12, 999)
    a, b = shared * rng.randint(100, 999), shared * rng.randint(100, 999)
    text = f"What is the greatest common divisor of {a} and {b}?"
    code = f"from math import gcd\ngcd({a}, {b})"
    return Problem(text, str(_euclid(a, b)), code, f"gcd {min(a, b)} {max(a, b)}")


def common_multiple(rng: random.Random) -> Problem:
    """The least common multiple of three numbers."""
    a, b, c = (rng.randint(12, 150) for _ in range(3))
    pair = a * b // _euclid(a, b)
    answer = pair * c // _euclid(pair, c)
    text = f"What is the least common multiple of {a}, {b} and {c}?"
    code = f"from math import lcm\nlcm({a}, {b}, {c})"
    ordered = " ".join(map(str, sorted((a, b, c))))
    return Problem(text, str(answer), code, f"lcm {ordered}")


def _euclid(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def sum_of_squares(rng: random.Random) -> Problem:
    """A sum of squares over a range."""
    low = rng.randint(1, 200)
    high = low + rng.randint(20, 400)
    text = f"What is the sum of n^2 for all whole numbers n from {low} to {high}?"
    code = f"sum(n**2 for n in range({low}, {high} + 1))"
    answer = _pyramid(high) - _pyramid(low - 1)
    return Problem(text, str(answer), code, f"squares {low} {high}")


def _pyramid(n: int) -> int:
    return n * (n + 1) * (2 * n + 1) // 6


def power_modulo(rng: random.Random) -> Problem:
    """A remainder of a large power."""
    base, power, modulus = rng.randint(2, 999), rng.randint(50, 5000), rng.randint(11, 997)
    answer, square, left = 1, base, power
    while left:
        if left % 2:
            answer = answer * square % modulus
        square, left = square * square % modulus, left // 2
    text = f"What is the remainder when {base}^{power} is divided by {modulus}?"
    code = f"pow({base}, {power}, {modulus})"
    return Problem(text, str(answer), code, f"power {base} {power} {modulus}")


def days_between(rng: random.Random) -> Problem:
    """Days from one date to another."""
    start = date(1950, 1, 1) + timedelta(days=rng.randint(0, 27_000))
    days = rng.randint(40, 9000)
    end = start + timedelta(days=days)
    text = (
        f"How many days after {start.isoformat()} is {end.isoformat()}? "
        "(Dates are year-month-day in the Gregorian calendar.)"
    )
    code = (
        "from datetime import date\n"
        f"(date({end.year}, {end.month}, {end.day}) - "
        f"date({start.year}, {start.month}, {start.day})).days"
    )
    return Problem(text, str(days), code, f"days {start} {end}")


def sum_of_fractions(rng: random.Random) -> Problem:
    """A sum of three fractions as a reduced fraction."""
    parts = [(rng.randint(1, 60), rng.randint(3, 97)) for _ in range(3)]
    top, bottom = 0, 1
    for a, b in parts:
        top, bottom = top * b + a * bottom, bottom * b
    shared = _euclid(top, bottom)
    top, bottom = top // shared, bottom // shared
    answer = str(top) if bottom == 1 else f"{top}/{bottom}"
    shown = " + ".join(f"{a}/{b}" for a, b in parts)
    terms = " + ".join(f"Fraction({a}, {b})" for a, b in parts)
    text = f"What is {shown}? Give an integer or a reduced fraction a/b."
    code = f"from fractions import Fraction\nprint({terms})"
    key = " ".join(map(str, sorted(Fraction(a, b) for a, b in parts)))
    return Problem(text, answer, code, f"fractions {key}")


def recurrence(rng: random.Random) -> Problem:
    """A term of a linear recurrence, modulo a number."""
    a, b, p, q = (rng.randint(1, 9) for _ in range(4))
    index, modulus = rng.randint(12, 90), rng.randint(100, 9999)
    terms = [a, b]
    while len(terms) < index:
        terms.append(p * terms[-1] + q * terms[-2])
    text = (
        f"A sequence starts with x_1 = {a} and x_2 = {b}, and x_n = {p}*x_(n-1) + {q}*x_(n-2) "
        "after that. "
        f"What is the remainder when x_{index} is divided by {modulus}?"
    )
    code = (
        f"x, y = {a}, {b}\nfor _ in range({index} - 2):\n    x, y = y, ({p}*y + {q}*x) % "
        f"{modulus}\n"
        f"y % {modulus}"
    )
    answer = terms[-1] % modulus
    return Problem(text, str(answer), code, f"recurrence {a} {b} {p} {q} {index} {modulus}")


def committees(rng: random.Random) -> Problem:
    """Ways to choose from two groups."""
    players, singers = rng.randint(6, 24), rng.randint(6, 24)
    some_players, some_singers = rng.randint(2, 5), rng.randint(2, 5)
    text = (
        f"In how many ways can {some_players} of {players} chess players and {some_singers} of "
        f"{singers} "
        "singers be chosen? (Nobody is both, and order does not matter.)"
    )
    code = (
        f"from math import comb\ncomb({players}, {some_players}) * comb({singers}, {some_singers})"
    )
    answer = _choose(players, some_players) * _choose(singers, some_singers)
    return Problem(
        text, str(answer), code, f"choose {players} {some_players} {singers} {some_singers}"
    )


def _choose(n: int, k: int) -> int:
    product = 1
    for step in range(1, k + 1):
        product = product * (n - k + step) // step
    return product


LEVEL_5: tuple[Family, ...] = (
    digit_sum,
    primes_between,
    multiples,
    common_divisor,
    common_multiple,
    sum_of_squares,
    power_modulo,
    days_between,
    sum_of_fractions,
    recurrence,
    committees,
)
