"""Topic ``geometry``: triangles, circles, solids, coordinates."""

from __future__ import annotations

import random
from fractions import Fraction
from math import isqrt

from sympy import Eq, Matrix, Point, Rational, Symbol, Triangle, cos, expand, pi, sin, sqrt

from agentgym_envs.math.exercise import Exercise, Topic
from agentgym_envs.math.gold import Degrees, Measure, tex

__all__ = ["GEOMETRY"]

x, y = Symbol("x"), Symbol("y")


def _points(rng: random.Random, count: int, bound: int = 9) -> list[tuple[int, int]]:
    return [(rng.randint(-bound, bound), rng.randint(-bound, bound)) for _ in range(count)]


def _doubled_area(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> int:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def hypotenuse(rng: random.Random) -> Exercise:
    """The diagonal of a rectangle."""
    a, b = rng.randint(2, 40), rng.randint(2, 40)
    text = (
        f"A rectangle has sides of ${a}$ cm and ${b}$ cm. How long is its diagonal, exactly, in cm?"
    )
    again = Point(0, 0).distance(Point(a, b))
    value = Measure(sqrt(a * a + b * b), "cm")
    return Exercise(text, value, lambda: Measure(again, "cm"), tuple(sorted((a, b))))


def third_angle(rng: random.Random) -> Exercise:
    """An angle beside two bisected ones."""
    a, b = rng.randint(10, 80), rng.randint(10, 80)
    text = (
        rf"In the triangle $ABC$ the angle at $A$ is ${a}^{{\circ}}$ and the angle at $B$ is "
        rf"${b}^{{\circ}}$. The bisectors of these two angles meet in $I$. How large is the angle "
        "$AIB$?"
    )
    value = Degrees(180 - Rational(a + b, 2))
    c = 180 - a - b
    return Exercise(text, value, lambda: Degrees(90 + Fraction(c, 2)), tuple(sorted((a, b))))


def sector(rng: random.Random) -> Exercise:
    """The area of a sector."""
    radius, degrees = rng.randint(2, 30), 5 * rng.randint(2, 70)
    text = (
        rf"A sector of a circle with radius ${radius}$ has an angle of ${degrees}^{{\circ}}$. What "
        "is its exact area?"
    )
    arc = radius * pi * degrees / 180
    value = pi * radius**2 * Rational(degrees, 360)
    return Exercise(text, value, lambda: arc * radius / 2, (radius, degrees))


def point_between(rng: random.Random) -> Exercise:
    """The point that divides a segment in a ratio."""
    (a, b), (m, n) = _points(rng, 2, 20), (rng.randint(1, 7), rng.randint(1, 7))
    text = (
        f"The point $P$ on the segment from $A = {a}$ to $B = {b}$ divides it so that "
        f"$AP : PB = {m}:{n}$. Find $P$."
    )
    value = tuple(p + Rational(m, m + n) * (q - p) for p, q in zip(a, b, strict=True))
    again = tuple(Fraction(n * p + m * q, m + n) for p, q in zip(a, b, strict=True))
    return Exercise(text, value, lambda: again, (a, b, m, n))


def parallel_cut(rng: random.Random) -> Exercise:
    """A part of a triangle cut off parallel to a side."""
    base, height = rng.randint(4, 40), rng.randint(4, 40)
    cut = rng.randint(1, height - 1)
    text = (
        f"A triangle has the base ${base}$ and the height ${height}$. A line parallel to the base, "
        f"at the distance ${cut}$ from it, cuts off a smaller triangle. Find the exact area of the "
        "part between the line and the base."
    )
    small = Rational(height - cut, height)
    value = Rational(base * height, 2) * (1 - small**2)
    trapezoid = Fraction(cut, 2) * (base + base * Fraction(height - cut, height))
    return Exercise(text, value, lambda: trapezoid, (base, height, cut))


def area_from_sides(rng: random.Random) -> Exercise:
    """Heron's formula."""
    a, b, c = sorted(rng.randint(4, 25) for _ in range(3))
    if a + b <= c:
        return area_from_sides(rng)
    text = f"A triangle has sides of lengths ${a}$, ${b}$ and ${c}$. What is its exact area?"
    value = sqrt((a + b + c) * (a + b - c) * (a - b + c) * (b + c - a)) / 4
    cosine = Rational(a * a + b * b - c * c, 2 * a * b)
    return Exercise(text, value, lambda: a * b * sqrt(1 - cosine**2) / 2, (a, b, c))


def circle_equation(rng: random.Random) -> Exercise:
    """The circle on a diameter."""
    a, b = _points(rng, 2, 12)
    if a == b:
        return circle_equation(rng)
    text = f"Find an equation in $x$ and $y$ of the circle with the diameter from ${a}$ to ${b}$."
    h, k = Rational(a[0] + b[0], 2), Rational(a[1] + b[1], 2)
    square = Rational((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2, 4)
    value = Eq((x - h) ** 2 + (y - k) ** 2, square)
    thales = expand((x - a[0]) * (x - b[0]) + (y - a[1]) * (y - b[1]))
    return Exercise(text, value, lambda: Eq(thales, 0), tuple(sorted((a, b))))


def quadrilateral(rng: random.Random) -> Exercise:
    """The area of a quadrilateral, one corner in each quadrant."""
    quadrants = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    a, b, c, d = corners = [(i * rng.randint(1, 12), j * rng.randint(1, 12)) for i, j in quadrants]
    text = (
        "Find the area of the quadrilateral with the corners "
        f"{', '.join(f'${corner}$' for corner in corners)}, in this order."
    )
    value = Rational(_doubled_area(a, b, c) + _doubled_area(a, c, d), 2)
    rows = zip(corners, [*corners[1:], a], strict=True)
    again = Fraction(sum(p[0] * q[1] - p[1] * q[0] for p, q in rows), 2)
    return Exercise(text, value, lambda: again, tuple(corners))


def third_side(rng: random.Random) -> Exercise:
    """The law of cosines at a well-known angle."""
    a, b, degrees = rng.randint(2, 30), rng.randint(2, 30), rng.choice((30, 45, 60, 120, 135, 150))
    text = (
        rf"Two sides of a triangle have lengths ${a}$ and ${b}$, and the angle between them is "
        rf"${degrees}^{{\circ}}$. What is the exact length of the third side?"
    )
    angle = pi * degrees / 180
    value = sqrt(a * a + b * b - 2 * a * b * cos(angle))
    ends = Point(a, 0).distance(Point(b * cos(angle), b * sin(angle)))
    return Exercise(text, value, lambda: ends, (*sorted((a, b)), degrees))


def two_radii(rng: random.Random) -> Exercise:
    """The radii of the inscribed and the circumscribed circle."""
    a, b, c = sorted(rng.randint(4, 20) for _ in range(3))
    if a + b <= c:
        return two_radii(rng)
    text = (
        f"A triangle has sides of lengths ${a}$, ${b}$ and ${c}$. Let $r$ be the radius of its "
        "inscribed and $R$ the radius of its circumscribed circle. Give the pair $(r, R)$ exactly."
    )
    area = sqrt((a + b + c) * (a + b - c) * (a - b + c) * (b + c - a)) / 4
    value = (2 * area / (a + b + c), a * b * c / (4 * area))
    return Exercise(text, value, lambda: _radii(a, b, c), (a, b, c))


def _radii(a: int, b: int, c: int) -> tuple[object, object]:
    triangle = Triangle(sss=(a, b, c))
    return triangle.inradius, triangle.circumradius


def distance_to_line(rng: random.Random) -> Exercise:
    """The distance of a point from a line."""
    a, b, c = rng.randint(1, 12), rng.randint(1, 12), rng.randint(-20, 20)
    (point,) = _points(rng, 1, 12)
    away = a * point[0] + b * point[1] - c
    if away == 0:
        return distance_to_line(rng)
    line = f"{tex(a * x + b * y)} = {c}"
    text = f"Find the exact distance of the point ${point}$ from the line ${line}$."
    value = abs(away) / sqrt(a * a + b * b)
    foot = tuple(p - Rational(away, a * a + b * b) * n for p, n in zip(point, (a, b), strict=True))
    return Exercise(text, value, lambda: Point(point).distance(Point(foot)), (a, b, c, point))


def frustum(rng: random.Random) -> Exercise:
    """The volume of a cone without its top."""
    small, large = sorted(rng.sample(range(1, 25), 2))
    height = rng.randint(2, 30)
    text = (
        f"A bucket is a frustum of a cone with the radii ${small}$ and ${large}$ and the height "
        f"${height}$. What is its exact volume?"
    )
    value = pi * height * Rational(small**2 + small * large + large**2, 3)
    whole = Rational(height * large, large - small)
    again = pi * (large**2 * whole - small**2 * (whole - height)) / 3
    return Exercise(text, value, lambda: again, (small, large, height))


def common_tangent(rng: random.Random) -> Exercise:
    """The outer tangent of two circles apart."""
    r, s = rng.randint(1, 15), rng.randint(1, 15)
    apart = r + s + rng.randint(1, 20)
    if r == s:
        return common_tangent(rng)
    text = (
        f"Two circles have the radii ${r}$ and ${s}$; their centres are ${apart}$ apart. How long "
        "is a common outer tangent between its points of contact, exactly?"
    )
    value = sqrt(apart**2 - (r - s) ** 2)
    sine = Rational(r - s, apart)
    return Exercise(text, value, lambda: apart * sqrt(1 - sine**2), (*sorted((r, s)), apart))


def circumcentre(rng: random.Random) -> Exercise:
    """The centre of the circle through three points."""
    a, b, c = points = _points(rng, 3)
    if _doubled_area(a, b, c) == 0:
        return circumcentre(rng)
    shown = ", ".join(f"${point}$" for point in points)
    text = f"Find the centre of the circle through the points {shown}."
    rows = Matrix([[2 * (p[0] - a[0]), 2 * (p[1] - a[1])] for p in (b, c)])
    right = Matrix([p[0] ** 2 + p[1] ** 2 - a[0] ** 2 - a[1] ** 2 for p in (b, c)])
    value = tuple(rows.LUsolve(right))
    numbers = tuple(sorted(points))
    return Exercise(text, value, lambda: tuple(Triangle(*points).circumcenter), numbers)


def bisector(rng: random.Random) -> Exercise:
    """The length of an angle bisector."""
    a, b, c = (rng.randint(4, 20) for _ in range(3))
    if 2 * max(a, b, c) >= a + b + c:
        return bisector(rng)
    text = (
        f"In the triangle $ABC$ let $BC = {a}$, $CA = {b}$ and $AB = {c}$. The bisector of the "
        "angle at $A$ meets $BC$ in $D$. Find the exact length of $AD$."
    )
    value = sqrt(b * c * (1 - Rational(a, b + c) ** 2))
    foot = Rational(a * c, b + c)  # BD, by the bisector theorem; then the law of cosines at B
    cosine = Rational(a * a + c * c - b * b, 2 * a * c)
    again = sqrt(c * c + foot**2 - 2 * c * foot * cosine)
    return Exercise(text, value, lambda: again, (a, *sorted((b, c))))


def tetrahedron(rng: random.Random) -> Exercise:
    """The height of a pyramid with three edges at right angles."""
    a, b, c = sorted(rng.randint(2, 20) for _ in range(3))
    text = (
        f"Three edges of a tetrahedron meet at right angles in a corner; their lengths are ${a}$, "
        f"${b}$ and ${c}$. Find the exact distance of this corner from the opposite face."
    )
    face = sqrt(a * a * b * b + b * b * c * c + c * c * a * a)
    normal = Matrix([-a, b, 0]).cross(Matrix([-a, 0, c]))
    again = abs(normal.dot(Matrix([a, 0, 0]))) / normal.norm()
    return Exercise(text, a * b * c / face, lambda: again, (a, b, c))


def chord(rng: random.Random) -> Exercise:
    """The chord that a line cuts out of a circle round the origin."""
    a, b, c = rng.randint(1, 9), rng.randint(1, 9), rng.randint(0, 30)
    square = rng.randint(2, 150)
    half = square - Rational(c * c, a * a + b * b)
    if half <= 0 or isqrt(square) ** 2 == square:
        return chord(rng)
    text = (
        f"The line ${tex(a * x + b * y)} = {c}$ cuts the circle $x^2 + y^2 = {square}$ in two "
        "points. Find their exact distance."
    )
    # x = (c - b y)/a in the circle: (a^2 + b^2) y^2 - 2 b c y + c^2 - a^2 square = 0
    discriminant = (2 * b * c) ** 2 - 4 * (a * a + b * b) * (c * c - a * a * square)
    again = sqrt(discriminant) / (a * a + b * b) * sqrt(1 + Rational(b * b, a * a))
    return Exercise(text, 2 * sqrt(half), lambda: again, (a, b, c, square))


GEOMETRY: Topic = {
    1: (hypotenuse, third_angle),
    2: (sector, point_between, parallel_cut),
    3: (area_from_sides, circle_equation, quadrilateral, third_side),
    4: (two_radii, distance_to_line, frustum, chord),
    5: (common_tangent, circumcentre, bisector, tetrahedron),
}
