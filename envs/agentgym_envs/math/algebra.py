"""Topic ``algebra``: equations, inequalities, polynomials, functions."""

from __future__ import annotations

import random
from math import isqrt
from typing import Any

from sympy import (
    Abs,
    Eq,
    I,
    Interval,
    Line,
    Matrix,
    Poly,
    Rational,
    Symbol,
    Union,
    expand,
    log,
    oo,
    rem,
    solve,
    solve_univariate_inequality,
    sqrt,
)

from agentgym_envs.math.exercise import Exercise, Topic, nonzero
from agentgym_envs.math.gold import tex

__all__ = ["ALGEBRA"]

x, y = Symbol("x"), Symbol("y")


def linear_equation(rng: random.Random) -> Exercise:
    """One unknown on both sides."""
    a, c = rng.sample([n for n in range(-12, 13) if n], 2)
    b, d = rng.randint(-30, 30), nonzero(rng, 30)
    left, right = a * x + b, c * x + d
    text = f"Solve ${tex(left)} = {tex(right)}$ for $x$."
    value = Rational(d - b, a - c)
    return Exercise(text, value, lambda: solve(left - right, x)[0], (a, b, c, d))


def composition(rng: random.Random) -> Exercise:
    """A linear function of a quadratic one."""
    a, b, c = rng.randint(2, 9), nonzero(rng, 12), rng.randint(1, 6)
    d, e = nonzero(rng, 9), nonzero(rng, 12)
    inner = c * x**2 + d * x + e
    text = (
        f"Let $f(x) = {tex(a * x + b)}$ and $g(x) = {tex(inner)}$. "
        "Find $f(g(x))$ as a polynomial in $x$."
    )
    value = a * c * x**2 + a * d * x + a * e + b
    return Exercise(text, value, lambda: expand((a * x + b).subs(x, inner)), (a, b, c, d, e))


def quadratic_roots(rng: random.Random) -> Exercise:
    """A quadratic equation with rational roots."""
    a, (r, s) = rng.randint(1, 6), rng.sample(range(-15, 16), 2)
    left = Poly(a * x**2 - (a * r + s) * x + r * s, x)
    one, two = Rational(r), Rational(s, a)
    if one == two:
        return quadratic_roots(rng)
    text = f"Find the set of all solutions of ${tex(left.as_expr())} = 0$."
    numbers = tuple(left.all_coeffs())
    value = frozenset({one, two})
    return Exercise(text, value, lambda: frozenset(solve(left.as_expr(), x)), numbers)


def linear_inequality(rng: random.Random) -> Exercise:
    """A linear inequality, as an interval."""
    a, c = rng.sample([n for n in range(-9, 10) if n], 2)
    b, d = rng.randint(-25, 25), rng.randint(-25, 25)
    left, right, bound = a * x + b, c * x + d, Rational(d - b, a - c)
    text = (
        rf"Solve ${tex(left)} \le {tex(right)}$ over the real numbers. Give the solution set as an "
        "interval."
    )
    value = Interval(-oo, bound) if a > c else Interval(bound, oo)
    return Exercise(text, value, lambda: _reals(left <= right), (a, b, c, d))


def _reals(inequality: Any) -> Any:
    return solve_univariate_inequality(inequality, x, relational=False)


def line_through(rng: random.Random) -> Exercise:
    """The line through two points."""
    (p, r), q, s = rng.sample(range(-9, 10), 2), rng.randint(-12, 12), rng.randint(-12, 12)
    slope = Rational(s - q, r - p)
    text = (
        f"Find the equation of the line through $({p}, {q})$ and $({r}, {s})$ in the form "
        "$y = mx + b$."
    )
    value = Eq(y, slope * x + q - slope * p)
    numbers = tuple(sorted([(p, q), (r, s)]))
    return Exercise(text, value, lambda: Eq(Line((p, q), (r, s)).equation(x, y), 0), numbers)


