"""The rules by kind of answer: what two trees must share to be the same answer."""

from __future__ import annotations

from flint import fmpq

from agentgym_envs.math.congruences import as_residue, congruence, periodic
from agentgym_envs.math.decimals import number, rounded
from agentgym_envs.math.forms import (
    assigned,
    false,
    parameter,
    renamed,
    settled,
    undeclared,
    unfolded,
)
from agentgym_envs.math.identity import (
    constant,
    difference,
    proportional,
    same,
    same_but_constant,
    variables,
)
from agentgym_envs.math.logic import is_formula, is_quantified, pushed_in, same_formula
from agentgym_envs.math.matrices import as_vector
from agentgym_envs.math.nodes import (
    Apply,
    Cases,
    Group,
    Matrix,
    Node,
    Number,
    Relation,
    Sequence,
    Symbol,
    Unreadable,
    walk,
)
from agentgym_envs.math.regions import same_region
from agentgym_envs.math.values import Undefined, check_time, rational

__all__ = ["nodes_equal"]

_INEQUALITIES = frozenset({"lt", "le", "gt", "ge", "ne", "in", "notin"})


_CONSTANT_LETTERS = frozenset({"C", "c", "K", "k", "C_1", "c_1", "C_0"})
_SURE_CONSTANTS = frozenset({"C", "C_1", "C_0", "K"})


def nodes_equal(gold: Node, answer: Node, about: bool = False) -> str | None:
    """Return the rule by which an answer equals the gold, or None.

    Args:
        gold: What is right; its form says what kind of answer is wanted.
        answer: What was given.
        about: Whether the gold says that it is rounded.

    Raises:
        OutOfTime: After the deadline.
    """
    check_time()
    if gold == answer:
        return "the same expression"
    gold, answer = unfolded(gold), unfolded(answer)
    letter = parameter(gold)
    other = parameter(answer) or (undeclared(answer) if letter else None)
    if letter is not None and other is not None and letter != other:
        answer = renamed(answer, other, letter)
    gold, answer = settled(gold), settled(answer)
    gold, answer = as_vector(gold, answer), as_vector(answer, gold)
    if false(answer):
        return None
    if gold == answer:
        return "the same expression"
    if letter is not None and other is not None and _same_family(gold, answer):
        return "the same family of solutions"
    return _first_rule(gold, as_residue(answer) if other is not None else answer, about)


def _first_rule(gold: Node, answer: Node, about: bool) -> str | None:
    for name, applies in _RULES:
        try:
            decided = applies(gold, answer, about)
        except (Unreadable, Undefined):
            continue
        if decided is not None:
            return name if decided else None
    return None


def _same_family(gold: Node, answer: Node) -> bool:
    """Compare general solutions over the integers: with one name, up to a shift."""
    wanted, given = assigned(gold), assigned(answer)
    if wanted is not None and given is not None and wanted[0] != given[0]:
        return False
    pair = (wanted[1] if wanted else gold), (given[1] if given else answer)
    try:
        return isinstance(pair[0], Apply) and isinstance(pair[1], Apply) and periodic(*pair)
    except (Unreadable, Undefined):
        return False


def _assignment(gold: Node, answer: Node, about: bool) -> bool | None:
    """``x = 5`` against 5, and against ``x = 5``."""
    wanted, given = assigned(gold), assigned(answer, loosely=not isinstance(gold, Relation))
    if wanted is not None and given is not None:
        return _same_assignment(wanted, given, about) or None  # or the same equation
    if wanted is not None and not isinstance(answer, Relation | Sequence):
        return nodes_equal(wanted[1], answer, about) is not None
    if given is not None and not isinstance(gold, Relation):
        return nodes_equal(gold, given[1], about) is not None
    return None


def _same_assignment(wanted: tuple[str, Node], given: tuple[str, Node], about: bool) -> bool:
    names = {wanted[0], given[0]}
    function_of_x = any(name.endswith("(Symbol(name='x'))") for name in names)
    if len(names) > 1 and not ("y" in names and function_of_x):
        return False
    return nodes_equal(wanted[1], given[1], about) is not None


def _formula(gold: Node, answer: Node, about: bool) -> bool | None:
    if is_quantified(gold) or is_quantified(answer):
        return pushed_in(gold) == pushed_in(answer)
    return same_formula(gold, answer) if is_formula(gold) or is_formula(answer) else None


