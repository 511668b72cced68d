"""Functions and their arguments, with brackets or without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint import fmpq

from agentgym_envs.math.binding import SUM
from agentgym_envs.math.brackets import bracket
from agentgym_envs.math.nodes import Apply, Group, Matrix, Node, Number, Unreadable
from agentgym_envs.math.symbols import FUNCTIONS

if TYPE_CHECKING:
    from agentgym_envs.math.parser import Parser

__all__ = ["function"]

_INVERSES = {
    "sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot", "sec": "arcsec",
    "csc": "arccsc", "sinh": "arcsinh", "cosh": "arccosh", "tanh": "arctanh",
}  # fmt: skip


def function(parser: Parser, name: str) -> Node:
    """Read what a function is applied to, its power and its base."""
    if name == "log" and parser.accept("_"):
        base = parser.exponent()
        return Apply("log", (_operand(parser), base))
    exponent = parser.exponent() if parser.accept("^") else None
    if name == "sqrt" and parser.accept("["):
        index = parser.expression(SUM)
        parser.expect("]")
        return Apply("root", (_operand(parser), index))
    if exponent == Apply("neg", (Number(fmpq(1)),)) and name in _INVERSES:
        return _call(parser, _INVERSES[name])
    node = _call(parser, name)
    return node if exponent is None else Apply("^", (node, exponent))


def _call(parser: Parser, name: str) -> Node:
    if parser.next_is("("):
        group = bracket(parser, "(")
        items = group.items if isinstance(group, Group) else (group,)
        if name == "log" and len(items) == 2:
            return Apply("log", items)
        if name == "binom" and len(items) == 2:
            return Apply("binom", items)
        if name == "diag":
            zero = Number(fmpq(0))
            return Matrix(tuple(
                tuple(item if row == column else zero for column in range(len(items)))
                for row, item in enumerate(items)
            ))  # fmt: skip
        if isinstance(group, Group) and name not in ("gcd", "lcm", "max", "min"):
            raise Unreadable(f"{name} of several arguments")
        return Apply(name, items)
    if name in ("max", "min", "gcd", "lcm") and parser.next_is(r"\{"):
        group = parser.primary()
        return Apply(name, group.items if isinstance(group, Group) else (group,))
    if parser.next_is("{") and parser.next_is("(", ahead=1):  # sympy's \\ln{\\left(x\\right)}^{2}
        node = Apply(name, (parser.braces(),))
        return Apply("^", (node, parser.exponent())) if parser.accept("^") else node
    return Apply(name, (_operand(parser),))


def _operand(parser: Parser) -> Node:
    r"""The argument of a function without brackets: ``\sin 2x``, but ``\sin x \cos y``."""
    if parser.next_is("("):
        return bracket(parser, "(")
    if parser.next_is("{") or parser.next_is("frac", "sqrt"):
        node = parser.power()
    elif parser.accept("-"):
        with parser.nested():
            return Apply("neg", (_operand(parser),))
    else:
        node = parser.power()
    while (token := parser.peek()) is not None and parser.starts_factor():
        is_function = token.kind == "name" and token.text in FUNCTIONS
        if is_function or token.text in ("(", "[", "|", "lfloor", "lceil", "sqrt"):
            break
        node = Apply("*", (node, parser.power()))
    return node
