r"""``\\begin{...}``: matrices, determinants and functions by pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym_envs.math.nodes import Apply, Cases, Matrix, Node, Sequence, Unreadable

if TYPE_CHECKING:
    from agentgym_envs.math.parser import Parser

__all__ = ["environment"]

_MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array"})
_DETERMINANTS = frozenset({"vmatrix", "Vmatrix"})
_CONDITIONS = frozenset({"if", "for", "when", "otherwise", "else", "where"})


def environment(parser: Parser) -> Node:
    """Read from behind ``begin`` to the end of the environment."""
    kind = _name(parser)
    rows: list[list[Node]] = []
    row: list[Node] = []
    conditions: list[Node | None] = []
    while not parser.next_is("end"):
        if kind in ("cases", "dcases"):
            value, condition = _piece(parser)
            row, conditions = [value], [*conditions, condition]
        else:
            row.append(parser.expression())
        if parser.accept("newrow"):
            rows.append(row)
            row = []
        elif not parser.next_is("end"):
            parser.expect("&")
    if row:
        rows.append(row)
    parser.expect("end")
    if _name(parser) != kind:
        raise Unreadable("an environment that ends as another")
    if kind in ("cases", "dcases"):
        if len(rows) > 1 and not any(conditions):  # a system of equations
            return Sequence(tuple(row[0] for row in rows))
        return Cases(tuple(zip((row[0] for row in rows), conditions, strict=True)))
    if kind not in _MATRICES | _DETERMINANTS or len({len(row) for row in rows}) != 1:
        raise Unreadable(f"an unknown environment or a ragged matrix: {kind}")
    matrix = Matrix(tuple(tuple(row) for row in rows))
    return Apply("det", (matrix,)) if kind in _DETERMINANTS else matrix


def _name(parser: Parser) -> str:
    parser.expect("{")
    token = parser.take()
    parser.expect("}")
    return token.text


def _piece(parser: Parser) -> tuple[Node, Node | None]:
    value = parser.expression()
    parser.accept(",")
    parser.accept("&")
    parser.accept(",")
    first = True
    while (token := parser.peek()) and token.kind in ("word", "run"):
        if token.text.lower() not in _CONDITIONS:
            raise Unreadable(f"a word: {token.text!r}")
        parser.at += 1
        first = False
    if parser.next_is("newrow", "end") or parser.peek() is None:
        if first and not parser.next_is("newrow", "end"):
            raise Unreadable("a piece without its condition")
        return value, None
    items = [parser.expression()]
    while parser.accept(",", "and", "or"):
        items.append(parser.expression())
    parser.accept(".")
    return value, items[0] if len(items) == 1 else Sequence(tuple(items))
