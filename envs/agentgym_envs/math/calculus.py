"""Topic ``calculus``: derivatives, limits, integrals (series and equations: `series.py`)."""

from __future__ import annotations

import random
from typing import Any

from sympy import (
    Eq,
    Interval,
    Poly,
    Rational,
    Symbol,
    cos,
    diff,
    exp,
    expand,
    integrate,
    limit,
    log,
    oo,
    sin,
    solve_univariate_inequality,
    sqrt,
)

from agentgym_envs.math.exercise import Exercise, Topic, nonzero
from agentgym_envs.math.gold import Antiderivative, tex
from agentgym_envs.math.series import (
    first_order_equation,
    gamma_integral,
    geometric_moment,
    second_order_equation,
    taylor_polynomial,
    volume_of_revolution,
)

__all__ = ["CALCULUS"]

x, y = Symbol("x"), Symbol("y")


def _polynomial(rng: random.Random, degree: int, bound: int = 9) -> Poly:
    return Poly([nonzero(rng, bound), *(rng.randint(-bound, bound) for _ in range(degree))], x)


def derivative(rng: random.Random) -> Exercise:
    """The derivative of a polynomial."""
    shape = _polynomial(rng, rng.randint(3, 5))
    text = f"Let $f(x) = {tex(shape.as_expr())}$. Find $f'(x)$."
    value = shape.diff(x).as_expr()
    h = Symbol("h")
    step = Poly(shape.compose(Poly(x + h, x, h)).as_expr(), h)
    return Exercise(text, value, lambda: step.coeff_monomial(h), tuple(shape.all_coeffs()))


def slope_at(rng: random.Random) -> Exercise:
    """The slope of a curve at a point."""
    shape, at = _polynomial(rng, 3), nonzero(rng, 5)
    text = f"What is the slope of the curve $y = {tex(shape.as_expr())}$ at $x = {at}$?"
    # f(x) = (x - at)^2 q(x) + slope (x - at) + f(at)
    quotient = shape.quo(Poly(x - at, x))
    value = shape.diff(x).eval(at)
    return Exercise(text, value, lambda: quotient.eval(at), (at, *shape.all_coeffs()))


def antiderivative(rng: random.Random) -> Exercise:
    """All antiderivatives of a polynomial."""
    shape = _polynomial(rng, rng.randint(2, 4))
    text = f"Find all antiderivatives of ${tex(shape.as_expr())}$ with respect to $x$."
    value = Antiderivative(shape.integrate(x).as_expr())
    again: Any = shape.as_expr()
    return Exercise(
        text, value, lambda: Antiderivative(integrate(again, x)), tuple(shape.all_coeffs())
    )


def product_rule(rng: random.Random) -> Exercise:
    """The derivative of a polynomial times an exponential, sine or cosine."""
    shape, a = _polynomial(rng, 2).as_expr(), rng.randint(2, 7)
    factor = rng.choice((exp(a * x), sin(a * x), cos(a * x)))
    text = rf"Let $f(x) = \left({tex(shape)}\right) {tex(factor)}$. Find $f'(x)$."
    value = diff(shape, x) * factor + shape * diff(factor, x)
    return Exercise(text, value, lambda: diff(expand(shape * factor), x), (shape, factor))


def definite_integral(rng: random.Random) -> Exercise:
    """The integral of a polynomial over an interval."""
    shape, low = _polynomial(rng, 2), rng.randint(-4, 3)
    high = low + rng.randint(1, 5)
    text = (
        f"Find the integral of ${tex(shape.as_expr())}$ from $x = {low}$ to $x = {high}$ as an "
        "exact number."
    )
    whole = shape.integrate(x)
    middle = shape.eval(Rational(low + high, 2))  # Simpson's rule is exact here
    again = Rational(high - low, 6) * (shape.eval(low) + 4 * middle + shape.eval(high))
    return Exercise(
        text, whole.eval(high) - whole.eval(low), lambda: again, (low, high, *shape.all_coeffs())
    )


