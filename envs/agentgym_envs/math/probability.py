"""Topic ``probability``: chances, expectations, chains."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import product
from math import comb
from typing import Any

from sympy import Matrix, Rational, Symbol, eye, integrate, ones, solve

from agentgym_envs.math.exercise import Exercise, Topic
from agentgym_envs.math.gold import tex

__all__ = ["PROBABILITY"]

x = Symbol("x")


def _chance(rng: random.Random, most: int = 9) -> Rational:
    """Return a fraction strictly between 0 and 1."""
    bottom = rng.randint(2, most)
    return Rational(rng.randint(1, bottom - 1), bottom)


def two_red(rng: random.Random) -> Exercise:
    """Two balls of one colour without replacement."""
    red, blue = rng.randint(2, 40), rng.randint(1, 40)
    text = (
        f"A bag holds ${red}$ red and ${blue}$ blue balls. Two are drawn without replacement. "
        "What is the probability that both are red?"
    )
    value = Rational(comb(red, 2), comb(red + blue, 2))
    again = Fraction(red, red + blue) * Fraction(red - 1, red + blue - 1)
    return Exercise(text, value, lambda: again, (red, blue))


def sum_of_two_dice(rng: random.Random) -> Exercise:
    """A sum of two dice with different numbers of sides."""
    m, n = sorted((rng.randint(4, 20), rng.randint(4, 20)))
    total = rng.randint(3, m + n - 1)
    text = (
        f"Two fair dice have ${m}$ sides (numbered 1 to {m}) and ${n}$ sides (1 to {n}). What is "
        f"the probability that they show a sum of exactly ${total}$?"
    )
    value = Rational(min(m, total - 1) - max(1, total - n) + 1, m * n)
    rolls = product(range(1, m + 1), range(1, n + 1))
    again = (a + b == total for a, b in rolls)
    return Exercise(text, value, lambda: Fraction(sum(again), m * n), (m, n, total))


def at_least_one(rng: random.Random) -> Exercise:
    """At least one success in independent trials."""
    p, n = _chance(rng, 16), rng.randint(2, 5)
    text = (
        f"A machine fails with probability ${tex(p)}$ on each day, independently. What is the "
        f"probability that it fails on at least one of ${n}$ days?"
    )
    parts = (comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(1, n + 1))
    return Exercise(text, 1 - (1 - p) ** n, lambda: sum(parts), (p, n))


def mean_payoff(rng: random.Random) -> Exercise:
    """What a game is worth."""
    sides, price = rng.randint(4, 20), rng.randint(1, 9)
    low, prize, small = rng.randint(1, sides - 2), rng.randint(10, 60), rng.randint(1, 9)
    text = (
        f"In a game a fair die with sides 1 to {sides} is rolled. A roll of at most {low} pays "
        f"${small}$ dollars, a roll of {sides} pays ${prize}$ dollars, anything else pays nothing. "
        f"To play costs ${price}$ dollars. What is the expected gain in dollars, as an exact "
        "fraction?"
    )
    value = Rational(low * small + prize, sides) - price
    pays = [small if n <= low else prize if n == sides else 0 for n in range(1, sides + 1)]
    again = Fraction(sum(pays) - price * sides, sides)
    return Exercise(text, value, lambda: again, (sides, low, prize, small, price))


def positive_test(rng: random.Random) -> Exercise:
    """Bayes' rule for a test."""
    ill, hit, wrong = rng.randint(1, 20), rng.randint(80, 99), rng.randint(1, 15)
    text = (
        f"${ill}\\%$ of a herd are ill. A test is positive for ${hit}\\%$ of the ill animals and "
        f"for ${wrong}\\%$ of the others. An animal tests positive. What is the probability that "
        "it is ill, as a reduced fraction?"
    )
    value = Rational(ill * hit, ill * hit + (100 - ill) * wrong)
    both = Fraction(ill, 100) * Fraction(hit, 100)
    again = both / (both + Fraction(100 - ill, 100) * Fraction(wrong, 100))
    return Exercise(text, value, lambda: again, (ill, hit, wrong))


def exactly_so_many(rng: random.Random) -> Exercise:
    """The binomial distribution."""
    p, n = _chance(rng, 6), rng.randint(3, 7)
    k = rng.randint(1, n - 1)
    text = (
        f"A biased coin shows heads with probability ${tex(p)}$. It is tossed ${n}$ times. What is "
        f"the probability of exactly {k} heads, as an exact fraction?"
    )
    again = ([0, 1][sum(tosses) == k] * _weight(p, tosses) for tosses in product((0, 1), repeat=n))
    return Exercise(text, comb(n, k) * p**k * (1 - p) ** (n - k), lambda: sum(again), (p, n, k))


def _weight(p: Rational, tosses: tuple[int, ...]) -> Rational:
    return p ** sum(tosses) * (1 - p) ** (len(tosses) - sum(tosses))


def mean_and_variance(rng: random.Random) -> Exercise:
    """Mean and variance of a table of chances."""
    values = sorted(rng.sample(range(-6, 13), 3))
    weights = [rng.randint(1, 6) for _ in range(3)]
    total = sum(weights)
    table = ", ".join(
        f"${v}$ with probability ${tex(Rational(w, total))}$"
        for v, w in zip(values, weights, strict=True)
    )
    text = (
        f"A random variable takes the values {table}. Let $m$ be its mean and $v$ its variance. "
        "Give the pair $(m, v)$ exactly."
    )
    pairs = list(zip(values, weights, strict=True))
    mean = Rational(sum(v * w for v, w in pairs), total)
    value = (mean, sum((v - mean) ** 2 * w for v, w in pairs) / total)
    square = Fraction(sum(v * v * w for v, w in pairs), total)
    m = Fraction(sum(v * w for v, w in pairs), total)
    return Exercise(text, value, lambda: (m, square - m * m), tuple(pairs))