def _is_region(node: Node) -> bool:
    if isinstance(node, Symbol):
        return node.name in ("reals", "empty")
    if isinstance(node, Relation):
        return bool(set(node.ops) & _INEQUALITIES)
    if isinstance(node, Group):
        return (node.opened in ("(", "[") and len(node.items) == 2) or node.opened == r"\{"
    if isinstance(node, Sequence):
        return any(
            isinstance(item, Relation) and set(item.ops) & _INEQUALITIES for item in node.items
        ) or all(isinstance(item, Group) and _is_region(item) for item in node.items)
    return isinstance(node, Apply) and node.op in ("cup", "cap", "setminus", "such_that",
                                                   "complement", "land", "lor", "+")  # fmt: skip


def _must_be_region(node: Node) -> bool:
    """Say whether a node can be nothing but a set of reals."""
    if isinstance(node, Group):
        mixed = {node.opened, node.closed} not in ({"(", ")"}, {"[", "]"}, {r"\{", r"\}"})
        infinite = any(part == Symbol("oo") for item in node.items for part in walk(item))
        return len(node.items) == 2 and node.opened in "([" and (mixed or infinite)
    if isinstance(node, Apply) and node.op == "+":
        return len(node.args) == 2 and node.args[0] == Symbol("reals")
    if isinstance(node, Sequence):
        return any(_must_be_region(item) for item in node.items)
    return _is_region(node)


def _real_set(gold: Node, answer: Node, about: bool) -> bool | None:
    if not (_must_be_region(gold) or _must_be_region(answer)):
        return None
    if not (_is_region(gold) and _is_region(answer)):
        if gold == Symbol("empty") or answer == Symbol("empty"):
            return None
        return _same_inequality(gold, answer)
    free = _free(gold), _free(answer)
    if free[0] and free[1] and free[0] != free[1]:
        return False
    gold, answer = _without_domain(gold), _without_domain(answer)
    try:
        return same_region(gold, answer)
    except Unreadable:
        return _same_inequality(gold, answer)


def _free(node: Node) -> frozenset[str]:
    if isinstance(node, Apply) and node.op == "such_that":
        return frozenset()
    return variables(node)


def _without_domain(node: Node) -> Node:
    if isinstance(node, Relation) and node.ops == ("in",) and _is_region(node.sides[1]):
        return node.sides[1]
    return node


def _same_inequality(gold: Node, answer: Node) -> bool | None:
    """``y > 2x + 1`` in several unknowns: equal up to a positive factor."""
    forms = []
    for node in (gold, answer):
        if not isinstance(node, Relation) or len(node.ops) != 1:
            return None
        (op,), (left, right) = node.ops, node.sides
        if op not in ("lt", "le", "gt", "ge", "ne"):
            return None
        upward = op in ("gt", "ge", "ne")
        forms.append((op in ("le", "ge"), op == "ne",
                      difference(left, right) if upward else difference(right, left)))  # fmt: skip
    if forms[0][:2] != forms[1][:2]:
        return False
    return proportional(forms[0][2], forms[1][2], positive=not forms[0][1])


def _equation(gold: Node, answer: Node, about: bool) -> bool | None:
    gold, answer = _condition(gold), _condition(answer)
    if not (isinstance(gold, Relation) and isinstance(answer, Relation)):
        return None
    if gold.ops == answer.ops and gold.ops not in (("=",),):
        return all(nodes_equal(a, b) for a, b in zip(gold.sides, answer.sides, strict=True))
    if gold.ops != ("=",) or answer.ops != ("=",):
        return False
    if not variables(*gold.sides) or variables(*gold.sides) != variables(*answer.sides):
        return False
    left, right = difference(*gold.sides), difference(*answer.sides)
    return proportional(left, right)


def _condition(node: Node) -> Node:
    """Return the equation of a curve that is given as a set of points."""
    if isinstance(node, Apply) and node.op == "such_that":
        return node.args[1] if isinstance(node.args[0], Symbol | Group) else node
    return node


def _items(node: Node) -> tuple[str, tuple[Node, ...]] | None:
    if isinstance(node, Sequence):
        return "list", node.items
    if isinstance(node, Group):
        return ("set" if node.opened == r"\{" else "tuple"), node.items
    if isinstance(node, Matrix):
        if len(node.rows) == 1:
            return "tuple", node.rows[0]
        if all(len(row) == 1 for row in node.rows):
            return "tuple", tuple(row[0] for row in node.rows)
    return None