def surd_roots(rng: random.Random) -> Exercise:
    """A quadratic equation with irrational roots."""
    p, q = rng.randint(-12, 12), rng.randint(2, 80)
    if isqrt(q) ** 2 == q:
        return surd_roots(rng)
    left = expand((x - p) ** 2 - q)
    text = f"Find the exact set of all solutions of ${tex(left)} = 0$."
    value = frozenset({p - sqrt(q), p + sqrt(q)})
    return Exercise(text, value, lambda: frozenset(solve(left, x)), (p, q))


def complex_roots(rng: random.Random) -> Exercise:
    """A quadratic equation without real roots."""
    p, q = nonzero(rng, 12), rng.randint(1, 15)
    left = expand((x - p) ** 2 + q * q)
    text = f"Find the set of all complex solutions of ${tex(left)} = 0$."
    value = frozenset({p - q * I, p + q * I})
    return Exercise(text, value, lambda: frozenset(solve(left, x)), (p, q))


def quadratic_inequality(rng: random.Random) -> Exercise:
    """Where a quadratic is positive or not positive."""
    r, s = sorted(rng.sample(range(-15, 16), 2))
    outside = rng.random() < 0.5
    left = expand((x - r) * (x - s))
    sign = ">" if outside else r"\le"
    text = f"Find all real $x$ with ${tex(left)} {sign} 0$. Use interval notation."
    value = Union(Interval.open(-oo, r), Interval.open(s, oo)) if outside else Interval(r, s)
    relation = left > 0 if outside else left <= 0
    return Exercise(text, value, lambda: _reals(relation), (r, s, outside))


def sum_of_squared_roots(rng: random.Random) -> Exercise:
    """A symmetric function of the roots, without the roots."""
    a, b, c = rng.randint(1, 9), nonzero(rng, 15), nonzero(rng, 15)
    left = a * x**2 + b * x + c
    text = (
        f"Let $r$ and $s$ be the (perhaps complex) roots of ${tex(left)}$. "
        "Find the sum of their squares."
    )
    value = Rational(b, a) ** 2 - 2 * Rational(c, a)
    companion = Matrix([[Rational(-b, a), Rational(-c, a)], [1, 0]])
    return Exercise(text, value, (companion**2).trace, (a, b, c))


def absolute_inequality(rng: random.Random) -> Exercise:
    """An absolute value below a bound."""
    a, b, c = rng.randint(1, 9), rng.randint(-20, 20), rng.randint(1, 30)
    text = (
        rf"Solve $\left|{tex(a * x + b)}\right| < {c}$ over the real numbers. Give the solution "
        "set in interval notation."
    )
    value = Interval.open(Rational(-c - b, a), Rational(c - b, a))
    return Exercise(text, value, lambda: _below(a, b, c), (a, b, c))


def _below(a: int, b: int, c: int) -> Any:
    real = Symbol("x", real=True)
    return solve_univariate_inequality(Abs(a * real + b) < c, real, relational=False)


def rational_inequality(rng: random.Random) -> Exercise:
    """Where a quotient of two linear terms is not negative."""
    r, s = rng.sample(range(-15, 16), 2)
    text = (
        rf"Find all real $x$ with $\frac{{{tex(x - r)}}}{{{tex(x - s)}}} \ge 0$. "
        "Use interval notation."
    )
    left = Interval(-oo, r) if r < s else Interval.open(-oo, s)
    right = Interval.open(s, oo) if r < s else Interval(r, oo)
    return Exercise(text, Union(left, right), lambda: _reals((x - r) / (x - s) >= 0), (r, s))


def inverse_function(rng: random.Random) -> Exercise:
    """The inverse of a fractional linear function."""
    a, b, c, d = (nonzero(rng, 9) for _ in range(4))
    if a * d == b * c or a == -d:  # constant, or its own inverse
        return inverse_function(rng)
    text = (
        rf"Let $f(x) = \frac{{{tex(a * x + b)}}}{{{tex(c * x + d)}}}$. "
        "Find a formula for the inverse function $f^{-1}(x)$."
    )
    value = (d * x - b) / (a - c * x)
    equation = (a * y + b) / (c * y + d) - x
    return Exercise(text, value, lambda: solve(equation, y)[0], (a, b, c, d))