def shooting_in_turn(rng: random.Random) -> Exercise:
    """Who of two hits first."""
    p, q = _chance(rng, 12), _chance(rng, 12)
    text = (
        f"Ann and Bob shoot in turn, Ann first. Ann hits with probability ${tex(p)}$, Bob with "
        f"${tex(q)}$, each time independently. What is the probability that Ann hits first?"
    )
    value = p / (1 - (1 - p) * (1 - q))
    equation = x - p - (1 - p) * (1 - q) * x
    return Exercise(text, value, lambda: solve(equation, x)[0], (p, q))


def meeting(rng: random.Random) -> Exercise:
    """Two arrive within an hour or so, each waits a while."""
    span, first, second = rng.randint(40, 180), rng.randint(5, 35), rng.randint(5, 35)
    text = (
        f"Ann and Bob each arrive at a time chosen uniformly and independently from the same "
        f"${span}$ minutes. Ann waits ${first}$ minutes for Bob, Bob waits ${second}$ minutes for "
        "Ann (beyond the end too, if need be). What is the probability that they meet?"
    )
    a, b = Rational(first, span), Rational(second, span)
    value = 1 - ((1 - a) ** 2 + (1 - b) ** 2) / 2
    numbers = (span, *sorted((first, second)))
    return Exercise(text, value, lambda: 1 - _missed(a) - _missed(b), numbers)


def _missed(wait: Rational) -> Any:
    return integrate(1 - wait - x, (x, 0, 1 - wait))


def density(rng: random.Random) -> Exercise:
    """The factor of a density, and the mean."""
    n, end = rng.randint(1, 6), rng.randint(2, 20)
    m = n + rng.randint(1, 4)
    # c (x/end)^n (1 - (x/end)^(m-n)) on [0, end]
    area = Rational(1, n + 1) - Rational(1, m + 1)
    mean = (Rational(1, n + 2) - Rational(1, m + 2)) / area * end
    u = x / end
    shape = u**n - u**m
    t = Symbol("u")
    text = (
        f"A random variable on $[0, {end}]$ has the density "
        f"$f(x) = c {tex(t**n)} (1 - {tex(t ** (m - n))})$ with $u = x/{end}$ and a constant $c$. "
        "Give the pair of $c$ and the mean, in this order, exactly."
    )
    value = (1 / (area * end), mean)
    return Exercise(text, value, lambda: _factor_and_mean(shape, end), (n, m, end))


def _factor_and_mean(shape: object, end: int) -> tuple[object, object]:
    factor = 1 / integrate(shape, (x, 0, end))
    return factor, integrate(factor * x * shape, (x, 0, end))


def ruin(rng: random.Random) -> Exercise:
    """A gambler who stops at a goal or with nothing."""
    p, goal = _chance(rng, 5), rng.randint(4, 8)
    start = rng.randint(1, goal - 1)
    text = (
        f"A gambler has ${start}$ dollars. Each round he wins 1 dollar with probability ${tex(p)}$ "
        f"and otherwise loses 1 dollar. He stops at ${goal}$ dollars or at 0. What is the "
        f"probability that he reaches ${goal}$ dollars?"
    )
    odds = (1 - p) / p
    value = Rational(start, goal) if odds == 1 else (1 - odds**start) / (1 - odds**goal)
    return Exercise(text, value, lambda: _reach(p, goal)[start - 1], (p, start, goal))


def _reach(p: Rational, goal: int) -> Matrix:
    """Solve the linear system of the chances from 1 to goal - 1."""
    size = goal - 1
    step = Matrix(size, size, lambda i, j: {1: p, -1: 1 - p}.get(j - i, 0))
    end = Matrix(size, 1, lambda i, _: p if i == size - 1 else 0)
    return (eye(size) - step).LUsolve(end)


def stationary(rng: random.Random) -> Exercise:
    """The stationary distribution of a chain of three states."""
    rows = []
    for _ in range(3):
        parts = [rng.randint(1, 4) for _ in range(3)]
        rows.append([Rational(part, sum(parts)) for part in parts])
    chain = Matrix(rows)
    text = (
        f"A Markov chain on the states 1, 2, 3 has the transition matrix ${tex(chain)}$ (row: "
        "from, column: to). Give its stationary distribution as a tuple of exact fractions."
    )
    minors = [(eye(3) - chain).minor(i, i) for i in range(3)]
    value = tuple(minor / sum(minors) for minor in minors)
    system = (eye(3) - chain.T + ones(3, 3)).LUsolve(ones(3, 1))
    return Exercise(text, value, lambda: tuple(system), tuple(chain))


def heads_in_a_row(rng: random.Random) -> Exercise:
    """Expected tosses until a run of heads."""
    p, k = _chance(rng, 20), rng.randint(2, 4)
    text = (
        f"A coin shows heads with probability ${tex(p)}$. What is the expected number of tosses "
        f"until {k} heads in a row have appeared for the first time, as an exact fraction?"
    )
    value = (1 - p**k) / (p**k * (1 - p))
    size = eye(k) - Matrix(k, k, lambda i, j: (1 - p if j == 0 else 0) + (p if j == i + 1 else 0))
    return Exercise(text, value, lambda: size.LUsolve(ones(k, 1))[0], (p, k))


PROBABILITY: Topic = {
    1: (two_red, sum_of_two_dice),
    2: (at_least_one, mean_payoff),
    3: (positive_test, exactly_so_many, mean_and_variance),
    4: (shooting_in_turn, meeting, density),
    5: (ruin, stationary, heads_in_a_row),
}
