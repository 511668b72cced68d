"""One form for one meaning: plus-minus written out, chains collapsed, names split off."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from flint import fmpq

from agentgym_envs.math.decimals import rounded
from agentgym_envs.math.identity import constant, same, variables
from agentgym_envs.math.matrices import linear
from agentgym_envs.math.nodes import (
    Apply,
    Group,
    Node,
    Number,
    Relation,
    Sequence,
    Symbol,
    Unreadable,
    symbols,
    walk,
)
from agentgym_envs.math.regions import integers_of
from agentgym_envs.math.symbols import CONSTANTS, FUNCTIONS
from agentgym_envs.math.values import Undefined, substituted

__all__ = [
    "PARAMETERS",
    "assigned",
    "false",
    "parameter",
    "renamed",
    "settled",
    "undeclared",
    "unfolded",
]

_FUNCTION_LETTERS = frozenset("fghFGPpEyaTSAVQqurNd") | {"phi", "sigma", "tau", "zeta", "Gamma"}
PARAMETERS = frozenset(["k", "n", "m", "t", "K", "N"])


def settled(node: Node) -> Node:
    """Write out plus-minus, collapse consistent chains, drop what only declares."""
    if isinstance(node, Sequence):
        items = tuple(settled(item) for item in node.items if not _declares(item))
        flat: list[Node] = []
        for item in items:
            flat += item.items if isinstance(item, Sequence) else (item,)
        return flat[0] if len(flat) == 1 else Sequence(tuple(flat), node.joint)
    if isinstance(node, Group) and node.opened == r"\{":
        flat = []
        for item in node.items:
            part = settled(item)
            flat += part.items if isinstance(part, Sequence) else (part,)
        return replace(node, items=tuple(flat))
    if isinstance(node, Group) and _has_sign(node):
        return Sequence((_signed(node, 1), _signed(node, -1)), "or")
    if isinstance(node, Relation) and node.ops in (("=",), ("equiv",)) and _has_sign(node):
        plus, minus = _signed(node, 1), _signed(node, -1)
        return Sequence((plus, minus), "or")
    if isinstance(node, Apply) and _has_sign(node):
        return Sequence((_signed(node, 1), _signed(node, -1)), "or")
    if isinstance(node, Relation):
        return _by_name(_turned(_collapsed(node)))
    if isinstance(node, Apply):
        return _finite_set(node) or linear(node) or node
    return node


def _finite_set(node: Apply) -> Node | None:
    """Write out unions of listed sets, and the integers of a bounded set."""
    if node.op in ("cup", "cap", "setminus"):
        left, right = (settled(part) for part in node.args)
        if not all(isinstance(p, Group) and p.opened == r"\{" for p in (left, right)):
            return None
        assert isinstance(left, Group)
        assert isinstance(right, Group)
        inside = [any(_agree(a, b) for b in right.items) for a in left.items]
        if node.op == "cup":
            return replace(left, items=(*left.items, *right.items))
        kept = [a for a, shared in zip(left.items, inside, strict=True)
                if shared == (node.op == "cap")]  # fmt: skip
        return replace(left, items=tuple(kept))
    if node.op == "such_that":
        head, condition = node.args
        whole = (Symbol("integers"), Symbol("naturals"))
        if isinstance(head, Relation) and head.ops == ("in",) and head.sides[1] in whole:
            return _integers(head, condition)
    return None


def _integers(head: Relation, condition: Node) -> Node | None:
    try:
        found = integers_of(condition)
    except (Unreadable, Undefined):
        return None
    if found is None:
        return None
    if head.sides[1] == Symbol("naturals"):
        found = [n for n in found if n > 0]
    return Group(r"\{", r"\}", tuple(Number(fmpq(n)) for n in found))


def _has_sign(node: Node) -> bool:
    return any(isinstance(part, Apply) and part.op in ("pm", "mp") for part in walk(node))


def _signed(node: Node, sign: int) -> Node:
    """Return a tree with plus-minus as plus, or as minus."""
    if isinstance(node, Apply):
        parts = tuple(_signed(part, sign) for part in node.args)
        if node.op in ("pm", "mp"):
            positive = (sign > 0) == (node.op == "pm")
            last = parts[-1] if positive else Apply("neg", (parts[-1],))
            return Apply("+", (parts[0], last)) if len(parts) == 2 else last
        return Apply(node.op, parts)
    if isinstance(node, Relation):
        return replace(node, sides=tuple(_signed(side, sign) for side in node.sides))
    if isinstance(node, Group):
        return replace(node, items=tuple(_signed(item, sign) for item in node.items))
    return node


def _declares(node: Node) -> bool:
    r"""``k \in \mathbb{Z}`` says what a letter is; it is no answer of its own."""
    return (
        isinstance(node, Relation)
        and node.ops == ("in",)
        and isinstance(node.sides[0], Symbol)
        and node.sides[0].name in PARAMETERS
        and node.sides[1] in (Symbol("integers"), Symbol("naturals"), Symbol("reals"))
    )


def parameter(node: Node) -> Symbol | None:
    """Return the letter that a general solution declares to be any integer."""
    if isinstance(node, Sequence):
        for item in node.items:
            if _declares(item) and isinstance(item, Relation):
                letter = item.sides[0]
                return letter if isinstance(letter, Symbol) else None
    return None


def undeclared(node: Node) -> Symbol | None:
    """Return the one letter of a general solution that does not say what its letter is."""
    names = variables(node)
    if isinstance(node, Relation) and isinstance(node.sides[0], Symbol):
        names -= {node.sides[0].name}
    return Symbol(next(iter(names))) if len(names) == 1 and names <= PARAMETERS else None


def unfolded(node: Node) -> Node:
    r"""Write ``\{n\pi : n \in \mathbb{Z}\}`` as ``n\pi, n \in \mathbb{Z}``."""
    if isinstance(node, Apply) and variables(node) == {"j"} and "i" not in symbols(node):
        return substituted(node, Symbol("j"), Symbol("i"))  # an engineer's unit: 3 + 4j
    if not (isinstance(node, Apply) and node.op == "such_that"):
        return node
    head, condition = node.args
    if _declares(condition) and isinstance(head, Apply):
        return Sequence((head, condition))
    if isinstance(condition, Sequence) and any(map(_declares, condition.items)):
        return condition
    return node


def renamed(node: Node, old: Symbol, new: Symbol) -> Node:
    """Return an answer with a letter renamed."""
    if isinstance(node, Sequence):
        return replace(node, items=tuple(renamed(item, old, new) for item in node.items))
    if isinstance(node, Relation):
        return replace(node, sides=tuple(substituted(side, old, new) for side in node.sides))
    return substituted(node, old, new)


def _collapsed(node: Relation) -> Node:
    """``x = 2+3 = 5`` is ``x = 5`` if it is true, and stays as it is if not."""
    if set(node.ops) - {"=", "approx"} or len(node.sides) < 2 or node.modulus is not None:
        return node
    first = node.sides[0]
    named = _name(first) is not None or (isinstance(first, Apply) and _names_a_quantity(first))
    values = node.sides[1:] if named else node.sides
    if len(values) == 1:
        return replace(node, ops=("=",))
    ops = node.ops[1:] if named else node.ops
    for op, (left, right) in zip(ops, pairwise(values), strict=True):
        near = op == "approx" and (_close(right, left) or _close(left, right))
        if not (near or (op == "=" and _agree(left, right))):
            return node
    exact = [value for value in values if not isinstance(value, Number) or value.place is None]
    value = (exact or values)[0] if "approx" in ops else values[-1]
    return Relation(("=",), (node.sides[0], value)) if named else value


def _turned(node: Node) -> Node:
    """Write ``c < b < a`` as ``a > b > c``, and a superset as a subset."""
    if isinstance(node, Relation) and set(node.ops) <= {"lt", "le"} and len(node.ops) > 1:
        turned = tuple({"lt": "gt", "le": "ge"}[op] for op in reversed(node.ops))
        return replace(node, ops=turned, sides=node.sides[::-1])
    if isinstance(node, Relation) and node.ops == ("supset",):
        return replace(node, ops=("subset",), sides=node.sides[::-1])
    return node


def _by_name(node: Node) -> Node:
    """Write ``(a, b) = (2, 5)`` as ``a = 2, b = 5``."""
    if not (isinstance(node, Relation) and node.ops == ("=",) and len(node.sides) == 2):
        return node
    names, values = node.sides
    if not (isinstance(names, Group) and isinstance(values, Group) and len(names.items) > 1):
        return node
    plain = all(isinstance(name, Symbol) for name in names.items)
    if not plain or len(names.items) != len(values.items) or names.opened == r"\{":
        return node
    pairs = zip(names.items, values.items, strict=True)
    return Sequence(tuple(Relation(("=",), pair) for pair in pairs))


def _agree(left: Node, right: Node) -> bool:
    try:
        return same(left, right) or bool(rounded(left, right, True) or rounded(right, left, True))
    except (Unreadable, Undefined):
        return False


def _close(approximation: Node, exact: Node) -> bool:
    if isinstance(approximation, Apply) and approximation.op == "deg":
        approximation = approximation.args[0]
        exact = Apply("/", (Apply("*", (exact, Number(fmpq(180)))), Symbol("pi")))
    try:
        return bool(rounded(approximation, exact, True)) or same(approximation, exact)
    except (Unreadable, Undefined):
        return False


def false(node: Node) -> bool:
    """Say whether an answer contradicts itself: ``6 = 5``."""
    if not isinstance(node, Relation) or set(node.ops) - {"=", "approx"} or node.modulus:
        return False
    values = node.sides[1:] if _name(node.sides[0]) else node.sides
    return len(values) >= 2 and all(map(constant, values))  # a true chain has been collapsed


def _name(node: Node) -> str | None:
    """Return what stands left of an assignment: ``x``, ``f(x)``, ``P(A)``."""
    if isinstance(node, Symbol) and node.name not in CONSTANTS:
        return node.name
    if isinstance(node, Apply) and node.op == "*" and len(node.args) == 2:
        head, inner = node.args
        if isinstance(head, Apply) and head.op == "^":  # f^{-1}(x)
            inverse = head.args[1] == Apply("neg", (Number(fmpq(1)),))
            head = (
                Symbol(f"{head.args[0].name}'")
                if inverse and isinstance(head.args[0], Symbol)
                else head
            )
        if isinstance(head, Symbol) and head.name.rstrip("'") in _FUNCTION_LETTERS:
            called = isinstance(inner, Symbol | Group | Relation) or constant(inner)
            return f"{head.name}({inner})" if called else None
    if isinstance(node, Group) and all(isinstance(item, Symbol) for item in node.items):
        return "(" + ",".join(item.name for item in node.items if isinstance(item, Symbol)) + ")"
    if isinstance(node, Apply) and node.op in ("sum", "prod"):
        return node.op
    if isinstance(node, Apply) and node.op in ("abs", "bar"):
        inner_name = node.args[0]
        return "||" if isinstance(inner_name, Symbol) else None
    return None


def _names_a_quantity(node: Apply) -> bool:
    """Say whether ``m + n`` or ``sin(theta)`` names what its value is, and is nothing to solve."""
    if node.op in FUNCTIONS:
        return isinstance(node.args[0], Symbol)
    return node.op in ("+", "*", "/") and len(variables(node)) > 1


def assigned(node: Node, loosely: bool = False) -> tuple[str, Node] | None:
    """Split ``x = 5`` into its name and value.

    Args:
        node: Anything.
        loosely: Whether ``m + n`` and ``sin(x)`` too name what stands right of them.
    """
    if isinstance(node, Relation) and node.ops == ("=",) and node.modulus is None:
        left = node.sides[0]
        if loosely and isinstance(left, Apply) and _names_a_quantity(left):
            return str(left), node.sides[1]
        if (name := _name(node.sides[0])) is not None:
            return name, node.sides[1]
        if (name := _name(node.sides[1])) is not None and constant(node.sides[0]):
            return name, node.sides[0]
    return None
