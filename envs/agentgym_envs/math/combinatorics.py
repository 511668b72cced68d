"""Topic ``combinatorics``: counting, coefficients, recurrences."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations, permutations
from math import comb, factorial, lcm, perm, prod

from sympy import Function, Poly, Symbol, binomial, divisors, rsolve, subfactorial, totient
from sympy.functions.combinatorial.numbers import stirling

from agentgym_envs.math.exercise import Exercise, Topic, nonzero
from agentgym_envs.math.gold import tex

__all__ = ["COMBINATORICS"]


def podium(rng: random.Random) -> Exercise:
    """Ordered choices without repetition."""
    n, k = rng.randint(6, 60), rng.randint(3, 5)
    text = (
        f"${n}$ people run a race without ties. In how many ways can the first ${k}$ places be "
        "taken?"
    )
    return Exercise(text, perm(n, k), lambda: binomial(n, k) * factorial(k), (n, k))


def committee(rng: random.Random) -> Exercise:
    """A choice with one person in and some out."""
    n, k, out = rng.randint(8, 30), rng.randint(3, 6), rng.randint(1, 3)
    text = (
        f"A club of ${n}$ members chooses a committee of ${k}$. The president must be on it, and "
        f"{out} other members refuse to be. How many committees are possible?"
    )
    value = int(binomial(n - 1 - out, k - 1))
    again = perm(n - 1 - out, k - 1) // factorial(k - 1)
    return Exercise(text, value, lambda: again, (n, k, out))


def rearrangements(rng: random.Random) -> Exercise:
    """Different orders of letters of which some are equal."""
    counts = [rng.randint(1, 4) for _ in range(rng.randint(3, 5))]
    letters = [letter for letter, count in zip("ABCDE", counts, strict=False) for _ in range(count)]
    rng.shuffle(letters)
    text = (
        f"How many different sequences can be made by ordering the letters {', '.join(letters)} "
        "(all of them are used; equal letters look the same)?"
    )
    value = factorial(len(letters)) // prod(map(factorial, counts))
    left, again = len(letters), 1
    for count in counts:
        again *= comb(left, count)
        left -= count
    return Exercise(text, value, lambda: again, tuple(sorted(Counter(letters).values())))


def paths_round_a_point(rng: random.Random) -> Exercise:
    """Lattice paths that avoid one point."""
    m, n = rng.randint(4, 12), rng.randint(4, 12)
    a, b = rng.randint(1, m - 1), rng.randint(1, n - 1)
    text = (
        f"A path goes from $(0, 0)$ to $({m}, {n})$ by steps of length 1 to the right or upwards. "
        f"How many such paths do not visit the point $({a}, {b})$?"
    )
    value = comb(m + n, m) - comb(a + b, a) * comb(m + n - a - b, m - a)
    return Exercise(text, value, lambda: _paths(m, n, (a, b)), (m, n, a, b))


def _paths(m: int, n: int, closed: tuple[int, int]) -> int:
    ways = {(0, 0): 1}
    for i in range(m + 1):
        for j in range(n + 1):
            if (i, j) != (0, 0):
                ways[i, j] = ways.get((i - 1, j), 0) + ways.get((i, j - 1), 0)
            if (i, j) == closed:
                ways[i, j] = 0
    return ways[m, n]


def sweets(rng: random.Random) -> Exercise:
    """Equal things to different people, each with a least number."""
    people, least, spare = rng.randint(3, 7), rng.randint(0, 4), rng.randint(3, 20)
    total = people * least + spare
    text = (
        f"In how many ways can ${total}$ equal sweets be given to ${people}$ children so that each "
        f"gets at least {least}?"
    )
    ways = [1] + [0] * spare
    for _ in range(people):
        ways = [sum(ways[: k + 1]) for k in range(spare + 1)]
    return Exercise(
        text, int(binomial(spare + people - 1, spare)), lambda: ways[-1], (total, people, least)
    )


def binomial_coefficient(rng: random.Random) -> Exercise:
    """A coefficient of a power of a sum."""
    a, b, n = rng.randint(1, 5), nonzero(rng, 5), rng.randint(5, 12)
    k = rng.randint(2, n - 2)
    x = Symbol("x")
    text = (
        f"What is the coefficient of $x^{{{k}}}$ in the expansion of $({tex(a * x + b)})^{{{n}}}$?"
    )
    value = comb(n, k) * a**k * b ** (n - k)
    shape = Poly(a * x + b, x) ** n
    return Exercise(text, value, lambda: shape.coeff_monomial(x**k), (a, b, n, k))


def divisible_by_one_of_three(rng: random.Random) -> Exercise:
    """Inclusion and exclusion over three divisors."""
    limit, numbers = rng.randint(200, 3000), sorted(rng.sample(range(3, 25), 3))
    a, b, c = numbers
    text = (
        f"How many whole numbers from $1$ to ${limit}$ are divisible by at least one of ${a}$, "
        f"${b}$ and ${c}$?"
    )
    value = sum(
        (-1) ** (size + 1) * (limit // lcm(*chosen))
        for size in (1, 2, 3)
        for chosen in combinations(numbers, size)
    )
    again = (any(n % d == 0 for d in numbers) for n in range(1, limit + 1))
    return Exercise(text, value, lambda: sum(again), (limit, *numbers))


def own_hats(rng: random.Random) -> Exercise:
    """Permutations with so many fixed points."""
    n = rng.randint(5, 22)
    k = rng.randint(0, n - 3)
    text = (
        f"${n}$ guests take a hat each, at random from their ${n}$ hats. In how many ways can "
        f"exactly {k} of them get their own hat?"
    )
    value = comb(n, k) * int(subfactorial(n - k))
    return Exercise(text, value, lambda: _fixed(n, k), (n, k))


def _fixed(n: int, k: int) -> int:
    if n <= 7:
        orders = permutations(range(n))
        return sum(sum(i == j for i, j in enumerate(order)) == k for order in orders)
    apart = [1, 0]
    while len(apart) <= n:
        apart.append((len(apart) - 1) * (apart[-1] + apart[-2]))
    return comb(n, k) * apart[n - k]


def gifts(rng: random.Random) -> Exercise:
    """Different things to different people, nobody without."""
    n, k = rng.randint(4, 16), rng.randint(2, 9)
    if k > n:
        return gifts(rng)
    text = (
        f"In how many ways can ${n}$ different gifts be given to ${k}$ children so that no child "
        "is left without a gift?"
    )
    value = int(stirling(n, k)) * factorial(k)
    again = sum((-1) ** j * comb(k, j) * (k - j) ** n for j in range(k + 1))
    return Exercise(text, value, lambda: again, (n, k))


def no_two_adjacent(rng: random.Random) -> Exercise:
    """Words in which a letter never follows itself, but others may."""
    n, letters = rng.randint(4, 22), rng.randint(2, 12)
    text = (
        f"How many words of ${n}$ letters over an alphabet of ${letters}$ letters, one of which is "
        "A, have no two A's next to each other?"
    )
    other = letters - 1
    value = sum(comb(n - k + 1, k) * other ** (n - k) for k in range((n + 1) // 2 + 1))
    ends_in_a, free = 1, other
    for _ in range(n - 1):
        ends_in_a, free = free, (ends_in_a + free) * other
    return Exercise(text, value, lambda: ends_in_a + free, (n, letters))


def closed_form(rng: random.Random) -> Exercise:
    """A formula for a linear recurrence of order two."""
    r, s = rng.sample([n for n in range(-5, 8) if n not in (0, 1)], 2)
    a, b = nonzero(rng, 6), nonzero(rng, 6)
    n = Symbol("n", integer=True, nonnegative=True)
    first, second, p, q = a + b, a * r + b * s, r + s, -r * s
    text = (
        f"A sequence has $a_0 = {first}$, $a_1 = {second}$ and "
        f"$a_n = {tex(p * Symbol('a_{n-1}') + q * Symbol('a_{n-2}'))}$ for $n \\ge 2$. "
        "Find a formula for $a_n$ in terms of $n$."
    )
    step = Function("a")
    rule = step(n + 2) - p * step(n + 1) - q * step(n)
    start = {step(0): first, step(1): second}
    value = a * r**n + b * s**n
    return Exercise(text, value, lambda: rsolve(rule, step(n), start), (first, second, p, q))


def coins(rng: random.Random) -> Exercise:
    """Ways to pay a sum with three kinds of coins."""
    a, b, c = kinds = sorted(rng.sample(range(1, 13), 3))
    total = rng.randint(20, 120)
    text = (
        f"Coins of ${a}$, ${b}$ and ${c}$ cents are at hand, as many as needed. In how many ways "
        f"can exactly ${total}$ cents be paid (order does not matter)?"
    )
    ways = [1] + [0] * total
    for coin in kinds:
        for money in range(coin, total + 1):
            ways[money] += ways[money - coin]
    left = (total - c * k - b * j for k in range(total // c + 1) for j in range(total // b + 1))
    again = (rest >= 0 and rest % a == 0 for rest in left)
    return Exercise(text, ways[-1], lambda: sum(again), (total, *kinds))


def necklaces(rng: random.Random) -> Exercise:
    """Colourings of a ring up to rotation (Burnside)."""
    n, colours = rng.randint(4, 20), rng.randint(2, 9)
    text = (
        f"A ring has ${n}$ beads, each in one of ${colours}$ colours. Rings that a rotation turns "
        "into each other (but not a reflection) count as one. How many different rings are there?"
    )
    value = sum(int(totient(d)) * colours ** (n // d) for d in divisors(n)) // n
    return Exercise(text, value, lambda: _aperiodic_rings(n, colours), (n, colours))


def _aperiodic_rings(n: int, colours: int) -> int:
    """Count the words of each least period, each of which is one ring per period's length."""
    least: dict[int, int] = {}
    for d in divisors(n):
        least[d] = colours**d - sum(count for e, count in least.items() if d % e == 0)
    return sum(count // d for d, count in least.items())


COMBINATORICS: Topic = {
    1: (podium, committee),
    2: (rearrangements, paths_round_a_point),
    3: (sweets, binomial_coefficient, divisible_by_one_of_three),
    4: (own_hats, gifts, no_two_adjacent),
    5: (closed_form, coins, necklaces),
}
