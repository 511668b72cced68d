"""What a task expects of the world afterwards: changes of rows, an answer and a status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agentgym_envs.world.database import Change

__all__ = [
    "AnyOf",
    "Delete",
    "Expected",
    "ExpectedChange",
    "IdOf",
    "Insert",
    "Like",
    "Update",
    "references",
]

_CLOCKS = ("updated_at", "modified_at")


@dataclass(frozen=True, slots=True)
class Like:
    """Holds for a text that contains another, in any case."""

    text: str

    def __call__(self, value: Any) -> bool:
        """Tell whether it holds."""
        return isinstance(value, str) and self.text.casefold() in value.casefold()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds for one of several values."""

    values: tuple[Any, ...]

    def __call__(self, value: Any) -> bool:
        """Tell whether it holds."""
        return value in self.values


@dataclass(frozen=True, slots=True)
class Insert:
    """A new row.

    Attributes:
        table: Its table.
        columns: What they must hold: a value, or a predicate such as `Like`; others are free.
    """

    table: str
    columns: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, change: Change) -> bool:
        """Tell whether a change is this one."""
        return (
            change.kind == "insert"
            and change.table == self.table
            and _hold(self.columns, change.after or {})
        )


@dataclass(frozen=True, slots=True)
class IdOf:
    """Stands for the id of another expected row, which nobody knows beforehand.

    Attributes:
        row: The very object that is among the expected changes as well; an equal one will not do.
    """

    row: Insert

    def __call__(self, value: Any) -> bool:
        """Tell whether it can be an id; `pairing` tells whose."""
        return isinstance(value, int)


@dataclass(frozen=True, slots=True)
class Update:
    """A changed row.

    Attributes:
        table: Its table.
        id: Its id; None is any row.
        columns: What they must hold now, by value or predicate; no other column may change.
        free: Columns that may change besides; times of the last change always may.
    """

    table: str
    id: int | None
    columns: Mapping[str, Any] = field(default_factory=dict)
    free: tuple[str, ...] = ()

    def fits(self, change: Change) -> bool:
        """Tell whether a change is this one."""
        if change.kind != "update" or change.table != self.table:
            return False
        may_change = {*self.columns, *self.free, *_CLOCKS}
        return (
            self.id in (None, change.id)
            and change.columns.keys() <= may_change
            and _hold(self.columns, change.after or {})
        )


@dataclass(frozen=True, slots=True)
class Delete:
    """A row that is gone.

    Attributes:
        table: Its table.
        id: Its id; None is any row.
        columns: What they held, by value or predicate; others are free.
    """

    table: str
    id: int | None
    columns: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, change: Change) -> bool:
        """Tell whether a change is this one."""
        return (
            change.kind == "delete"
            and change.table == self.table
            and self.id in (None, change.id)
            and _hold(self.columns, change.before or {})
        )


ExpectedChange = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class Expected:
    """What a solved task comes to.

    Attributes:
        answer: What is asked: a number, a text, a list in its order, or a set in any order. None
            if nothing is asked: then no answer may be given.
        status: ``fail`` if the task cannot be done; then nothing may be changed.
        changes: What must change, each exactly once; columns may refer to a new row by `IdOf`.
        allowed: What may change besides, any number of times: whole tables by name, or changes.

    Raises:
        ValueError: If a change refers to a row that is not among the changes, or to two.
    """

    answer: Any = None
    status: Literal["success", "fail"] = "success"
    changes: tuple[ExpectedChange, ...] = ()
    allowed: tuple[str | ExpectedChange, ...] = ()

    def __post_init__(self) -> None:
        """Refuse references that lead nowhere."""
        references(self.changes)


def references(changes: Sequence[ExpectedChange]) -> dict[int, tuple[int, str]]:
    """Return which change refers to which other, by number, and in which column.

    Raises:
        ValueError: If the other is not among them, or there are two.
    """
    places = {id(change): number for number, change in enumerate(changes)}
    found: dict[int, tuple[int, str]] = {}
    for number, change in enumerate(changes):
        for column, value in change.columns.items():
            if not isinstance(value, IdOf):
                continue
            if id(value.row) not in places or number in found:
                raise ValueError(
                    f"column '{column}' of {change} must refer to a row of the same `changes`, and "
                    "be the only column that does; put that row in, as the same object"
                )
            found[number] = (places[id(value.row)], column)
    return found


def _hold(columns: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return all(name in row and _holds(value, row[name]) for name, value in columns.items())


def _holds(wanted: Any, value: Any) -> bool:
    return bool(wanted(value)) if callable(wanted) else bool(wanted == value)
