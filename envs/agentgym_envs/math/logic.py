"""Boolean formulas and the algebra of sets: equal when their truth tables are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

from agentgym_envs.math.nodes import Apply, Node, Symbol, Unreadable, walk
from agentgym_envs.math.values import check_time

__all__ = ["is_formula", "is_quantified", "pushed_in", "same_formula"]

MAX_LETTERS = 10
_LOGIC = frozenset({"land", "lor", "not", "implies", "iff", "xor", "cup", "cap", "setminus",
                    "complement"})  # fmt: skip
_SETS = frozenset({"cup", "cap", "setminus", "complement"})


_QUANTIFIERS = {"forall": "exists", "exists": "forall"}


def is_quantified(node: Node) -> bool:
    """Say whether a node holds a quantifier."""
    return any(isinstance(part, Apply) and part.op in _QUANTIFIERS for part in walk(node))


def pushed_in(node: Node, negated: bool = False) -> Node:
    """Return a formula with its negations at the leaves: not-for-all is exists-not."""
    if not isinstance(node, Apply):
        return Apply("not", (node,)) if negated else node
    if node.op == "not":
        return pushed_in(node.args[0], not negated)
    if node.op in _QUANTIFIERS:
        op = _QUANTIFIERS[node.op] if negated else node.op
        return Apply(op, (node.args[0], pushed_in(node.args[1], negated)))
    if node.op == "implies":
        return pushed_in(Apply("lor", (Apply("not", node.args[:1]), node.args[1])), negated)
    if node.op in ("land", "lor"):
        op = {"land": "lor", "lor": "land"}[node.op] if negated else node.op
        return Apply(op, tuple(pushed_in(part, negated) for part in node.args))
    return Apply("not", (node,)) if negated else node


def is_formula(node: Node) -> bool:
    """Say whether a node joins nothing but letters by logical or set operations."""
    if not any(isinstance(part, Apply) and part.op in _LOGIC for part in walk(node)):
        return False
    return all(
        isinstance(part, Symbol) or (isinstance(part, Apply) and part.op in _LOGIC | {"bar", "+"})
        or (isinstance(part, Apply) and part.op == "neg")
        for part in walk(node)
    )  # fmt: skip


def same_formula(left: Node, right: Node) -> bool:
    """Say whether two formulas have one truth table.

    Raises:
        Unreadable: If one is no formula, mixes sets with logic, or has too many letters.
    """
    kinds = [{p.op in _SETS for p in walk(n) if isinstance(p, Apply) and p.op in _LOGIC - {"xor"}}
             for n in (left, right)]  # fmt: skip
    if len(kinds[0] | kinds[1]) > 1:
        raise Unreadable("a formula of sets and of statements")
    letters = sorted(_letters(left) | _letters(right))
    if len(letters) > MAX_LETTERS:
        raise Unreadable(f"more than {MAX_LETTERS} letters")
    for row in product((False, True), repeat=len(letters)):
        check_time()
        values = dict(zip(letters, row, strict=True))
        if _truth(left, values) != _truth(right, values):
            return False
    return True


def _letters(node: Node) -> set[str]:
    names = {part.name.rstrip("'") for part in walk(node) if isinstance(part, Symbol)}
    return names - {"true", "false", "empty"}


def _truth(node: Node, values: Mapping[str, bool]) -> bool:
    if isinstance(node, Symbol):
        if node.name in ("true", "false", "empty"):
            return node.name == "true"
        negated = node.name.count("'") % 2 == 1
        return values[node.name.rstrip("'")] != negated
    if not isinstance(node, Apply):
        raise Unreadable("no formula")
    if node.op == "+":  # a union of events; A - B is a difference
        return _sum(node.args, values)
    parts = [_truth(part, values) for part in node.args]
    if node.op not in _TRUTH:
        raise Unreadable("no formula")
    return _TRUTH[node.op](*parts)


def _sum(terms: tuple[Node, ...], values: Mapping[str, bool]) -> bool:
    result = _truth(terms[0], values)
    for term in terms[1:]:
        if isinstance(term, Apply) and term.op == "neg":
            result = result and not _truth(term.args[0], values)
        else:
            result = result or _truth(term, values)
    return result


_TRUTH: Mapping[str, Callable[..., bool]] = {
    "not": lambda a: not a,
    "complement": lambda a: not a,
    "bar": lambda a: not a,
    "land": lambda a, b: a and b,
    "cap": lambda a, b: a and b,
    "lor": lambda a, b: a or b,
    "cup": lambda a, b: a or b,
    "xor": lambda a, b: a != b,
    "iff": lambda a, b: a == b,
    "implies": lambda a, b: not a or b,
    "setminus": lambda a, b: a and not b,
}