def _matrix(gold: Node, answer: Node, about: bool) -> bool | None:
    if not (isinstance(gold, Matrix) or isinstance(answer, Matrix)):
        return None
    rows = _rows(gold), _rows(answer)
    if rows[0] is None or rows[1] is None:
        return None
    if [len(row) for row in rows[0]] != [len(row) for row in rows[1]]:
        return None if 1 in (len(rows[0]), len(rows[0][0])) else False
    return all(
        nodes_equal(a, b, about)
        for ours, theirs in zip(rows[0], rows[1], strict=True)
        for a, b in zip(ours, theirs, strict=True)
    )


def _rows(node: Node) -> tuple[tuple[Node, ...], ...] | None:
    if isinstance(node, Matrix):
        return node.rows
    if isinstance(node, Group) and node.opened in "([" and node.items:
        rows = [item.items for item in node.items if isinstance(item, Group)]
        if len(rows) == len(node.items):
            return tuple(rows)
    return None


def _collection(gold: Node, answer: Node, about: bool) -> bool | None:
    wanted, given = _items(gold), _items(answer)
    if wanted is None and given is None:
        return None
    if wanted is None or given is None:
        return _single(gold, answer, wanted, given, about)
    kinds = wanted[0], given[0]
    if kinds == ("list", "list") or set(kinds) == {"list", "set"} or kinds == ("set", "set"):
        return _unordered(wanted[1], given[1], about)
    if "set" in kinds:
        return False
    if kinds == ("tuple", "tuple") and not _brackets_fit(gold, answer):
        return False
    return _ordered(_values(wanted[1]), _values(given[1]), about)


def _single(
    gold: Node,
    answer: Node,
    wanted: tuple[str, tuple[Node, ...]] | None,
    given: tuple[str, tuple[Node, ...]] | None,
    about: bool,
) -> bool | None:
    """A set of one is its element; no other collection equals a single value."""
    kind, items = wanted or given or ("", ())
    if kind == "set" and len(items) == 1 and items[0] != Symbol("empty"):
        if wanted is not None:
            return nodes_equal(items[0], answer, about) is not None
        return nodes_equal(gold, items[0], about) is not None
    if kind == "set" and not items:
        return Symbol("empty") in (gold, answer)
    if isinstance(gold, Apply | Relation) and isinstance(answer, Apply | Relation):
        return None
    return False


def _brackets_fit(gold: Node, answer: Node) -> bool:
    if not (isinstance(gold, Group) and isinstance(answer, Group)):
        return True
    if len(gold.items) != 2:
        return True
    pairs = (gold.opened, gold.closed), (answer.opened, answer.closed)
    round_or_angle = {("(", ")"), ("<", ">")}
    return pairs[0] == pairs[1] or set(pairs) <= round_or_angle


def _values(items: tuple[Node, ...]) -> tuple[Node, ...]:
    """``x = 1, y = 2`` is ``(1, 2)``, in the order of the alphabet."""
    pairs = [pair for item in items if (pair := assigned(item)) is not None]
    if len(pairs) != len(items):
        return items
    return tuple(value for _, value in sorted(pairs, key=lambda pair: pair[0]))


def _ordered(wanted: tuple[Node, ...], given: tuple[Node, ...], about: bool) -> bool:
    if len(wanted) != len(given):
        return False
    return all(nodes_equal(a, b, about) for a, b in zip(wanted, given, strict=True))


def _unordered(wanted: tuple[Node, ...], given: tuple[Node, ...], about: bool) -> bool:
    names = {pair[0] for item in (*wanted, *given) if (pair := assigned(item)) is not None}
    if len(names) == 1:
        wanted, given = _bare(wanted), _bare(given)
    exact = _exact_values(wanted), _exact_values(given)
    if exact[0] is not None and exact[1] is not None and exact[0] == exact[1]:
        return True
    if len(wanted) * len(given) > 10_000:
        return False
    covered = all(any(_same_element(a, b, about) for b in given) for a in wanted)
    return covered and all(any(_same_element(a, b, about) for a in wanted) for b in given)


def _same_element(gold: Node, answer: Node, about: bool) -> bool:
    """Compare elements: a set in a set is not its own element."""
    sets = [isinstance(node, Group) and node.opened == r"\{" for node in (gold, answer)]
    if sets[0] != sets[1] and Symbol("empty") not in (gold, answer):
        return False
    return nodes_equal(gold, answer, about) is not None