def log_equation(rng: random.Random) -> Exercise:
    """Two logarithms of one base; their sum rises, so the solution is the only one."""
    base, (i, j) = rng.randint(2, 5), sorted(rng.sample(range(5), 2))
    shift = rng.randint(-20, 40)
    value = base**i - shift
    other = base**j - value
    text = (
        rf"Solve $\log_{{{base}}}({tex(x + shift)}) + \log_{{{base}}}({tex(x + other)}) = {i + j}$ "
        "for real $x$."
    )
    low, product = max(-shift, -other), expand((x + shift) * (x + other)) - base ** (i + j)
    roots = (root for root in solve(product, x) if root > low)
    return Exercise(text, value, lambda: next(roots), (base, i, j, shift))


def remainder(rng: random.Random) -> Exercise:
    """The remainder of a polynomial by a product of two linear terms."""
    r, s = sorted(rng.sample(range(-4, 5), 2))
    shape = Poly([rng.randint(1, 5), *(rng.randint(-9, 9) for _ in range(4))], x)
    divisor = expand((x - r) * (x - s))
    slope = Rational(shape.eval(r) - shape.eval(s), r - s)
    value = slope * x + shape.eval(r) - slope * r
    text = (
        f"Find the remainder when ${tex(shape.as_expr())}$ is divided by ${tex(divisor)}$, as a "
        "polynomial in $x$."
    )
    numbers = (r, s, *shape.all_coeffs())
    return Exercise(text, value, lambda: rem(shape.as_expr(), divisor, x), numbers)


def cubes_of_roots(rng: random.Random) -> Exercise:
    """A power sum of the roots of a cubic, by Newton's identities."""
    a, b, c = (nonzero(rng, 9) for _ in range(3))
    text = (
        f"Let $r$, $s$, $t$ be the complex roots of ${tex(x**3 + a * x**2 + b * x + c)}$. "
        "Find the sum of their cubes."
    )
    value = -(a**3) + 3 * a * b - 3 * c
    companion = Matrix([[-a, -b, -c], [1, 0, 0], [0, 1, 0]])
    return Exercise(text, value, (companion**3).trace, (a, b, c))


def sum_and_squares(rng: random.Random) -> Exercise:
    """Two unknowns by their sum and the sum of their squares."""
    a, b = sorted(rng.sample(range(-20, 21), 2))
    total, squares = a + b, a * a + b * b
    text = (
        rf"Find the set of all real pairs $(x, y)$ with $x + y = {total}$ and "
        rf"$x^2 + y^2 = {squares}$."
    )
    system = [x + y - total, x**2 + y**2 - squares]
    value = frozenset({(a, b), (b, a)})
    return Exercise(text, value, lambda: frozenset(solve(system, [x, y])), (a, b))


def exponential_equation(rng: random.Random) -> Exercise:
    """A quadratic in a power."""
    base = rng.choice((2, 3, 5))
    p, q = sorted(rng.sample([n for n in range(2, 30) if n % base], 2))
    text = (
        rf"Find the exact set of all real solutions of "
        rf"${base}^{{2x}} - {p + q} \cdot {base}^{{x}} + {p * q} = 0$."
    )
    value = frozenset({log(p) / log(base), log(q) / log(base)})
    roots = (log(root, base) for root in solve(y**2 - (p + q) * y + p * q, y))
    return Exercise(text, value, lambda: frozenset(roots), (base, p, q))


ALGEBRA: Topic = {
    1: (linear_equation, composition),
    2: (quadratic_roots, linear_inequality, line_through),
    3: (surd_roots, complex_roots, quadratic_inequality, sum_of_squared_roots, absolute_inequality),
    4: (rational_inequality, inverse_function, log_equation, remainder),
    5: (cubes_of_roots, sum_and_squares, exponential_equation),
}
