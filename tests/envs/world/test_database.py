from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym_envs.world.build import build
from agentgym_envs.world.database import Change, Database, Row

SCHEMA = """
CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT UNIQUE, size INTEGER);
CREATE TABLE children (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parents
  ON DELETE CASCADE, other_id INTEGER REFERENCES parents ON DELETE SET NULL, name TEXT);
"""


def made() -> Database:
    first = Database()
    first.define(SCHEMA)
    for number in range(1, 6):
        first.insert("parents", {"id": number, "name": f"p{number}", "size": number})
        first.insert("children", {"parent_id": number, "other_id": 1, "name": f"c{number}"})
    first.watch()
    db = Database(first.dump())
    first.close()
    db.begin()
    return db


@pytest.fixture
def db() -> Iterator[Database]:
    one = made()
    yield one
    one.close()


def compared(before: dict[str, list[Row]], after: dict[str, list[Row]]) -> list[Change]:
    """The difference by comparing everything."""
    found = []
    for table in sorted(before):
        old = {row["id"]: row for row in before[table]}
        new = {row["id"]: row for row in after[table]}
        for id_ in sorted(old.keys() | new.keys()):
            if old.get(id_) != new.get(id_):
                found.append(Change(table, id_, old.get(id_), new.get(id_)))
    return found


def test_insert_is_one_change(db: Database) -> None:
    id_ = db.insert("parents", {"name": "new", "size": 0})
    row = {"id": id_, "name": "new", "size": 0}
    assert db.changes() == [Change("parents", id_, None, row)]
    assert db.changes()[0].kind == "insert"


def test_update_names_the_columns_that_changed(db: Database) -> None:
    db.update("parents", 2, name="p2", size=9)
    (change,) = db.changes()
    assert (change.kind, change.columns) == ("update", {"size": 9})


def test_update_and_back_is_no_change(db: Database) -> None:
    db.update("parents", 2, size=9)
    db.update("parents", 2, size=2)
    assert db.changes() == []


def test_insert_and_delete_is_no_change(db: Database) -> None:
    db.delete("parents", db.insert("parents", {"name": "new", "size": 0}))
    assert db.changes() == []


def test_new_row_does_not_take_the_id_of_a_deleted_one(db: Database) -> None:
    db.delete("children", 5)
    assert db.insert("children", {"parent_id": 1}) == 6
    assert [(change.id, change.kind) for change in db.changes()] == [(5, "delete"), (6, "insert")]


def test_delete_logs_what_it_takes_along(db: Database) -> None:
    db.delete("parents", 2)
    kinds = [(change.table, change.id, change.kind) for change in db.changes()]
    assert kinds == [("children", 2, "delete"), ("parents", 2, "delete")]


def test_delete_logs_references_that_it_clears(db: Database) -> None:
    db.delete("parents", 1)
    cleared = [(c.id, c.columns) for c in db.changes() if c.kind == "update"]
    assert cleared == [(number, {"other_id": None}) for number in (2, 3, 4, 5)]


def test_replace_shows_the_row_that_it_throws_out(db: Database) -> None:
    db.run("INSERT OR REPLACE INTO parents (id, name, size) VALUES (9, 'p2', 0)")
    kinds = {(change.table, change.id, change.kind) for change in db.changes()}
    assert ("parents", 2, "delete") in kinds
    assert ("parents", 9, "insert") in kinds


def test_new_number_of_a_row_is_a_delete_and_an_insert(db: Database) -> None:
    db.run("UPDATE children SET id = 77 WHERE id = 3")
    assert [(c.id, c.kind) for c in db.changes()] == [(3, "delete"), (77, "insert")]


@pytest.mark.parametrize("text", ["", "'", '"', "a\nb", "\u2028", "é😀", "{}", "null", "\\"])
def test_changes_hold_any_text(db: Database, text: str) -> None:
    db.update("parents", 2, name=text)
    assert db.changes()[0].columns == {"name": text}


def test_changes_hold_the_largest_numbers(db: Database) -> None:
    db.update("parents", 2, size=2**63 - 1)
    assert db.changes()[0].columns == {"size": 2**63 - 1}