def limit_of_quotient(rng: random.Random) -> Exercise:
    """A limit of a quotient where both parts vanish."""
    at, r, s = rng.sample(range(-9, 10), 3)
    k = rng.randint(1, 6)
    top, bottom = expand(k * (x - at) * (x - r)), expand((x - at) * (x - s))
    text = rf"Find the limit of $\frac{{{tex(top)}}}{{{tex(bottom)}}}$ as $x$ tends to ${at}$."
    value = Rational(k * (at - r), at - s)
    return Exercise(text, value, lambda: limit(top / bottom, x, at), (at, r, s, k))


def tangent_line(rng: random.Random) -> Exercise:
    """A tangent as an equation."""
    shape, at = _polynomial(rng, 3, 6), rng.randint(-4, 4)
    slope, height = shape.diff(x).eval(at), shape.eval(at)
    text = (
        f"Find the equation of the tangent to $y = {tex(shape.as_expr())}$ at $x = {at}$ in the "
        "form $y = mx + b$."
    )
    if slope == 0:
        return tangent_line(rng)
    rest = shape.rem(Poly((x - at) ** 2, x)).as_expr()
    value = Eq(y, slope * x + height - slope * at)
    return Exercise(text, value, lambda: Eq(y, rest), (at, *shape.all_coeffs()))


def area_between(rng: random.Random) -> Exercise:
    """The area between a parabola and a line."""
    r, s = sorted(rng.sample(range(-8, 9), 2))
    a, m, b = rng.randint(1, 5), nonzero(rng, 6), rng.randint(-9, 9)
    curve, line = expand(a * (x - r) * (x - s) + m * x + b), m * x + b
    text = f"Find the area enclosed by the curves $y = {tex(curve)}$ and $y = {tex(line)}$."
    value = Rational(a * (s - r) ** 3, 6)
    return Exercise(text, value, lambda: integrate(line - curve, (x, r, s)), (r, s, a, m, b))


def falling_interval(rng: random.Random) -> Exercise:
    """Where a cubic falls."""
    r, s = sorted(rng.sample(range(-9, 10), 2))
    k, c = rng.randint(1, 4), rng.randint(-9, 9)
    slope = Poly(6 * k * (x - r) * (x - s), x)
    shape = slope.integrate(x).as_expr() + c
    text = (
        f"On which open interval is $f(x) = {tex(shape)}$ strictly decreasing? Give the largest "
        "one."
    )
    falls = diff(shape, x) < 0
    return Exercise(
        text,
        Interval.open(r, s),
        lambda: solve_univariate_inequality(falls, x, relational=False),
        (r, s, k, c),
    )


def gradient(rng: random.Random) -> Exercise:
    """A gradient at a point."""
    a, b, c = (nonzero(rng, 6) for _ in range(3))
    m, n = rng.randint(1, 3), rng.randint(1, 3)
    p, q = nonzero(rng, 4), nonzero(rng, 4)
    f = a * x**m * y**n + b * x**2 + c * y
    text = f"Find the gradient of $f(x, y) = {tex(f)}$ at the point $({p}, {q})$ as a pair."
    value = tuple(diff(f, v).subs({x: p, y: q}) for v in (x, y))
    again = (a * m * p ** (m - 1) * q**n + 2 * b * p, a * n * p**m * q ** (n - 1) + c)
    return Exercise(text, value, lambda: again, (a, b, c, m, n, p, q))


def substitution(rng: random.Random) -> Exercise:
    """Antiderivatives by a linear or quadratic substitution."""
    a, b, n, k = rng.randint(2, 9), rng.randint(1, 12), rng.randint(3, 7), rng.randint(1, 9)
    inner = a * x**2 + b
    shape, whole = rng.choice(
        (
            (k * x * inner**n, Rational(k, 2 * a * (n + 1)) * inner ** (n + 1)),
            (k * x / inner, Rational(k, 2 * a) * log(inner)),
            (k * x * exp(inner), Rational(k, 2 * a) * exp(inner)),
            (k * x / sqrt(inner), Rational(k, a) * sqrt(inner)),
            (k * x * cos(inner), Rational(k, 2 * a) * sin(inner)),
        )
    )
    text = f"Find all antiderivatives of ${tex(shape)}$ with respect to $x$."
    again = Antiderivative
    return Exercise(text, Antiderivative(whole), lambda: again(integrate(shape, x)), (shape,))


