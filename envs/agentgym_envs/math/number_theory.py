"""Topic ``number_theory``: divisors, congruences, Diophantine equations."""

from __future__ import annotations

import random
from math import gcd, isqrt, lcm, prod

from sympy import divisor_count, divisor_sigma, factorint, primefactors, primerange, totient
from sympy.ntheory.modular import crt
from sympy.ntheory.residue_ntheory import sqrt_mod

from agentgym_envs.math.exercise import Exercise, Topic
from agentgym_envs.math.gold import Congruence

__all__ = ["NUMBER_THEORY"]

_PRIMES = tuple(map(int, primerange(2, 100)))


def gcd_and_lcm(rng: random.Random) -> Exercise:
    """Greatest common divisor and least common multiple as a pair."""
    shared = rng.randint(2, 40)
    a, b = (shared * rng.randint(2, 30) for _ in range(2))
    text = (
        f"Let $d$ be the greatest common divisor and $m$ the least common multiple of ${a}$ and "
        f"${b}$. Give the pair $(d, m)$."
    )
    one, two = factorint(a), factorint(b)
    value = (
        prod(p ** min(one.get(p, 0), two.get(p, 0)) for p in one),
        prod(p ** max(one.get(p, 0), two.get(p, 0)) for p in {*one, *two}),
    )
    return Exercise(text, value, lambda: (gcd(a, b), lcm(a, b)), tuple(sorted((a, b))))


def prime_factors(rng: random.Random) -> Exercise:
    """The set of primes that divide a number."""
    primes = rng.sample(_PRIMES[:15], rng.randint(2, 3))
    number = prod(p ** rng.randint(1, 2) for p in primes)
    text = f"Find the set of all prime numbers that divide ${number}$."
    again = (p for p in range(2, 100) if number % p == 0 and all(p % q for q in range(2, p)))
    value = frozenset(map(int, primefactors(number)))
    return Exercise(text, value, lambda: frozenset(again), (number,))


def count_divisors(rng: random.Random) -> Exercise:
    """How many divisors a number has."""
    number = prod(rng.choice(_PRIMES[:5]) for _ in range(rng.randint(4, 7))) * rng.choice(_PRIMES)
    text = f"How many positive divisors does ${number}$ have?"
    root = isqrt(number)
    again = 2 * sum(number % d == 0 for d in range(1, root + 1)) - (root * root == number)
    return Exercise(text, int(divisor_count(number)), lambda: again, (number,))


def modular_inverse(rng: random.Random) -> Exercise:
    """The inverse of a number modulo another."""
    modulus = rng.randint(11, 300)
    a = rng.randint(2, modulus - 2)
    if gcd(a, modulus) > 1:
        return modular_inverse(rng)
    text = (
        f"Find the smallest positive whole number $x$ for which ${a}x$ leaves the remainder $1$ "
        f"when divided by ${modulus}$."
    )
    again = (n for n in range(1, modulus) if n * a % modulus == 1)
    return Exercise(text, pow(a, -1, modulus), lambda: next(again), (a, modulus))


def linear_congruence(rng: random.Random) -> Exercise:
    """One linear congruence, solved as a congruence."""
    modulus = rng.randint(7, 120)
    a, solution = rng.randint(2, modulus - 1), rng.randint(0, modulus - 1)
    if gcd(a, modulus) > 1:
        return linear_congruence(rng)
    b = a * solution % modulus
    text = (
        rf"Solve ${a}x \equiv {b} \pmod{{{modulus}}}$. Give the solution as a congruence "
        rf"$x \equiv r \pmod m$."
    )
    value = Congruence(b * pow(a, -1, modulus) % modulus, modulus)
    return Exercise(text, value, lambda: Congruence(solution, modulus), (a, b, modulus))


def two_remainders(rng: random.Random) -> Exercise:
    """Two congruences as one (Chinese remainder theorem)."""
    m, n = sorted(rng.sample(range(5, 60), 2))
    if gcd(m, n) > 1:
        return two_remainders(rng)
    solution = rng.randint(1, m * n - 1)
    a, b = solution % m, solution % n
    text = (
        f"A whole number $x$ leaves the remainder ${a}$ when divided by ${m}$ and ${b}$ when "
        rf"divided by ${n}$. Give all such $x$ as one congruence $x \equiv r \pmod{{{m * n}}}$."
    )
    value = Congruence(int(crt([m, n], [a, b])[0]), m * n)
    return Exercise(text, value, lambda: Congruence(solution, m * n), (a, m, b, n))


