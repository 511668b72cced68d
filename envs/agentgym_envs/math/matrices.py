"""Arithmetic of matrices and vectors, entry by entry, as far as answers use it."""

from __future__ import annotations

from dataclasses import replace

from flint import fmpq, fmpq_mat

from agentgym_envs.math.nodes import Apply, Group, Matrix, Node, Number, Symbol, symbols, walk
from agentgym_envs.math.values import rational, substituted

__all__ = ["as_vector", "linear"]


_UNIT_VECTORS = ("hat i", "hat j", "hat k")


def as_vector(node: Node, beside: Node) -> Node:
    """Write ``2i - 3j + k`` as a tuple where it is compared with one.

    Args:
        node: An expression of the unit vectors, or anything else.
        beside: What it is compared with; its items say how many there are.
    """
    if not isinstance(beside, Group | Matrix) or not isinstance(node, Apply | Symbol):
        return node
    if not symbols(node) & set(_UNIT_VECTORS):
        return node
    size = (
        len(beside.items)
        if isinstance(beside, Group)
        else max(len(beside.rows), len(beside.rows[0]))
    )
    zero, one = Number(fmpq(0)), Number(fmpq(1))
    items = []
    for wanted in _UNIT_VECTORS[:size]:
        item: Node = node
        for name in _UNIT_VECTORS:
            item = substituted(item, Symbol(name), one if name == wanted else zero)
        items.append(item)
    return Group("(", ")", tuple(items))


def linear(node: Apply) -> Node | None:
    """Carry out scalar multiples, sums, products and powers of matrices and vectors."""
    if not any(isinstance(part, Matrix | Group) for part in walk(node)):
        return None
    parts = [(linear(part) or part) if isinstance(part, Apply) else part for part in node.args]
    grids = [part for part in parts if isinstance(part, Matrix | Group)]
    if not grids:
        return None
    if node.op == "neg":
        return _scaled(grids[0], Number(fmpq(-1)))
    if node.op == "/" and len(grids) == 1 and parts[0] is grids[0]:
        return _scaled(grids[0], Apply("/", (Number(fmpq(1)), parts[1])))
    if node.op == "*" and len(grids) == 1:
        others = tuple(part for part in parts if part is not grids[0])
        return _scaled(grids[0], others[0] if len(others) == 1 else Apply("*", others))
    matrices = [part for part in parts if isinstance(part, Matrix)]
    return _of_matrices(node.op, parts, matrices)


def _of_matrices(op: str, parts: list[Node], matrices: list[Matrix]) -> Node | None:
    if op == "+" and len(matrices) == len(parts):
        return _sum_of(matrices)
    if op == "*" and len(matrices) == len(parts) == 2:
        return _product_of(*matrices)
    if op == "^" and len(matrices) == 1 and isinstance(parts[0], Matrix):
        power = rational(parts[1])
        if power == -1:
            return _inverse(parts[0])
        if power is not None and power.q == 1 and 1 <= power <= 6:
            result: Matrix | None = parts[0]
            for _ in range(int(power.p) - 1):
                result = result and _product_of(result, parts[0])
            return result
    return None


def _inverse(matrix: Matrix) -> Matrix | None:
    """Return the inverse of a small matrix of rationals."""
    values = [[rational(cell) for cell in row] for row in matrix.rows]
    size = len(values)
    if size > 6 or any(len(row) != size or None in row for row in values):
        return None
    try:
        inverse = fmpq_mat(
            size, size, [cell for row in values for cell in row if cell is not None]
        ).inv()
    except ZeroDivisionError:
        return None
    return Matrix(tuple(tuple(Number(inverse[r, c]) for c in range(size)) for r in range(size)))


def _scaled(grid: Matrix | Group, scalar: Node) -> Node:
    if isinstance(grid, Group):
        if grid.opened == r"\{":
            return Apply("*", (scalar, grid))
        return replace(grid, items=tuple(Apply("*", (scalar, item)) for item in grid.items))
    return Matrix(tuple(tuple(Apply("*", (scalar, cell)) for cell in row) for row in grid.rows))


def _sum_of(matrices: list[Matrix]) -> Matrix | None:
    if len({(len(m.rows), len(m.rows[0])) for m in matrices}) != 1:
        return None
    rows = zip(*(m.rows for m in matrices), strict=True)
    return Matrix(
        tuple(tuple(Apply("+", cells) for cells in zip(*row, strict=True)) for row in rows)
    )


def _product_of(left: Matrix, right: Matrix) -> Matrix | None:
    if len(left.rows[0]) != len(right.rows) or len(right.rows) > 12:
        return None
    columns = list(zip(*right.rows, strict=True))
    return Matrix(
        tuple(
            tuple(
                Apply(
                    "+",
                    (
                        Number(fmpq(0)),
                        *(Apply("*", pair) for pair in zip(row, column, strict=True)),
                    ),
                )
                for column in columns
            )
            for row in left.rows
        )
    )
