"""Which tasks a step trains on: a function of the seed and the step alone.

A run that is resumed asks for the same step and gets the same tasks, so none is lost or seen twice.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

__all__ = ["Schedule"]


class Schedule:
    """All tasks in a fresh random order each epoch, ``count`` a step, across the epochs' seams.

    Args:
        ids: The split's task ids.
        count: Tasks a step.
        seed: Of the run.
    """

    def __init__(self, ids: Sequence[str], count: int, seed: int) -> None:
        self._ids = list(ids)
        self._count = count
        self._seed = seed
        self._epoch = -1
        self._order: list[str] = []

    def tasks(self, step: int) -> list[str]:
        """Return the tasks of one step, counted from 0."""
        first = step * self._count
        return [self._at(position) for position in range(first, first + self._count)]

    def _at(self, position: int) -> str:
        epoch, place = divmod(position, len(self._ids))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, list(self._ids)
            random.Random(f"{self._seed}/{epoch}").shuffle(self._order)
        return self._order[place]
