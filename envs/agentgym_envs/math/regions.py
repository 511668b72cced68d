"""Sets of real numbers: intervals, inequalities, their unions, and finite sets.

A set is a membership test together with the points where membership may change. Two sets are
equal when they agree at all those points, between them, and beyond the outermost ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise, product

from flint import acb, arb, fmpq, fmpq_poly

from agentgym_envs.math.identity import difference, variables
from agentgym_envs.math.nodes import (
    Apply,
    Group,
    Node,
    Relation,
    Sequence,
    Symbol,
    Unreadable,
    walk,
)
from agentgym_envs.math.values import Undefined, ball, precision, rational

__all__ = ["Region", "holds", "integers_of", "region", "same_region", "tests_of"]

BITS = 512
MAX_DEGREE = 40
_POLYNOMIAL = frozenset({"+", "*", "/", "^", "neg", "abs"})
_ORDERED = {"lt", "le", "gt", "ge"}


@dataclass(frozen=True, slots=True)
class Region:
    """A set of reals.

    Attributes:
        points: Where membership may change, as balls.
        holds: The membership test.
    """

    points: tuple[arb, ...]
    holds: Callable[[arb], bool]


def same_region(left: Node, right: Node) -> bool:
    """Say whether two nodes are the same set of reals.

    Raises:
        Unreadable: If one of them is no such set.
        Undefined: If an end has no value.
        OutOfTime: After the deadline.
    """
    with precision(BITS):
        first, second = region(left), region(right)
        return all(first.holds(at) == second.holds(at) for at in _tests(first, second))


def _tests(*regions: Region) -> list[arb]:
    """Return each point of change and one number in each gap."""
    found = sorted((point for part in regions for point in part.points), key=lambda p: p.mid())
    points: list[arb] = []
    for point in found:
        if not points or not points[-1].overlaps(point):
            points.append(point)
    if not points:
        return [arb(0)]
    gaps = [((a + b) / 2).mid() for a, b in pairwise(points)]
    return [*points, *gaps, (points[0] - 1).mid(), (points[-1] + 1).mid()]


def tests_of(conditions: list[Node]) -> list[arb]:
    """Return where conditions on one unknown may change, and one number in each gap.

    Raises:
        Unreadable: If one of them is no such condition.
    """
    return _tests(*(region(condition) for condition in conditions))


def region(node: Node) -> Region:
    """Read a node as a set of reals; see `same_region`."""
    if isinstance(node, Symbol):
        if node.name == "reals":
            return Region((), lambda _: True)
        if node.name == "empty":
            return Region((), lambda _: False)
    if isinstance(node, Group):
        return _group(node)
    if isinstance(node, Relation):
        return _relation(node)
    if isinstance(node, Sequence):
        return _sequence(node)
    if isinstance(node, Apply):
        return _operation(node)
    raise Unreadable("no set of reals")


def _group(node: Group) -> Region:
    if node.opened == r"\{":
        points = tuple(_real(item) for item in node.items)
        return Region(points, lambda x: any(x.overlaps(point) for point in points))
    if len(node.items) != 2 or node.opened not in "([":
        raise Unreadable("no interval")
    low, high = (_end(item) for item in node.items)
    if low is not None and high is not None and not (low < high or low.overlaps(high)):
        raise Unreadable("an interval that ends before it starts")
    closed_low, closed_high = node.opened == "[", node.closed == "]"

    def holds(x: arb) -> bool:
        above = low is None or (closed_low if x.overlaps(low) else x > low)
        below = high is None or (closed_high if x.overlaps(high) else x < high)
        return bool(above and below)

    if _infinite(node.items[0]) > 0 or _infinite(node.items[1]) < 0:
        raise Unreadable("an interval that is upside down")
    return Region(tuple(end for end in (low, high) if end is not None), holds)


def _infinite(node: Node) -> int:
    if node == Symbol("oo"):
        return 1
    if node == Apply("neg", (Symbol("oo"),)):
        return -1
    return 0


def _end(node: Node) -> arb | None:
    return None if _infinite(node) else _real(node)


def _real(node: Node) -> arb:
    if variables(node):
        raise Unreadable("an end that is no constant")
    value = ball(node)
    if not value.imag.is_zero():
        raise Unreadable("an end that is not real")
    return value.real


def _combine(left: Region, right: Region, how: Callable[[bool, bool], bool]) -> Region:
    return Region((*left.points, *right.points), lambda x: how(left.holds(x), right.holds(x)))


_COMBINED: Mapping[str, Callable[[bool, bool], bool]] = {
    "cup": lambda a, b: a or b,
    "lor": lambda a, b: a or b,
    "cap": lambda a, b: a and b,
    "land": lambda a, b: a and b,
    "setminus": lambda a, b: a and not b,
    "xor": lambda a, b: a != b,
}


def _operation(node: Apply) -> Region:
    if node.op in _COMBINED:
        return _combine(region(node.args[0]), region(node.args[1]), _COMBINED[node.op])
    if node.op == "+" and len(node.args) == 2:  # A - B for a difference of sets
        right = node.args[1]
        if isinstance(right, Apply) and right.op == "neg":
            return _operation(Apply("setminus", (node.args[0], right.args[0])))
    if node.op in ("complement", "not"):
        inner = region(node.args[0])
        return Region(inner.points, lambda x: not inner.holds(x))
    if node.op == "such_that":
        head, condition = node.args
        result = region(condition)
        if isinstance(head, Relation):
            result = _combine(region(head), result, lambda a, b: a and b)
        elif variables(head) != variables(condition):
            raise Unreadable("a set of something else")
        return result
    raise Unreadable("no set of reals")


def _sequence(node: Sequence) -> Region:
    parts = [region(item) for item in node.items]
    result = parts[0]
    how = _COMBINED["cup" if node.joint == "or" or _groups(node) else "cap"]
    for part in parts[1:]:
        result = _combine(result, part, how)
    if node.joint == "," and not any(result.holds(x) for x in _tests(result)):
        return _sequence(Sequence(node.items, "or"))  # "x < 1, x > 3"
    return result


def _groups(node: Sequence) -> bool:
    return all(isinstance(item, Group) for item in node.items)


def integers_of(condition: Node) -> list[int] | None:
    """Return the integers of a bounded set of at most 1,000; None if it is not one."""
    with precision(BITS):
        found = region(condition)
        tests = sorted(_tests(found), key=lambda p: p.mid())
        if found.holds(tests[0]) or found.holds(tests[-1]) or len(tests) < 2:
            return None
        low, high = tests[0].floor().unique_fmpz(), tests[-1].ceil().unique_fmpz()
        if low is None or high is None or high - low > 1_000:
            return None
        return [n for n in range(int(low), int(high) + 1) if found.holds(arb(n))]


def _relation(node: Relation) -> Region:
    names = variables(*node.sides)
    if len(names) > 1 or node.modulus is not None:
        raise Unreadable("a relation of several unknowns")
    if node.ops in (("in",), ("notin",)):
        inner = region(node.sides[1])
        if not isinstance(node.sides[0], Symbol):
            raise Unreadable("a membership of an expression")
        return inner if node.ops == ("in",) else Region(inner.points, lambda x: not inner.holds(x))
    if not names or not set(node.ops) <= _ORDERED | {"ne", "="}:
        raise Unreadable("no inequality")
    (name,) = names
    points: list[arb] = []
    for left, right in pairwise(node.sides):
        if _infinite(left) or _infinite(right):
            continue
        for sign in _signs(right):
            points += _changes(left, sign, name)
    return Region(tuple(points), lambda x: holds(node, {name: acb(x)}))


def _signs(node: Node) -> tuple[Node, ...]:
    r"""Return both values of ``\pm 2``, and of anything else itself."""
    if isinstance(node, Apply) and node.op in ("pm", "mp") and len(node.args) == 1:
        return node.args[0], Apply("neg", node.args)
    return (node,)


def holds(condition: Node, point: Mapping[str, acb]) -> bool:
    """Say whether a condition holds at a point.

    Raises:
        Unreadable: If it is no condition.
    """
    if isinstance(condition, Relation):
        return all(
            _related(op, left, right, point)
            for op, (left, right) in zip(condition.ops, pairwise(condition.sides), strict=True)
        )
    if isinstance(condition, Sequence):
        some = any if condition.joint == "or" else all
        return some(holds(item, point) for item in condition.items)
    if isinstance(condition, Apply) and condition.op in ("land", "lor"):
        some = any if condition.op == "lor" else all
        return some(holds(part, point) for part in condition.args)
    raise Unreadable("no condition")


def _related(op: str, left: Node, right: Node, point: Mapping[str, acb]) -> bool:
    if op == "in":
        return region(right).holds(ball(left, point).real)
    if len(_signs(right)) > 1:
        either = [_related(op, left, sign, point) for sign in _signs(right)]
        return all(either) if op == "ne" else any(either)
    if side := _infinite(right) or -_infinite(left):
        return op in ("lt", "le", "ne") if side > 0 else op in ("gt", "ge", "ne")
    try:
        gap = ball(left, point) - ball(right, point)
    except Undefined:
        return False
    if not gap.imag.contains(arb(0)):
        return False
    if gap.real.contains(arb(0)):
        return op in ("=", "le", "ge")
    if op == "ne":
        return True
    return bool(gap.real < 0) if op in ("lt", "le") else op in ("gt", "ge") and bool(gap.real > 0)


def _changes(left: Node, right: Node, name: str) -> list[arb]:
    """Return the points where ``left - right`` may change its sign."""
    f = difference(left, right)
    if name not in variables(f):
        return []
    found: list[arb] = []
    for signs in product((1, -1), repeat=min(4, _count_abs(f))):
        plain = _without_abs(f, list(signs))
        roots = _quadratic_roots(plain, name)
        if roots is None:
            roots = [root for poly in _fraction(plain, name) for root in _roots(poly)]
        found += roots
    return found


def _without_abs(node: Node, signs: list[int]) -> Node:
    """Replace each absolute value by its inside or the negative of it."""
    if not isinstance(node, Apply):
        return node
    parts = tuple(_without_abs(part, signs) for part in node.args)
    if node.op == "abs" and signs:
        return parts[0] if signs.pop() > 0 else Apply("neg", parts)
    return Apply(node.op, parts)


def _quadratic_roots(f: Node, name: str) -> list[arb] | None:
    """Return the real zeros of f if it is of degree one or two, whatever its coefficients are."""
    try:
        at = {x: ball(f, {name: acb(arb(x))}) for x in (0, 1, -1, fmpq(-7, 3), fmpq(29, 4))}
    except Undefined:
        return None
    c = at[0]
    a = (at[1] + at[-1]) / 2 - c
    b = (at[1] - at[-1]) / 2
    for x in (fmpq(-7, 3), fmpq(29, 4)):
        if not (c + b * acb(arb(x)) + a * acb(arb(x)) ** 2 - at[x]).contains(acb(0)):
            return None
    if not all(value.imag.contains(arb(0)) for value in (a, b, c)):
        return None
    if a.contains(acb(0)):
        return None if b.contains(acb(0)) else [(-c / b).real]
    if rational_coefficients(f):
        return None  # the exact method also tells a double root
    inside = (b * b - 4 * a * c).real
    if inside < 0:
        return []
    root = acb(abs(inside)).sqrt()
    return [((-b + root) / (2 * a)).real, ((-b - root) / (2 * a)).real]


def rational_coefficients(f: Node) -> bool:
    """Say whether an expression holds no number that is not rational."""
    return not any(
        (isinstance(part, Symbol) and part.name in ("pi", "e"))
        or (isinstance(part, Apply) and part.op not in _POLYNOMIAL)
        for part in walk(f)
    )


def _count_abs(node: Node) -> int:
    if not isinstance(node, Apply):
        return 0
    return (node.op == "abs") + sum(map(_count_abs, node.args))


def _fraction(node: Node, name: str) -> tuple[fmpq_poly, fmpq_poly]:
    """Return the numerator and the denominator of a rational function."""
    one = fmpq_poly([1])
    if node == Symbol(name):
        return fmpq_poly([0, 1]), one
    value = rational(node)
    if value is not None:
        return fmpq_poly([value]), one
    if not isinstance(node, Apply):
        raise Unreadable("an inequality that is not of polynomials")
    if node.op == "^":
        return _fraction_power(node, name)
    parts = [_fraction(part, name) for part in node.args]
    if node.op == "neg":
        return -parts[0][0], parts[0][1]
    if node.op == "/":
        return parts[0][0] * parts[1][1], parts[0][1] * parts[1][0]
    return _joined_fractions(node.op, parts)


def _joined_fractions(
    op: str, parts: list[tuple[fmpq_poly, fmpq_poly]]
) -> tuple[fmpq_poly, fmpq_poly]:
    if op not in ("+", "*"):
        raise Unreadable("an inequality that is not of polynomials")
    top, bottom = parts[0]
    for other_top, other_bottom in parts[1:]:
        if op == "*":
            top *= other_top
        else:
            top = top * other_bottom + other_top * bottom
        bottom *= other_bottom
        if max(top.degree(), bottom.degree()) > MAX_DEGREE:
            raise Unreadable("an inequality of too high a degree")
    return top, bottom


def _fraction_power(node: Apply, name: str) -> tuple[fmpq_poly, fmpq_poly]:
    exponent = rational(node.args[1])
    if exponent is None or exponent.q != 1 or abs(exponent) > MAX_DEGREE:
        raise Unreadable("an inequality that is not of polynomials")
    top, bottom = _fraction(node.args[0], name)
    power = abs(int(exponent.p))
    if power * max(top.degree(), bottom.degree()) > MAX_DEGREE:
        raise Unreadable("an inequality of too high a degree")
    return (top**power, bottom**power) if exponent >= 0 else (bottom**power, top**power)


def _roots(poly: fmpq_poly) -> list[arb]:
    if poly.degree() < 1:
        return []
    found: list[tuple[acb, int]] = poly.complex_roots()  # type: ignore[assignment]
    return [root.real for root, _ in found if root.imag.contains(arb(0))]
