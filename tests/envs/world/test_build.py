from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentgym_envs.world.apps import APPS
from agentgym_envs.world.build import Size, build
from agentgym_envs.world.database import Database
from agentgym_envs.world.people import KINDS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "world.md").read_text()
_HASH = (
    "import hashlib; from agentgym_envs.world.build import build;"
    "print(hashlib.sha256(build('small', 3)).hexdigest())"
)


def test_build_gives_the_same_bytes_twice() -> None:
    first = build("small", 3)
    build.cache_clear()
    assert build("small", 3) == first


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_build_gives_the_same_bytes_in_every_process(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", _HASH]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == hashlib.sha256(build("small", 3)).hexdigest()


def test_build_differs_by_seed() -> None:
    assert build("small", 1) != build("small", 2)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("size", "least", "most"), [("small", 9_500, 10_500), ("full", 48_000, 55_000)]
)
def test_world_has_as_many_rows_as_its_size_says(
    size: Size, least: int, most: int, seed: int
) -> None:
    db = Database(build(size, seed))
    rows = sum(db.one(f"SELECT COUNT(*) AS n FROM {table}")["n"] for table in db.tables())
    db.close()
    assert least <= rows <= most


def test_world_has_the_apps_people_and_tables_that_are_told_of(world: Database) -> None:
    assert [app.name for app in APPS.values() if not app.accounts] == ["supervisor", "api_docs"]
    assert len(APPS) == 10
    assert world.one("SELECT COUNT(*) AS n FROM people") == {"n": 40}
    apis = sum(len(app.apis) for app in APPS.values())
    assert f"{apis} APIs and {len(world.tables())} tables" in DOCUMENT


def test_every_person_has_an_account_in_every_app_with_accounts(world: Database) -> None:
    apps = [app.name for app in APPS.values() if app.accounts]
    found = world.all("SELECT app, COUNT(*) AS n FROM accounts GROUP BY app ORDER BY app")
    assert found == [{"app": name, "n": 40} for name in sorted(apps)]


def test_relations_hold_both_ways(world: Database) -> None:
    back = {kind: kind for kind in KINDS} | {"parent": "child", "child": "parent"}
    back |= {"manager": "report", "report": "manager"}
    rows = world.all("SELECT * FROM relations")
    pairs = {(row["person_id"], row["other_id"], row["kind"]) for row in rows}
    assert pairs == {(two, one, back[kind]) for one, two, kind in pairs}


def test_every_table_has_an_integer_key_and_columns_that_json_can_hold(world: Database) -> None:
    for table in world.tables():
        columns = world.all(f"PRAGMA table_info({table})")
        assert [c["name"] for c in columns if c["pk"]] == ["id"], table
        assert {c["type"] for c in columns} <= {"INTEGER", "TEXT"}, table


def test_references_of_the_built_world_all_hold(world: Database) -> None:
    assert world.all("PRAGMA foreign_key_check") == []


def test_tables_are_named_after_their_app(world: Database) -> None:
    prefixes = ("people", "relations", "accounts", *(f"{name}_" for name in APPS))
    assert [table for table in world.tables() if not table.startswith(prefixes)] == []