def test_savepoint_undoes_a_call_that_raises(db: Database) -> None:
    before = db.contents()
    db.update("parents", 5, size=6)
    with pytest.raises(sqlite3.IntegrityError), db.savepoint():
        db.run("INSERT OR FAIL INTO parents (id, name) VALUES (8, 'eight'), (9, 'p1')")
    assert db.changes() == [
        Change("parents", 5, before["parents"][4], {"id": 5, "name": "p5", "size": 6})
    ]


def test_savepoint_that_is_not_kept_leaves_nothing(db: Database) -> None:
    before = db.contents()
    with db.savepoint(keep=False):
        db.delete("parents", 1)
    assert (db.contents(), db.changes(), db.logged()) == (before, [], 0)


def test_set_up_counts_as_no_change(db: Database) -> None:
    db.delete("parents", 4)
    db.forget_changes()
    db.update("parents", 5, size=0)
    assert [(c.table, c.id) for c in db.changes()] == [("parents", 5)]


def test_rollback_returns_exactly_the_built_world(db: Database) -> None:
    before = db.contents()
    db.run("INSERT OR REPLACE INTO parents (id, name, size) VALUES (3, 'p1', 0)")
    db.delete("parents", 2)
    db.forget_changes()
    db.rollback()
    assert (db.contents(), db.logged()) == (before, 0)


def test_rollback_of_the_real_world_survives_every_table_being_emptied(world: Database) -> None:
    before = world.contents()
    world.run("PRAGMA defer_foreign_keys=ON")
    for table in world.tables():
        world.run(f"DELETE FROM {table}")
    assert sum(map(len, world.contents().values())) == 0
    assert len(world.changes()) == sum(map(len, before.values()))
    world.rollback()
    assert world.contents() == before


def test_begin_ends_the_episode_before(db: Database) -> None:
    before = db.contents()
    db.delete("parents", 2)
    db.begin()
    assert (db.contents(), db.changes()) == (before, [])


def test_dump_of_a_loaded_world_loads_as_the_same_world() -> None:
    blob = build("small")
    db = Database(blob)
    again = db.dump()
    db.close()
    assert Database(again).contents() == Database(blob).contents()


def test_one_raises_without_a_row(db: Database) -> None:
    with pytest.raises(LookupError, match="no row"):
        db.one("SELECT * FROM parents WHERE id = ?", 99)


_ids = st.integers(1, 7)
_names = st.sampled_from(["p1", "p2", "p3", "x", "y", None])
_statements = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                "INSERT OR REPLACE INTO parents (id, name, size) VALUES (?, ?, ?)",
                "INSERT OR IGNORE INTO parents (id, name, size) VALUES (?, ?, ?)",
                "INSERT INTO parents (id, name, size) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET size = size + 1",
            ]
        ),
        st.tuples(_ids, _names, _ids),
    ),
    st.tuples(
        st.sampled_from(
            [
                "UPDATE OR REPLACE parents SET name = ? WHERE id = ?",
                "UPDATE children SET name = ? WHERE parent_id = ?",
                "UPDATE children SET name = ? WHERE id >= ?",
            ]
        ),
        st.tuples(_names, _ids),
    ),
    st.tuples(
        st.sampled_from(
            [
                "UPDATE OR IGNORE children SET id = ? WHERE id = ?",
                "UPDATE OR REPLACE children SET id = ? WHERE id = ?",
                "UPDATE children SET parent_id = ? WHERE id = ?",
                "INSERT INTO children (parent_id, other_id) VALUES (?, ?)",
            ]
        ),
        st.tuples(_ids, _ids),
    ),
    st.tuples(
        st.sampled_from(["DELETE FROM parents WHERE id = ?", "DELETE FROM children WHERE id >= ?"]),
        st.tuples(_ids),
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_statements, st.sampled_from(["plain", "drop", "raise"])), max_size=12))
def test_changes_equal_a_full_comparison(
    script: list[tuple[tuple[str, tuple[object, ...]], str]],
) -> None:
    db = made()
    before = db.contents()
    for (statement, values), how in script:
        try:
            with db.savepoint(keep=how != "drop"):
                db.run(statement, *values)
                if how == "raise":
                    raise sqlite3.IntegrityError
        except sqlite3.IntegrityError:
            pass
    assert db.changes() == compared(before, db.contents())
    db.rollback()
    assert db.contents() == before
    db.close()