def _bare(items: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(pair[1] if (pair := assigned(item)) else item for item in items)


def _exact_values(items: tuple[Node, ...]) -> set[fmpq] | None:
    values = set()
    for item in items:
        value = rational(item)
        if value is None:
            return None
        values.add(value)
    return values


def _ratio(gold: Node, answer: Node, about: bool) -> bool | None:
    parts = [node.args if isinstance(node, Apply) and node.op == "ratio" else None
             for node in (gold, answer)]  # fmt: skip
    if parts[0] is None or parts[1] is None:
        return None
    if len(parts[0]) != len(parts[1]):
        return False
    pairs = list(zip(parts[0], parts[1], strict=True))
    first = pairs[0]
    return all(same(Apply("*", (first[0], b)), Apply("*", (a, first[1]))) for a, b in pairs[1:])


def _percent(gold: Node, answer: Node, about: bool) -> bool | None:
    """A percent sign that one side leaves out."""
    forms = [node.args[0] if isinstance(node, Apply) and node.op == "%" else None
             for node in (gold, answer)]  # fmt: skip
    if (forms[0] is None) == (forms[1] is None):
        return None
    if forms[0] is not None:
        if rounded(gold, answer, about):
            return True
        return True if nodes_equal(forms[0], answer, about) else None
    value = rational(gold)
    if forms[1] is not None and (value is None or abs(value) > 1):
        return True if nodes_equal(gold, forms[1], about) else None
    return None


def _degrees(gold: Node, answer: Node, about: bool) -> bool | None:
    """Angles: degrees are named or left out, radians are the number itself."""
    units = _angle(gold), _angle(answer)
    if units == (None, None):
        return None
    bare = [node.args[0] if unit and isinstance(node, Apply) else node
            for node, unit in zip((gold, answer), units, strict=True)]  # fmt: skip
    if units[0] == units[1] or None in units:
        if nodes_equal(bare[0], bare[1], about):
            return True
        if units[0] == units[1] or "rad" in units:
            return False
    if units[0] == "deg" and constant(bare[1]):  # an answer in radians
        in_degrees = Apply("/", (Apply("*", (bare[1], Number(fmpq(180)))), Symbol("pi")))
        return nodes_equal(bare[0], in_degrees, about) is not None
    return None


def _angle(node: Node) -> str | None:
    return node.op if isinstance(node, Apply) and node.op in ("deg", "rad") else None


def _antiderivative(gold: Node, answer: Node, about: bool) -> bool | None:
    wanted, given = _without_constant(gold), _without_constant(answer)
    if wanted is None:
        if given is not None and variables(gold) and not variables(gold) & _CONSTANT_LETTERS:
            return same(gold, given)
        return None
    others = variables(wanted)
    if not others:
        return None
    if given is None:
        return False
    return same_but_constant(wanted, given)


def _without_constant(node: Node) -> Node | None:
    """Return a sum without its ``+ C``, or None if it has none."""
    if not isinstance(node, Apply) or node.op != "+":
        return None
    kept = tuple(
        term for term in node.args
        if not (isinstance(term, Symbol) and term.name in _CONSTANT_LETTERS)
    )  # fmt: skip
    if len(kept) != len(node.args) - 1 or not kept:
        return None
    rest = kept[0] if len(kept) == 1 else Apply("+", kept)
    (letter,) = set(node.args) - set(kept)
    sure = isinstance(letter, Symbol) and letter.name in _SURE_CONSTANTS
    if variables(rest) & _CONSTANT_LETTERS or not (sure or len(variables(rest)) == 1):
        return None
    return rest


def _infinity(gold: Node, answer: Node, about: bool) -> bool | None:
    signs = [_infinite(gold), _infinite(answer)]
    if not any(signs):
        return None
    return signs[0] == signs[1]


def _infinite(node: Node) -> int:
    if node == Symbol("oo"):
        return 1
    return -1 if node == Apply("neg", (Symbol("oo"),)) else 0


def _expression(gold: Node, answer: Node, about: bool) -> bool | None:
    kinds = Number, Symbol, Apply, Cases
    if not (isinstance(gold, kinds) and isinstance(answer, kinds)):
        return False
    names = variables(gold) ^ variables(answer)
    if isinstance(gold, Symbol) and isinstance(answer, Symbol) and names:
        return False
    return same(gold, answer)


_RULES = (
    ("the value assigned", _assignment),
    ("infinity with its sign", _infinity),
    ("the same residue class", congruence),
    ("the same truth table", _formula),
    ("the same set of reals", _real_set),
    ("the same equation", _equation),
    ("the same matrix", _matrix),
    ("the same items", _collection),
    ("the same ratio", _ratio),
    ("the same number", number),
    ("the same angle", _degrees),
    ("the same percentage", _percent),
    ("the same up to a constant", _antiderivative),
    ("identically equal", _expression),
)
