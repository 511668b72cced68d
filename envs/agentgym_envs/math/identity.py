"""Whether two expressions are the same number or the same function.

A mismatch is a proof: two balls that do not overlap. Agreement is accepted when the balls overlap
at a precision far beyond the size of everything in the expressions (constants), or at enough
random points where both are defined (functions; Schwartz 1980, Zippel 1979). A point where one
side is singular or leaves the reals says nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from flint import acb, arb, fmpq

from agentgym_envs.math.nodes import (
    Apply,
    Cases,
    Node,
    Number,
    Symbol,
    Unreadable,
    symbols,
    walk,
)
from agentgym_envs.math.symbols import CONSTANTS
from agentgym_envs.math.values import Ball, Undefined, precision, rational

__all__ = ["compare", "constant", "proportional", "same", "same_but_constant", "variables"]

PRECISIONS = (128, 640, 2_560)
MAX_PRECISION = 40_000
ENOUGH = 4  # points of agreement
_POINT_BITS = 192
_EDGE_BITS = 512
MAX_POINT_BITS = 20_000
_DENOMINATOR = 1_009
_RANGES = ((1, 3), (0, 1), (-3, -1), (-1, 0), (4, 30))


def variables(*nodes: Node) -> frozenset[str]:
    """Return the names that stand for unknowns."""
    return frozenset().union(*(symbols(node) for node in nodes)) - CONSTANTS


def same(left: Node, right: Node) -> bool:
    """Say whether two expressions are identically equal.

    Raises:
        Unreadable: If one of them is no expression.
        OutOfTime: After the deadline.
    """
    if left == right:
        return True
    if variables(left, right):
        return _same_function(left, right)
    return compare(left, right) == 0


def compare(left: Node, right: Node) -> int | None:
    """Order two constants.

    Returns:
        -1, 0 or 1 for real constants; 0 or None for complex ones; None where undecided.
    """
    try:
        exact = rational(left), rational(right)
        if exact[0] is not None and exact[1] is not None:
            return (exact[0] > exact[1]) - (exact[0] < exact[1])
        return _compare_balls(left, right)
    except Undefined:
        return None


def _compare_balls(left: Node, right: Node) -> int | None:
    bits, rounds = PRECISIONS[0], list(PRECISIONS[1:])
    while True:
        with precision(bits):
            evaluate = Ball()
            difference = evaluate.of(left) - evaluate.of(right)
            if not difference.contains(acb(0)):
                real = difference.imag.is_zero()
                return (1 if difference.real > 0 else -1) if real else None
            needed = 2 * evaluate.span + 256
            small = difference.abs_upper() < arb(2) ** -int(bits / 2)
            if bits >= PRECISIONS[-1] and bits >= needed and (small or difference.is_zero()):
                return 0
        if rounds:
            bits = rounds.pop(0)
        elif bits < needed <= MAX_PRECISION:
            bits = int(needed) + 64
        else:
            return None


def constant(node: Node) -> bool:
    """Say whether a node is an expression without unknowns."""
    if variables(node):
        return False
    try:
        with precision(64):
            Ball().of(node)
    except (Undefined, Unreadable):
        return False
    return True


def _points(names: frozenset[str], nodes: tuple[Node, ...]) -> Iterator[dict[str, fmpq]]:
    """Yield the same rational points for the same names: near and far, both signs, integers.

    Where a function has corners, its pieces may begin anywhere: points around and beyond every
    number that is written are added.
    """
    rng = random.Random(0)
    ordered = sorted(names)
    for index in range(16):
        point = {}
        for name in ordered:
            low, high = _RANGES[index % 5] if index < 10 else rng.choice(_RANGES)
            numerator = rng.randrange(low * _DENOMINATOR + 1, high * _DENOMINATOR)
            point[name] = fmpq(numerator, _DENOMINATOR)
        yield point
    for _ in range(8):
        yield {name: fmpq(rng.randrange(2, 12)) for name in ordered}
    around = _around_corners(nodes)
    for index in range(2 * len(around)):
        value = around[index % len(around)]
        yield {name: value if index < len(around) else rng.choice(around) for name in ordered}


def _around_corners(nodes: tuple[Node, ...]) -> list[fmpq]:
    parts = [part for node in nodes for part in walk(node)]
    if not any(isinstance(part, Apply) and part.op in _CORNERED for part in parts):
        return []
    written = sorted({abs(part.value) for part in parts if isinstance(part, Number)} | {fmpq(1)})
    written = written[:20]
    near = fmpq(1, 3)
    ends = [end for value in written for end in (value - near, value + near, 2 * value + near)]
    ends += [1_000 * (written[-1] + 1)]
    return [value for end in ends for value in (end, -end)]


_CORNERED = frozenset({"abs", "floor", "ceil", "max", "min", "sgn"})


def _evaluated(nodes: tuple[Node, ...], names: frozenset[str]) -> Iterator[tuple[acb, ...]]:
    """Yield the values at each point where all nodes are defined and, without i, real."""
    parts = [part for node in nodes for part in walk(node)]
    complex_wanted = any(isinstance(part, Symbol) and part.name == "i" for part in parts)
    if any(isinstance(part, Apply) and part.op in ("bar", "conj") for part in parts):
        raise Unreadable("a conjugate of an unknown")
    literal = max(
        (part.value.height_bits() for part in parts if isinstance(part, Number)), default=0
    )
    for point in _points(names, nodes):
        values, bits = _at(nodes, point, _POINT_BITS + 2 * literal, not complex_wanted)
        if values is not None:
            with precision(bits):
                yield values


def _at(
    nodes: tuple[Node, ...], point: dict[str, fmpq], bits: int, real: bool
) -> tuple[tuple[acb, ...] | None, int]:
    """Return the values at a point, and the precision, which no size in them outgrows."""
    while bits <= MAX_POINT_BITS:
        with precision(bits):
            values_of = {name: _unknown(name, value, real) for name, value in point.items()}
            evaluate = Ball(values_of, real=real)
            try:
                values = tuple(_value(node, evaluate) for node in nodes)
            except Undefined:
                return None, bits
        needed = _POINT_BITS + 2 * int(evaluate.span)
        if needed <= bits:
            return values, bits
        bits = needed
    return None, bits


def _unknown(name: str, value: fmpq, real: bool) -> acb:
    """Return the value of a letter at a point: beside i, z and w are complex."""
    if real or name not in ("z", "w"):
        return acb(arb(value))
    return acb(arb(value), arb(value + fmpq(5, 3)))


def _value(node: Node, evaluate: Ball) -> acb:
    if not isinstance(node, Cases):
        return evaluate.of(node)
    from agentgym_envs.math.regions import holds

    found: acb | None = None
    for piece, condition in node.pieces:
        if found is not None and condition is None:  # "otherwise"
            break
        if condition is None or holds(condition, evaluate.values):
            value = evaluate.of(piece)
            if found is not None and not (found - value).contains(acb(0)):
                raise Undefined("two pieces that differ apply")
            found = value
    if found is None:
        raise Undefined("no piece applies")
    return found


def _same_function(left: Node, right: Node) -> bool:
    by_pieces = isinstance(left, Cases) or isinstance(right, Cases)
    if by_pieces and not _same_at_edges(left, right):
        return False
    agreed = 0
    for a, b in _evaluated((left, right), variables(left, right)):
        difference = a - b
        if not difference.contains(acb(0)):
            return False
        if difference.abs_upper() < (1 + a.abs_lower()) * arb(2) ** -60:
            agreed += 1
    return agreed >= ENOUGH


def _same_at_edges(left: Node, right: Node) -> bool:
    """Compare functions by pieces where a piece ends, between those ends, and beyond them."""
    from agentgym_envs.math.regions import tests_of

    names = variables(left, right)
    if len(names) != 1:
        return True
    (name,) = names
    conditions = [
        condition
        for node in (left, right)
        if isinstance(node, Cases)
        for _, condition in node.pieces
        if condition is not None
    ]
    with precision(_EDGE_BITS):
        for at in tests_of(conditions):
            values: list[acb | None] = []
            for node in (left, right):
                try:
                    values.append(_value(node, Ball({name: acb(at)}, real=True)))
                except Undefined:
                    values.append(None)
            first, second = values
            if first is None or second is None:
                if first is not second:
                    return False
            elif not (first - second).contains(acb(0)):
                return False
    return True


def proportional(left: Node, right: Node, positive: bool = False) -> bool:
    """Say whether ``left = c * right`` for a constant c that is not zero.

    Args:
        left: An expression that is zero on the solutions.
        right: Another.
        positive: Whether c must be positive, as for inequalities.
    """
    ratio: acb | None = None
    agreed = 0
    for a, b in _evaluated((left, right), variables(left, right)):
        if a.contains(acb(0)) or b.contains(acb(0)):
            if a.contains(acb(0)) != b.contains(acb(0)):
                return False
            continue
        with precision(_POINT_BITS):
            quotient = a / b
            if ratio is not None and not (quotient - ratio).contains(acb(0)):
                return False
            if positive and not quotient.real > 0:
                return False
        ratio = quotient
        agreed += 1
    return agreed >= ENOUGH


def same_but_constant(left: Node, right: Node) -> bool:
    """Say whether two expressions differ by a constant, as antiderivatives may."""
    offset: acb | None = None
    agreed = 0
    for a, b in _evaluated((left, right), variables(left, right)):
        difference = a - b
        if offset is not None and not (difference - offset).contains(acb(0)):
            return False
        offset = difference
        agreed += 1
    return agreed >= ENOUGH


def difference(left: Node, right: Node) -> Node:
    """Return ``left - right``."""
    return Apply("+", (left, Apply("neg", (right,))))
