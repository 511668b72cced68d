"""How the agent behaved: counters of an episode, which say why it scored and pay nothing.

The habits are those that Chen et al. 2025 (LOOP, arXiv 2502.01600) watched. They are rules of
weight 0 in the verdict, so evaluations keep them. An episode that a limit outside of the
environment ends has no verdict of the environment, and so no counters.

An invented value is a guess at "neither asked for nor seen". Looked at are literals that a cell
gives to an API (the documentation's apart) or assigns to a name; an f-string is not. A literal is
invented if one of its words or numbers is new: not in the prompt, and in nothing that was shown.
Words of one letter and whole numbers under 60 (pages, days, hours) are never new; an amount may be
in whole cents. A value counts once. What the agent computed in its head or put in words of its own
counts too, so compare policies by it, and do not read it as a number of lies.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentgym.types import Rule

__all__ = ["Behaviour", "counts"]

_PREFIX = "behaviour: "
_WORD = re.compile(r"[^\W\d_]{2,}")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_UNITS = (100, 0.01)
_SMALL = 60
_MOST_APPS = 20  # the log of AppWorld's calls lies where the agent's code could write
_MAX_CODE = 20_000  # characters; the literals of longer cells are not looked at


@dataclass
class Behaviour:
    """The counters of one episode.

    Attributes:
        failed_executions: Cells that raised, ran out of time or lost their session.
        give_ups: 1 if the task was completed with status ``fail``, or in the cell right after a
            failed one; also where giving up was right.
        repeated_cells: Cells that had been run before, letter by letter.
        invented_values: Literals that nobody had asked for or shown; see above.
    """

    failed_executions: int = 0
    give_ups: int = 0
    repeated_cells: int = 0
    invented_values: int = 0
    _unread: list[str] = field(default_factory=list)
    _known: set[str | float] = field(default_factory=set)
    _cells: set[str] = field(default_factory=set)
    _last_failed: bool = False

    def show(self, text: str) -> None:
        """Note what the agent has read; it is looked at when a cell has literals."""
        self._unread.append(text)

    def ran(self, code: str, failed: bool, completed: Mapping[str, Any] | None) -> None:
        """Count a cell, before what it printed is shown.

        Args:
            code: The cell.
            failed: Whether it failed.
            completed: The arguments of ``complete_task``, if it has been called.
        """
        self.repeated_cells += code.strip() in self._cells
        self._cells.add(code.strip())
        for value in _literals(code):
            self._read()
            new = _words(str(value)) - self._known
            self.invented_values += bool(new)
            self._known |= new
        if completed is not None:
            self.give_ups = int(completed["status"] == "fail" or self._last_failed)
        self.failed_executions += failed
        self._last_failed = failed

    def _read(self) -> None:
        for text in self._unread:
            found = _words(text)
            numbers = [word for word in found if isinstance(word, float)]
            self._known |= found
            # An amount may be written in the other unit.
            self._known.update(round(number * factor, 2) for number in numbers for factor in _UNITS)
        self._unread.clear()

    def rules(self, calls: Mapping[str, int]) -> tuple[Rule, ...]:
        """Return the counters as rules of weight 0.

        Args:
            calls: How often each API was called, as ``app.api``.
        """
        by_app: Counter[str] = Counter()
        for name, count in calls.items():
            by_app[name.partition(".")[0]] += count
        found = {
            "doc_lookups": by_app["api_docs"],
            "failed_executions": self.failed_executions,
            "give_ups": self.give_ups,
            "repeated_cells": self.repeated_cells,
            "invented_values": self.invented_values,
            "calls": by_app.total(),
        }
        apps = sorted(by_app.most_common(_MOST_APPS))
        found |= {f"calls.{app}": count for app, count in apps if count}
        return tuple(Rule(f"{_PREFIX}{name}", float(n), weight=0.0) for name, n in found.items())


def counts(rules: Iterable[Rule]) -> dict[str, int]:
    """Return the counters among the rules of a verdict, by name; ``calls.<app>`` where not 0."""
    return {
        rule.name.removeprefix(_PREFIX): int(rule.score)
        for rule in rules
        if rule.name.startswith(_PREFIX)
    }


def _words(text: str) -> set[str | float]:
    joined = _THOUSANDS.sub("", text.lower())
    words: set[str | float] = set(_WORD.findall(joined))
    numbers = {float(digits) for digits in set(_NUMBER.findall(joined)) if len(digits) < 30}
    return words | {round(n, 2) for n in numbers if n >= _SMALL or not n.is_integer()}


def _literals(code: str) -> Iterator[str | int | float]:
    """Yield the literals given to APIs or assigned to names; none of code that cannot be read."""
    if len(code) > _MAX_CODE:
        return
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in nodes:
        if isinstance(node, ast.Call) and _asks_an_app(node.func):
            for argument in node.keywords:
                yield from _constants(argument.value)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            yield from _constants(node.value)


def _asks_an_app(function: ast.expr) -> bool:
    """Whether it is ``apis.<app>.<api>``, for an app that is not the documentation."""
    match function:
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="apis"), attr=app)):
            return app != "api_docs"
    return False


def _constants(value: ast.expr) -> Iterator[str | int | float]:
    match value:
        case ast.Constant(value=str() | int() | float() as found) if not isinstance(found, bool):
            # The longest numbers, in hexadecimal, have no decimal text.
            if isinstance(found, str | float) or abs(found) < 2**63:
                yield found
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            for item in items:
                yield from _constants(item)
        case ast.Dict(values=items):
            for item in items:
                yield from _constants(item)
