"""Bad habits for demonstrations: the cells of an oracle, done as hasty agents do them.

A policy that is warm-started on correct episodes alone has little left to learn. Each habit is a
rewriting of any oracle's cells: it changes none of the world's rules, the episode is played as it
is written, and now and then it is right by luck. Left out are habits of one scenario alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from agentgym_envs.world.scenario import ALL_PAGES, complete

__all__ = ["HABITS", "flawed_cells"]

Cells = list[str]
Habit = Callable[[Cells], Cells]

_CONDITION = re.compile(r"( for row in \w+) if .*\]$", re.MULTILINE)
_ARGUMENTS = re.compile(r"(\(\S+, access_token=tokens\['\w+'\]), .*\)$", re.MULTILINE)
_ALL_PAGES = re.compile(r"all_pages\((apis\.\w+\.\w+), ")
_FAILED = complete(status="fail")


def _log_in_and_finish(cells: Cells) -> Cells:
    """Mark the task as complete before anything was done."""
    return [cells[0], complete()]


def _skim(cells: Cells) -> Cells:
    """Look at the first rows of a list and take them for all of it."""
    kept = [cell for cell in cells if cell != ALL_PAGES]
    return [_ALL_PAGES.sub(r"\1(page_limit=2, ", cell) for cell in kept]


def _any_row(cells: Cells) -> Cells:
    """Forget which rows were asked for."""
    found = [_CONDITION.sub(r"\1]", cell) for cell in cells]
    return found if found != cells else [_ARGUMENTS.sub(r"\1)", cell) for cell in cells]


def _nothing_done(cells: Cells) -> Cells:
    """Leave out the last cell before the task is marked as complete."""
    return [*cells[:-2], cells[-1]]


def _wrong_status(cells: Cells) -> Cells:
    """Report a failure where there is none, and success where there is one."""
    return [*cells[:-1], complete() if "fail" in cells[-1] else _FAILED]


HABITS: dict[str, Habit] = {
    "log_in_and_finish": _log_in_and_finish,
    "skim": _skim,
    "any_row": _any_row,
    "nothing_done": _nothing_done,
    "wrong_status": _wrong_status,
}
"""A habit's name to what it makes of an oracle's cells."""


def flawed_cells(cells: Sequence[str], rng: random.Random) -> list[str]:
    """Return an oracle's cells with one bad habit, of those that change them.

    The last cell gives up: it is reached where the habit has made the one before it fail.
    """
    proper = list(cells)
    flawed = [found for habit in HABITS.values() if (found := habit(proper)) != proper]
    return [*rng.choice(flawed), _FAILED]
