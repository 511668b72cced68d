"""What program code prints for mathematics: sympy, NumPy and the standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym_envs.math.brackets import bracket
from agentgym_envs.math.nodes import Apply, Cases, Group, Matrix, Node, Relation, Symbol, Unreadable

if TYPE_CHECKING:
    from agentgym_envs.math.parser import Parser

__all__ = ["PROGRAM", "program_call"]

PROGRAM = frozenset({"Union", "Interval", "FiniteSet", "Matrix", "Rational", "Eq", "Piecewise"})


def program_call(parser: Parser, name: str) -> Node:
    """What sympy prints: ``Union(...)``, ``Interval.open(0, 1)``, ``Rational(1, 2)``."""
    group = bracket(parser, "(")
    items = group.items if isinstance(group, Group) and group.opened == "(" else (group,)
    if name == "Union":
        node = items[0]
        for item in items[1:]:
            node = Apply("cup", (node, item))
        return node
    if name == "Piecewise":
        return _program_cases(items if isinstance(items[0], Group) else (group,))
    if name == "FiniteSet":
        return Group(r"\{", r"\}", items)
    if name == "Matrix":
        return _program_matrix(items)
    if len(items) < 2:
        raise Unreadable(f"{name} of one argument")
    if name == "Rational":
        return Apply("/", items[:2])
    if name == "Eq":
        return Relation(("=",), items[:2])
    open_left = len(items) > 2 and items[2] == Symbol("true")
    open_right = len(items) > 3 and items[3] == Symbol("true")
    return Group("(" if open_left else "[", ")" if open_right else "]", items[:2])


def _program_cases(items: tuple[Node, ...]) -> Node:
    pieces: list[tuple[Node, Node | None]] = []
    for item in items:
        if not isinstance(item, Group) or len(item.items) != 2:
            raise Unreadable("a piece without its condition")
        value, condition = item.items
        pieces.append((value, None if condition == Symbol("true") else condition))
    return Cases(tuple(pieces))


def _program_matrix(items: tuple[Node, ...]) -> Node:
    if len(items) == 1 and isinstance(items[0], Group):
        rows = [row.items if isinstance(row, Group) else (row,) for row in items[0].items]
        if rows and len({len(row) for row in rows}) == 1:
            return Matrix(tuple(rows))
    raise Unreadable("no matrix")
