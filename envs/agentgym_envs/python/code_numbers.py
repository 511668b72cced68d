"""Families of programming tasks about numbers."""

from __future__ import annotations

import random

from agentgym_envs.python.code_family import Family, Parameters, integers

__all__ = ["NUMBER_FAMILIES"]


def _check_digits(rng: random.Random, p: Parameters) -> tuple[str]:
    """Draw digits; every other time, such as pass the check, if a last digit can make them."""
    digits = [rng.randint(0, 9) for _ in range(rng.randint(2, 9))]
    for last in rng.sample(range(10), 10) if rng.random() < 0.5 else ():
        total = sum((p["w"] if n % 2 else 1) * d for n, d in enumerate([*digits, last]))
        if total % p["k"] == p["r"]:
            return ("".join(map(str, [*digits, last])),)
    return ("".join(map(str, digits)),)


def _near_a_step(rng: random.Random, p: Parameters) -> tuple[int]:
    """Draw a number where the root rises by one, or one less."""
    root = rng.randrange(1, 10 ** rng.randint(1, 14))
    return (p["a"] * root * root + p["b"] * root - rng.randint(0, 1),)


_COUNT_MULTIPLES = Family(
    "count_multiples",
    "Return how many of the integers in the list `numbers` are multiples of $k but not of $m.",
    lambda rng: dict(zip("km", rng.sample(range(2, 40), 2), strict=True)),
    """
def count_multiples(numbers):
    return sum(1 for n in numbers if n % $k == 0 and n % $m != 0)
""",
    lambda rng, p: (
        [rng.randint(-30, 30) * rng.choice([1, p["k"], p["m"]]) for _ in integers(rng, 0, 0)],
    ),
)
_DIGIT_POWERS = Family(
    "digit_powers",
    "Write the integer `n` >= 0 in base $b and return the sum of its digits, each raised to the "
    "power $p, plus $c for every digit that is zero. (0 is written with one digit.)",
    lambda rng: {"b": rng.randint(2, 30), "p": rng.randint(1, 4), "c": rng.randint(1, 50)},
    """
def digit_powers(n):
    digits = []
    while n or not digits:
        n, digit = divmod(n, $b)
        digits.append(digit)
    return sum(d ** $p if d else $c for d in digits)
""",
    lambda rng, p: (rng.randrange(10 ** rng.randint(1, 9)),),
)
_STEPS = Family(
    "steps_below",
    "Repeat on the integer `n` > 0: if it is a multiple of $d, divide it by $d, else add $c. "
    "Return after how many steps it is first at most $t (0 if it is so at the start), or -1 if it "
    "is not after 200 steps.",
    lambda rng: {"d": rng.randint(2, 9), "c": rng.randint(1, 20), "t": rng.randint(1, 40)},
    """
def steps_below(n):
    for step in range(201):
        if n <= $t:
            return step
        n = n // $d if n % $d == 0 else n + $c
    return -1
""",
    lambda rng, p: (rng.randint(1, 100_000),),
)
_RECURRENCE = Family(
    "recurrence",
    "A sequence starts with a(0) = $p and a(1) = $q and goes on with a(n) = $r * a(n-1) + "
    "$s * a(n-2), everything modulo $m. Return a(`n`) for 0 <= n <= 2000.",
    lambda rng: {
        "p": rng.randint(0, 9),
        "q": rng.randint(1, 9),
        "r": rng.randint(1, 9),
        "s": rng.randint(1, 9),
        "m": rng.randint(100, 9999),
    },
    """
def recurrence(n):
    a, b = $p % $m, $q % $m
    for _ in range(n):
        a, b = b, ($r * b + $s * a) % $m
    return a
""",
    lambda rng, p: (rng.choice([rng.randint(0, 9), rng.randint(0, 2000)]),),
)
_COINS = Family(
    "fewest_coins",
    "Return the smallest number of coins of the values $a, $b and $c (as many of each as needed) "
    "that add up to exactly `amount` >= 0, or -1 if there is no way.",
    lambda rng: dict(zip("abc", sorted(rng.sample(range(2, 40), 3)), strict=True)),
    """
def fewest_coins(amount):
    best = [0] + [None] * amount
    for total in range(1, amount + 1):
        ways = [best[total - v] for v in ($a, $b, $c) if v <= total]
        ways = [n for n in ways if n is not None]
        best[total] = min(ways) + 1 if ways else None
    return -1 if best[amount] is None else best[amount]
""",
    lambda rng, p: (rng.randint(0, 400),),
)
_TO_BASE = Family(
    "to_base",
    "Return the integer `n` >= 0 written in base $b, with the digits 0-9 and then A-Z, filled up "
    "with '$f' on the left to at least $w characters.",
    lambda rng: {"b": rng.randint(2, 36), "w": rng.randint(2, 20), "f": rng.choice("0.*_#")},
    """
def to_base(n):
    text = ''
    while n or not text:
        n, digit = divmod(n, $b)
        text = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'[digit] + text
    return text.rjust($w, $f)
""",
    lambda rng, p: (rng.randrange(10 ** rng.randint(1, 12)),),
)
_LEAVING_ORDER = Family(
    "leaving_order",
    "The people 0 to n-1 stand in a circle. Counting starts at the person $s modulo n, who is the "
    "first; each $k-th person counted leaves, and counting goes on with the next one. Return the "
    "list of the numbers in the order in which they leave, for `n` >= 0.",
    lambda rng: {"k": rng.randint(2, 30), "s": rng.randint(0, 30)},
    """
def leaving_order(n):
    people, order = list(range(n)), []
    at = $s % n if n else 0
    while people:
        at = (at + $k - 1) % len(people)
        order.append(people.pop(at))
    return order
""",
    lambda rng, p: (rng.randint(0, 60),),
)
_PATHS = Family(
    "grid_paths",
    "Return modulo $m in how many ways one can walk from the upper left to the lower right cell of "
    "the grid `rows`, a list of texts of equal length of '.' (free) and '#' (blocked), by steps of "
    "one cell to the right, one cell down, or $j cells down. Steps over blocked cells are "
    "allowed, steps onto them are not; the first cell may be blocked, which makes it 0 ways.",
    lambda rng: {"m": rng.randint(7, 60), "j": rng.randint(2, 4)},
    """
def grid_paths(rows):
    ways = [[0] * len(rows[0]) for _ in rows]
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            if cell == '#':
                continue
            count = 1 if x == y == 0 else 0
            count += ways[y][x - 1] if x else 0
            count += ways[y - 1][x] if y else 0
            count += ways[y - $j][x] if y >= $j else 0
            ways[y][x] = count % $m
    return ways[-1][-1] % $m
""",
    lambda rng, p: (_grid(rng),),
)
_CHECK_DIGITS = Family(
    "is_valid",
    "The text `digits` has only digits, numbered from 0 on the left. Multiply each digit of an odd "
    "number by $w, add everything up, and return True if the sum leaves the remainder $r when "
    "divided by $k, else False.",
    lambda rng: {"k": (k := rng.randint(4, 12)), "w": rng.randrange(2, k), "r": rng.randrange(k)},
    """
def is_valid(digits):
    total = sum(int(d) * ($w if n % 2 else 1) for n, d in enumerate(digits))
    return total % $k == $r
""",
    _check_digits,
)
_WEIGHTED_GRID = Family(
    "weighted_cells",
    "Add up the cells of `grid`, a list of rows of integers, for which ($p * row + $q * column) "
    "leaves the remainder $r when divided by $k; rows and columns are numbered from 0.",
    lambda rng: {
        "k": (k := rng.randint(3, 8)),
        "p": rng.randrange(1, k),
        "q": rng.randrange(1, k),
        "r": rng.randrange(k),
    },
    """
def weighted_cells(grid):
    return sum(
        cell
        for y, row in enumerate(grid)
        for x, cell in enumerate(row)
        if ($p * y + $q * x) % $k == $r
    )
""",
    lambda rng, p: ([integers(rng, -50, 50, 9) for _ in range(rng.randint(0, 8))],),
)
_NEAR_ROOT = Family(
    "near_root",
    "Return the largest integer x >= 0 for which $a * x * x + $b * x <= `n`, for 0 <= n < 10**30; "
    "the answer must be exact.",
    lambda rng: {"a": rng.randint(1, 40), "b": rng.randint(0, 40)},
    """
def near_root(n):
    low, high = 0, n + 1
    while high - low > 1:
        middle = (low + high) // 2
        if $a * middle * middle + $b * middle <= n:
            low = middle
        else:
            high = middle
    return low
""",
    _near_a_step,
)
_MEAN = Family(
    "trimmed_mean",
    "Return the mean of the list `numbers` of integers, without those below $low or above $high, "
    "as a tuple (numerator, denominator) in lowest terms with a positive denominator; None if "
    "nothing is left.",
    lambda rng: {"low": rng.randint(-40, -1), "high": rng.randint(1, 40)},
    """
def trimmed_mean(numbers):
    from fractions import Fraction

    kept = [n for n in numbers if $low <= n <= $high]
    if not kept:
        return None
    mean = Fraction(sum(kept), len(kept))
    return mean.numerator, mean.denominator
""",
    lambda rng, p: (integers(rng, p["low"] - 5, p["high"] + 5),),
)


def _grid(rng: random.Random) -> list[str]:
    width, height = rng.randint(2, 8), rng.randint(3, 9)
    return ["".join(rng.choice("........#") for _ in range(width)) for _ in range(height)]


NUMBER_FAMILIES: tuple[Family, ...] = (
    _COUNT_MULTIPLES,
    _DIGIT_POWERS,
    _STEPS,
    _RECURRENCE,
    _COINS,
    _TO_BASE,
    _LEAVING_ORDER,
    _PATHS,
    _CHECK_DIGITS,
    _WEIGHTED_GRID,
    _NEAR_ROOT,
    _MEAN,
)
