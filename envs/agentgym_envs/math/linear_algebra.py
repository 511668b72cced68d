"""Topic ``linear_algebra``: matrices, vectors, eigenvalues, planes, least squares."""

from __future__ import annotations

import random
from typing import Any

from sympy import Eq, Matrix, Plane, Rational, Symbol, eye, sqrt

from agentgym_envs.math.exercise import Exercise, Topic, nonzero
from agentgym_envs.math.gold import tex

__all__ = ["LINEAR_ALGEBRA"]

x, y, z, t = Symbol("x"), Symbol("y"), Symbol("z"), Symbol("t")


def _entries(rng: random.Random, count: int, bound: int = 9) -> list[int]:
    return [rng.randint(-bound, bound) for _ in range(count)]


def _matrix(rng: random.Random, size: int, bound: int = 9) -> Matrix:
    return Matrix(size, size, _entries(rng, size * size, bound))


def product_of_matrices(rng: random.Random) -> Exercise:
    """A product of two matrices of two rows."""
    a, b = _matrix(rng, 2), _matrix(rng, 2)
    text = f"Let $A = {tex(a)}$ and $B = {tex(b)}$. Find the matrix $AB$."
    sums = [[sum(a[i, k] * b[k, j] for k in (0, 1)) for j in (0, 1)] for i in (0, 1)]
    return Exercise(text, a * b, lambda: Matrix(sums), (*a, *b))


def combination(rng: random.Random) -> Exercise:
    """A linear combination of two vectors."""
    u, v, (p, q) = _entries(rng, 3), _entries(rng, 3), (nonzero(rng, 7), nonzero(rng, 7))
    text = (
        f"Let $u = {tuple(u)}$ and $v = {tuple(v)}$. "
        f"Find the vector ${tex(p * Symbol('u') + q * Symbol('v'))}$."
    )
    value = tuple(p * a + q * b for a, b in zip(u, v, strict=True))
    return Exercise(text, value, lambda: tuple(p * Matrix(u) + q * Matrix(v)), (p, *u, q, *v))


def determinant(rng: random.Random) -> Exercise:
    """A determinant of three rows."""
    a = _matrix(rng, 3)
    text = f"Find the determinant of ${tex(a)}$."
    one, two, three = a.row(0), a.row(1), a.row(2)
    return Exercise(text, a.det(), lambda: one.dot(two.cross(three)), tuple(a))


def inverse(rng: random.Random) -> Exercise:
    """The inverse of a matrix of two rows."""
    a = _matrix(rng, 2)
    det = a[0] * a[3] - a[1] * a[2]
    if det == 0 or abs(det) == 1:
        return inverse(rng)
    text = f"Find the inverse of the matrix ${tex(a)}$."
    value = Matrix([[a[3], -a[1]], [-a[2], a[0]]]) / det
    return Exercise(text, value, lambda: a.inv("LU"), tuple(a))


def cosine_of_angle(rng: random.Random) -> Exercise:
    """The cosine of the angle between two vectors."""
    u, v = Matrix(_entries(rng, 3, 6)), Matrix(_entries(rng, 3, 6))
    if not u.dot(v):
        return cosine_of_angle(rng)
    text = f"Find the exact cosine of the angle between the vectors ${tuple(u)}$ and ${tuple(v)}$."
    value = u.dot(v) / sqrt(u.dot(u) * v.dot(v))
    apart = (u - v).dot(u - v)  # the law of cosines
    again = (u.dot(u) + v.dot(v) - apart) / (2 * u.norm() * v.norm())
    return Exercise(text, value, lambda: again, (*u, *v))


def three_equations(rng: random.Random) -> Exercise:
    """A linear system in three unknowns."""
    a, solution = _matrix(rng, 3, 6), Matrix([Rational(n, 2) for n in _entries(rng, 3, 12)])
    if a.det() == 0:
        return three_equations(rng)
    right = 2 * a * solution
    left = 2 * a * Matrix([x, y, z])
    rows = r" \\ ".join(f"{tex(left[i])} &= {tex(right[i])}" for i in range(3))
    text = (
        rf"Solve the system $\begin{{aligned}} {rows} \end{{aligned}}$ and give the "
        "triple $(x, y, z)$."
    )
    return Exercise(text, tuple(solution), lambda: tuple((2 * a).LUsolve(right)), (*a, *solution))


def eigenvalues(rng: random.Random) -> Exercise:
    """The eigenvalues of a matrix of two rows."""
    a, (r, s) = _similar(rng)
    text = f"Find the set of all eigenvalues of ${tex(a)}$."
    return Exercise(text, frozenset({r, s}), lambda: frozenset(a.eigenvals()), tuple(a))


def _similar(rng: random.Random, bound: int = 9) -> tuple[Matrix, tuple[int, int]]:
    """Return a matrix without zeros beside its diagonal, and its two eigenvalues."""
    r, s = rng.sample([n for n in range(-bound, bound + 1) if n], 2)
    base = _matrix(rng, 2, 3)
    if abs(base.det()) != 1:
        return _similar(rng, bound)
    a = base * Matrix([[r, 0], [0, s]]) * base.inv()
    return (a, (r, s)) if a[1] and a[2] else _similar(rng, bound)


def projection(rng: random.Random) -> Exercise:
    """The projection of a vector to a line."""
    u, v = Matrix(_entries(rng, 3, 8)), Matrix(_entries(rng, 3, 5))
    if not u.dot(v) or u.cross(v).is_zero_matrix:
        return projection(rng)
    text = f"Find the orthogonal projection of ${tuple(u)}$ onto the line spanned by ${tuple(v)}$."
    value = tuple(v * Rational(u.dot(v), v.dot(v)))
    projector = v * (v.T * v).inv() * v.T
    return Exercise(text, value, lambda: tuple(projector * u), (*u, *v))


