"""Residue classes and general solutions: sets of integers that repeat."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

from flint import fmpq

from agentgym_envs.math.forms import PARAMETERS
from agentgym_envs.math.identity import difference, same, variables
from agentgym_envs.math.nodes import Apply, Node, Number, Relation, Sequence, Symbol, symbols
from agentgym_envs.math.values import ball, precision, rational, substituted

__all__ = ["as_residue", "congruence", "periodic"]


def same_representative(gold: Node, answer: Node) -> bool:
    """Say whether a plain number is the one that a residue class was named by."""
    return (
        isinstance(gold, Apply)
        and gold.op == "residue"
        and rational(gold.args[0]) == rational(answer)
    )


def congruence(gold: Node, answer: Node, about: bool) -> bool | None:
    """Say whether two answers are the same residue classes; None where neither is any."""
    wanted, given = _residues(gold), _residues(answer)
    if not (_congruent(gold) or _congruent(answer)):
        return None
    if wanted is None:
        return None if isinstance(answer, Apply) else _remainder(gold, answer)
    if given is None:
        return same_representative(gold, answer) if isinstance(answer, Number) else False
    (subject, modulus, classes), (other, other_modulus, other_classes) = wanted, given
    if subject is not None and other is not None and not same(subject, other):
        return False
    common = modulus * other_modulus // gcd(modulus, other_modulus)
    if common > 10_000:
        return modulus == other_modulus and classes == other_classes
    return {c + k for c in classes for k in range(0, common, modulus)} == {
        c + k for c in other_classes for k in range(0, common, other_modulus)
    }


def _remainder(gold: Node, answer: Node) -> bool:
    r"""``3^{100} \equiv 1 \pmod 8`` says that the remainder is 1, if that is so."""
    if not (isinstance(answer, Relation) and answer.ops == ("equiv",) and answer.modulus):
        return False
    left, right, modulus = (rational(part) for part in (*answer.sides, answer.modulus))
    if left is None or right is None or modulus is None or modulus.q != 1 or modulus < 1:
        return False
    return rational(gold) == right and ((left - right) / modulus).q == 1


def _congruent(node: Node) -> bool:
    last = node.items[-1] if isinstance(node, Sequence) else node
    if isinstance(last, Relation):
        return last.modulus is not None
    if isinstance(last, Apply) and last.op == "residue":
        return True
    return "integers" in symbols(node) and _family(node) is not None


def as_residue(node: Node) -> Node:
    """Return ``7k + 3``, k any integer, as a residue class; anything else as it is."""
    family = _family(node, declared=True)
    if family is None or isinstance(node, Relation):
        return node
    (first,) = family[2]
    return Apply("residue", (Number(fmpq(first)), Number(fmpq(family[1]))))


def _residues(node: Node) -> tuple[Node | None, int, frozenset[int]] | None:
    """Return what is congruent, the modulus, and the residue classes."""
    if (family := _family(node)) is not None:
        return family
    items = node.items if isinstance(node, Sequence) else (node,)
    last = items[-1]
    if isinstance(last, Relation) and last.modulus is not None:
        items = tuple(
            replace(item, modulus=None) if isinstance(item, Relation) and item is not last else item
            for item in items
        )
    subject: Node | None = None
    values: list[Node] = []
    if isinstance(last, Relation) and last.modulus is not None:
        modulus_node = last.modulus
    elif isinstance(last, Apply) and last.op == "residue":
        modulus_node = last.args[1]
    else:
        return None
    for item in items:
        if isinstance(item, Relation) and item.ops in (("equiv",), ("=",)):
            left, right = item.sides
            subject, value = (right, left) if rational(right) is None else (left, right)
            values.append(value)
        else:
            values.append(item.args[0] if isinstance(item, Apply) and item is last else item)
    exact = [rational(value) for value in (*values, modulus_node)]
    if any(value is None or value.q != 1 for value in exact):
        return None
    *classes, modulus = (int(value.p) for value in exact if value is not None)
    if modulus < 1:
        return None
    return subject, modulus, frozenset(value % modulus for value in classes)


def _family(node: Node, declared: bool = False) -> tuple[Node | None, int, frozenset[int]] | None:
    r"""Read ``x = 7k + 3`` and ``3 + 7\mathbb{Z}`` as residue classes."""
    subject = None
    if isinstance(node, Relation) and node.ops == ("=",) and isinstance(node.sides[0], Symbol):
        subject, node = node.sides
    letters = variables(node) | (symbols(node) & {"integers"})
    if len(letters) != 1 or not letters <= PARAMETERS | {"integers"}:
        return None
    (name,) = letters
    if subject is None and name != "integers" and not declared:
        return None
    if not isinstance(node, Apply | Symbol):
        return None
    at = [rational(substituted(node, Symbol(name), Number(fmpq(k)))) for k in (0, 1, 2)]
    if any(value is None or value.q != 1 for value in at):
        return None
    first, second, third = (int(value.p) for value in at if value is not None)
    step = abs(second - first)
    if not step or third - second != second - first:
        return None
    return subject, step, frozenset({first % step})


def periodic(gold: Node, answer: Node) -> bool:
    """``a + kT`` and ``b + kT`` are the same numbers if b - a is a multiple of T."""
    names = variables(gold) | variables(answer)
    if len(names) != 1 or not names <= PARAMETERS:
        return False
    letter = Symbol(next(iter(names)))
    zero, one, two = (Number(fmpq(n)) for n in (0, 1, 2))
    starts, steps = [], []
    for node in (gold, answer):
        at = [substituted(node, letter, n) for n in (zero, one, two)]
        if not same(difference(at[1], at[0]), difference(at[2], at[1])):
            return False
        starts.append(at[0])
        steps.append(difference(at[1], at[0]))
    if not (same(steps[0], steps[1]) or same(steps[0], Apply("neg", (steps[1],)))):
        return False
    shift = Apply("/", (difference(*starts), steps[0]))
    with precision(128):
        value = ball(shift)
        whole = (value.real + fmpq(1, 2)).floor().unique_fmpz()
    return whole is not None and same(shift, Number(fmpq(whole)))
