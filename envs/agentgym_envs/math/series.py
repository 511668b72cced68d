"""Topic ``calculus``, continued: Taylor polynomials, series, differential equations, volumes."""

from __future__ import annotations

import random
from math import factorial

from sympy import (
    Eq,
    Function,
    Rational,
    Sum,
    Symbol,
    cos,
    dsolve,
    exp,
    expand,
    integrate,
    log,
    oo,
    pi,
    series,
    sin,
)

from agentgym_envs.math.exercise import Exercise, nonzero
from agentgym_envs.math.gold import tex

__all__ = [
    "first_order_equation",
    "gamma_integral",
    "geometric_moment",
    "second_order_equation",
    "taylor_polynomial",
    "volume_of_revolution",
]

x = Symbol("x")
_SERIES = (  # a function of u, and its coefficients of u^0, u^1, u^2, u^3
    (exp, (1, 1, Rational(1, 2), Rational(1, 6))),
    (sin, (0, 1, 0, Rational(-1, 6))),
    (cos, (1, 0, Rational(-1, 2), 0)),
    (lambda u: log(1 + u), (0, 1, Rational(-1, 2), Rational(1, 3))),
    (lambda u: 1 / (1 - u), (1, 1, 1, 1)),
)


def taylor_polynomial(rng: random.Random) -> Exercise:
    """A Taylor polynomial of degree three at 0."""
    (function, known), a = rng.choice(_SERIES), rng.choice((-5, -4, -3, -2, 2, 3, 4, 5))
    p, q = nonzero(rng, 6), nonzero(rng, 6)
    shape = (p + q * x) * function(a * x)
    text = f"Find the Taylor polynomial of degree $3$ at $x = 0$ of $f(x) = {tex(shape)}$."
    row = [term * a**k for k, term in enumerate(known)]
    value = sum((p * row[k] + q * (row[k - 1] if k else 0)) * x**k for k in range(4))
    return Exercise(text, value, lambda: expand(series(shape, x, 0, 4).removeO()), (shape,))


def geometric_moment(rng: random.Random) -> Exercise:
    """A series of a linear function times powers of a fraction."""
    bottom = rng.randint(2, 12)
    ratio = Rational(rng.randint(1, bottom - 1), bottom)
    a, b = rng.randint(1, 9), rng.randint(-9, 9)
    n = Symbol("n", integer=True)
    text = (
        f"Add $({tex(a * n + b)}) \\cdot \\left({tex(ratio)}\\right)^n$ over all whole numbers "
        "$n$ from $0$ on. What is the sum?"
    )
    value = a * ratio / (1 - ratio) ** 2 + b / (1 - ratio)
    total = Sum((a * n + b) * ratio**n, (n, 0, oo))
    return Exercise(text, value, total.doit, (ratio, a, b))


def first_order_equation(rng: random.Random) -> Exercise:
    """A linear differential equation of first order with a start."""
    a, b, start = nonzero(rng, 7), nonzero(rng, 20), rng.randint(-9, 9)
    rest = Rational(-b, a)
    if rest == start:
        return first_order_equation(rng)
    value = rest + (start - rest) * exp(a * x)
    right = a * Symbol("y") + b
    text = f"Solve $y' = {tex(right)}$ with $y(0) = {start}$. Give $y$ as a function of $x$."
    f = Function("f")
    equation = Eq(f(x).diff(x), a * f(x) + b)
    return Exercise(
        text, value, lambda: dsolve(equation, f(x), ics={f(0): start}).rhs, (a, b, start)
    )


def second_order_equation(rng: random.Random) -> Exercise:
    """A homogeneous linear differential equation of second order with a start."""
    r, s = rng.sample([n for n in range(-6, 7) if n], 2)
    a, b = nonzero(rng, 6), nonzero(rng, 6)
    start, slope = a + b, a * r + b * s
    names = Symbol("y'"), Symbol("y")
    left = tex(-(r + s) * names[0] + r * s * names[1])
    sign = "" if left.startswith("-") else "+ "
    text = (
        f"Solve $y'' {sign}{left} = 0$ with $y(0) = {start}$ and $y'(0) = {slope}$. Give $y$ as a "
        "function of $x$."
    )
    f = Function("f")
    equation = f(x).diff(x, 2) - (r + s) * f(x).diff(x) + r * s * f(x)
    ics = {f(0): start, f(x).diff(x).subs(x, 0): slope}
    value = a * exp(r * x) + b * exp(s * x)
    return Exercise(
        text, value, lambda: dsolve(equation, f(x), ics=ics).rhs, (r + s, r * s, start, slope)
    )


def gamma_integral(rng: random.Random) -> Exercise:
    """An integral over all positive numbers."""
    n, a, k = rng.randint(1, 6), rng.randint(2, 12), rng.randint(1, 20)
    shape = k * x**n * exp(-a * x)
    text = f"Find the exact integral of ${tex(shape)}$ over all $x > 0$."
    value = Rational(k * factorial(n), a ** (n + 1))
    return Exercise(text, value, lambda: integrate(shape, (x, 0, oo)), (n, a, k))


def volume_of_revolution(rng: random.Random) -> Exercise:
    """The volume of a curve turned round an axis."""
    a, b, n, high = rng.randint(1, 6), rng.randint(1, 9), rng.randint(1, 3), rng.randint(1, 5)
    curve = a * x**n + b
    text = (
        f"The region between $y = {tex(curve)}$, the $x$-axis, $x = 0$ and $x = {high}$ is turned "
        "round the $x$-axis. Find the exact volume of the solid."
    )
    value = pi * (
        Rational(a * a * high ** (2 * n + 1), 2 * n + 1)
        + Rational(2 * a * b * high ** (n + 1), n + 1)
        + b * b * high
    )
    return Exercise(text, value, lambda: pi * integrate(curve**2, (x, 0, high)), (a, b, n, high))
