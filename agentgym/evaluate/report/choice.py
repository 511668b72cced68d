"""Which episodes get a page of their own, where a run has too many for one file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

from agentgym.evaluate.report.catalogue import Entry

__all__ = ["chosen"]

_GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, fill [0, 1) evenly from the first on


def chosen(entries: Sequence[Entry], most: int) -> list[list[Entry]]:
    """Return whole groups, the most telling first, of at most so many episodes.

    Siblings are read side by side, so groups stay whole; only one that is larger than all that is
    wanted is cut. By turns the newest group is taken, the newest with a fault, one where some
    failed, and any: the latter two spread evenly over the run.

    Args:
        entries: All of a run.
        most: Episodes.
    """
    by_number: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_number[entry.group].append(entry)
    groups = list(by_number.values())
    taken: list[list[Entry]] = []
    left = most
    for group in _by_turns(groups):
        if len(group) <= left:
            taken.append(group)
            left -= len(group)
        elif not taken:
            return [group[:left]] if left else []
        if not left:
            break
    return taken


def _by_turns(groups: Sequence[list[Entry]]) -> Iterator[list[Entry]]:
    """Yield every group once, in the order of their claims."""
    newest = groups[::-1]
    faults = [group for group in newest if _has(group, "error")]
    failed = [group for group in _spread(groups) if _has(group, "failed") or _has(group, "limit")]
    seen: set[int] = set()
    for group in chain.from_iterable(zip_longest(newest, faults, failed, _spread(groups))):
        if group is not None and group[0].group not in seen:
            seen.add(group[0].group)
            yield group


def _has(group: Sequence[Entry], outcome: str) -> bool:
    return any(entry.outcome == outcome for entry in group)


def _spread(groups: Sequence[list[Entry]]) -> list[list[Entry]]:
    """Return the groups in an order of which every beginning is spread evenly over them."""
    return [groups[i] for i in sorted(range(len(groups)), key=lambda i: i * _GOLDEN % 1)]