def plane_through(rng: random.Random) -> Exercise:
    """The plane through three points."""
    points = [Matrix(_entries(rng, 3, 6)) for _ in range(3)]
    a, b, c = points
    normal = (b - a).cross(c - a)
    if normal.is_zero_matrix:
        return plane_through(rng)
    shown = ", ".join(f"${tuple(point)}$" for point in points)
    text = f"Find an equation of the plane in $x$, $y$, $z$ through the points {shown}."
    value = Eq(normal.dot(Matrix([x, y, z])), normal.dot(a))
    numbers = tuple(sorted(map(tuple, points)))
    return Exercise(
        text, value, lambda: Eq(Plane(*map(tuple, points)).equation(x, y, z), 0), numbers
    )


def area_in_space(rng: random.Random) -> Exercise:
    """The area of a triangle in space, by Heron's formula the second time."""
    a, b, c = points = [Matrix(_entries(rng, 3, 6)) for _ in range(3)]
    normal = (b - a).cross(c - a)
    if normal.is_zero_matrix:
        return area_in_space(rng)
    shown = ", ".join(f"${tuple(point)}$" for point in points)
    text = f"Find the exact area of the triangle with the corners {shown}."
    p, q, r = ((one - two).dot(one - two) for one, two in ((a, b), (b, c), (c, a)))
    again = sqrt(4 * p * q - (p + q - r) ** 2) / 4
    numbers = tuple(sorted(map(tuple, points)))
    return Exercise(text, normal.norm() / 2, lambda: again, numbers)


def power_of_matrix(rng: random.Random) -> Exercise:
    """A power of a matrix with known eigenvalues."""
    a, (r, s) = _similar(rng, 3)
    n = rng.randint(5, 9)
    text = f"Let $A = {tex(a)}$. Find the matrix $A^{{{n}}}$."
    # A^n = c A + d by Cayley and Hamilton
    c = Rational(r**n - s**n, r - s)
    return Exercise(text, c * a + (r**n - c * r) * eye(2), lambda: a**n, (*a, n))


def characteristic_polynomial(rng: random.Random) -> Exercise:
    """The characteristic polynomial of three rows."""
    a, unknown = _matrix(rng, 3, 5), Symbol("lambda")
    text = (
        rf"Find the characteristic polynomial $\det(\lambda I - A)$ of $A = {tex(a)}$, expanded "
        r"in powers of $\lambda$."
    )
    minors = sum(a.minor(i, i) for i in range(3))
    value = unknown**3 - a.trace() * unknown**2 + minors * unknown - a.det()
    again: Any = a.charpoly
    return Exercise(text, value, lambda: again(unknown).as_expr(), tuple(a))


def kernel_vector(rng: random.Random) -> Exercise:
    """The vector of a kernel of dimension one whose last entry is 1."""
    p, q = _entries(rng, 2, 6)
    a, b = _entries(rng, 2, 7), _entries(rng, 2, 7)
    if a[0] * b[1] == a[1] * b[0]:
        return kernel_vector(rng)
    first, second = [*a, -(a[0] * p + a[1] * q)], [*b, -(b[0] * p + b[1] * q)]
    third = [m + n for m, n in zip(first, second, strict=True)]
    matrix = Matrix([first, second, third])
    text = (
        f"The kernel of ${tex(matrix)}$ is a line. Find the vector of the kernel whose last entry "
        "is $1$, as a triple."
    )
    return Exercise(text, (p, q, 1), lambda: tuple(matrix.nullspace()[0]), tuple(matrix))


def largest_form(rng: random.Random) -> Exercise:
    """The largest value of a quadratic form on the unit circle."""
    a, b, c = rng.randint(-9, 9), nonzero(rng, 9), rng.randint(-9, 9)
    text = (
        f"Find the exact largest value of ${tex(a * x**2 + 2 * b * x * y + c * y**2)}$ over all "
        "real $x$, $y$ with $x^2 + y^2 = 1$."
    )
    value = Rational(a + c, 2) + sqrt((a - c) ** 2 + 4 * b * b) / 2
    form = Matrix([[a, b], [b, c]])
    return Exercise(text, value, lambda: max(form.eigenvals()), (a, b, c))


def line_of_best_fit(rng: random.Random) -> Exercise:
    """The least-squares line through four points."""
    xs, ys = rng.sample(range(-5, 9), 4), _entries(rng, 4)
    n, sx, sy = 4, sum(xs), sum(ys)
    sxy = sum(p * q for p, q in zip(xs, ys, strict=True))
    slope = Rational(n * sxy - sx * sy, n * sum(p * p for p in xs) - sx * sx)
    points = ", ".join(f"$({p}, {q})$" for p, q in zip(xs, ys, strict=True))
    text = (
        f"Find the least-squares line through the points {points} in the form $y = mx + b$ with "
        "exact coefficients."
    )
    design = Matrix([[p, 1] for p in xs])
    fit = (design.T * design).LUsolve(design.T * Matrix(ys))
    value = Eq(y, slope * x + (sy - slope * sx) / n)
    return Exercise(
        text, value, lambda: Eq(y, fit[0] * x + fit[1]), tuple(sorted(zip(xs, ys, strict=True)))
    )


LINEAR_ALGEBRA: Topic = {
    1: (product_of_matrices, combination),
    2: (determinant, inverse, cosine_of_angle),
    3: (three_equations, eigenvalues, projection, plane_through, area_in_space),
    4: (power_of_matrix, characteristic_polynomial, kernel_vector),
    5: (largest_form, line_of_best_fit),
}
