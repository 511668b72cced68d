"""The state of a world: one SQLite database in memory, an episode a transaction.

A built world is a blob of bytes that a slot loads. An episode begins a transaction and ends with
its rollback; each API call is a savepoint within. Triggers log every row that is written, so what
an episode changed is read off without comparing the whole.

Left out: worlds on disk, and several connections to one world.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Change", "Database", "Row"]

Row = dict[str, Any]
_LOG = "_changes"


@dataclass(frozen=True, slots=True)
class Change:
    """The net difference in one row.

    Attributes:
        table: Its table.
        id: Its primary key.
        before: The row as it was; None if it is new.
        after: The row as it is; None if it is gone.
    """

    table: str
    id: int
    before: Row | None
    after: Row | None

    @property
    def kind(self) -> str:
        """``insert``, ``update`` or ``delete``."""
        if self.before is None:
            return "insert"
        return "update" if self.after is not None else "delete"

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that an update changed, with their new values."""
        before, after = self.before or {}, self.after or {}
        return {name: value for name, value in after.items() if before.get(name) != value}


class Database:
    """One world slot.

    Args:
        blob: A world as `dump` returned it; None for an empty one.
    """

    def __init__(self, blob: bytes | None = None) -> None:
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False
        )
        if blob is not None:
            self._connection.deserialize(blob)
        self._connection.row_factory = _as_dict
        for pragma in ("foreign_keys=ON", "recursive_triggers=ON", "temp_store=MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._watched = bool(self.all("SELECT 1 FROM sqlite_master WHERE name = ?", _LOG))

    # -- building -----------------------------------------------------------------------------

    def define(self, schema: str) -> None:
        """Create tables; each has an integer primary key ``id`` and no blobs."""
        self._connection.executescript(schema)

    def watch(self) -> None:
        """Log every change from here on; called once, when all tables exist."""
        self._watched = True
        self._connection.execute(
            f"CREATE TABLE {_LOG} (id INTEGER PRIMARY KEY, tbl TEXT NOT NULL, row INTEGER NOT NULL,"
            " before TEXT, after TEXT)"
        )
        for table in self.tables():
            columns = [row["name"] for row in self.all(f"PRAGMA table_info({table})")]
            old, new = (_json(columns, side) for side in ("old", "new"))
            gone, come = f"('{table}', old.id, {old}, NULL)", f"('{table}', new.id, NULL, {new})"
            same = f"('{table}', new.id, {old}, {new})"
            for name, event, rows in (
                ("insert", "INSERT", come),
                ("delete", "DELETE", gone),
                ("update", "UPDATE ON {} WHEN new.id = old.id", same),
                ("renumber", "UPDATE ON {} WHEN new.id <> old.id", f"{gone}, {come}"),
            ):
                where = event.format(table) if "{}" in event else f"{event} ON {table}"
                self._connection.execute(
                    f"CREATE TRIGGER {_LOG}_{table}_{name} AFTER {where} BEGIN"
                    f" INSERT INTO {_LOG} (tbl, row, before, after) VALUES {rows}; END"
                )

    def dump(self) -> bytes:
        """Return the whole world as bytes; equal worlds give equal bytes."""
        self._connection.execute("VACUUM")
        return bytes(self._connection.serialize())

    # -- an episode ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin an episode: whatever follows is undone by `rollback`."""
        self.rollback()
        self._connection.execute("BEGIN")

    def rollback(self) -> None:
        """Return to the world as it was loaded; without an episode nothing happens."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def forget_changes(self) -> None:
        """Count changes from here on: the set-up of a task is no deed of the agent."""
        self._connection.execute(f"DELETE FROM {_LOG}")

    @contextmanager
    def savepoint(self, keep: bool = True) -> Iterator[None]:
        """Undo what a call wrote if it raises, or if it is not to be kept."""
        self._connection.execute("SAVEPOINT call")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO call")
            self._connection.execute("RELEASE call")
            raise
        if not keep:
            self._connection.execute("ROLLBACK TO call")
        self._connection.execute("RELEASE call")

    def logged(self) -> int:
        """Return how many writes were logged."""
        return int(self.one(f"SELECT COALESCE(MAX(id), 0) AS n FROM {_LOG}")["n"])

    def changes(self) -> list[Change]:
        """Return the net difference since `forget_changes`, by table and id."""
        first: dict[tuple[str, int], str | None] = {}
        last: dict[tuple[str, int], str | None] = {}
        for row in self.all(f"SELECT tbl, row, before, after FROM {_LOG} ORDER BY id"):
            key = row["tbl"], row["row"]
            first.setdefault(key, row["before"])
            last[key] = row["after"]
        return [
            Change(table, id_, _loaded(first[table, id_]), _loaded(last[table, id_]))
            for table, id_ in sorted(last)
            if first[table, id_] != last[table, id_]
        ]

    # -- queries ------------------------------------------------------------------------------

    def all(self, query: str, *values: Any) -> list[Row]:
        """Return all rows of a query."""
        return self._connection.execute(query, values).fetchall()

    def one(self, query: str, *values: Any) -> Row:
        """Return the first row of a query, which must have one.

        Raises:
            LookupError: If it has none.
        """
        row = self.first(query, *values)
        if row is None:
            raise LookupError(f"no row: {query} {values}")
        return row

    def first(self, query: str, *values: Any) -> Row | None:
        """Return the first row of a query, or None."""
        row: Row | None = self._connection.execute(query, values).fetchone()
        return row

    def run(self, statement: str, *values: Any) -> int:
        """Run a statement and return how many rows it changed."""
        return self._connection.execute(statement, values).rowcount

    def insert(self, table: str, row: Mapping[str, Any]) -> int:
        """Insert a row and return its id, which no row of the episode has had before."""
        if self._watched and "id" not in row:
            row = {"id": self._unused_id(table), **row}
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"
        return int(self._connection.execute(statement, tuple(row.values())).lastrowid or 0)

    def _unused_id(self, table: str) -> int:
        """Return an id that is not a deleted row's, so that deleting and adding is no update."""
        found = self.one(
            f"SELECT MAX(COALESCE((SELECT MAX(id) FROM {table}), 0),"
            f" COALESCE((SELECT MAX(row) FROM {_LOG} WHERE tbl = ?), 0)) AS last",
            table,
        )
        return int(found["last"]) + 1

    def insert_all(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert many rows of the same columns."""
        listed = list(rows)
        if listed:
            names = list(listed[0])
            marks = ", ".join("?" * len(names))
            statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
            self._connection.executemany(
                statement, [tuple(row[n] for n in names) for row in listed]
            )

    def update(self, table: str, id_: int, **columns: Any) -> None:
        """Change columns of one row."""
        names = ", ".join(f"{name} = ?" for name in columns)
        self.run(f"UPDATE {table} SET {names} WHERE id = ?", *columns.values(), id_)

    def delete(self, table: str, id_: int) -> None:
        """Delete one row."""
        self.run(f"DELETE FROM {table} WHERE id = ?", id_)

    def tables(self) -> list[str]:
        """Return the names of all tables, sorted, the log left out."""
        rows = self.all("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [row["name"] for row in rows if row["name"] != _LOG and row["name"][:7] != "sqlite_"]

    def contents(self) -> dict[str, list[Row]]:
        """Return every row of every table: for comparisons in tests."""
        return {table: self.all(f"SELECT * FROM {table} ORDER BY id") for table in self.tables()}

    def close(self) -> None:
        """Free the world; safe to call twice."""
        self._connection.close()


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _json(columns: list[str], side: str) -> str:
    return "json_object(" + ", ".join(f"'{name}', {side}.{name}" for name in columns) + ")"


def _loaded(text: str | None) -> Row | None:
    row: Row | None = None if text is None else json.loads(text)
    return row
