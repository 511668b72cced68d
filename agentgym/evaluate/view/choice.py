"""Which episodes are listed, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentgym.evaluate.report.catalogue import Entry

__all__ = ["FILTERS", "ORDERS", "Choice"]

FILTERS: Mapping[str, Callable[[Entry], bool]] = {
    "all": lambda entry: True,
    "failed": lambda entry: entry.outcome == "failed",
    "error": lambda entry: entry.outcome == "error",
    "limit": lambda entry: entry.outcome == "limit",
    "solved": lambda entry: entry.outcome == "solved",
}
ORDERS: Mapping[str, Callable[[Entry], Any]] = {
    "as played": lambda entry: entry.number,
    "reward": lambda entry: (entry.reward is not None, entry.reward or 0.0),
    "turns": lambda entry: -entry.turns,
    "tokens": lambda entry: -entry.tokens,
    "task": lambda entry: (entry.env, entry.task_id, entry.step, entry.index),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader asked for.

    Attributes:
        outcome: A row of `FILTERS`.
        order: A row of `ORDERS`.
        backwards: The other way round.
        text: What was searched for; empty where nothing was.
        holding: Numbers of the episodes that hold it.
    """

    outcome: str = "all"
    order: str = "as played"
    backwards: bool = False
    text: str = ""
    holding: Collection[int] = ()

    def of(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return what is listed of all episodes."""
        fits = FILTERS[self.outcome]
        found = [e for e in entries if fits(e) and (not self.text or e.number in self.holding)]
        if self.order == "as played" and not self.backwards:
            return found
        return sorted(found, key=ORDERS[self.order], reverse=self.backwards)