def trailing_zeros(rng: random.Random) -> Exercise:
    """The power of a prime in a factorial."""
    n, p = rng.randint(30, 900), rng.choice((2, 3, 5, 7, 11, 13))
    text = f"What is the largest whole number $k$ for which ${p}^k$ divides ${n}!$?"
    value = sum(n // p**power for power in range(1, 11))
    digits, left = 0, n
    while left:
        left, digit = divmod(left, p)
        digits += digit
    return Exercise(text, value, lambda: (n - digits) // (p - 1), (n, p))


def coprime_count(rng: random.Random) -> Exercise:
    """Euler's totient."""
    n = rng.randint(60, 3000)
    text = (
        f"How many whole numbers from $1$ to ${n}$ have no divisor above $1$ in common with ${n}$?"
    )
    again = (gcd(n, k) == 1 for k in range(1, n + 1))
    return Exercise(text, int(totient(n)), lambda: sum(again), (n,))


def divisor_sum(rng: random.Random) -> Exercise:
    """The sum of all divisors."""
    n = rng.randint(60, 5000)
    text = f"What is the sum of all positive divisors of ${n}$, itself included?"
    again = (d for d in range(1, n + 1) if n % d == 0)
    return Exercise(text, int(divisor_sigma(n)), lambda: sum(again), (n,))


def power_tower(rng: random.Random) -> Exercise:
    """A tower of powers modulo a prime, by Fermat."""
    p = rng.choice(_PRIMES[4:])
    a, b, c = rng.randint(2, p - 1), rng.randint(2, 20), rng.randint(3, 40)
    text = f"What is the remainder when ${a}^{{{b}^{{{c}}}}}$ is divided by ${p}$?"
    value = pow(a, pow(b, c, p - 1), p)
    return Exercise(text, value, lambda: pow(a, b**c, p), (a, b, c, p))


def modular_square_root(rng: random.Random) -> Exercise:
    """The square roots of a residue modulo a prime."""
    p = rng.choice(tuple(map(int, primerange(11, 300))))
    root = rng.randint(2, p // 2)
    square = root * root % p
    text = (
        rf"Find the set of all whole numbers $x$ with $0 \le x < {p}$ for which $x^2$ leaves the "
        f"remainder ${square}$ when divided by ${p}$."
    )
    value = frozenset(map(int, sqrt_mod(square, p, all_roots=True)))
    return Exercise(text, value, lambda: frozenset({root, p - root}), (square, p))


def count_solutions(rng: random.Random) -> Exercise:
    """How often a linear equation has a solution in whole numbers from 0."""
    a, b = sorted(rng.sample(range(3, 30), 2))
    if gcd(a, b) > 1:
        return count_solutions(rng)
    n = rng.randint(a * b, 12 * a * b)
    text = f"How many pairs $(x, y)$ of whole numbers from $0$ on satisfy ${a}x + {b}y = {n}$?"
    first = n * pow(a, -1, b) % b
    value = (n // a - first) // b + 1 if first * a <= n else 0
    again = ((n - a * k) % b == 0 for k in range(n // a + 1))
    return Exercise(text, value, lambda: sum(again), (a, b, n))


def pell_equation(rng: random.Random) -> Exercise:
    """The first or a later solution of Pell's equation."""
    d = rng.choice([n for n in range(2, 120) if isqrt(n) ** 2 != n])
    which = rng.randint(1, 3)
    a, b = _fundamental(d)
    if a > 30_000:
        return pell_equation(rng)
    nth = ("smallest", "second smallest", "third smallest")[which - 1]
    text = (
        f"Among the pairs $(x, y)$ of positive whole numbers with $x^2 - {d}y^2 = 1$, find the one "
        f"with the {nth} $x$."
    )
    u, v = a, b
    for _ in range(which - 1):
        u, v = a * u + d * b * v, a * v + b * u
    return Exercise(text, (u, v), lambda: _searched(d, which), (d, which))


def _fundamental(d: int) -> tuple[int, int]:
    """Return the least solution from the continued fraction of the root."""
    root, m, q, a = isqrt(d), 0, 1, isqrt(d)
    h, h1, k, k1 = a, 1, 1, 0
    while h * h - d * k * k != 1:
        m = a * q - m
        q = (d - m * m) // q
        a = (root + m) // q
        h, h1, k, k1 = a * h + h1, h, a * k + k1, k
    return h, k


def _searched(d: int, which: int) -> tuple[int, int]:
    """Search the least solution, then use the recurrence x_(n+1) = 2 x_1 x_n - x_(n-1)."""
    y = next(k for k in range(1, 30_000) if isqrt(d * k * k + 1) ** 2 == d * k * k + 1)
    first = isqrt(d * y * y + 1)
    found = [(1, 0), (first, y)]
    while len(found) <= which:
        (s, t), (u, v) = found[-2:]
        found.append((2 * first * u - s, 2 * first * v - t))
    return found[which]


NUMBER_THEORY: Topic = {
    1: (gcd_and_lcm, prime_factors),
    2: (count_divisors, modular_inverse),
    3: (linear_congruence, two_remainders, trailing_zeros),
    4: (coprime_count, divisor_sum, power_tower, modular_square_root),
    5: (count_solutions, pell_equation),
}