def integration_by_parts(rng: random.Random) -> Exercise:
    """The integral of a linear function times an exponential."""
    a, b, k = nonzero(rng, 6), nonzero(rng, 9), nonzero(rng, 4)
    high = rng.randint(1, 3)
    shape = (a * x + b) * exp(k * x)
    text = f"Find the exact integral of ${tex(shape)}$ from $x = 0$ to $x = {high}$."
    whole = (Rational(a, k) * x + Rational(b, k) - Rational(a, k * k)) * exp(k * x)
    value = expand(whole.subs(x, high) - whole.subs(x, 0))
    return Exercise(text, value, lambda: integrate(shape, (x, 0, high)), (a, b, k, high))


def partial_fractions(rng: random.Random) -> Exercise:
    """An integral that is a logarithm."""
    a, b = sorted(rng.sample(range(1, 20), 2))
    high, k = rng.randint(1, 12), rng.randint(1, 9)
    shape = k / ((x + a) * (x + b))
    text = (
        rf"Find the exact integral of $\frac{{{k}}}{{{tex(expand((x + a) * (x + b)))}}}$ from "
        f"$x = 0$ to $x = {high}$."
    )
    value = Rational(k, b - a) * log(Rational((high + a) * b, (high + b) * a))
    return Exercise(text, value, lambda: integrate(shape, (x, 0, high)), (a, b, high, k))


def power_limit(rng: random.Random) -> Exercise:
    """A limit that is a power of e."""
    a, b, c = nonzero(rng, 9), rng.randint(1, 9), rng.randint(1, 9)
    n = Symbol("n", positive=True)
    text = (
        rf"Find the exact limit of $\left(1 {'+' if a > 0 else '-'} \frac{{{abs(a)}}}{{{c} n}}"
        rf"\right)^{{{b} n}}$ as $n$ tends to infinity."
    )
    again = b * n * log(1 + Rational(a, c) / n)
    return Exercise(text, exp(Rational(a * b, c)), lambda: exp(limit(again, n, oo)), (a, b, c))


def indeterminate_limit(rng: random.Random) -> Exercise:
    """A limit at 0 by series or by l'Hopital's rule."""
    a, b, c = rng.sample(range(2, 15), 3)
    shape, value = rng.choice(
        (
            ((exp(a * x) - exp(b * x)) / sin(c * x), Rational(a - b, c)),
            ((1 - cos(a * x)) / (b * x**2), Rational(a * a, 2 * b)),
            ((cos(a * x) - cos(b * x)) / (c * x**2), Rational(b * b - a * a, 2 * c)),
            (log(1 + a * x) / (exp(b * x) - 1), Rational(a, b)),
            ((sqrt(1 + a * x) - sqrt(1 + b * x)) / (c * x), Rational(a - b, 2 * c)),
        )
    )
    text = f"Find the limit of ${tex(shape)}$ as $x$ tends to $0$."
    return Exercise(text, value, lambda: limit(shape, x, 0), (shape,))


CALCULUS: Topic = {
    1: (derivative, slope_at),
    2: (antiderivative, product_rule, definite_integral, limit_of_quotient),
    3: (tangent_line, area_between, falling_interval, gradient, substitution),
    4: (
        integration_by_parts,
        partial_fractions,
        power_limit,
        indeterminate_limit,
        taylor_polynomial,
    ),
    5: (
        geometric_moment,
        first_order_equation,
        second_order_equation,
        gamma_integral,
        volume_of_revolution,
    ),
}
