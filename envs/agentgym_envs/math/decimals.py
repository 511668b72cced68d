"""Literals: exact, within the precision that a decimal states, or in another base."""

from __future__ import annotations

from flint import fmpq

from agentgym_envs.math.identity import compare, constant, variables
from agentgym_envs.math.nodes import Apply, Node, Number
from agentgym_envs.math.values import rational

__all__ = ["FULL_PRECISION", "number", "rounded"]

FULL_PRECISION = 12  # significant digits of a decimal that stands for an exact number


def number(gold: Node, answer: Node, about: bool) -> bool | None:
    """Literals: exact, within the gold's precision, or in the gold's base."""
    if isinstance(gold, Number) and isinstance(answer, Number):
        if gold.base > 0 and gold.base != 10 and answer.base == 0 and answer.value.q == 1:
            return _digits_in(answer.value, gold.base) == gold.value
        if answer.value == gold.value:
            return True
    if rounded(gold, answer, about):
        return True
    return _printed_in_full(gold, answer)


def _digits_in(value: fmpq, base: int) -> fmpq | None:
    try:
        return fmpq(int(str(value.p), base))
    except ValueError:
        return None


def _decimal(node: Node) -> tuple[fmpq, fmpq, int] | None:
    """Return value, half a unit of the last place, and significant digits of a decimal."""
    if isinstance(node, Number):
        if node.place is None:
            return None
        return node.value, fmpq(10) ** node.place / 2, node.digits
    if isinstance(node, Apply) and node.op in ("neg", "%"):
        inner = _decimal(node.args[0])
        if inner is None:
            return None
        factor = fmpq(-1) if node.op == "neg" else fmpq(1, 100)
        return inner[0] * factor, inner[1] * abs(factor), inner[2]
    if isinstance(node, Apply) and node.op == "*" and len(node.args) == 2:
        inner, power = _decimal(node.args[0]), node.args[1]
        if inner and isinstance(power, Apply) and power.op == "^" and rational(power.args[0]) == 10:
            scale = rational(power)
            # Scientific notation says which digits are meant, however few they are.
            return None if scale is None else (inner[0] * scale, inner[1] * scale, max(3, inner[2]))
    return None


def rounded(gold: Node, answer: Node, about: bool) -> bool | None:
    """The precision of a decimal gold is its tolerance, where it looks like a rounded number."""
    decimal = _decimal(gold)
    if decimal is None:
        if about and isinstance(gold, Number) and (value := rational(answer)) is not None:
            return value.q != 1 and abs(value - gold.value) <= fmpq(1, 2)
        return None
    value, half, digits = decimal
    is_short = digits < 3 and not (isinstance(gold, Number) and (gold.place or 0) <= -2)
    if is_short and not about:
        return None
    bounds = Number(value - half), Number(value + half)
    if variables(answer) or not constant(answer):
        return None
    low, high = compare(bounds[0], answer), compare(answer, bounds[1])
    return low in (-1, 0) and high in (-1, 0)


def _printed_in_full(gold: Node, answer: Node) -> bool | None:
    """A float printed in full stands for the exact number that it rounds."""
    decimal = _decimal(answer)
    if decimal is None or decimal[2] < FULL_PRECISION or not constant(gold):
        return None
    value, half, _ = decimal
    slack = max(half * 4, abs(value) / 2**50)  # the last digits of a float are seldom right
    low, high = compare(Number(value - slack), gold), compare(gold, Number(value + slack))
    return True if low in (-1, 0) and high in (-1, 0) else None
