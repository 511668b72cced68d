"""Which change of the world is which expected one, where expected rows may refer to each other.

Left out: a row that refers to two new rows. References form trees, so what refers to one row never
competes with what refers to another, and each row is tried once for each place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentgym_envs.world.database import Change
from agentgym_envs.world.expect import ExpectedChange, references

__all__ = ["paired"]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The two sides, by number.

    Attributes:
        wanted: What is expected.
        changes: What was made.
        children: Expected row -> those that refer to it.
        referring: Expected row and the id that it refers to -> changes that it could be.
    """

    wanted: Sequence[ExpectedChange]
    changes: Sequence[Change]
    children: Mapping[int, Sequence[int]]
    referring: Mapping[tuple[int, int], Sequence[int]]


def paired(wanted: Sequence[ExpectedChange], changes: Sequence[Change]) -> dict[int, int]:
    """Return pairs of an expected and a made change, by number, each used once.

    Without references there are as many pairs as can be. A row that others refer to goes to a
    change with all of these if there is one; what refers to a row that was not made is not paired.
    """
    rows, roots = _rows(wanted, changes)
    every = range(len(changes))
    found = _placed(rows, {one: _fitting(rows, one, every) for one in roots if rows.children[one]})
    free = [change for change in every if change not in set(found.values())]
    rest = {one: _fitting(rows, one, free) for one in roots if not rows.children[one]}
    return found | _placed(rows, rest)


def _rows(wanted: Sequence[ExpectedChange], changes: Sequence[Change]) -> tuple[_Rows, list[int]]:
    """Return both sides, and the expected rows that refer to none."""
    children: dict[int, list[int]] = {one: [] for one in range(len(wanted))}
    referring: dict[tuple[int, int], list[int]] = defaultdict(list)
    found = references(wanted)
    for child, (parent, column) in found.items():
        children[parent].append(child)
        for number, change in enumerate(changes):
            if change.after is not None and wanted[child].fits(change):
                referring[child, change.after[column]].append(number)
    roots = [one for one in range(len(wanted)) if one not in found]
    return _Rows(wanted, changes, children, referring), roots


def _fitting(rows: _Rows, one: int, among: Sequence[int]) -> list[int]:
    return [change for change in among if rows.wanted[one].fits(rows.changes[change])]


def _placed(rows: _Rows, fitting: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Return pairs for some expected rows and, below them, for what refers to them."""
    whole = {one: [c for c in some if _is_whole(rows, one, c)] for one, some in fitting.items()}
    found = _matched(whole)
    for one, some in fitting.items():
        taken = set(found.values())
        if one not in found and (rest := [change for change in some if change not in taken]):
            found[one] = rest[0]
    for one, change in list(found.items()):
        found |= _placed(rows, _below(rows, one, change))
    return found


def _below(rows: _Rows, one: int, change: int) -> dict[int, Sequence[int]]:
    """Return what refers to an expected row, with the changes that refer to the made one."""
    id_ = rows.changes[change].id
    return {child: rows.referring.get((child, id_), ()) for child in rows.children[one]}


def _is_whole(rows: _Rows, one: int, change: int) -> bool:
    """Tell whether all that refers to the expected row is there for the made one."""
    below = _below(rows, one, change)
    whole = {child: [c for c in some if _is_whole(rows, child, c)] for child, some in below.items()}
    return len(_matched(whole)) == len(below)


def _matched(fitting: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Return as many pairs as can be, each side used once."""
    taken: dict[int, int] = {}  # change -> expected

    def place(one: int, seen: set[int]) -> bool:
        for change in fitting[one]:
            if change not in seen:
                seen.add(change)
                if change not in taken or place(taken[change], seen):
                    taken[change] = one
                    return True
        return False

    for one in fitting:
        place(one, set())
    return {one: change for change, one in taken.items()}
