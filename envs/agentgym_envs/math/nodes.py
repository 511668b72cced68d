"""What an answer means once it is read: a small typed tree, immutable and comparable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flint import fmpq

__all__ = [
    "Apply",
    "Cases",
    "Group",
    "Matrix",
    "Node",
    "Number",
    "Relation",
    "Sequence",
    "Symbol",
    "TooLarge",
    "Unreadable",
    "symbols",
    "walk",
]


class Unreadable(ValueError):
    """Text that the grammar does not cover; it is then compared as text."""


class TooLarge(Unreadable):
    """Text beyond a limit on length, depth, digits or exponents; it equals nothing."""


@dataclass(frozen=True, slots=True)
class Number:
    """A literal.

    Attributes:
        value: Exactly what is written.
        place: Power of ten of its last digit where it has a decimal point (-2 for 3.14, -37 for
            6.626e-34); None for whole numbers.
        digits: Significant digits of a literal with a decimal point; 0 otherwise.
        base: The base that a subscript names; 0 where none does.
    """

    value: fmpq
    place: int | None = None
    digits: int = 0
    base: int = 0


@dataclass(frozen=True, slots=True)
class Symbol:
    """A letter, a named constant or a name such as ``x_1``."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on its arguments, by the name in `agentgym_envs.math.symbols`."""

    op: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Items in brackets: a tuple, a set, a list or an interval; the brackets say which."""

    opened: str
    closed: str
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Items without brackets: ``1, 2`` or ``x = 1 or x = 2``.

    Attributes:
        items: In the order written.
        joint: ``,`` where commas or "and" stand between them, ``or`` where an "or" does.
    """

    items: tuple[Node, ...]
    joint: str = ","


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of equal length."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain ``a < b <= c``; one operator fewer than sides.

    Attributes:
        ops: Of ``= ne lt le gt ge approx equiv in notin subset``.
        sides: What they relate.
        modulus: Of a congruence.
    """

    ops: tuple[str, ...]
    sides: tuple[Node, ...]
    modulus: Node | None = None


@dataclass(frozen=True, slots=True)
class Cases:
    """A function by pieces: (value, condition), the condition None for "otherwise"."""

    pieces: tuple[tuple[Node, Node | None], ...]


Node = Number | Symbol | Apply | Group | Sequence | Matrix | Relation | Cases


def children(node: Node) -> Iterator[Node]:
    """Yield the parts of a node."""
    if isinstance(node, Apply):
        yield from node.args
    elif isinstance(node, Group | Sequence):
        yield from node.items
    elif isinstance(node, Matrix):
        for row in node.rows:
            yield from row
    elif isinstance(node, Relation):
        yield from node.sides
        if node.modulus is not None:
            yield node.modulus
    elif isinstance(node, Cases):
        for value, condition in node.pieces:
            yield value
            if condition is not None:
                yield condition


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def symbols(node: Node) -> frozenset[str]:
    """Return the names of the symbols in a tree, but for letters that a sum or product binds."""
    if isinstance(node, Symbol):
        return frozenset({node.name})
    found: frozenset[str] = frozenset().union(*map(symbols, children(node)))
    if isinstance(node, Apply) and node.op in ("sum", "prod"):
        return found - symbols(node.args[0])
    return found
